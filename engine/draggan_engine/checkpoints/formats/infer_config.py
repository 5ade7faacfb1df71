"""A StyleGAN2 from files that hold no description of it: the tensors' own shapes tell everything."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from draggan_engine.checkpoints.model_parts import GeneratorPart, validate_config
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.ops import low_pass_kernel

_BLOCK = re.compile(r"synthesis\.b([0-9]{1,4})\.conv1\.weight")
_MAPPING = re.compile(r"mapping\.fc[0-9]{1,2}\.weight")


def infer_stylegan2_part(state: Mapping[str, Tensor], told: Mapping[str, object], where: str) -> GeneratorPart:
    """
    Args:
        state: tensors under NVIDIA's keys, without the filters, which such files do not vary. Without
            `mapping.w_avg`, the average is unknown and becomes NaN (see `Mapping`).
        told: fields of the configuration that the file does tell.
        where: file and part, for messages.

    Raises:
        CheckpointError: the shapes are no StyleGAN2's; it names the tensor.
    """
    kernels = {int(match[1]): tensor for key, tensor in state.items() if (match := _BLOCK.fullmatch(key))}
    const = _of_rank(state, "synthesis.b4.const", 3, where)
    layers = sum(_MAPPING.fullmatch(key) is not None for key in state)
    first, last = (_of_rank(state, f"mapping.fc{i}.weight", 2, where) for i in (0, max(layers - 1, 0)))
    values = {
        "resolution": max(kernels, default=0),
        "channels": tuple(_channels(kernels[resolution]) for resolution in sorted(kernels)),
        "img_channels": len(_of_rank(state, "synthesis.b4.torgb.weight", 4, where)),
        "const_size": (const.shape[1], const.shape[2]),
        "w_dim": last.shape[0],
        "z_dim": first.shape[1],
        "mapping_layers": layers,
        "mapping_features": None if len(first) == len(last) else len(first),
        **told,
    }
    config = validate_config(StyleGAN2Config, values, where)
    complete = dict(state)
    complete.setdefault("mapping.w_avg", torch.full((config.w_dim,), torch.nan))
    for resolution in config.block_resolutions:
        for layer in ("", "conv1.", *(("conv0.",) if resolution > 4 else ())):
            complete[f"synthesis.b{resolution}.{layer}resample_filter"] = low_pass_kernel()
    return GeneratorPart(config, complete)


def _channels(kernel: Tensor) -> int:
    """0, which no network has, where the kernel is a single number."""
    return len(kernel) if kernel.ndim else 0


def _of_rank(state: Mapping[str, Tensor], key: str, rank: int, where: str) -> Tensor:
    tensor = state.get(key)
    if tensor is None or tensor.ndim != rank:
        raise CheckpointError(f"{where}: {key} is missing or of another shape; the file is damaged or no StyleGAN2")
    return tensor
