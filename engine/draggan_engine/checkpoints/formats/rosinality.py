"""rosinality's StyleGAN2 files (`torch.save` of dictionaries), converted ones and trained ones → parts.

Neither stores a configuration. Kernels are [1, out, in, k, k] and not scaled, which demodulation undoes and toRGB's style
makes up for, as in NVIDIA's files; everything else is a matter of names.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import ModelParts
from draggan_engine.core.errors import CheckpointError

from .infer_config import infer_stylegan2_part

_INSIDE = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
_FILTER = re.compile(r"(?:convs\.[0-9]{1,2}\.conv\.blur|to_rgbs\.[0-9]{1,2}\.upsample)\.kernel")
_STYLE = re.compile(r"style\.([0-9]{1,2})\.(weight|bias)")
_NOISE = re.compile(r"noises\.noise_([0-9]{1,2})")
_LAYER = re.compile(r"(conv1|to_rgb1|convs\.[0-9]{1,2}|to_rgbs\.[0-9]{1,2})\.(.+)")


def read_rosinality_parts(root: object, path: Path) -> ModelParts | None:
    """None where the file has no generator of this kind.

    Raises:
        CheckpointError: a tensor that is no part of a StyleGAN2, or does not fit.
    """
    found = root.get("g_ema") if isinstance(root, dict) else None
    if not isinstance(root, dict) or not isinstance(found, dict) or "input.input" not in found:
        return None
    where = f"{path}: generator"
    state: dict[str, Tensor] = {}
    for name, tensor in found.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{where}: {printable_text(name)} is no tensor; the file is damaged: get it again")
        if not _FILTER.fullmatch(name):
            state[_key(name, where)] = _turned(name, tensor)
    average = root.get("latent_avg")
    if isinstance(average, Tensor):
        state["mapping.w_avg"] = _flat(average)
    kind = "trained" if "g_optim" in root else "converted"
    return ModelParts(f"rosinality .pt ({kind})", infer_stylegan2_part(state, {}, where))


def _key(name: str, where: str) -> str:
    """NVIDIA's name for one of rosinality's."""
    if match := _STYLE.fullmatch(name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"
    if name == "input.input":
        return "synthesis.b4.const"
    if match := _NOISE.fullmatch(name):
        return f"{_layer(int(match[1]))}.noise_const"
    if (match := _LAYER.fullmatch(name)) and match[2] in _INSIDE:
        layer, _, index = match[1].partition(".")
        inside = _INSIDE[match[2]]
        if layer in ("to_rgb1", "to_rgbs"):
            return f"synthesis.b{4 if not index else 8 << int(index)}.torgb.{inside}"
        return f"{_layer(0 if not index else int(index) + 1)}.{inside}"
    raise CheckpointError(
        f"{where}: {printable_text(name)} is not part of a StyleGAN2; use a file that holds an unchanged one"
    )


def _layer(number: int) -> str:
    """The number-th layer from the lowest: b4.conv1, b8.conv0, b8.conv1, b16.conv0, …"""
    return f"synthesis.b{4 << ((number + 1) // 2)}.conv{(number + 1) % 2}"


def _turned(name: str, tensor: Tensor) -> Tensor:
    if name.startswith("noises."):
        return tensor[0, 0] if tensor.ndim == 4 else tensor
    if name == "input.input" or name.endswith("conv.weight"):
        return tensor[0] if tensor.ndim and len(tensor) else tensor
    if name.endswith("noise.weight"):
        return tensor.reshape(()) if tensor.numel() == 1 else tensor
    if name.startswith("to_rgb") and name.endswith(".bias") and "modulation" not in name:
        return _flat(tensor)
    return tensor


def _flat(tensor: Tensor) -> Tensor:
    """A vector that has extents of 1 around it, without a copy; everything else as it is."""
    return tensor.flatten() if tensor.numel() == max(tensor.shape, default=0) else tensor
