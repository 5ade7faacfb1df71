"""Time and memory of a step of the paper's method beside those of the reference drag, measured in turn within one run."""

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
from numpy.typing import NDArray
from torch.autograd.profiler_legacy import profile  # torch.profiler would write to the terminal
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings, Precision
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import RECORD_AFTER_STEPS, DragganOptimizer
from draggan_engine.dragging.reference_drag import ReferenceDrag
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.cpu_threads import set_thread_count
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator

ARITHMETIC_DTYPES: Mapping[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEP_PHASES = ("synthesis", "loss", "backward", "optimiser", "tracking")
RANDOM_MODEL_CHANNEL_BASE, RANDOM_MODEL_CHANNEL_MAX = 32768, 512  # of the published 512 and 1024 px models
UNMEASURED_STEPS = 2
MEMORY_STEPS = 3
PROCESS_STATUS_FILE = Path("/proc/self/status")
MATRIX_SIDE = 2048  # of the matrices whose product measures the machine's rate
CONVOLUTION = torch.ops.aten.convolution.default
CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward.default


@dataclass(frozen=True)
class BenchmarkCase:
    """A drag whose step is measured.

    Attributes:
        model: a model's name or path, or the height in pixels of a StyleGAN2 with random weights.
        pair_count: number of handles.
        has_mask: whether only a disc around the centre may move.
        precision: of the fast drag; the reference drag uses float32.
        device: a name of `available_devices()`.
    """

    model: str | int
    pair_count: int
    has_mask: bool
    precision: Precision
    device: str

    @property
    def model_name(self) -> str:
        """The model as the table names it."""
        return self.model if isinstance(self.model, str) else f"random {self.model} px"


@dataclass(frozen=True)
class StepCost:
    """What a step of one case costs. Times are medians in seconds.

    Attributes:
        case: what was measured.
        seconds, reference_seconds: a step of the fast drag and of the reference drag.
        speedup: the reference drag's time divided by the fast one's: the median over pairs of steps measured in turn.
        arithmetic_seconds: time of the step's arithmetic alone, at the rate of a large matrix product.
        weight_reading_seconds: time to read the convolutions' kernels once forwards and once backwards, at the rate of
            a large sum.
        phase_shares: share of each of the `STEP_PHASES` in the step's time; their sum is 1.
        peak_bytes, reference_peak_bytes: the most memory in use, without weights and libraries.
        max_handle_difference: how far a handle was at most from the reference drag's, in image pixels. None with a mask,
            because the two drags then differ in the second term of eq. 1.
        thread_count: torch's threads.
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


def measure_step_cost(case: BenchmarkCase, step_count: int) -> StepCost:
    """Measure this number of steps of both drags, after some that do not count.

    Raises:
        DragganError: the model cannot be loaded.
    """
    generator, settings, task = _prepare(case)
    optimizer = DragganOptimizer(generator, settings, [task])
    reference_drag = ReferenceDrag(_prepare(case)[0], settings, task)
    dtype = ARITHMETIC_DTYPES[case.precision]
    step_times, arithmetic_rates, memory_rates, max_difference = [], [], [], 0.0
    warm_up_steps = RECORD_AFTER_STEPS + 1 if optimizer.records_steps else UNMEASURED_STEPS
    for _ in range(warm_up_steps + step_count):
        step_times.append((_time(optimizer.step, case.device), _time(reference_drag.step, case.device)))
        arithmetic_rates.append(_arithmetic_rate(dtype, case.device))
        memory_rates.append(_memory_rate(case.device))
        handle_differences = optimizer.pairs.handles[0].cpu() - torch.tensor(reference_drag.handles)
        max_difference = max(max_difference, float(handle_differences.abs().max()))
    step_times = step_times[warm_up_steps:]
    operation_count, kernel_values = _count_work(case)
    return StepCost(
        case=case,
        seconds=statistics.median(seconds for seconds, _ in step_times),
        reference_seconds=statistics.median(reference_seconds for _, reference_seconds in step_times),
        speedup=statistics.median(reference_seconds / seconds for seconds, reference_seconds in step_times),
        arithmetic_seconds=operation_count / statistics.median(arithmetic_rates),
        weight_reading_seconds=kernel_values * dtype.itemsize / statistics.median(memory_rates),
        phase_shares=_phase_shares(DragganOptimizer(generator, settings, [task]), step_count),
        peak_bytes=_peak_memory_in_new_process(case, is_reference=False),
        reference_peak_bytes=_peak_memory_in_new_process(case, is_reference=True),
        max_handle_difference=None if case.has_mask else max_difference,
        thread_count=torch.get_num_threads(),
    )


def _prepare(case: BenchmarkCase) -> tuple[Generator, DragSettings, DragTask]:
    if isinstance(case.model, int):
        generator, settings = _random_model(case.model, case.device)
    else:
        model = load_model(case.model, case.device)
        generator, settings = model.generator, model.info.settings
    settings = settings.model_copy(update={"method": "draggan", "precision": case.precision})
    height, width = generator.image_shape
    column_count = min(case.pair_count, 5)
    row_count = -(-case.pair_count // column_count)
    handle_points = [
        (width * (i % column_count + 0.5) / column_count, height * (i // column_count + 0.5) / row_count)
        for i in range(case.pair_count)
    ]
    pairs = [((x, y), (x + width / 8, y + height / 10)) for x, y in handle_points]
    mask = _disc_mask(height, width) if case.has_mask else None
    return generator, settings, DragTask(latent_of_seed(generator, 0, 0.7), pairs, mask)


def _random_model(image_height: int, device: str) -> tuple[Generator, DragSettings]:
    torch.manual_seed(0)
    channels = pyramid_channels(image_height, RANDOM_MODEL_CHANNEL_BASE, RANDOM_MODEL_CHANNEL_MAX)
    config = StyleGAN2Config(resolution=image_height, channels=channels)
    generator = Generator(config).eval().requires_grad_(False).to(device)
    set_thread_count(generator.device, sum(parameter.numel() for parameter in generator.parameters()))
    return generator, DragSettings.for_height(image_height, f"b{min(image_height, 128)}")


def _disc_mask(height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = np.ogrid[:height, :width]
    is_inside = (rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2 < 0.3**2
    return is_inside.astype(np.uint8)


def _time(work: Callable[[], object], device: str) -> float:
    start_time = time.perf_counter()
    work()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start_time


def _arithmetic_rate(dtype: torch.dtype, device: str) -> float:
    """Return the operations per second of a large matrix product; a multiply-add counts as two."""
    square_matrix = torch.ones(MATRIX_SIDE, MATRIX_SIDE, dtype=dtype, device=device)
    return 2 * MATRIX_SIDE**3 / _time(lambda: square_matrix @ square_matrix, device)


def _memory_rate(device: str) -> float:
    """Return the bytes per second of a large sum."""
    values = torch.ones(MATRIX_SIDE * MATRIX_SIDE * 16, device=device)
    return values.nbytes / _time(values.sum, device)


def _count_work(case: BenchmarkCase) -> tuple[int, int]:
    """Return a step's operations, and the numbers in the kernels that it reads, counted once for each direction."""
    generator, settings, task = _prepare(case)
    # In float64 all convolutions are torch's own, which the counters see.
    settings = settings.model_copy(update={"precision": "float32"})  # keeps the weights' number type
    optimizer = DragganOptimizer(generator.double(), settings, [replace(task, ws=task.ws.double())])
    with FlopCounterMode(display=False) as operation_counter, _KernelCounter() as kernel_counter:
        optimizer.step()
    return operation_counter.get_total_flops(), kernel_counter.total


class _KernelCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers in the convolutions' kernels, each kernel once for each direction."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernel_sizes: dict[tuple[bool, int], int] = {}

    @property
    def total(self) -> int:
        """The sum over all kernels and directions."""
        return sum(self.kernel_sizes.values())

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        if func in (CONVOLUTION, CONVOLUTION_BACKWARD):
            is_backward = func is CONVOLUTION_BACKWARD
            kernel = args[2 if is_backward else 1]
            self.kernel_sizes[is_backward, kernel.data_ptr()] = kernel.numel()
        return func(*args, **(kwargs or {}))


def _phase_shares(optimizer: DragganOptimizer, step_count: int) -> dict[str, float]:
    optimizer.records_steps = False
    optimizer.step()
    with profile() as profiler:  # type: ignore[no-untyped-call]
        for _ in range(step_count):
            optimizer.step()
    phase_times = {
        profiler_event.key: profiler_event.cpu_time_total
        for profiler_event in profiler.key_averages()
        if profiler_event.key in STEP_PHASES
    }
    return {phase_name: phase_times[phase_name] / sum(phase_times.values()) for phase_name in STEP_PHASES}


def _peak_memory_in_new_process(case: BenchmarkCase, *, is_reference: bool) -> int:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process_pool:
        return process_pool.submit(peak_memory, case, is_reference).result()


def peak_memory(case: BenchmarkCase, is_reference: bool) -> int:
    """Return the most bytes that a few steps use, without weights and libraries.

    Must run in a process that does nothing else.

    Args:
        is_reference: whether to measure the reference drag.
    """
    generator, settings, task = _prepare(case)
    bytes_before = _peak_memory_so_far(case.device)
    drag = ReferenceDrag(generator, settings, task) if is_reference else DragganOptimizer(generator, settings, [task])
    for _ in range(MEMORY_STEPS):
        drag.step()
    return _peak_memory_so_far(case.device) - bytes_before


def _peak_memory_so_far(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated()
    if PROCESS_STATUS_FILE.is_file():  # Linux's getrusage would start from the peak of the parent process
        status_fields = dict(status_line.split(":", 1) for status_line in PROCESS_STATUS_FILE.read_text().splitlines())
        return int(status_fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts in bytes
