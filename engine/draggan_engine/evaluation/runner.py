"""Run the chunks of an evaluation that are missing, in as many processes as the model can use."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import EngineError
from draggan_engine.dragging.drag_task import why_not_bfloat16
from draggan_engine.networks.cpu_threads import MAX_THREADS, best_thread_count

from .experiments import Task, run_task, tasks
from .run_directory import ChunkImages, Row, RunDirectory
from .variants import MaskUse, Method, Variant

METHODS_OF_ONE_PASS = (Method.NO_EDIT, Method.USER_CONTROLLABLE_LT)
"""Their chunks cost little more than starting."""
ChunkResult = tuple[list[Row], ChunkImages]


@dataclass(frozen=True)
class RunProgress:
    """The state of a run after each chunk.

    Attributes:
        done, total: chunks of the request; those of earlier runs count as done.
        seconds_left: an estimate; None before a drag has been timed.
        finished_chunk: the chunk that has just been written; None at the beginning.
    """

    done: int
    total: int
    seconds_left: float | None
    finished_chunk: str | None


def run_evaluation(
    directory: RunDirectory, model: Model, device: str, process_count: int | None = None
) -> Generator[RunProgress, None, None]:
    """Run the chunks that the directory does not have yet.

    Args:
        device: the device that the model was loaded on, for further processes.
        process_count: None: one for each thread if the model is so small that it uses one thread on a CPU,
            otherwise one.

    Raises:
        DragganError: a case cannot be made, a chunk cannot be written, or a process was ended.
    """
    if process_count is None:
        uses_one_thread = model.generator.device.type == "cpu" and best_thread_count(model.info.parameters) == 1
        process_count = MAX_THREADS if uses_one_thread else 1
    bfloat16 = why_not_bfloat16(model.generator, "draggan") is None
    all_tasks = list(tasks(directory.request, model.info, bfloat16=bfloat16))
    missing_tasks = [task for task in all_tasks if task.chunk not in directory.finished_chunks]
    start_time, finished_cost, drag_was_timed = time.monotonic(), 0.0, False
    total_cost = sum(map(_task_cost, missing_tasks))
    earlier_chunks = len(all_tasks) - len(missing_tasks)
    yield RunProgress(earlier_chunks, len(all_tasks), None, None)
    if process_count == 1:
        chunk_results = _run_in_this_process(model, missing_tasks)
    else:
        chunk_results = _run_in_processes(model.spec, device, missing_tasks, process_count)
    for chunks_done, (task, (chunk_rows, chunk_images)) in enumerate(chunk_results, earlier_chunks + 1):
        directory.add_chunk(chunk_rows, chunk_images)
        finished_cost += _task_cost(task)
        # The time of a chunk without an edit is mostly that of starting.
        drag_was_timed = drag_was_timed or task.method not in METHODS_OF_ONE_PASS
        seconds_left = (time.monotonic() - start_time) * (total_cost / finished_cost - 1) if drag_was_timed else None
        yield RunProgress(chunks_done, len(all_tasks), seconds_left, task.chunk)


def _task_cost(task: Task) -> float:
    """Return how long a chunk takes, relative to others, as measured with `critters-256` on a CPU."""
    if task.method in METHODS_OF_ONE_PASS:
        return 1.0
    case_cost = _case_cost(task.variant)
    # A drag of one point arrives early; the baselines arrive late or never.
    baseline_factor = 6.0 if case_cost == 1.0 else 2.0
    ways = 2 if task.experiment == "cycle" else 1
    method_factors = {Method.DRAG: 1.0, Method.FREEDRAG: 1.0, Method.LEAST_SQUARES: 0.1 if case_cost <= 10 else 0.5}
    return ways * task.size * case_cost * method_factors.get(task.method, baseline_factor)


def _case_cost(variant: Variant) -> float:
    if variant.change is not None or variant.points == 5:
        return 10.0
    if variant.points > 5:
        return 13.0 if variant.points == 32 else 33.0
    return {MaskUse.NONE: 1.0, MaskUse.FEATURES: 3.0, MaskUse.IMAGE: 9.0}[variant.mask]


def _run_in_this_process(model: Model, missing_tasks: Sequence[Task]) -> Iterator[tuple[Task, ChunkResult]]:
    for task in missing_tasks:
        yield task, run_task(model, task)


def _run_in_processes(
    model_spec: str, device: str, missing_tasks: Sequence[Task], process_count: int
) -> Iterator[tuple[Task, ChunkResult]]:
    """Run chunks in processes of one thread each, which for a small model is faster than one process of many threads."""
    spawn_context = multiprocessing.get_context("spawn")
    process_pool = ProcessPoolExecutor(
        process_count, mp_context=spawn_context, initializer=_start_worker, initargs=(model_spec, device)
    )
    try:
        waiting_tasks = iter(missing_tasks)
        running_tasks: dict[Future[ChunkResult], Task] = {}
        with hold_signals():
            for task in itertools.islice(waiting_tasks, 2 * process_count):
                running_tasks[process_pool.submit(_run_in_worker, task)] = task
        while running_tasks:
            finished_futures, _ = wait(running_tasks, return_when=FIRST_COMPLETED)
            for chunk_future in finished_futures:
                task = running_tasks.pop(chunk_future)
                if (next_task := next(waiting_tasks, None)) is not None:
                    running_tasks[process_pool.submit(_run_in_worker, next_task)] = next_task
                yield task, chunk_future.result()
    except BrokenProcessPool as pool_error:
        raise EngineError(
            "a process of the evaluation was ended, perhaps because memory ran out; run the same command to continue"
        ) from pool_error
    finally:
        worker_processes = list((process_pool._processes or {}).values())  # the pool forgets them when it shuts down
        process_pool.shutdown(wait=False, cancel_futures=True)
        for worker_process in worker_processes:  # a chunk may take a minute; give up those that are running
            worker_process.terminate()


@contextmanager
def hold_signals() -> Iterator[None]:
    """Delay SIGTERM and SIGHUP until the end of the block, and ignore Ctrl-C.

    A process that is interrupted while it starts prints a traceback. Processes that are started in the block ignore
    Ctrl-C from the beginning; the terminal sends it to them too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received_signals: list[int] = []
    handlers_by_signal = {
        signal_number: signal.getsignal(signal_number)
        for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    for signal_number, signal_handler in handlers_by_signal.items():
        if signal_number == signal.SIGINT:
            signal.signal(signal_number, signal.SIG_IGN)
        elif signal_handler is not signal.SIG_IGN:
            signal.signal(signal_number, lambda signal_number, _: received_signals.append(signal_number))
    try:
        yield
    finally:
        for signal_number, signal_handler in handlers_by_signal.items():
            signal.signal(signal_number, signal_handler)
    for received_signal in received_signals:
        signal.raise_signal(received_signal)


_worker_model: Model


def _start_worker(model_spec: str, device: str) -> None:
    global _worker_model
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _worker_model = load_model(model_spec, device)


def _exit_with_parent() -> None:
    """End this process when its parent has ended. A parent that is killed cannot end its workers."""
    parent_process = multiprocessing.parent_process()
    assert parent_process is not None
    parent_process.join()
    os._exit(1)


def _run_in_worker(task: Task) -> ChunkResult:
    return run_task(_worker_model, task)
