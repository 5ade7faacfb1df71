"""What every format comes down to: a checked configuration and the tensors that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from draggan_engine.core.errors import CheckpointError, DeviceError
from draggan_engine.networks.config import DiscriminatorConfig, GeneratorConfig
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

from .checkpoint_file import printable_text

FAMILIES = {"stylegan2": "StyleGAN2", "stylegan3": "StyleGAN3"}
_SHARED = 1 << 20  # bytes that a model may save by tensors that are the same
_Config = TypeVar("_Config", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class GeneratorPart:
    """A generator as a file holds it; `state` has NVIDIA's keys, any number type, tensors on the CPU."""

    config: GeneratorConfig
    state: dict[str, Tensor]

    @classmethod
    def from_network(cls, network: Generator) -> GeneratorPart:
        """Of a network that is there."""
        return cls(network.config, dict(network.state_dict()))

    def build(self, path: Path, device: torch.device) -> Generator:
        """In evaluation mode, float32, without gradients; on CUDA the levels that the file has for float16 run in it.

        Raises:
            CheckpointError: a tensor is missing, too many, or of a wrong shape; it names the key.
            DeviceError: the device has too little memory.
        """
        with torch.device("meta"):  # no memory for numbers that the file may not have
            network = Generator(self.config)
        _fill(network, self.state, FAMILIES[self.config.family], f"{path}: generator", device)
        network.synthesis.use_fp16 = device.type == "cuda"
        return network


@dataclass(frozen=True, eq=False)
class DiscriminatorPart:
    """A discriminator as a file holds it; see `GeneratorPart`."""

    config: DiscriminatorConfig
    state: dict[str, Tensor]

    @classmethod
    def from_network(cls, network: Discriminator) -> DiscriminatorPart:
        """Of a network that is there."""
        return cls(network.config, dict(network.state_dict()))

    def build(self, path: Path, device: torch.device) -> Discriminator:
        """As `GeneratorPart.build`."""
        with torch.device("meta"):
            network = Discriminator(self.config)
        _fill(network, self.state, "StyleGAN2", f"{path}: discriminator", device)
        return network


@dataclass(frozen=True, eq=False)
class ModelParts:
    """A model as a file holds it.

    Attributes:
        format: what kind of file it is, for people.
        discriminator: gives the discriminator, or None if the file has none; a `CheckpointError` of it is none of the
            generator's business.
    """

    format: str
    generator: GeneratorPart
    discriminator: Callable[[], DiscriminatorPart | None] = lambda: None


def validate_config(kind: type[_Config], values: Mapping[str, Any], where: str) -> _Config:
    """A configuration of values from a file.

    Args:
        where: file and part, for the message.

    Raises:
        CheckpointError: a value cannot be; it names the field.
    """
    for field, value in values.items():
        numbers = type(value) is tuple and all(type(item) is int for item in value)
        if not numbers and not isinstance(value, str | int | float | None):  # a deep tuple overflows pydantic's stack
            raise CheckpointError(
                f"{where}: {field}: it is a {type(value).__name__}; the file is damaged: get it again"
            )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "configuration"
        problem = printable_text(first["msg"], 200)
        raise CheckpointError(f"{where}: {field}: {problem}; the file is damaged or no StyleGAN") from error


def _check_numbers(state: dict[str, Tensor], where: str) -> None:
    """Refuses what could take far more memory as float32 than in the file.

    Raises:
        CheckpointError: a tensor holds no floats, or what is there under many names is there only once.
    """
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            raise CheckpointError(
                f"{where}: {printable_text(key)} holds {tensor.dtype} numbers, not floats; the file is damaged: get it again"
            )
    once = {tensor.data_ptr(): tensor.nbytes for tensor in state.values()}
    if sum(tensor.nbytes for tensor in state.values()) > 2 * sum(once.values()) + _SHARED:
        raise CheckpointError(f"{where}: its tensors share their numbers; use a file where each has its own")


def _fill(network: nn.Module, state: dict[str, Tensor], family: str, where: str, device: torch.device) -> None:
    expected = network.state_dict()
    _check_numbers(state, where)
    for key, model in expected.items():
        if key not in state:
            raise CheckpointError(f"{where}: {key} is missing; the file is incomplete or not a {family}: get it again")
        if state[key].shape != model.shape:
            raise CheckpointError(
                f"{where}: {key} has the shape {printable_text(str(list(state[key].shape)))} instead of {list(model.shape)}; "
                f"the file is damaged or not a {family}: get it again"
            )
    if extra := sorted(state.keys() - expected.keys()):
        raise CheckpointError(
            f"{where}: {printable_text(extra[0])} is not part of a {family}; use a file that holds an unchanged one"
        )
    try:
        tensors = {
            key: tensor.to(device, torch.float32, copy=True, memory_format=torch.contiguous_format)
            for key, tensor in state.items()
        }
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{device}: too little memory for the model; free some or choose the device cpu") from error
    network.load_state_dict(tensors, assign=True)
    network.eval().requires_grad_(False)
