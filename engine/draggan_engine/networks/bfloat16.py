"""Which devices compute in bfloat16 faster than in float32."""

from __future__ import annotations

import functools
import platform

import torch

X86_MACHINES = ("x86_64", "AMD64")


@functools.cache
def supports_bfloat16(device: torch.device) -> bool:
    """Return whether the device has instructions for bfloat16; without them it is much slower than float32.

    The answer depends on the hardware alone and not on a measurement, so that a machine repeats a drag exactly.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    return device.type == "cpu" and _processor_supports_bfloat16()


def _processor_supports_bfloat16() -> bool:
    machine = platform.machine()
    onednn_supports = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return has_native_bfloat16(
        machine,
        onednn_supports=onednn_supports is not None and onednn_supports(),
        has_avx512_bf16=machine in X86_MACHINES and torch.cpu._is_avx512_bf16_supported(),
    )


def has_native_bfloat16(machine: str, *, onednn_supports: bool, has_avx512_bf16: bool) -> bool:
    """Return whether a processor has instructions for bfloat16.

    Args:
        machine: `platform.machine()`.
        onednn_supports: oneDNN's answer, which honours ONEDNN_MAX_CPU_ISA. On x86 it is also yes where oneDNN only
            emulates bfloat16 with plain AVX-512, which is slower than float32.
        has_avx512_bf16: whether an x86 processor has the instructions.
    """
    return onednn_supports and (machine not in X86_MACHINES or has_avx512_bf16)
