"""The names of rosinality's StyleGAN2, which many programs use: pSp, e4e, ReStyle, HyperStyle, JoJoGAN and others.

Kernels are `[1, out, in, k, k]`. They are not scaled, as in NVIDIA's files: demodulation makes the scale irrelevant, and the
style of toRGB includes it. Filters contain the factor 4 of upsampling. The rest differs only in the names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.core.errors import CheckpointError

UPSAMPLING_GAIN = 4  # contained in the filters of programs that filter after inserting zeros
_LAYER_KEYS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "conv.blur.kernel": "resample_filter",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}
_TO_RGB_KEYS = {
    "conv.weight": "torgb.weight",
    "conv.modulation.weight": "torgb.affine.weight",
    "conv.modulation.bias": "torgb.affine.bias",
    "bias": "torgb.bias",
    "upsample.kernel": "resample_filter",
}
_STYLE_NAME = re.compile(r"style\.([0-9]{1,2})\.(weight|bias)")
_NOISE_NAME = re.compile(r"noises\.noise_([0-9]{1,2})")
_LAYER_NAME = re.compile(r"(conv1|convs\.([0-9]{1,2}))\.(.+)")
_TO_RGB_NAME = re.compile(r"(to_rgb1|to_rgbs\.([0-9]{1,2}))\.(.+)")


def convert_rosinality(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return the tensors of a generator under NVIDIA's keys and in their layout, as views.

    Args:
        where: file and part, for messages.

    Raises:
        CheckpointError: a tensor does not belong to a StyleGAN2.
    """
    return {_nvidia_key(name, where): _nvidia_layout(name, tensor) for name, tensor in state.items()}


def layer_key(layer_index: int) -> str:
    """Return NVIDIA's key of a layer, counted from the lowest: b4.conv1, b8.conv0, b8.conv1, b16.conv0, …"""
    return f"synthesis.b{4 << ((layer_index + 1) // 2)}.conv{(layer_index + 1) % 2}"


def flatten_vector(tensor: Tensor) -> Tensor:
    """Return a tensor that has one dimension above 1 as a vector, without a copy; any other tensor as it is."""
    return tensor.flatten() if tensor.numel() == max(tensor.shape, default=0) else tensor


def _nvidia_key(name: str, where: str) -> str:
    """Return NVIDIA's key for one of rosinality's names.

    Raises:
        CheckpointError: the name does not belong to a StyleGAN2.
    """
    if match := _STYLE_NAME.fullmatch(name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"
    if name == "input.input":
        return "synthesis.b4.const"
    if match := _NOISE_NAME.fullmatch(name):
        return f"{layer_key(int(match[1]))}.noise_const"
    if (match := _LAYER_NAME.fullmatch(name)) and match[3] in _LAYER_KEYS:
        return f"{layer_key(int(match[2]) + 1 if match[2] else 0)}.{_LAYER_KEYS[match[3]]}"
    if (match := _TO_RGB_NAME.fullmatch(name)) and match[3] in _TO_RGB_KEYS:
        return f"synthesis.b{8 << int(match[2]) if match[2] else 4}.{_TO_RGB_KEYS[match[3]]}"
    raise CheckpointError(
        f"{where}: {printable_text(name)} is not part of a StyleGAN2; use a file that holds an unchanged one"
    )


def _nvidia_layout(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor in the shape that NVIDIA's files have; one of an unexpected shape as it is."""
    if name.endswith(".kernel"):
        return tensor / UPSAMPLING_GAIN
    if name.startswith("noises."):
        return tensor[0, 0] if tensor.ndim == 4 else tensor
    if name == "input.input" or name.endswith("conv.weight"):
        return tensor[0] if tensor.ndim and len(tensor) else tensor
    if name.endswith("noise.weight"):
        return tensor.reshape(()) if tensor.numel() == 1 else tensor
    if name.startswith("to_rgb") and name.endswith(".bias") and "modulation" not in name:
        return flatten_vector(tensor)
    return tensor
