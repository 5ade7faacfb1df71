"""`draggan-tui bench drag`: what a drag's step takes, beside the plain drag's and beside what its arithmetic must take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from draggan_engine.benchmarks.step_cost import BenchmarkCase, StepCost, measure_step_cost
from draggan_engine.core.edit import Precision
from draggan_engine.core.errors import InputError
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.devices import resolve_device

SIZES = (32, 64, 128, 256, 512, 1024)
HEADER = (
    f"{'picture':<16} {'pairs':>5} {'mask':<4} {'precision':<9} {'plain ms':>9} {'ours ms':>8} {'ratio':>7} "
    f"{'floor ms':>9} {'× floor':>7} {'+ kernels':>9} {'plain MB':>9} {'ours MB':>8} {'apart px':>8}"
)


def bench_drag(
    models: Sequence[str],
    sizes: Sequence[int],
    pairs: Sequence[int],
    masks: Sequence[bool],
    precisions: Sequence[Precision],
    steps: int,
    device: str,
) -> None:
    """Measures each case, and prints it.

    Args:
        models: names or paths; and `sizes`: heights of networks with random weights.
        pairs: how many handles.
        masks: without and with.
        steps: of each drag that count.

    Raises:
        DragganError: a model, a size or the device cannot be used.
    """
    for size in sizes:
        if size not in SIZES:
            raise InputError(f"--size {size}: StyleGAN2 has {', '.join(map(str, SIZES))}; choose one of them")
    where = str(resolve_device(device))
    print(f"{where}, torch {torch.__version__}; medians of {steps} steps, in turn")
    print(
        "ratio: of the plain drag's step to ours. floor: the step's arithmetic at the rate of a large matrix product."
    )
    print("+ kernels: ours to the floor and the time to read its kernels, once forwards and once backwards.")
    print("MB: at most, above the weights. apart: the handles from the plain drag's.")
    print(HEADER, flush=True)
    pictures: list[str | int] = [*models, *sizes]
    if "bfloat16" in precisions and not supports_bfloat16(torch.device(where)):
        print(f"bfloat16 is skipped: {where} has no instructions for it")
        precisions = [precision for precision in precisions if precision != "bfloat16"]
    for name, count, masked, precision in itertools.product(pictures, pairs, masks, precisions):
        print(row(measure_step_cost(BenchmarkCase(name, count, masked, precision, where), steps)), flush=True)


def row(measured: StepCost) -> str:
    """Two lines: the figures, and where a step's time goes."""
    case = measured.case
    apart = "" if measured.max_handle_difference is None else f"{measured.max_handle_difference:.1f}"
    parts = ", ".join(f"{name} {share:.0%}" for name, share in measured.phase_shares.items())
    return (
        f"{case.name:<16} {case.pairs:>5} {'yes' if case.masked else 'no':<4} {case.precision:<9} "
        f"{measured.reference_seconds * 1e3:>9.1f} {measured.seconds * 1e3:>8.1f} {measured.speedup:>6.1f}× "
        f"{measured.arithmetic_seconds * 1e3:>9.1f} {measured.seconds / measured.arithmetic_seconds:>6.1f}× "
        f"{measured.seconds / (measured.arithmetic_seconds + measured.weight_reading_seconds):>8.1f}× "
        f"{measured.reference_peak_bytes / 1e6:>9.0f} {measured.peak_bytes / 1e6:>8.0f} {apart:>8}\n"
        f"{'':16} {1 / measured.seconds:.1f} steps/s, threads: {measured.thread_count}; {parts}"
    )
