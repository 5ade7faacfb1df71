"""On CUDA a drag's step is recorded once and replayed: its kernels are launched as one, and none waits for the host."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

log = logging.getLogger("draggan_engine")

WARM_UP = 2  # steps before the recording, in which libraries choose their kernels
ALIKE = 0.01  # relative; TF32 and the order of sums make a replay differ from the step itself by less


@torch.no_grad()
def recorded(step: Callable[[], None], state: Sequence[Tensor], outcome: Sequence[Tensor]) -> Callable[[], None] | None:
    """The step as a CUDA graph.

    Args:
        step: changes `state` and `outcome` in place, and nothing else; reads nothing that is not on the device.
        state: what it starts from; is afterwards what it was.
        outcome: floating point tensors by which a replay is compared with the step itself.

    Returns:
        What replays it; None: it cannot be recorded here, or a replay does something else.
    """
    before = [tensor.detach().clone() for tensor in state]

    def restart() -> None:
        for tensor, value in zip(state, before, strict=True):
            tensor.copy_(value)

    def done(once: Callable[[], None]) -> list[Tensor]:
        restart()
        with torch.enable_grad():
            once()
        return [tensor.detach().clone() for tensor in outcome]

    try:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                done(step)
        torch.cuda.current_stream().wait_stream(side)
        expected = done(step)
        graph = torch.cuda.CUDAGraph()
        restart()
        with torch.cuda.graph(graph), torch.enable_grad():
            step()
        seen = done(graph.replay)
    except RuntimeError as error:
        log.warning("a step could not be recorded, and is launched kernel by kernel: %s", error)
        return None
    finally:
        restart()
    if not all(_alike(a, b) for a, b in zip(seen, expected, strict=True)):
        log.warning("a recorded step did something else, and is launched kernel by kernel")
        return None
    return graph.replay


def _alike(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).norm() <= ALIKE * b.norm())
