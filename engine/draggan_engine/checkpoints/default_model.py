"""Which of the bundled models serves who has asked for none: the larger one, where it is quick enough to follow a hand."""

from __future__ import annotations

import time

import torch

from draggan_engine.networks.generator import Generator

LARGER, SMALLER = "critters-256", "critters-128"
PATIENCE = 0.25  # seconds a step
TRIES = 2  # the first one is slower


def is_quick(generator: Generator, feature_block: str) -> bool:
    """Whether a drag's step takes no longer than `PATIENCE`. Accelerators are not asked: these models are small."""
    if generator.device.type != "cpu":
        return True
    return any(step_seconds(generator, feature_block) <= PATIENCE for _ in range(TRIES))


def step_seconds(generator: Generator, feature_block: str) -> float:
    """What the bulk of a step takes a CPU: the features that a drag looks at, and their gradient for w.

    Time of this thread, which works while the others do: what else runs on the machine at that moment decides nothing.
    """
    ws = generator.mapping.w_avg.expand(1, generator.num_ws, -1).clone().requires_grad_()
    with torch.enable_grad():
        began = time.thread_time()
        generator.synthesis(ws, features=[feature_block]).features[feature_block].sum().backward()
    return time.thread_time() - began
