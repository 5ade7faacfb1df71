"""Recorded steps and side streams on CUDA.

A drag's step is recorded once as a CUDA graph and then replayed: its kernels are launched together, and none waits for
the host. Images of the drag are rendered on a stream of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
log = logging.getLogger("draggan_engine")

WARM_UP_STEPS = 2  # steps before the recording, in which libraries choose their kernels
REPLAY_TOLERANCE = 0.05
"""How far a replay may be from the step itself, as a fraction of what the step changes. TF32 and the order of sums make
a smaller difference."""


@torch.no_grad()
def record_step(step: Callable[[], None], state: Sequence[Tensor]) -> Callable[[], None] | None:
    """Record a step as a CUDA graph.

    Args:
        step: changes `state` in place and reads nothing that is not on the device. No autograd graph of the tensors that
            it differentiates may be alive. The recording is its last call; what else this call makes is overwritten by
            each replay.
        state: tensors on one device; they are restored afterwards.

    Returns:
        A function that replays the step, or None if the step cannot be recorded here, or if a replay does not change the
        state as the step does.
    """
    state_before = [tensor.detach().clone() for tensor in state]

    def restore_state() -> None:
        for tensor, value in zip(state, state_before, strict=True):
            tensor.copy_(value)

    def state_after(run_step: Callable[[], None]) -> list[Tensor]:
        restore_state()
        with torch.enable_grad():
            run_step()
        return [tensor.detach().clone() for tensor in state]

    with torch.cuda.device(state[0].device):
        try:
            warm_up_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            warm_up_stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(warm_up_stream):
                for _ in range(WARM_UP_STEPS):
                    state_after(step)
            torch.cuda.current_stream().wait_stream(warm_up_stream)
            expected_state = state_after(step)
            graph = torch.cuda.CUDAGraph()
            restore_state()
            # The outer stream is set because a recording that fails leaves its own stream in use. In the mode
            # "thread_local" other threads may continue to render.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(graph, capture_error_mode="thread_local"),
                torch.enable_grad(),
            ):
                step()
            replayed_state = state_after(graph.replay)
        except RuntimeError as error:
            log.warning("a step could not be recorded, so its kernels are launched one by one: %s", error)
            return None
        finally:
            restore_state()
    if not all(
        _is_close(*tensor_values) for tensor_values in zip(state_before, replayed_state, expected_state, strict=True)
    ):
        log.warning("a recorded step gave another result, so its kernels are launched one by one")
        return None
    return graph.replay


def _is_close(state_before: Tensor, replayed_state: Tensor, expected_state: Tensor) -> bool:
    return bool((replayed_state - expected_state).norm() <= REPLAY_TOLERANCE * (expected_state - state_before).norm())


def on_side_stream(device: torch.device, work: Callable[[], T]) -> Callable[[], T]:
    """Return a function that does the work on a stream of its own, for any thread; except on CUDA, return `work` itself.

    On CUDA the work starts when everything that has been launched so far is done, and nothing that is launched later
    waits for it.

    Args:
        work: all tensors that it reads must belong to it and exist already; it must end by waiting for its result.
    """
    if device.type != "cuda":
        return work
    launched_work = torch.cuda.Event()  # type: ignore[no-untyped-call]
    launched_work.record(torch.cuda.current_stream(device))

    def work_on_side_stream() -> T:
        stream = side_stream(device)
        stream.wait_event(launched_work)
        with torch.cuda.stream(stream):  # also sets the device
            return work()

    return work_on_side_stream


@cache
def side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the device's side stream, always the same one, because memory is kept by stream.

    Its priority differs from that of the streams on which steps are recorded. torch hands out few streams of each
    priority in turn, and this one must never be one of those.
    """
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]
