"""The names of MMGeneration's StyleGAN2: rosinality's network with other names, and with images in the order blue, green, red.

No file says which order it has. MMGeneration shows and measures the images of all its StyleGAN2 files as BGR, those converted
from NVIDIA's included.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .key_table import KeyTable
from .rosinality import convert_rosinality

_ROSINALITY_NAMES = KeyTable(
    {
        r"style_mapping\.([0-9]+)\.bias": r"style.\1.bias",
        r"style_mapping\.([0-9]+)\.linear\.weight_orig": r"style.\1.weight",
        r"constant_input\.input": "input.input",
        r"(.+)\.conv\.weight_orig": r"\1.conv.weight",
        r"(.+)\.conv\.style_modulation\.bias": r"\1.conv.modulation.bias",
        r"(.+)\.conv\.style_modulation\.linear\.weight_orig": r"\1.conv.modulation.weight",
        r"(.+)\.noise_injector\.weight": r"\1.noise.weight",
        r"injected_noise_([0-9]+)": r"noises.noise_\1",
    }
)
_IMAGE_CHANNEL_KEYS = (".torgb.weight", ".torgb.bias")


def convert_mmgeneration(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """As `convert_rosinality`, for MMGeneration's names; the result makes images in the order red, green, blue."""
    converted = convert_rosinality(_ROSINALITY_NAMES.rename(state), where)
    return {
        key: tensor.flip(0) if key.endswith(_IMAGE_CHANNEL_KEYS) and tensor.ndim else tensor
        for key, tensor in converted.items()
    }
