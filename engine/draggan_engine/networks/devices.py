"""Where networks run."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from draggan_engine.core.cpu_quota import usable_processors
from draggan_engine.core.errors import DeviceError


def available_devices() -> tuple[str, ...]:
    """What is there, the fastest first: "cuda:0", "cuda:1", …, "mps", "cpu"."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


def resolve_device(name: str) -> torch.device:
    """
    Args:
        name: "auto" (the fastest that is there), or one of `devices()`; "cuda" is "cuda:0".

    Raises:
        DeviceError: it is not there; the message names those that are.
    """
    there = available_devices()
    wanted = {"auto": there[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        raise DeviceError(f"the device {name!r} is not there; choose auto or one of {', '.join(there)}")
    return torch.device(wanted)


# A drag of critters-128 (1 M parameters), 200 steps on two idle cores: 1.2 s with one thread, 2.6 s with two that
# sleep while they wait; with one of the cores busy 0.9 s against 1.1 s for 60 steps (`draggan-tui drag --json` under
# OMP_NUM_THREADS). critters-256 has 4.8 M; the published StyleGAN2s have 23 M and more.
SMALL_MODEL_PARAMETERS = 8_000_000


def max_threads(root: Path = Path("/")) -> int:
    """Return how many threads torch may use at most: its own choice, within what the container grants, unless
    OMP_NUM_THREADS says how many.

    Args:
        root: see `usable_processors`.
    """
    return DEFAULT_THREADS if "OMP_NUM_THREADS" in os.environ else min(DEFAULT_THREADS, usable_processors(root))


DEFAULT_THREADS = torch.get_num_threads()  # before any model has asked for fewer
MAX_THREADS = max_threads()


def set_thread_count(place: torch.device, parameters: int) -> None:
    """On a CPU, makes torch use as many threads as serve a model of that size best, unless OMP_NUM_THREADS says how
    many."""
    if place.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(best_thread_count(parameters))


def best_thread_count(parameters: int) -> int:
    """How many threads serve a model best on a CPU: layers of a small one are done before threads have met."""
    return 1 if parameters < SMALL_MODEL_PARAMETERS else MAX_THREADS


def can_render_during_drag(place: torch.device) -> bool:
    """Whether pictures can be drawn there while a drag goes on, without holding it up: on a CPU of whose cores torch has been
    told to leave some idle, and on CUDA, which has streams."""
    return place.type == "cuda" or (place.type == "cpu" and torch.get_num_threads() < MAX_THREADS)
