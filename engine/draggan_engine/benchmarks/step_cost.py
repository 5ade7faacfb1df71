"""Seconds and memory of a drag's step, beside the plain drag's, in turn within one run."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.autograd.profiler_legacy import profile  # torch.profiler's writes to the terminal
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings, Precision
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.optimizer import RECORD_AFTER_STEPS, DragOptimizer
from draggan_engine.dragging.reference_drag import ReferenceDrag
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.devices import set_thread_count
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator

aten = torch.ops.aten
PRECISION_DTYPES: Mapping[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEP_PHASES = ("synthesis", "loss", "backward", "optimiser", "tracking")
RANDOM_MODEL_CHANNEL_BASE = 32768  # of the published 512 and 1024 px configurations
WARM_UP_STEPS = 2
MEMORY_STEPS = 3
PROCESS_STATUS_FILE = Path("/proc/self/status")
MATRIX_SIDE = 2048  # side of the matrices whose product measures the machine's rate


@dataclass(frozen=True)
class BenchmarkCase:
    """What is dragged.

    Attributes:
        model: a model's name or path; or a height in pixels, of a StyleGAN2 with random weights.
        pairs: how many.
        masked: whether a mask holds all but a disc round the middle.
        precision: the product's; the plain drag is in float32.
    """

    model: str | int
    pairs: int
    masked: bool
    precision: Precision
    device: str

    @property
    def name(self) -> str:
        return self.model if isinstance(self.model, str) else f"random {self.model} px"


@dataclass(frozen=True)
class StepCost:
    """Of one case; times are medians, in seconds a step.

    Attributes:
        speedup: of the plain drag's step to ours: the median of those that were measured one after the other.
        arithmetic_seconds: the step's arithmetic at the rate of a large matrix product of the same precision.
        weight_reading_seconds: to read the kernels that it uses once forwards and once backwards, at the rate of a large sum.
        phase_shares: shares of the step's time, by name of `PARTS`.
        peak_bytes, reference_peak_bytes: bytes above the weights and what runs them.
        max_handle_difference: how far the handles were at most from the plain drag's, in pixels; None: with a mask the two differ in
            the second term.
    """

    case: BenchmarkCase
    seconds: float
    reference_seconds: float
    speedup: float
    arithmetic_seconds: float
    weight_reading_seconds: float
    phase_shares: Mapping[str, float]
    peak_bytes: int
    reference_peak_bytes: int
    max_handle_difference: float | None
    thread_count: int


def measure_step_cost(case: BenchmarkCase, steps: int) -> StepCost:
    """
    Raises:
        DragganError: the model cannot be loaded.
    """
    generator, settings, start = _prepared(case)
    ours = DragOptimizer(generator, settings, [start])
    plain = ReferenceDrag(_prepared(case)[0], settings, start)
    spent, rates, bandwidths, apart = [], [], [], 0.0
    warm_up = RECORD_AFTER_STEPS + 1 if ours.records_steps else WARM_UP_STEPS
    for _ in range(warm_up + steps):
        spent.append((_timed(ours.step, case.device), _timed(plain.step, case.device)))
        rates.append(_rate(PRECISION_DTYPES[case.precision], case.device))
        bandwidths.append(_bandwidth(case.device))
        apart = max(apart, float((ours.pairs.handles[0].cpu() - torch.tensor(plain.handles)).abs().max()))
    spent = spent[warm_up:]
    counted = _in_float64(case)  # where all convolutions are torch's own
    with FlopCounterMode(display=False) as counter, _Kernels() as kernels:
        counted.step()
    return StepCost(
        case=case,
        seconds=statistics.median(a for a, _ in spent),
        reference_seconds=statistics.median(b for _, b in spent),
        speedup=statistics.median(b / a for a, b in spent),
        arithmetic_seconds=counter.get_total_flops() / statistics.median(rates),
        weight_reading_seconds=kernels.total
        * PRECISION_DTYPES[case.precision].itemsize
        / statistics.median(bandwidths),
        phase_shares=_parts(DragOptimizer(generator, settings, [start]), steps),
        peak_bytes=_in_a_process_of_its_own(case, plain=False),
        reference_peak_bytes=_in_a_process_of_its_own(case, plain=True),
        max_handle_difference=None if case.masked else apart,
        thread_count=torch.get_num_threads(),
    )


def _prepared(case: BenchmarkCase) -> tuple[Generator, DragSettings, DragTask]:
    if isinstance(case.model, int):
        torch.manual_seed(0)
        channels = pyramid_channels(case.model, RANDOM_MODEL_CHANNEL_BASE, 512)
        config = StyleGAN2Config(resolution=case.model, channels=channels)
        generator = Generator(config).eval().requires_grad_(False).to(case.device)
        set_thread_count(generator.device, sum(parameter.numel() for parameter in generator.parameters()))
        settings = DragSettings.for_height(case.model, f"b{min(case.model, 128)}")
    else:
        model = load_model(case.model, case.device)
        generator, settings = model.generator, model.info.settings
    height, width = generator.image_shape
    across = min(case.pairs, 5)
    down = -(-case.pairs // across)
    settings = settings.model_copy(update={"precision": case.precision})
    handles = [(width * (i % across + 0.5) / across, height * (i // across + 0.5) / down) for i in range(case.pairs)]
    mask = None
    if case.masked:
        rows, columns = np.ogrid[:height, :width]
        inside = (rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2 < 0.3**2
        mask = inside.astype(np.uint8)
    pairs = [((x, y), (x + width / 8, y + height / 10)) for x, y in handles]
    return generator, settings, DragTask(latent_of_seed(generator, 0, 0.7), pairs, mask)


def _in_float64(case: BenchmarkCase) -> DragOptimizer:
    generator, settings, start = _prepared(case)
    settings = settings.model_copy(update={"precision": "float32"})  # that of the weights
    return DragOptimizer(generator.double(), settings, [replace(start, ws=start.ws.double())])


def _timed(step: Callable[[], object], device: str) -> float:
    began = time.perf_counter()
    step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _rate(dtype: torch.dtype, device: str) -> float:
    """Operations a second of a large matrix product (a multiply-add is two)."""
    a = torch.ones(MATRIX_SIDE, MATRIX_SIDE, dtype=dtype, device=device)
    return 2 * MATRIX_SIDE**3 / _timed(lambda: a @ a, device)


def _bandwidth(device: str) -> float:
    """Bytes a second of a large sum."""
    a = torch.ones(MATRIX_SIDE * MATRIX_SIDE * 16, device=device)
    return a.nbytes / _timed(a.sum, device)


class _Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers in the convolutions' kernels, each once for each direction."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: dict[tuple[bool, int], int] = {}

    @property
    def total(self) -> int:
        return sum(self.sizes.values())

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        if func in (aten.convolution.default, aten.convolution_backward.default):
            back = func is aten.convolution_backward.default
            kernel = args[2 if back else 1]
            self.sizes[back, kernel.data_ptr()] = kernel.numel()
        return func(*args, **(kwargs or {}))


def _parts(stepper: DragOptimizer, steps: int) -> dict[str, float]:
    stepper.records_steps = False
    stepper.step()
    with profile() as profiled:  # type: ignore[no-untyped-call]
        for _ in range(steps):
            stepper.step()
    totals = {event.key: event.cpu_time_total for event in profiled.key_averages() if event.key in STEP_PHASES}
    return {name: totals[name] / sum(totals.values()) for name in STEP_PHASES}


def _in_a_process_of_its_own(case: BenchmarkCase, *, plain: bool) -> int:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(peak_memory, case, plain).result()


def peak_memory(case: BenchmarkCase, plain: bool) -> int:
    """Bytes that a few steps take, at most, beside the weights and what runs them; to be measured in a process that does
    nothing else.

    Args:
        plain: of the plain drag.
    """
    generator, settings, start = _prepared(case)
    before = _peak_so_far(case.device)
    drag = ReferenceDrag(generator, settings, start) if plain else DragOptimizer(generator, settings, [start])
    for _ in range(MEMORY_STEPS):
        drag.step()
    return _peak_so_far(case.device) - before


def _peak_so_far(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated()
    if (
        PROCESS_STATUS_FILE.is_file()
    ):  # Linux's getrusage would begin with the peak of the process that started this one
        lines = dict(line.split(":", 1) for line in PROCESS_STATUS_FILE.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes
