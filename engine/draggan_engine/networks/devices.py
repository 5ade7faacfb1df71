"""The devices that networks run on."""

from __future__ import annotations

import torch

from draggan_engine.core.errors import DeviceError


def available_devices() -> tuple[str, ...]:
    """Return the names of the devices, fastest first: "cuda:0", "cuda:1", …, "mps", "cpu"."""
    cuda_devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps_devices = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda_devices, *mps_devices, "cpu")


def resolve_device(name: str) -> torch.device:
    """Return the device with this name.

    Args:
        name: one of `available_devices()`, "auto" for the fastest, or "cuda" for "cuda:0".

    Raises:
        DeviceError: there is no such device; the message names those that there are.
    """
    device_names = available_devices()
    device_name = {"auto": device_names[0], "cuda": "cuda:0"}.get(name, name)
    if device_name not in device_names:
        raise DeviceError(f"there is no device {name!r}; choose auto or one of {', '.join(device_names)}")
    return torch.device(device_name)
