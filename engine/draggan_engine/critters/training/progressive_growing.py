"""A larger network that draws what a smaller one draws: blocks, channels and a better mapping are added, and nothing is forgotten."""

from __future__ import annotations

import math

import torch

from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import normalize_rms
from draggan_engine.networks.ops import SQRT2

from .w_whitening import BIAS_LIFT, mapping_layer, sample_z, transform_style_inputs


def can_grow_into(small: StyleGAN2Config, large: StyleGAN2Config) -> bool:
    """Whether a network lacks nothing but the last blocks of the other one, channels, and features and the last layer of its
    mapping."""
    changes = ("resolution", "channels", "mapping_layers", "mapping_features")
    pairs = zip(small.channels, large.channels, strict=False)
    return (
        small.resolution <= large.resolution
        and small.model_copy(update={name: getattr(large, name) for name in changes}) == large
        and all(few <= many for few, many in pairs)
        and (small.mapping_widths == large.mapping_widths or _reads_more(small, large))
    )


def _reads_more(small: StyleGAN2Config, large: StyleGAN2Config) -> bool:
    """Whether a mapping has features for those of the other one, w included, and a layer more."""
    *hidden, _ = large.mapping_widths
    return len(hidden) == small.mapping_layers and all(
        few <= many for few, many in zip(small.mapping_widths, hidden, strict=True)
    )


@torch.no_grad()
def copy_weights(small: Generator, large: Generator) -> None:
    """Gives `large` the weights of a network that `grows_into` it: its pictures become the small one's, magnified.

    What is added keeps its random first weights, but nothing that was there listens to it yet: weights of zero, which
    have gradients.

    Args:
        large: fresh, its toRGB weights zero, so that added blocks say nothing.
    """
    another_mapping = small.config.mapping_widths != large.config.mapping_widths
    state = large.state_dict()
    for name, old in small.state_dict().items():
        if another_mapping and name.startswith("mapping."):
            continue
        new = state[name]
        if name.endswith("torgb.weight"):  # its input is divided by √channels
            old = old * math.sqrt(new.shape[1] / old.shape[1])
        if new.ndim >= 2:
            new[: len(old), old.shape[1] :] = 0
        new[tuple(slice(length) for length in old.shape)] = old
    if another_mapping:
        _plant_mapping(small, large)


def _plant_mapping(small: Generator, large: Generator) -> None:
    """The small one's features come first in each layer, with a spread of 1, and new ones listen to them too. The last layer
    passes on what was w, lifted to where a leaky ReLU is linear, and the style layers take that back."""
    x = normalize_rms(sample_z(small))
    spread = torch.ones(x.shape[1])  # of each of a layer's inputs
    for i in range(small.config.mapping_layers):
        old, new = mapping_layer(small.mapping, i), mapping_layer(large.mapping, i)
        x = old(x)
        narrowest = 1e-3 * x.std(dim=0).max()
        out = x.std(dim=0).clamp_min(float(narrowest))
        features, inputs = old.weight.shape
        new.weight[:features, inputs:] = 0
        new.weight[:features, :inputs] = old.weight * spread * (old.gain / new.gain) / out[:, None]
        new.bias[:features] = old.bias * (old.lr_multiplier / new.lr_multiplier) / out
        spread = out
    last, w_dim = mapping_layer(large.mapping, small.config.mapping_layers), small.config.w_dim
    lift = BIAS_LIFT * float((x / spread).abs().max())
    last.weight.zero_()
    last.weight[:, :w_dim] = torch.eye(w_dim) / last.gain
    last.bias.fill_(lift / last.lr_multiplier)
    transform_style_inputs(large, torch.diag(spread.double()) / SQRT2, -spread.double() * lift)
