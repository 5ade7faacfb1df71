"""Runs what is left of an evaluation, chunk by chunk, in as many processes as serve the model."""

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
from draggan_engine.networks.devices import MAX_THREADS, best_thread_count

from .experiments import BFLOAT16, Task, run_task, tasks
from .run_directory import ChunkImages, Row, RunDirectory


@dataclass(frozen=True)
class RunProgress:
    """After each chunk.

    Attributes:
        done, total: chunks of what was asked for, those of earlier runs included.
        seconds_left: an estimate; None before a drag has been timed.
        finished_chunk: the chunk that has just been written; None at the beginning.
    """

    done: int
    total: int
    seconds_left: float | None
    finished_chunk: str | None


def run_evaluation(folder: RunDirectory, model: Model, device: str) -> Generator[RunProgress, None, None]:
    """Runs the chunks that are not there yet.

    Args:
        device: what the model was loaded on, for further processes.

    Raises:
        DragganError: a case cannot be made, a chunk not be written, or a process was ended.
    """
    can_bfloat16 = why_not_bfloat16(model.generator) is None
    everything = [task for task in tasks(folder.request, model.info) if can_bfloat16 or task.group != BFLOAT16]
    todo = [task for task in everything if task.chunk not in folder.done]
    began, done, timed = time.monotonic(), 0.0, False
    total = sum(map(_cost, todo))
    earlier = len(everything) - len(todo)
    yield RunProgress(earlier, len(everything), None, None)
    jobs = MAX_THREADS if model.generator.device.type == "cpu" and best_thread_count(model.info.parameters) == 1 else 1
    finished = _alone(model, todo) if jobs == 1 else _together(model.spec, device, todo, jobs)
    for number, (task, (rows, pictures)) in enumerate(finished, earlier + 1):
        folder.add(rows, pictures)
        done += _cost(task)
        timed = timed or task.method != "no edit"  # what those take is mostly the start
        left = (time.monotonic() - began) * (total / done - 1) if timed else None
        yield RunProgress(number, len(everything), left, task.chunk)


CASE_COSTS = {
    "1 point": 1.0,
    "without": 1.0,
    "with mask": 3.0,
    "with mask, exact term": 9.0,
    "32 points": 13.0,
    "68 points": 33.0,
}
FIVE_POINTS = 10.0


def _cost(task: Task) -> float:
    """Of a chunk beside the others, roughly, as `critters-256` takes its time on a CPU."""
    if task.method == "no edit":
        return 1.0
    case = CASE_COSTS.get(task.group, FIVE_POINTS)  # as the ablations have
    others = 6.0 if case == 1.0 else 2.0  # a drag of one point arrives early; the others late, or never
    return task.size * case * (1.0 if task.method == "drag" else others)


Finished = Iterator[tuple[Task, tuple[list[Row], ChunkImages]]]


def _alone(model: Model, todo: Sequence[Task]) -> Finished:
    for task in todo:
        yield task, run_task(model, task)


def _together(spec: str, device: str, todo: Sequence[Task], jobs: int) -> Finished:
    """In processes of one thread each: two of those do more than one of two, for a small model."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(spec, device))
    try:
        rest = iter(todo)
        running: dict[Future[tuple[list[Row], ChunkImages]], Task] = {}
        with _undisturbed_start():
            for task in itertools.islice(rest, 2 * jobs):
                running[pool.submit(_work, task)] = task
        while running:
            ready, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                task = running.pop(future)
                if (following := next(rest, None)) is not None:
                    running[pool.submit(_work, following)] = following
                yield task, future.result()
    except BrokenProcessPool as error:
        raise EngineError(
            "a process of the evaluation was ended, perhaps for want of memory; run the command again to go on"
        ) from error
    finally:
        workers = list((pool._processes or {}).values())  # after the shutdown it knows them no more
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:  # a chunk may take a minute: what runs is given up
            worker.terminate()


@contextmanager
def _undisturbed_start() -> Iterator[None]:
    """Let signals wait while processes are started: one whose start is broken off would print a traceback. Ctrl-C, which
    the terminal sends to them as well, they ignore from the beginning."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in handlers.items():
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_IGN)
        elif handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for received in waiting:
        signal.raise_signal(received)


_model: Model


def _begin(spec: str, device: str) -> None:
    global _model
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asked
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _model = load_model(spec, device)


def _end_with_parent() -> None:
    """A process that was killed ends none of those that it started."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(task: Task) -> tuple[list[Row], ChunkImages]:
    return run_task(_model, task)
