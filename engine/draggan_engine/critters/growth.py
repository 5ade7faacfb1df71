"""A larger network that draws what a smaller one draws: blocks and channels are added, and nothing is forgotten."""

from __future__ import annotations

import math

import torch

from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator


def grows_into(small: StyleGAN2Config, large: StyleGAN2Config) -> bool:
    """Whether a network lacks nothing but the last blocks of the other one, and channels."""
    same = {"resolution": large.resolution, "channels": large.channels}
    pairs = zip(small.channels, large.channels, strict=False)
    return (
        small.resolution <= large.resolution
        and small.model_copy(update=same) == large
        and all(few <= many for few, many in pairs)
    )


@torch.no_grad()
def plant(small: Generator, large: Generator) -> None:
    """Gives `large` the weights of a network that `grows_into` it: its pictures become the small one's, magnified.

    What is added keeps its random first weights, but nothing that was there listens to it yet: weights of zero, which
    have gradients.

    Args:
        large: fresh, its toRGB weights zero, so that added blocks say nothing.
    """
    state = large.state_dict()
    for name, old in small.state_dict().items():
        new = state[name]
        if name.endswith("torgb.weight"):  # its input is divided by √channels
            old = old * math.sqrt(new.shape[1] / old.shape[1])
        if new.ndim >= 2:
            new[: len(old), old.shape[1] :] = 0
        new[tuple(slice(length) for length in old.shape)] = old
