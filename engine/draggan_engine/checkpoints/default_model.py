"""Which of the bundled models serves who has asked for none: the larger one, where it is quick enough to follow a hand."""

from __future__ import annotations

import time

import torch

from draggan_engine.networks.generator import Generator

LARGE_MODEL, SMALL_MODEL = "critters-256", "critters-128"
MAX_STEP_SECONDS = 0.25  # seconds a step
TIMING_ATTEMPTS = 2  # the first one is slower


def is_quick_enough(generator: Generator, feature_block: str) -> bool:
    """Whether a drag's step takes no longer than `PATIENCE`. Accelerators are not asked: these models are small."""
    if generator.device.type != "cpu":
        return True
    return any(measure_step_seconds(generator, feature_block) <= MAX_STEP_SECONDS for _ in range(TIMING_ATTEMPTS))


def measure_step_seconds(generator: Generator, feature_block: str) -> float:
    """What the bulk of a step takes a CPU: the features that a drag looks at, and their gradient for w.

    Time of this thread, which works while the others do: what else runs on the machine at that moment decides nothing.
    """
    ws = generator.mapping.w_avg.expand(1, generator.num_ws, -1).clone().requires_grad_()
    with torch.enable_grad():
        began = time.thread_time()
        generator.synthesis(ws, features=[feature_block]).features[feature_block].sum().backward()
    return time.thread_time() - began
