"""Read rosinality's StyleGAN2 files, which are dictionaries of tensors saved by `torch.save`.

Neither the converted nor the trained files store a configuration. Kernels are `[1, out, in, k, k]`. They are not scaled, as
in NVIDIA's files: demodulation makes the scale irrelevant, and the style of toRGB includes it. The rest differs only in the
names.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import ModelParts
from draggan_engine.core.errors import CheckpointError

from .infer_config import infer_stylegan2_part

_LAYER_KEYS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
_FILTER_NAME = re.compile(r"(?:convs\.[0-9]{1,2}\.conv\.blur|to_rgbs\.[0-9]{1,2}\.upsample)\.kernel")
_STYLE_NAME = re.compile(r"style\.([0-9]{1,2})\.(weight|bias)")
_NOISE_NAME = re.compile(r"noises\.noise_([0-9]{1,2})")
_LAYER_NAME = re.compile(r"(conv1|to_rgb1|convs\.[0-9]{1,2}|to_rgbs\.[0-9]{1,2})\.(.+)")


def read_rosinality_parts(root: object, path: Path) -> ModelParts | None:
    """Read the generator of a file.

    Args:
        root: the root object of the file: a dictionary with `g_ema`, and perhaps `latent_avg`.
        path: of the file, for messages.

    Returns:
        None if the file has no generator of this kind.

    Raises:
        CheckpointError: a tensor does not belong to a StyleGAN2, or does not fit.
    """
    generator = root.get("g_ema") if isinstance(root, dict) else None
    if not isinstance(root, dict) or not isinstance(generator, dict) or "input.input" not in generator:
        return None
    where = f"{path}: generator"
    state: dict[str, Tensor] = {}
    for name, tensor in generator.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{where}: {printable_text(name)} is not a tensor; the file is damaged: get it again")
        if not _FILTER_NAME.fullmatch(name):
            state[_nvidia_key(name, where)] = _nvidia_layout(name, tensor)
    w_average = root.get("latent_avg")
    if isinstance(w_average, Tensor):
        state["mapping.w_avg"] = _flatten_vector(w_average)
    origin = "trained" if "g_optim" in root else "converted"
    return ModelParts(f"rosinality .pt ({origin})", infer_stylegan2_part(state, {}, where))


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
        return f"{_layer_key(int(match[1]))}.noise_const"
    if (match := _LAYER_NAME.fullmatch(name)) and match[2] in _LAYER_KEYS:
        layer_kind, _, index = match[1].partition(".")
        tensor_key = _LAYER_KEYS[match[2]]
        if layer_kind in ("to_rgb1", "to_rgbs"):
            return f"synthesis.b{8 << int(index) if index else 4}.torgb.{tensor_key}"
        return f"{_layer_key(int(index) + 1 if index else 0)}.{tensor_key}"
    raise CheckpointError(
        f"{where}: {printable_text(name)} is not part of a StyleGAN2; use a file that holds an unchanged one"
    )


def _layer_key(layer_index: int) -> str:
    """Return the key of a layer, counted from the lowest: b4.conv1, b8.conv0, b8.conv1, b16.conv0, …"""
    return f"synthesis.b{4 << ((layer_index + 1) // 2)}.conv{(layer_index + 1) % 2}"


def _nvidia_layout(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor in the shape that NVIDIA's files have, as a view; one of an unexpected shape as it is."""
    if name.startswith("noises."):
        return tensor[0, 0] if tensor.ndim == 4 else tensor
    if name == "input.input" or name.endswith("conv.weight"):
        return tensor[0] if tensor.ndim and len(tensor) else tensor
    if name.endswith("noise.weight"):
        return tensor.reshape(()) if tensor.numel() == 1 else tensor
    if name.startswith("to_rgb") and name.endswith(".bias") and "modulation" not in name:
        return _flatten_vector(tensor)
    return tensor


def _flatten_vector(tensor: Tensor) -> Tensor:
    """Return a tensor that has one dimension above 1 as a vector, without a copy; any other tensor as it is."""
    return tensor.flatten() if tensor.numel() == max(tensor.shape, default=0) else tensor
