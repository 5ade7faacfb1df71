"""What the readers of all formats return: checked configurations, and the tensors that belong to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from draggan_engine.core.errors import CheckpointError, DeviceError
from draggan_engine.networks.config import DiscriminatorConfig, GeneratorConfig, LayerConfig
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

from .checkpoint_file import printable_text

FAMILY_NAMES = {"stylegan2": "StyleGAN2", "stylegan3": "StyleGAN3"}
_MAX_SHARED_BYTES = 1 << 20  # a model may have small tensors that share their memory
_Config = TypeVar("_Config", bound=BaseModel)
_NetworkConfig = TypeVar("_NetworkConfig", bound=BaseModel)
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class NetworkPart(ABC, Generic[_NetworkConfig, _Network]):
    """A network as a file holds it.

    Attributes:
        state: tensors of any floating-point type on the CPU, under the keys of NVIDIA's PyTorch networks.
    """

    config: _NetworkConfig
    state: dict[str, Tensor]

    role: ClassVar[str]

    @classmethod
    def from_network(cls, network: _Network) -> Self:
        """Return the part that stores a network; its tensors are not copied."""
        return cls(cast(_NetworkConfig, network.config), dict(network.state_dict()))

    @property
    def family_name(self) -> str:
        """The name of the network's family in messages."""
        return FAMILY_NAMES["stylegan2"]

    def build(self, path: Path, device: torch.device) -> _Network:
        """Return the network in evaluation mode, as float32 without gradients.

        Args:
            path: of the file, for messages.

        Raises:
            CheckpointError: a tensor is missing, surplus or of a wrong shape; the message names its key.
            DeviceError: the device has too little memory.
        """
        with torch.device("meta"):  # allocates no memory for tensors that the file may not have
            network = self._create_network()
        _fill_network(network, self.state, self.family_name, f"{path}: {self.role}", device)
        return network

    @abstractmethod
    def _create_network(self) -> _Network: ...


@dataclass(frozen=True, eq=False)
class GeneratorPart(NetworkPart[GeneratorConfig, Generator]):
    """A generator as a file holds it."""

    role = "generator"

    @property
    def family_name(self) -> str:
        return FAMILY_NAMES[self.config.family]

    def build(self, path: Path, device: torch.device) -> Generator:
        """As `NetworkPart.build`. On CUDA, the blocks that the configuration lists for float16 compute in float16."""
        generator = super().build(path, device)
        generator.synthesis.use_fp16 = device.type == "cuda"
        return generator

    def _create_network(self) -> Generator:
        return Generator(self.config)


@dataclass(frozen=True, eq=False)
class DiscriminatorPart(NetworkPart[DiscriminatorConfig, Discriminator]):
    """A discriminator as a file holds it."""

    role = "discriminator"

    def _create_network(self) -> Discriminator:
        return Discriminator(self.config)


@dataclass(frozen=True, eq=False)
class ModelParts:
    """A model as a file holds it.

    Attributes:
        format: the kind of file, for people.
        discriminator: returns the discriminator, or None if the file has none. It raises `CheckpointError` if the
            discriminator cannot be used; the generator can be used all the same.
    """

    format: str
    generator: GeneratorPart
    discriminator: Callable[[], DiscriminatorPart | None] = lambda: None


def refuse_discriminator(path: Path, format_name: str) -> Callable[[], DiscriminatorPart | None]:
    """Return what reads the discriminator of a file whose format is only read for its generator."""

    def read_discriminator() -> DiscriminatorPart | None:
        raise CheckpointError(f"{path}: discriminator: this version does not read those of {format_name}")

    return read_discriminator


def validate_config(config_type: type[_Config], values: Mapping[str, Any], where: str) -> _Config:
    """Return a configuration made of values from a file.

    Args:
        where: file and part, for messages.

    Raises:
        CheckpointError: a value is impossible; the message names its field.
    """
    for field, value in values.items():
        is_flat_tuple = type(value) is tuple and all(type(item) in (int, LayerConfig) for item in value)
        if not is_flat_tuple and not isinstance(value, str | int | float | None):
            # pydantic would overflow the C stack with a deeply nested tuple
            raise CheckpointError(
                f"{where}: {field} is a {type(value).__name__}, which no StyleGAN has; use another file"
            )
    try:
        return config_type.model_validate(values)
    except ValidationError as error:
        first_error = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first_error["loc"]) or "configuration"
        problem_text = printable_text(first_error["msg"], 200)
        raise CheckpointError(f"{where}: {field}: {problem_text}; this version cannot build such a network") from error


def check_tensors(state: dict[str, Tensor], where: str) -> None:
    """Refuse tensors whose copies could take far more memory than the file.

    Raises:
        CheckpointError: a tensor holds no floating-point numbers, or many tensors share the same memory.
    """
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            raise CheckpointError(
                f"{where}: {printable_text(key)} holds {tensor.dtype} numbers, not floats; use a file whose weights are floats"
            )
    bytes_by_address = {tensor.data_ptr(): tensor.nbytes for tensor in state.values()}
    total_bytes = sum(tensor.nbytes for tensor in state.values())
    if total_bytes > 2 * sum(bytes_by_address.values()) + _MAX_SHARED_BYTES:
        raise CheckpointError(f"{where}: its tensors share their memory; use a file where each has its own")


def _check_filters(state: dict[str, Tensor], where: str) -> None:
    """
    Raises:
        CheckpointError: a filter is not symmetric, as those of all published models are. The networks rely on it.
    """
    for key, tensor in state.items():
        if key.endswith("_filter"):
            taps = tensor.double()
            asymmetry = (taps - taps.flip(tuple(range(taps.ndim)))).abs().amax()
            if not asymmetry <= 1e-4 * taps.abs().amax():
                raise CheckpointError(f"{where}: {key} is not symmetric; use a file whose filters are symmetric")


def _fill_network(
    network: nn.Module, state: dict[str, Tensor], family_name: str, where: str, device: torch.device
) -> None:
    """Give a network on the meta device its tensors."""
    expected_state = network.state_dict()
    check_tensors(state, where)
    for key, expected in expected_state.items():
        if key not in state:
            raise CheckpointError(f"{where}: {key} is missing; use a file that holds a whole {family_name}")
        if state[key].shape != expected.shape:
            raise CheckpointError(
                f"{where}: {key} has the shape {printable_text(str(list(state[key].shape)))} instead of "
                f"{list(expected.shape)}; use a file that holds an unchanged {family_name}"
            )
    if surplus_keys := sorted(state.keys() - expected_state.keys()):
        raise CheckpointError(
            f"{where}: {printable_text(surplus_keys[0])} is not part of a {family_name}; use a file that holds an unchanged one"
        )
    _check_filters(state, where)
    try:
        tensors = {
            key: tensor.to(device, torch.float32, copy=True, memory_format=torch.contiguous_format)
            for key, tensor in state.items()
        }
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{device} has too little memory for the model; free some, or choose the device cpu"
        ) from error
    network.load_state_dict(tensors, assign=True)
    network.eval().requires_grad_(False)
