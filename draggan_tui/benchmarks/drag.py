"""`draggan-tui bench drag`: the time of a step of the paper's method, beside a plain drag and beside the time of its arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch

from draggan_engine.benchmarks.step_cost import BenchmarkCase, StepCost, measure_step_cost
from draggan_engine.core.edit import Precision
from draggan_engine.core.errors import InputError
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.devices import resolve_device

STYLEGAN2_SIZES = (32, 64, 128, 256, 512, 1024)
TABLE_HEADER = (
    f"{'model':<16} {'pairs':>5} {'mask':<4} {'precision':<9} {'plain ms':>9} {'ours ms':>8} {'ratio':>7} "
    f"{'floor ms':>9} {'× floor':>7} {'+ kernels':>9} {'plain MB':>9} {'ours MB':>8} {'apart px':>8}"
)
EXPLANATION = """\
ratio: the time of the plain drag's step, in times ours. floor: the step's arithmetic at the rate of a large matrix product.
+ kernels: our time, in times the floor plus the time to read the kernels once forwards and once backwards.
MB: the peak above the weights. apart: the largest distance of our handles from those of the plain drag."""


def bench_drag(
    models: Sequence[str],
    sizes: Sequence[int],
    pairs: Sequence[int],
    masks: Sequence[bool],
    precisions: Sequence[Precision],
    steps: int,
    device: str,
) -> None:
    """Measure every combination and print it.

    Args:
        models: names or paths.
        sizes: image heights of StyleGAN2 generators with random weights.
        pairs: how many handles.
        masks: without a mask, with one, or both.
        steps: how many steps of each drag are measured.

    Raises:
        DragganError: a model, a size or the device cannot be used.
    """
    for image_size in sizes:
        if image_size not in STYLEGAN2_SIZES:
            raise InputError(
                f"--size {image_size}: StyleGAN2 has {', '.join(map(str, STYLEGAN2_SIZES))}; choose one of them"
            )
    device_name = str(resolve_device(device))
    print(f"{device_name}, torch {torch.__version__}; the paper's method (draggan); medians of {steps} steps, in turn")
    print(EXPLANATION)
    print(TABLE_HEADER, flush=True)
    model_sources: list[str | int] = [*models, *sizes]
    usable_precisions = select_precisions(precisions, torch.device(device_name))
    for model_source, pair_count, has_mask, precision in itertools.product(
        model_sources, pairs, masks, usable_precisions
    ):
        step_cost = measure_step_cost(BenchmarkCase(model_source, pair_count, has_mask, precision, device_name), steps)
        print(format_step_cost(step_cost), flush=True)


def select_precisions(
    precisions: Sequence[Precision],
    device: torch.device,
    is_bfloat16_supported: Callable[[torch.device], bool] = supports_bfloat16,
) -> list[Precision]:
    """Return the precisions that a device computes fast, and print which one is skipped."""
    if "bfloat16" not in precisions or is_bfloat16_supported(device):
        return list(precisions)
    print(f"bfloat16 is skipped: {device} has no instructions for it")
    return [precision for precision in precisions if precision != "bfloat16"]


def format_step_cost(cost: StepCost) -> str:
    """Return two lines: a row under `TABLE_HEADER`, and where the time of a step goes."""
    case = cost.case
    distance_text = "" if cost.max_handle_difference is None else f"{cost.max_handle_difference:.1f}"
    phase_text = ", ".join(f"{name} {share:.0%}" for name, share in cost.phase_shares.items())
    return (
        f"{case.model_name:<16} {case.pair_count:>5} {'yes' if case.has_mask else 'no':<4} {case.precision:<9} "
        f"{cost.reference_seconds * 1e3:>9.1f} {cost.seconds * 1e3:>8.1f} {cost.speedup:>6.1f}× "
        f"{cost.arithmetic_seconds * 1e3:>9.1f} {cost.seconds / cost.arithmetic_seconds:>6.1f}× "
        f"{cost.seconds / (cost.arithmetic_seconds + cost.weight_reading_seconds):>8.1f}× "
        f"{cost.reference_peak_bytes / 1e6:>9.0f} {cost.peak_bytes / 1e6:>8.0f} {distance_text:>8}\n"
        f"{'':16} {1 / cost.seconds:.1f} steps/s, threads: {cost.thread_count}; {phase_text}"
    )
