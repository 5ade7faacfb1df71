"""torch, its devices, the processor and the memory. This module needs torch."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from draggan_engine.core.cpu_quota import processor_quota, usable_processors
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.devices import available_devices
from draggan_tui.diagnosis.finding import Finding

SMALL_MEMORY = 4e9
"""Bytes of main memory below which a 1024-pixel model can be too large."""


def machine_findings(root: Path = Path("/")) -> Iterator[Finding]:
    """Yield findings about torch, devices, processor and memory.

    Args:
        root: the directory that holds /proc, /sys and /dev.
    """
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    yield Finding("torch", "ok", f"{torch.__version__}, {build}")
    yield device_finding(available_devices(), has_cuda_build=torch.version.cuda is not None, root=root)
    yield processor_finding(root)
    yield bfloat16_finding(torch.backends.cpu.get_cpu_capability(), is_supported=supports_bfloat16(torch.device("cpu")))
    yield memory_finding(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def device_finding(device_names: tuple[str, ...], *, has_cuda_build: bool, root: Path) -> Finding:
    """Return which devices there are, and why a GPU is not among them."""
    texts = [_device_text(device_name) for device_name in device_names]
    if len(device_names) > 1:
        return Finding("devices", "ok", ", ".join(texts))
    if not (root / "dev/nvidia0").exists():
        return Finding(
            "devices", "hint", "cpu only: there is no GPU. The bundled models are quick without one; larger ones are not",
            "start it on the machine that has the GPU, or take a small model: draggan-tui --model critters-128",
        )  # fmt: skip
    if not has_cuda_build:
        return Finding(
            "devices", "problem", "cpu only: there is an NVIDIA GPU, but this torch was built without CUDA",
            "pip install --force-reinstall --index-url https://pypi.org/simple 'torch>=2.11,<2.14', which has CUDA on Linux",
        )  # fmt: skip
    return Finding(
        "devices", "problem", "cpu only: there is an NVIDIA GPU, but torch cannot use it; its driver may be too old",
        f"compare the driver's CUDA version in nvidia-smi with that of torch, {torch.version.cuda}, and unset CUDA_VISIBLE_DEVICES",
    )  # fmt: skip


def _device_text(device_name: str) -> str:
    if not device_name.startswith("cuda"):
        return device_name
    free_bytes, total_bytes = torch.cuda.mem_get_info(torch.device(device_name))
    name = torch.cuda.get_device_name(torch.device(device_name))
    return f"{device_name} ({name}, {free_bytes / 1e9:.0f} of {total_bytes / 1e9:.0f} GB free)"


def processor_finding(root: Path) -> Finding:
    """Return how many processors there are, and what limits them."""
    quota, threads = processor_quota(root), usable_processors(root)
    text = f"{threads} of {os.cpu_count()} can be used"
    if quota is None or quota >= (os.cpu_count() or 1):
        return Finding("processors", "ok", text)
    return Finding(
        "processors", "hint", f"{text}: the container is limited to {quota:g} processors",
        "give the container more, for example docker run --cpus 4, or a higher CPU limit in Slurm or Kubernetes",
    )  # fmt: skip


def bfloat16_finding(instructions: str, *, is_supported: bool) -> Finding:
    """Return whether the processor computes in bfloat16.

    Args:
        instructions: torch's name of the vector instructions that it uses, such as `AVX2`.
    """
    text = f"{instructions.replace('DEFAULT', platform.machine())}, "
    if is_supported:
        return Finding("instructions", "ok", f"{text}with bfloat16")
    return Finding(
        "instructions", "hint", f"{text}without bfloat16: drags with precision bfloat16 use float32 here, and say so",
        "leave the setting precision at float32 on this processor",
    )  # fmt: skip


def memory_finding(total_bytes: int) -> Finding:
    """Return how much main memory there is."""
    text = f"{total_bytes / 1e9:.0f} GB"
    if total_bytes >= SMALL_MEMORY:
        return Finding("memory", "ok", text)
    return Finding(
        "memory", "hint", f"{text}: models with images of 1024 pixels may not fit", "take a model with smaller images"
    )
