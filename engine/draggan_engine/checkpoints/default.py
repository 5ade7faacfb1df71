"""Which of the bundled models serves who has asked for none: the larger one, where it is quick enough to follow a hand."""

from __future__ import annotations

import time

import torch

from ..networks.generator import Generator

LARGER, SMALLER = "critters-256", "critters-128"
PATIENCE = 0.25  # seconds a step
TRIES = 3  # another program may take the processor for a moment


def is_quick(generator: Generator, feature_block: str) -> bool:
    """Whether a drag's step takes no longer than `PATIENCE`. Accelerators are not asked: these models are small."""
    if generator.device.type != "cpu":
        return True
    return any(step_seconds(generator, feature_block) <= PATIENCE for _ in range(TRIES))


def step_seconds(generator: Generator, feature_block: str) -> float:
    """What the bulk of a step takes: the features that a drag looks at, and their gradient for w."""
    ws = generator.mapping.w_avg.expand(1, generator.num_ws, -1).clone().requires_grad_()
    with torch.enable_grad():
        began = time.perf_counter()
        generator.synthesis(ws, features=[feature_block]).features[feature_block].sum().backward()
    return time.perf_counter() - began
