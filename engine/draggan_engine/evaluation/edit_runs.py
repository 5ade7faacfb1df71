"""Run edits of several cases together. Every method of the evaluation is an `EditFunction`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.optimizer import DragOptimizer
from draggan_engine.networks.generator import Generator

SETTLED_STEPS = 50
"""A drag ends when its mean distance has not decreased for this many steps."""
MIN_DECREASE = 0.1
"""Smaller decreases of the mean distance do not count, px."""


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
    optimizer: DragOptimizer,
    observer: StepObserver | None = None,
    *,
    tracks_handles: bool = True,
    settled_steps: int = SETTLED_STEPS,
) -> list[EditResult]:
    """Run drags until each has arrived, settled or diverged, or has made the most steps that the settings allow.

    Args:
        tracks_handles: whether the handles are tracked. Otherwise no drag arrives or settles.

    Returns:
        One result for each drag of the optimizer, in its order.
    """
    settings, count = optimizer.settings, len(optimizer.ws)
    results: dict[int, EditResult] = {}
    stop_distances = torch.tensor(
        [settings.stop_distance_for(int(pairs)) for pairs in optimizer.pairs.exists.sum(dim=1)]
    )
    active = torch.arange(count)
    best_means, best_steps = torch.full((count,), torch.inf), torch.zeros(count, dtype=torch.long)
    seconds = torch.zeros(count)
    finite = torch.ones(count, dtype=torch.bool)
    step = 0
    if observer is not None:
        observer(0, active, optimizer.ws.clone(), optimizer.pairs.handles.clone())
    while True:
        distances = optimizer.pairs.distances().cpu()
        means = distances.sum(dim=1) / optimizer.pairs.exists.sum(dim=1).cpu()
        arrived = (distances <= stop_distances[active, None]).all(dim=1) & tracks_handles
        decreased = means < best_means[active] - MIN_DECREASE
        best_means[active] = torch.where(decreased, means, best_means[active])
        best_steps[active] = torch.where(decreased, step, best_steps[active])
        settled = (step - best_steps[active] >= settled_steps) & tracks_handles
        ended = arrived | settled | ~finite | (step == settings.max_steps)
        for i in torch.nonzero(ended)[:, 0].tolist():
            drag = int(active[i])
            handles = optimizer.pairs.handles[i][optimizer.pairs.exists[i]].cpu()
            reached = bool(arrived[i]) if tracks_handles else None
            results[drag] = EditResult(optimizer.ws[i : i + 1].cpu(), handles, step, float(seconds[drag]), reached)
        if bool(ended.all()):
            return [results[drag] for drag in range(count)]
        if bool(ended.any()):
            optimizer.select(~ended.to(optimizer.ws.device))
            active = active[~ended]
        began = time.perf_counter()
        _, finite = optimizer.step()
        finite = finite.cpu()
        seconds[active] += (time.perf_counter() - began) / len(active)
        step += 1
        if observer is not None:
            observer(step, active, optimizer.ws.clone(), optimizer.pairs.handles.clone())
