"""The names of GenForce's StyleGAN2.

As in TensorFlow's files, the kernels of upsampling layers are turned by 180°, and the biases of styles lack their constant 1.
Filters contain the factor 4 of upsampling, and one of them upsamples the images of all blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.core.errors import CheckpointError

from .rosinality import UPSAMPLING_GAIN, layer_key

_IMAGE_FILTER_KEY = "synthesis.resample_filter"
_FIXED_KEYS = {
    "truncation.w_avg": "mapping.w_avg",
    "synthesis.early_layer.const": "synthesis.b4.const",
    "synthesis.upsample.kernel": _IMAGE_FILTER_KEY,
}
_TENSOR_KEYS = {
    "weight": "weight",
    "bias": "bias",
    "style.weight": "affine.weight",
    "style.bias": "affine.bias",
    "noise": "noise_const",
    "noise_strength": "noise_strength",
    "filter.kernel": "resample_filter",
}
_DENSE_NAME = re.compile(r"mapping\.dense([0-9]{1,2})\.(weight|bias)")
_LAYER_NAME = re.compile(r"synthesis\.(layer|output)([0-9]{1,2})\.(.+)")
_LEADING_ONES = {".noise_const": 2, ".resample_filter": 2, ".const": 1}
"""How many dimensions of size 1 come before those of NVIDIA's tensors."""


def convert_genforce(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return the tensors of a generator under NVIDIA's keys and in their layout.

    Args:
        where: file and part, for messages.

    Raises:
        CheckpointError: a tensor does not belong to a StyleGAN2.
    """
    keys = {name: _nvidia_key(name, where) for name in state}
    converted = {keys[name]: _nvidia_layout(keys[name], tensor) for name, tensor in state.items()}
    image_filter = converted.pop(_IMAGE_FILTER_KEY, None)
    if image_filter is not None:
        to_rgb_keys = [key for key in converted if key.endswith(".torgb.weight")]
        converted |= {key.replace("torgb.weight", "resample_filter"): image_filter for key in to_rgb_keys}
    return converted


def _nvidia_key(name: str, where: str) -> str:
    """Return NVIDIA's key for one of GenForce's names; the filter of all images gets `_IMAGE_FILTER_KEY`.

    Raises:
        CheckpointError: the name does not belong to a StyleGAN2.
    """
    if name in _FIXED_KEYS:
        return _FIXED_KEYS[name]
    if match := _DENSE_NAME.fullmatch(name):
        return f"mapping.fc{int(match[1])}.{match[2]}"
    if (match := _LAYER_NAME.fullmatch(name)) and match[3] in _TENSOR_KEYS:
        is_output = match[1] == "output"
        parent_key = f"synthesis.b{4 << int(match[2])}.torgb" if is_output else layer_key(int(match[2]))
        return f"{parent_key}.{_TENSOR_KEYS[match[3]]}"
    raise CheckpointError(
        f"{where}: {printable_text(name)} is not part of a StyleGAN2; use a file that holds an unchanged one"
    )


def _nvidia_layout(key: str, tensor: Tensor) -> Tensor:
    """Return a tensor as NVIDIA's files have it; one of an unexpected shape in that shape."""
    for ending, leading_ones in _LEADING_ONES.items():
        if key.endswith(ending) and tensor.shape[:leading_ones] == (1,) * leading_ones:
            tensor = tensor.reshape(tensor.shape[leading_ones:])
    if key.endswith(".resample_filter"):
        return tensor / UPSAMPLING_GAIN
    if key.endswith("conv0.weight") and tensor.ndim == 4:
        return tensor.flip(2, 3)
    return tensor + 1 if key.endswith(".affine.bias") else tensor
