"""Copy a network into a larger one that generates the same images, with more blocks, channels or mapping features."""

from __future__ import annotations

import math

import torch

from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import normalize_rms
from draggan_engine.networks.ops import SQRT2

from .w_whitening import BIAS_LIFT, mapping_layer, sample_z, transform_style_inputs


def can_grow_into(small: StyleGAN2Config, large: StyleGAN2Config) -> bool:
    """Return whether a network can be copied into another one.

    The other one may have more blocks at the end, more channels, and more features and one more layer in its mapping.
    """
    changed_fields = ("resolution", "channels", "mapping_layers", "mapping_features")
    channel_pairs = zip(small.channels, large.channels, strict=False)
    return (
        small.resolution <= large.resolution
        and small.model_copy(update={field_name: getattr(large, field_name) for field_name in changed_fields}) == large
        and all(small_count <= large_count for small_count, large_count in channel_pairs)
        and (small.mapping_widths == large.mapping_widths or _can_grow_mapping(small, large))
    )


def _can_grow_mapping(small: StyleGAN2Config, large: StyleGAN2Config) -> bool:
    """Return whether a mapping has at least the features of the other one, including w, and one more layer."""
    *hidden_widths, _ = large.mapping_widths
    return len(hidden_widths) == small.mapping_layers and all(
        small_count <= large_count for small_count, large_count in zip(small.mapping_widths, hidden_widths, strict=True)
    )


@torch.no_grad()
def copy_weights(small: Generator, large: Generator) -> None:
    """Copy the weights of a network into one that it can grow into. The large images become the small ones, magnified.

    New features keep their random weights, but the weights from new to old features are zero. They have gradients.

    Args:
        large: untrained, with toRGB weights of zero, so that new blocks add nothing to the image.
    """
    mapping_grows = small.config.mapping_widths != large.config.mapping_widths
    large_state = large.state_dict()
    for tensor_name, old_tensor in small.state_dict().items():
        if mapping_grows and tensor_name.startswith("mapping."):
            continue
        new_tensor = large_state[tensor_name]
        if tensor_name.endswith("torgb.weight"):  # its input is divided by √channels
            old_tensor = old_tensor * math.sqrt(new_tensor.shape[1] / old_tensor.shape[1])
        if new_tensor.ndim >= 2:
            new_tensor[: len(old_tensor), old_tensor.shape[1] :] = 0
        new_tensor[tuple(slice(axis_length) for axis_length in old_tensor.shape)] = old_tensor
    if mapping_grows:
        _copy_mapping(small, large)


def _copy_mapping(small: Generator, large: Generator) -> None:
    """Copy the mapping. The old features come first in each layer, scaled to a standard deviation of 1.

    The last layer passes w on, lifted to where a leaky ReLU is linear, and the style layers undo the lift.
    """
    x = normalize_rms(sample_z(small))
    input_deviations = torch.ones(x.shape[1])  # of the inputs of a layer
    for i in range(small.config.mapping_layers):
        old_layer, new_layer = mapping_layer(small.mapping, i), mapping_layer(large.mapping, i)
        x = old_layer(x)
        min_deviation = 1e-3 * x.std(dim=0).max()
        output_deviations = x.std(dim=0).clamp_min(float(min_deviation))
        feature_count, input_count = old_layer.weight.shape
        new_layer.weight[:feature_count, input_count:] = 0
        new_layer.weight[:feature_count, :input_count] = (
            old_layer.weight * input_deviations * (old_layer.gain / new_layer.gain) / output_deviations[:, None]
        )
        new_layer.bias[:feature_count] = (
            old_layer.bias * (old_layer.lr_multiplier / new_layer.lr_multiplier) / output_deviations
        )
        input_deviations = output_deviations
    last_layer, w_dim = mapping_layer(large.mapping, small.config.mapping_layers), small.config.w_dim
    bias_lift = BIAS_LIFT * float((x / input_deviations).abs().max())
    last_layer.weight.zero_()
    last_layer.weight[:, :w_dim] = torch.eye(w_dim) / last_layer.gain
    last_layer.bias.fill_(bias_lift / last_layer.lr_multiplier)
    transform_style_inputs(large, torch.diag(input_deviations.double()) / SQRT2, -input_deviations.double() * bias_lift)
