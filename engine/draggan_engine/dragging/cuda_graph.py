"""On CUDA a drag's step is recorded once and replayed: its kernels are launched as one, and none waits for the host. What is
shown of it is drawn on another stream."""

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
REPLAY_TOLERANCE = (
    0.05  # of what a step changes; TF32 and the order of sums make a replay differ from the step itself by less
)


@torch.no_grad()
def record_step(step: Callable[[], None], state: Sequence[Tensor]) -> Callable[[], None] | None:
    """The step as a CUDA graph.

    Args:
        step: changes `state` in place and reads nothing that is not on the device. No autograd graph of what it
            differentiates may be alive. What else it makes belongs to the recording, which is its last call.
        state: on one device; is afterwards what it was.

    Returns:
        What replays it; None: it cannot be recorded here, or a replay changes the state otherwise than the step does.
    """
    before = [tensor.detach().clone() for tensor in state]

    def restart() -> None:
        for tensor, value in zip(state, before, strict=True):
            tensor.copy_(value)

    def done(once: Callable[[], None]) -> list[Tensor]:
        restart()
        with torch.enable_grad():
            once()
        return [tensor.detach().clone() for tensor in state]

    with torch.cuda.device(state[0].device):
        try:
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP_STEPS):
                    done(step)
            torch.cuda.current_stream().wait_stream(side)
            expected = done(step)
            graph = torch.cuda.CUDAGraph()
            restart()
            # The outer one, because a recording that fails leaves its own stream in use. Other threads may go on drawing.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(graph, capture_error_mode="thread_local"),
                torch.enable_grad(),
            ):
                step()
            seen = done(graph.replay)
        except RuntimeError as error:
            log.warning("a step could not be recorded, and is launched kernel by kernel: %s", error)
            return None
        finally:
            restart()
    if not all(_alike(*values) for values in zip(before, seen, expected, strict=True)):
        log.warning("a recorded step did something else, and is launched kernel by kernel")
        return None
    return graph.replay


def _alike(before: Tensor, seen: Tensor, expected: Tensor) -> bool:
    return bool((seen - expected).norm() <= REPLAY_TOLERANCE * (expected - before).norm())


def on_side_stream(device: torch.device, work: Callable[[], T]) -> Callable[[], T]:
    """The same work for any thread. On CUDA it gets a stream of its own: it begins when all is done that has been launched by
    now, and nothing that is launched later waits for it.

    Args:
        work: what it takes from the device is its own, and there before now; it ends by waiting for its result.
    """
    if device.type != "cuda":
        return work
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record(torch.cuda.current_stream(device))

    def done() -> T:
        side = _side(device)
        side.wait_event(ready)
        with torch.cuda.stream(side):  # and its device
            return work()

    return done


@cache
def _side(device: torch.device) -> torch.cuda.Stream:
    """One for good, for memory is kept by stream; of another priority than steps are recorded on: torch hands out few streams
    of each in turn, and this must never be that one."""
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]
