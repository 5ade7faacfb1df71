"""Infer the configuration of a StyleGAN2 from the shapes of its tensors, for files that state none."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from draggan_engine.checkpoints.model_parts import GeneratorPart, validate_config
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.ops import low_pass_kernel

_KERNEL_KEY = re.compile(r"synthesis\.b([0-9]{1,4})\.conv1\.weight")
_MAPPING_KEY = re.compile(r"mapping\.fc[0-9]{1,2}\.weight")


def infer_stylegan2_part(state: Mapping[str, Tensor], config_values: Mapping[str, object], where: str) -> GeneratorPart:
    """Return a StyleGAN2 with an inferred configuration.

    Args:
        state: tensors under NVIDIA's keys, without the filters, which are always the same. If `mapping.w_avg` is missing,
            the average w is unknown and becomes NaN (see `Mapping`).
        config_values: the fields of the configuration that the file does state.
        where: file and part, for messages.

    Raises:
        CheckpointError: the shapes are not those of a StyleGAN2; the message names the tensor.
    """
    kernels = {int(match[1]): tensor for key, tensor in state.items() if (match := _KERNEL_KEY.fullmatch(key))}
    const = _require_rank(state, "synthesis.b4.const", 3, where)
    mapping_layers = sum(_MAPPING_KEY.fullmatch(key) is not None for key in state)
    first_layer = _require_rank(state, "mapping.fc0.weight", 2, where)
    last_layer = _require_rank(state, f"mapping.fc{max(mapping_layers - 1, 0)}.weight", 2, where)
    values = {
        "resolution": max(kernels, default=0),
        "channels": tuple(_count_channels(kernels[resolution]) for resolution in sorted(kernels)),
        "img_channels": len(_require_rank(state, "synthesis.b4.torgb.weight", 4, where)),
        "const_size": (const.shape[1], const.shape[2]),
        "w_dim": last_layer.shape[0],
        "z_dim": first_layer.shape[1],
        "mapping_layers": mapping_layers,
        "mapping_features": None if len(first_layer) == len(last_layer) else len(first_layer),
        **config_values,
    }
    config = validate_config(StyleGAN2Config, values, where)
    complete_state = dict(state)
    complete_state.setdefault("mapping.w_avg", torch.full((config.w_dim,), torch.nan))
    for resolution in config.block_resolutions:
        for layer in ("", "conv1.", *(("conv0.",) if resolution > 4 else ())):
            complete_state[f"synthesis.b{resolution}.{layer}resample_filter"] = low_pass_kernel()
    return GeneratorPart(config, complete_state)


def _count_channels(kernel: Tensor) -> int:
    """Return the number of output channels; 0, which no network has, if the kernel is a single number."""
    return len(kernel) if kernel.ndim else 0


def _require_rank(state: Mapping[str, Tensor], key: str, rank: int, where: str) -> Tensor:
    tensor = state.get(key)
    if tensor is None or tensor.ndim != rank:
        raise CheckpointError(f"{where}: {key} is missing or of another shape; use a file that holds a whole StyleGAN2")
    return tensor
