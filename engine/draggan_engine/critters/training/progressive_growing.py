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
    changes = ("resolution", "channels", "mapping_layers", "mapping_features")
    pairs = zip(small.channels, large.channels, strict=False)
    return (
        small.resolution <= large.resolution
        and small.model_copy(update={name: getattr(large, name) for name in changes}) == large
        and all(few <= many for few, many in pairs)
        and (small.mapping_widths == large.mapping_widths or _can_grow_mapping(small, large))
    )


def _can_grow_mapping(small: StyleGAN2Config, large: StyleGAN2Config) -> bool:
    """Return whether a mapping has at least the features of the other one, including w, and one more layer."""
    *hidden, _ = large.mapping_widths
    return len(hidden) == small.mapping_layers and all(
        few <= many for few, many in zip(small.mapping_widths, hidden, strict=True)
    )


@torch.no_grad()
def copy_weights(small: Generator, large: Generator) -> None:
    """Copy the weights of a network into one that it can grow into. The large images become the small ones, magnified.

    New features keep their random weights, but the weights from new to old features are zero. They have gradients.

    Args:
        large: untrained, with toRGB weights of zero, so that new blocks add nothing to the image.
    """
    mapping_grows = small.config.mapping_widths != large.config.mapping_widths
    state = large.state_dict()
    for name, old in small.state_dict().items():
        if mapping_grows and name.startswith("mapping."):
            continue
        new = state[name]
        if name.endswith("torgb.weight"):  # its input is divided by √channels
            old = old * math.sqrt(new.shape[1] / old.shape[1])
        if new.ndim >= 2:
            new[: len(old), old.shape[1] :] = 0
        new[tuple(slice(length) for length in old.shape)] = old
    if mapping_grows:
        _copy_mapping(small, large)


def _copy_mapping(small: Generator, large: Generator) -> None:
    """Copy the mapping. The old features come first in each layer, scaled to a standard deviation of 1.

    The last layer passes w on, lifted to where a leaky ReLU is linear, and the style layers undo the lift.
    """
    x = normalize_rms(sample_z(small))
    deviations = torch.ones(x.shape[1])  # of the inputs of a layer
    for i in range(small.config.mapping_layers):
        old, new = mapping_layer(small.mapping, i), mapping_layer(large.mapping, i)
        x = old(x)
        min_deviation = 1e-3 * x.std(dim=0).max()
        output_deviations = x.std(dim=0).clamp_min(float(min_deviation))
        features, inputs = old.weight.shape
        new.weight[:features, inputs:] = 0
        new.weight[:features, :inputs] = old.weight * deviations * (old.gain / new.gain) / output_deviations[:, None]
        new.bias[:features] = old.bias * (old.lr_multiplier / new.lr_multiplier) / output_deviations
        deviations = output_deviations
    last, w_dim = mapping_layer(large.mapping, small.config.mapping_layers), small.config.w_dim
    lift = BIAS_LIFT * float((x / deviations).abs().max())
    last.weight.zero_()
    last.weight[:, :w_dim] = torch.eye(w_dim) / last.gain
    last.bias.fill_(lift / last.lr_multiplier)
    transform_style_inputs(large, torch.diag(deviations.double()) / SQRT2, -deviations.double() * lift)
