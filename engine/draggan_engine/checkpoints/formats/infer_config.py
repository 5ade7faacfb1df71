"""Infer the configuration of a generator from the shapes of its tensors, for files that state none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import GeneratorPart, validate_config
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config
from draggan_engine.networks.ops import low_pass_kernel

_KERNEL_KEY = re.compile(r"synthesis\.b([0-9]{1,4})\.conv1\.weight")
_LAYER_KEY = re.compile(r"synthesis\.(L([0-9]{1,2})_([0-9]{1,4})_([0-9]{1,5}))\.weight")
_MAPPING_KEY = re.compile(r"mapping\.fc[0-9]{1,2}\.weight")
_MAX_SILENT_PIXELS = 2**22  # of an image without noise
_EMBEDDING_KEY = "mapping.embed.weight"


def infer_stylegan2_part(state: Mapping[str, Tensor], config_values: Mapping[str, object], where: str) -> GeneratorPart:
    """Return a StyleGAN2 with an inferred configuration.

    Args:
        state: tensors under NVIDIA's keys. A missing filter is [1, 3, 3, 1]. If all noises are missing, they are 0. If
            `mapping.w_avg` is missing, the average w is unknown and becomes NaN (see `MappingNetwork`).
        config_values: the fields of the configuration that the file does state.
        where: file and part, for messages.

    Raises:
        CheckpointError: the shapes are not those of a StyleGAN2; the message names the tensor.
    """
    kernels = {int(match[1]): tensor for key, tensor in state.items() if (match := _KERNEL_KEY.fullmatch(key))}
    const = _require_rank(state, "synthesis.b4.const", 3, where)
    values = {
        "resolution": max(kernels, default=0),
        "channels": tuple(_count_channels(kernels[resolution]) for resolution in sorted(kernels)),
        "img_channels": len(_require_rank(state, "synthesis.b4.torgb.weight", 4, where)),
        "const_size": (const.shape[1], const.shape[2]),
        **_infer_mapping_values(state, where),
        **config_values,
    }
    config = validate_config(StyleGAN2Config, values, where)
    return GeneratorPart(config, {**_missing_buffers(state, config, where), **state})


def infer_stylegan3_part(state: Mapping[str, Tensor], where: str) -> GeneratorPart:
    """Return a StyleGAN3 whose configuration is inferred from the names and shapes of its layers. What these do not show is
    as in the published models.

    Args:
        state: tensors under NVIDIA's keys; only `mapping.w_avg` may be missing, as in `infer_stylegan2_part`.
        where: file and part, for messages.

    Raises:
        CheckpointError: the layers are not those of such a StyleGAN3.
    """
    layers = sorted((match for key in state if (match := _LAYER_KEY.fullmatch(key))), key=lambda match: int(match[2]))
    channels = [int(match[4]) for match in layers]
    if len(channels) < 2:
        raise CheckpointError(f"{where}: its layers are missing; use a file that holds a whole StyleGAN3")
    resolution = int(layers[-1][3])
    values = {
        "resolution": resolution,
        "num_layers": len(layers) - 1,
        "img_channels": channels[-1],
        "channel_max": max(channels[:-1]),
        "channel_base": channels[-2] * resolution,  # the last layer but one has channel_base // resolution channels
        "conv_kernel": _require_rank(state, layers[0][0], 4, where).shape[2],
        "use_radial_filters": any(key.endswith(".down_filter") and tensor.ndim == 2 for key, tensor in state.items()),
        **_infer_mapping_values(state, where),
    }
    config = validate_config(StyleGAN3Config, values, where)
    for match, shape in zip(layers, config.layer_shapes, strict=True):
        if match[1] != shape.name:
            raise CheckpointError(
                f"{where}: its layer {printable_text(match[1])} would be {shape.name} in a StyleGAN3 with the usual "
                "settings, and a state dict does not say which others it has; use the .pkl that it was made from"
            )
    return GeneratorPart(config, {"mapping.w_avg": _unknown_average(config.w_dim), **state})


def _infer_mapping_values(state: Mapping[str, Tensor], where: str) -> dict[str, int | None]:
    layer_count = sum(_MAPPING_KEY.fullmatch(key) is not None for key in state)
    first_layer = _require_rank(state, "mapping.fc0.weight", 2, where)
    last_layer = _require_rank(state, f"mapping.fc{max(layer_count - 1, 0)}.weight", 2, where)
    embedding = _require_rank(state, _EMBEDDING_KEY, 2, where) if _EMBEDDING_KEY in state else first_layer[:0, :0]
    return {
        "c_dim": embedding.shape[1],
        "embed_features": None if embedding.shape[0] in (0, len(last_layer)) else embedding.shape[0],
        "z_dim": first_layer.shape[1] - embedding.shape[0],
        "w_dim": last_layer.shape[0],
        "mapping_layers": layer_count,
        "mapping_features": None if len(first_layer) == len(last_layer) else len(first_layer),
    }


def _missing_buffers(state: Mapping[str, Tensor], config: StyleGAN2Config, where: str) -> dict[str, Tensor]:
    """Return what a StyleGAN2 has if the file does not contain it.

    Raises:
        CheckpointError: the noise is missing, and would take more memory than a small file may ask for.
    """
    has_noise = any(key.endswith(".noise_const") for key in state)
    if not has_noise and math.prod(config.image_shape) > _MAX_SILENT_PIXELS:
        raise CheckpointError(
            f"{where}: its noise is missing, and its images are too large to do without; use a whole file"
        )
    buffers = {"mapping.w_avg": _unknown_average(config.w_dim)}
    for resolution in config.block_resolutions:
        block_key = f"synthesis.b{resolution}"
        buffers[f"{block_key}.resample_filter"] = low_pass_kernel()
        for layer_key in (f"{block_key}.conv0", f"{block_key}.conv1")[resolution == 4 :]:
            buffers[f"{layer_key}.resample_filter"] = low_pass_kernel()
            if not has_noise:
                buffers[f"{layer_key}.noise_const"] = torch.zeros(config.map_shape(resolution))
    return buffers


def _unknown_average(w_dim: int) -> Tensor:
    return torch.full((w_dim,), torch.nan)


def _count_channels(kernel: Tensor) -> int:
    """Return the number of output channels; 0, which no network has, if the kernel is a single number."""
    return len(kernel) if kernel.ndim else 0


def _require_rank(state: Mapping[str, Tensor], key: str, rank: int, where: str) -> Tensor:
    tensor = state.get(key)
    if tensor is None or tensor.ndim != rank:
        raise CheckpointError(f"{where}: {key} is missing or of another shape; use a file that holds a whole StyleGAN2")
    return tensor
