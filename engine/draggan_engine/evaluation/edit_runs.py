"""Run edits of several cases together. Every method of the evaluation is an `EditFunction`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.optimizer import Optimizer
from draggan_engine.dragging.settling import Settling
from draggan_engine.networks.generator import Generator


@dataclass(frozen=True)
class EditResult:
    """The result of one edit.

    Attributes:
        ws: `[1, num_ws, w_dim]`.
        handles: `[P, 2]`, where the method believes the handles to be, in image pixels.
        seconds: the edit's share of the time of its chunk.
        reached: whether the method believes that the handles have arrived; None: the method cannot know.
    """

    ws: Tensor
    handles: Tensor
    steps: int
    seconds: float
    reached: bool | None


StepObserver = Callable[[int, Tensor, Tensor, Tensor], None]
"""Is called at the start and after each step with the step, the indices `[M]` of the drags that have not ended, their ws
`[M, num_ws, w_dim]` and their handles `[M, P, 2]`."""
EditFunction = Callable[[Generator, Sequence[DragTask], DragSettings, StepObserver | None], list[EditResult]]


def run_drags(
    optimizer: Optimizer,
    observer: StepObserver | None = None,
    *,
    tracks_handles: bool = True,
) -> list[EditResult]:
    """Run drags until each has arrived, settled or diverged, or has made the most steps that the settings allow.

    Args:
        tracks_handles: whether the handles are tracked. Otherwise no drag arrives or settles.

    Returns:
        One result for each drag of the optimizer, in its order.
    """
    settings, drag_count = optimizer.settings, len(optimizer.ws)
    results_by_drag: dict[int, EditResult] = {}
    stop_distances = torch.tensor(
        [settings.stop_distance_for(int(pair_count)) for pair_count in optimizer.pairs.exists.sum(dim=1)]
    )
    active_drags = torch.arange(drag_count)
    settling = Settling(drag_count)
    drag_seconds = torch.zeros(drag_count)
    is_finite = torch.ones(drag_count, dtype=torch.bool)
    step_number = 0
    if observer is not None:
        observer(0, active_drags, optimizer.ws.clone(), optimizer.pairs.handles.clone())
    while True:
        handle_distances = optimizer.pairs.distances().cpu()
        mean_distances = handle_distances.sum(dim=1) / optimizer.pairs.exists.sum(dim=1).cpu()
        has_arrived = (handle_distances <= stop_distances[active_drags, None]).all(dim=1) & tracks_handles
        has_settled = settling.observe(step_number, mean_distances, optimizer.settles_after) & tracks_handles
        has_ended = has_arrived | has_settled | ~is_finite | (step_number == settings.max_steps)
        for i in torch.nonzero(has_ended)[:, 0].tolist():
            drag_index = int(active_drags[i])
            handles = optimizer.pairs.handles[i][optimizer.pairs.exists[i]].cpu()
            has_reached = bool(has_arrived[i]) if tracks_handles else None
            results_by_drag[drag_index] = EditResult(
                optimizer.ws[i : i + 1].cpu(), handles, step_number, float(drag_seconds[drag_index]), has_reached
            )
        if bool(has_ended.all()):
            return [results_by_drag[drag_index] for drag_index in range(drag_count)]
        if bool(has_ended.any()):
            optimizer.select(~has_ended.to(optimizer.ws.device))
            settling.select(~has_ended)
            active_drags = active_drags[~has_ended]
        start_time = time.perf_counter()
        _, is_finite = optimizer.step()
        is_finite = is_finite.cpu()
        drag_seconds[active_drags] += (time.perf_counter() - start_time) / len(active_drags)
        step_number += 1
        if observer is not None:
            observer(step_number, active_drags, optimizer.ws.clone(), optimizer.pairs.handles.clone())
