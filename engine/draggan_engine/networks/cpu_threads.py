"""How many CPU threads torch uses: as many as are fast for the size of the model, and as the container allows.

If OMP_NUM_THREADS is set, the user has chosen the number, and nothing here changes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from draggan_engine.core.cpu_quota import usable_processors

SMALL_MODEL_PARAMETERS = 8_000_000
"""Models with fewer parameters run on one thread: their layers finish before several threads have synchronised. The
bundled models have at most 4.8 million parameters, the published StyleGAN2 models 23 million and more."""
LARGE_IMAGE_HEIGHT = 256
"""Smaller images of a small model are rendered fastest by one thread."""


def max_threads(root: Path = Path("/")) -> int:
    """Return the largest number of threads that torch may use.

    This is torch's own choice, but not more than the container allows, unless OMP_NUM_THREADS is set.

    Args:
        root: see `usable_processors`.
    """
    return DEFAULT_THREADS if "OMP_NUM_THREADS" in os.environ else min(DEFAULT_THREADS, usable_processors(root))


DEFAULT_THREADS = torch.get_num_threads()  # read before any model has lowered it
MAX_THREADS = max_threads()


def best_thread_count(parameter_count: int) -> int:
    """Return how many CPU threads run a model with this number of parameters fastest."""
    return 1 if parameter_count < SMALL_MODEL_PARAMETERS else MAX_THREADS


def set_thread_count(device: torch.device, parameter_count: int) -> None:
    """On a CPU, set torch's threads to the best number for a model of this size, unless OMP_NUM_THREADS is set."""
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(best_thread_count(parameter_count))


@contextmanager
def threads_for_image(height: int) -> Iterator[None]:
    """Let torch render a large image with all threads, while nothing else computes. This changes nothing on a GPU.

    Args:
        height: of the image, in pixels.
    """
    thread_count = torch.get_num_threads()
    if height >= LARGE_IMAGE_HEIGHT:
        torch.set_num_threads(MAX_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(thread_count)


def can_render_during_drag(device: torch.device) -> bool:
    """Return whether another thread can render images while a drag runs, without slowing the drag down.

    This is so on a CPU where torch leaves some of its cores idle, and on CUDA, which has streams.
    """
    return device.type == "cuda" or (device.type == "cpu" and torch.get_num_threads() < MAX_THREADS)
