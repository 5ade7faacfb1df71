"""The baselines that track no handles: no edit at all, and motion supervision alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.evaluation.edit_runs import EditResult, StepObserver, run_drags
from draggan_engine.networks.generator import Generator


def no_edit(
    generator: Generator,  # noqa: ARG001
    drags: Sequence[DragTask],
    settings: DragSettings,  # noqa: ARG001
    observer: StepObserver | None,  # noqa: ARG001
) -> list[EditResult]:
    """Return the latents as they are."""
    return [EditResult(drag.ws, torch.tensor([handle for handle, _ in drag.pairs]), 0, 0.0, None) for drag in drags]


class FixedTracker:
    """A point tracker that leaves the handles where the drag began."""

    search_radius = 0.0

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        return handles

    def select(self, kept: Tensor) -> None: ...


def drag_without_tracking(
    generator: Generator, drags: Sequence[DragTask], settings: DragSettings, observer: StepObserver | None
) -> list[EditResult]:
    """Run motion supervision alone. It makes as many steps as the settings allow, because it cannot know its distance."""
    optimizer = DragganOptimizer(generator, settings, drags)
    optimizer.tracker = FixedTracker()
    return run_drags(optimizer, observer, tracks_handles=False)
