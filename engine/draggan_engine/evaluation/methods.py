"""The methods that are compared. A method is a name and a function from cases and settings to results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.feature_sampling import sample_features
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, MaskLoss
from draggan_engine.dragging.optimizer import DragOptimizer
from draggan_engine.dragging.point_tracking import PointTracker, track_points
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator

from .baselines import optical_flow as flows

SETTLED_STEPS = 50
"""A drag whose mean distance has not become smaller for so many steps has settled: it ends."""
MIN_PROGRESS = 0.1  # px


@dataclass(frozen=True)
class EditResult:
    """Of one edit.

    Attributes:
        ws: `[1, num_ws, w_dim]`.
        handles: `[P, 2]`: where the method believes them to be.
        seconds: its share of the time that its chunk took.
        reached: whether the method believes that it has arrived; None where it does not look.
    """

    ws: Tensor
    handles: Tensor
    steps: int
    seconds: float
    reached: bool | None


StepObserver = Callable[[int, Tensor, Tensor, Tensor], None]
"""Told, at the start and after each step: the step, which cases go on (`[M]` indices), their ws, their handles."""
EditFunction = Callable[[Generator, Sequence[DragTask], DragSettings, StepObserver | None], list[EditResult]]


def no_edit(
    generator: Generator,  # noqa: ARG001
    starts: Sequence[DragTask],
    settings: DragSettings,  # noqa: ARG001
    watch: StepObserver | None,  # noqa: ARG001
) -> list[EditResult]:
    """What is there before."""
    return [EditResult(start.ws, torch.tensor([p for p, _ in start.pairs]), 0, 0.0, None) for start in starts]


def run_drags(stepper: DragOptimizer, watch: StepObserver | None = None, *, knows: bool = True) -> list[EditResult]:
    """Drags together until each has arrived, settled, diverged, or made the most steps that the settings allow.

    Args:
        knows: whether the handles are followed, so that a drag can know that it has arrived, or settled.
    """
    settings, count = stepper.settings, len(stepper.ws)
    results: dict[int, EditResult] = {}
    within = torch.tensor([settings.stop_distance_for(int(pairs)) for pairs in stepper.pairs.exists.sum(dim=1)])
    alive = torch.arange(count)
    best, best_at, spent = torch.full((count,), torch.inf), torch.zeros(count, dtype=torch.long), torch.zeros(count)
    finite = torch.ones(count, dtype=torch.bool)
    step = 0
    if watch is not None:
        watch(0, alive, stepper.ws.clone(), stepper.pairs.handles.clone())
    while True:
        left = stepper.pairs.distances().cpu()
        mean = left.sum(dim=1) / stepper.pairs.exists.sum(dim=1).cpu()
        arrived = (left <= within[alive, None]).all(dim=1) & knows
        smaller = mean < best[alive] - MIN_PROGRESS
        best[alive] = torch.where(smaller, mean, best[alive])
        best_at[alive] = torch.where(smaller, step, best_at[alive])
        settled = (step - best_at[alive] >= SETTLED_STEPS) & knows
        ended = arrived | settled | ~finite | (step == settings.max_steps)
        for i in torch.nonzero(ended)[:, 0].tolist():
            case = int(alive[i])
            handles = stepper.pairs.handles[i][stepper.pairs.exists[i]].cpu()
            reached = bool(arrived[i]) if knows else None
            results[case] = EditResult(stepper.ws[i : i + 1].cpu(), handles, step, float(spent[case]), reached)
        if bool(ended.all()):
            return [results[case] for case in range(count)]
        if bool(ended.any()):
            stepper.select(~ended.to(stepper.ws.device))
            alive = alive[~ended]
        began = time.perf_counter()
        _, finite = stepper.step()
        finite = finite.cpu()
        spent[alive] += (time.perf_counter() - began) / len(alive)
        step += 1
        if watch is not None:
            watch(step, alive, stepper.ws.clone(), stepper.pairs.handles.clone())


class Untracked:
    """The handles stay where they began."""

    search_radius = 0.0

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        return handles

    def select(self, kept: Tensor) -> None: ...


def no_tracking(
    generator: Generator, starts: Sequence[DragTask], settings: DragSettings, watch: StepObserver | None
) -> list[EditResult]:
    """Supervision alone; it makes all the steps that the settings allow, for it cannot know that it has arrived."""
    stepper = DragOptimizer(generator, settings, starts)
    stepper.tracker = Untracked()
    return run_drags(stepper, watch, knows=False)


class FlowTracking:
    """The handles go along with the optical flow from each picture to the next."""

    search_radius = math.inf

    def __init__(self, stepper: DragOptimizer, flow: flows.Flow) -> None:
        self.generator, self.flow = stepper.generator, flow
        self.last = self._pictures(stepper.ws)

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        now = self._pictures(ws)
        points = handles.cpu().numpy()
        moves = [flows.sample_flow(self.flow(a, b), p) for a, b, p in zip(self.last, now, points, strict=True)]
        self.last = now
        return handles + torch.from_numpy(np.stack(moves)).to(handles)

    def select(self, kept: Tensor) -> None:
        self.last = [picture for picture, is_kept in zip(self.last, kept.tolist(), strict=True) if is_kept]

    @torch.no_grad()
    def _pictures(self, ws: Tensor) -> list[flows.Picture]:
        return [to_uint8(image[None]) for image in self.generator.synthesis(ws).image]


def drag_with_flow(flow: Callable[[], flows.Flow]) -> EditFunction:
    """The drag with its handles followed by optical flow."""

    def run(
        generator: Generator, starts: Sequence[DragTask], settings: DragSettings, watch: StepObserver | None
    ) -> list[EditResult]:
        stepper = DragOptimizer(generator, settings, starts)
        stepper.tracker = FlowTracking(stepper, flow())
        return run_drags(stepper, watch)

    return run


class BlockTracking:
    """The paper's tracking on the features of another block than supervision's."""

    def __init__(self, stepper: DragOptimizer, block: str) -> None:
        self.stepper, self.block, self.search_radius = stepper, block, stepper.settings.r2
        self.references = sample_features(self._features(stepper.ws), stepper.pairs.handles, stepper.pairs.image_size)

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        settings = self.stepper.settings
        return track_points(
            self._features(ws),
            self.references,
            handles,
            settings.r2,
            settings.tracking_norm,
            self.stepper.pairs.image_size,
        )

    def select(self, kept: Tensor) -> None:
        self.references = self.references[kept]

    @torch.no_grad()
    def _features(self, ws: Tensor) -> Tensor:
        found: Tensor = self.stepper.generator.synthesis(ws, features=(self.block,)).features[self.block]
        return found


@dataclass(frozen=True)
class Drag:
    """The paper's method, or, for the ablations, a variant of it.

    Attributes:
        tracking_block: whose features serve tracking; None: the block that serves supervision.
        mask_loss_type: as for the `DragOptimizer`.
    """

    tracking_block: str | None = None
    mask_loss_type: Callable[[Tensor, Tensor], MaskLoss] = AveragedMaskLoss

    def __call__(
        self, generator: Generator, starts: Sequence[DragTask], settings: DragSettings, watch: StepObserver | None
    ) -> list[EditResult]:
        stepper = DragOptimizer(generator, settings, starts, mask_loss_type=self.mask_loss_type)
        if self.tracking_block is not None:
            tracking: PointTracker = BlockTracking(stepper, self.tracking_block)
            stepper.tracker = tracking
        return run_drags(stepper, watch)


METHODS: Mapping[str, EditFunction] = {
    "no edit": no_edit,
    "drag": Drag(),
    "no tracking": no_tracking,
    "optical flow": drag_with_flow(flows.dis_flow),
    "RAFT": drag_with_flow(flows.raft_flow),
}


def select_methods(names: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """The methods that were asked for (all, if none were) and those that cannot be had, with the reason.

    Raises:
        InputError: one that was asked for is unknown, or cannot be had.
    """
    reasons = {}
    for name, check in (("optical flow", flows.dis_flow), ("RAFT", flows.raft_flow)):
        try:
            check()
        except InputError as error:
            reasons[name] = str(error)
    for name in names or ():
        if name not in METHODS:
            raise InputError(f"there is no method {name!r}; choose from {', '.join(METHODS)}")
        if name in reasons:
            raise InputError(reasons[name])
    return tuple(name for name in names or METHODS if name not in reasons), reasons
