"""Where networks run."""

from __future__ import annotations

import torch

from ..protocol.errors import DeviceError


def devices() -> tuple[str, ...]:
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
    there = devices()
    wanted = {"auto": there[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        raise DeviceError(f"the device {name!r} is not there; choose auto or one of {', '.join(there)}")
    return torch.device(wanted)
