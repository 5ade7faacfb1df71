"""Choose the bundled model for a user who asks for none: the large one if this machine drags it fast enough."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from draggan_engine.networks.generator import Generator

LARGE_BUNDLED_MODEL, SMALL_BUNDLED_MODEL = "critters-256", "critters-128"
MAX_STEP_SECONDS = 0.25
TIMING_ATTEMPTS = 2  # the first step is slower


def measure_step_seconds(generator: Generator, feature_block: str) -> float:
    """Return the CPU time of the main part of a drag step: the features of the block, and their gradient for w.

    This is the time of the calling thread, which works while torch's other threads work. Other programs on the machine
    do not add to it.
    """
    ws = generator.mapping.w_avg.expand(1, generator.num_ws, -1).clone().requires_grad_()
    with torch.enable_grad():
        start_time = time.thread_time()
        generator.synthesis(ws, features=[feature_block]).features[feature_block].sum().backward()
    return time.thread_time() - start_time


def is_quick_enough(
    generator: Generator,
    feature_block: str,
    measure_step: Callable[[Generator, str], float] = measure_step_seconds,
) -> bool:
    """Return whether a drag step takes at most `MAX_STEP_SECONDS`. On an accelerator this is assumed, because the bundled
    models are small."""
    if generator.device.type != "cpu":
        return True
    return any(measure_step(generator, feature_block) <= MAX_STEP_SECONDS for _ in range(TIMING_ATTEMPTS))
