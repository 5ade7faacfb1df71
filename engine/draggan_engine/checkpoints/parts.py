"""What every format comes down to: a checked configuration and the tensors that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks.config import DiscriminatorConfig, GeneratorConfig
from ..networks.discriminator import Discriminator
from ..networks.stylegan2 import Generator
from ..protocol.errors import CheckpointError, DeviceError
from .stand_ins import printable


@dataclass(frozen=True, eq=False)
class GeneratorPart:
    """A generator as a file holds it; `state` has NVIDIA's keys, any number type, tensors on the CPU."""

    config: GeneratorConfig
    const_size: tuple[int, int]
    state: dict[str, Tensor]

    def build(self, path: Path, device: torch.device) -> Generator:
        """In evaluation mode, float32, without gradients.

        Raises:
            CheckpointError: a tensor is missing, too many, or of a wrong shape; it names the key.
            DeviceError: the device has too little memory.
        """
        with torch.device("meta"):  # no memory for numbers that the file may not have
            network = Generator(self.config, self.const_size)
        _fill(network, self.state, f"{path}: generator", device)
        return network


@dataclass(frozen=True, eq=False)
class DiscriminatorPart:
    """A discriminator as a file holds it; see `GeneratorPart`."""

    config: DiscriminatorConfig
    state: dict[str, Tensor]

    def build(self, path: Path, device: torch.device) -> Discriminator:
        """As `GeneratorPart.build`."""
        with torch.device("meta"):
            network = Discriminator(self.config)
        _fill(network, self.state, f"{path}: discriminator", device)
        return network


def _fill(network: nn.Module, state: dict[str, Tensor], where: str, device: torch.device) -> None:
    expected = network.state_dict()
    for key, model in expected.items():
        if key not in state:
            raise CheckpointError(f"{where}: {key} is missing; the file is incomplete or not a StyleGAN2: get it again")
        if state[key].shape != model.shape:
            raise CheckpointError(
                f"{where}: {key} has the shape {list(state[key].shape)} instead of {list(model.shape)}; "
                "the file is damaged or not a StyleGAN2: get it again"
            )
    if extra := sorted(state.keys() - expected.keys()):
        raise CheckpointError(
            f"{where}: {printable(extra[0])} is not part of a StyleGAN2; use a file that holds an unchanged one"
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
