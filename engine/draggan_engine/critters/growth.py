"""A larger network that draws what a smaller one draws: blocks and channels are added, and nothing is forgotten."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import ToRGB


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

    What is added keeps its random first weights, but nothing that was there listens to it yet (weights of zero, which
    have gradients), and the toRGB layers of added blocks say nothing.
    """
    theirs, state = small.state_dict(), large.state_dict()
    for name, module in large.named_modules():
        if not isinstance(module, ToRGB):
            continue
        weight = state[f"{name}.weight"]
        weight.zero_()
        if f"{name}.weight" in theirs:  # its input is divided by √channels
            theirs[f"{name}.weight"] = theirs[f"{name}.weight"] * math.sqrt(
                weight.shape[1] / theirs[f"{name}.weight"].shape[1]
            )
    for name, old in theirs.items():
        _put(old, state[name])


def _put(old: Tensor, new: Tensor) -> None:
    """`old` into the corner of `new`; the outputs that it has listen to no further input."""
    corner = tuple(slice(length) for length in old.shape)
    if new.ndim >= 2 and new.shape[1] > old.shape[1]:
        new[: len(old), old.shape[1] :] = 0
    new[corner] = old
