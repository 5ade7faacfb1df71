"""Where bfloat16 is worth computing in."""

from __future__ import annotations

import functools
import platform

import torch


@functools.cache
def supports_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; without them it is many times slower than float32.

    The answer depends on the hardware alone, not on a measurement, so that the same drag computes the same everywhere
    on one machine.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    return device.type == "cpu" and _processor_supports_bfloat16()


def _processor_supports_bfloat16() -> bool:
    """Ask oneDNN, which honours ONEDNN_MAX_CPU_ISA; on x86 it also agrees to emulate bfloat16 with plain AVX-512, where
    a drag takes twice as long as in float32."""
    onednn_supports = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    if onednn_supports is None or not onednn_supports():
        return False
    return platform.machine() not in ("x86_64", "AMD64") or torch.cpu._is_avx512_bf16_supported()
