"""The names of BasicSR's StyleGAN2: rosinality's network with other names. The files contain no filters."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .key_table import KeyTable
from .rosinality import convert_rosinality

_ROSINALITY_NAMES = KeyTable(
    {
        r"style_mlp\.(.+)": r"style.\1",
        r"constant_input\.weight": "input.input",
        r"style_(conv1|convs\.[0-9]+)\.weight": r"\1.noise.weight",
        r"style_(conv1|convs\.[0-9]+)\.modulated_conv\.(.+)": r"\1.conv.\2",
        r"style_(conv1|convs\.[0-9]+)\.activate\.bias": r"\1.activate.bias",
        r"(to_rgb1|to_rgbs\.[0-9]+)\.modulated_conv\.(.+)": r"\1.conv.\2",
        r"noises\.noise([0-9]+)": r"noises.noise_\1",
    }
)


def convert_basicsr(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """As `convert_rosinality`, for BasicSR's names."""
    return convert_rosinality(_ROSINALITY_NAMES.rename(state), where)
