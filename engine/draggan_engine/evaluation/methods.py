"""The methods that the evaluation compares: the drag and its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.feature_sampling import sample_features
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.dragging.freedrag_optimizer import FreeDragOptimizer
from draggan_engine.dragging.least_squares_optimizer import LeastSquaresOptimizer
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, MaskLoss
from draggan_engine.dragging.point_tracking import track_points
from draggan_engine.networks.generator import Generator

from .baselines.latent_transformer import transformer_path
from .baselines.optical_flow import dis_flow, drag_with_flow, raft_flow
from .baselines.point_trackers import cotracker_tracker, drag_with_point_tracker, pips_tracker
from .baselines.untracked import drag_without_tracking, no_edit
from .baselines.user_controllable_lt import edit_with_latent_transformer
from .edit_runs import EditFunction, EditResult, StepObserver, run_drags
from .variants import Method


class BlockTracker:
    """The paper's point tracking on the features of another block than that of motion supervision."""

    def __init__(self, optimizer: DragganOptimizer, block: str) -> None:
        self.optimizer, self.block, self.search_radius = optimizer, block, optimizer.settings.r2
        self.references = sample_features(
            self._features(optimizer.ws), optimizer.pairs.handles, optimizer.pairs.image_size
        )

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        settings = self.optimizer.settings
        return track_points(
            self._features(ws),
            self.references,
            handles,
            settings.r2,
            settings.tracking_norm,
            self.optimizer.pairs.image_size,
        )

    def select(self, kept: Tensor) -> None:
        self.references = self.references[kept]

    @torch.no_grad()
    def _features(self, ws: Tensor) -> Tensor:
        features: Tensor = self.optimizer.generator.synthesis(ws, features=(self.block,)).features[self.block]
        return features


@dataclass(frozen=True)
class Drag:
    """The paper's method, or a variant of it.

    Attributes:
        tracking_block: the block whose features are used for tracking; None: that of motion supervision.
        mask_loss_type: the second term of eq. 1, as `DragganOptimizer` takes it.
    """

    tracking_block: str | None = None
    mask_loss_type: Callable[[Tensor, Tensor], MaskLoss] = AveragedMaskLoss

    def __call__(
        self, generator: Generator, drags: Sequence[DragTask], settings: DragSettings, observer: StepObserver | None
    ) -> list[EditResult]:
        optimizer = DragganOptimizer(generator, settings, drags, mask_loss_type=self.mask_loss_type)
        if self.tracking_block is not None:
            optimizer.tracker = BlockTracker(optimizer, self.tracking_block)
        return run_drags(optimizer, observer)


def drag_with_freedrag(
    generator: Generator, drags: Sequence[DragTask], settings: DragSettings, observer: StepObserver | None
) -> list[EditResult]:
    """Run FreeDrag with the drag's own settings."""
    return run_drags(FreeDragOptimizer(generator, settings, drags), observer)


def drag_with_least_squares(
    generator: Generator, drags: Sequence[DragTask], settings: DragSettings, observer: StepObserver | None
) -> list[EditResult]:
    """Run drags by least squares: together on an accelerator, one after the other on a CPU, where windows save more."""
    if generator.device.type != "cpu" or observer is not None:
        return run_drags(LeastSquaresOptimizer(generator, settings, drags), observer)
    return [run_drags(LeastSquaresOptimizer(generator, settings, [drag]))[0] for drag in drags]


METHODS: Mapping[Method, EditFunction] = {
    Method.NO_EDIT: no_edit,
    Method.DRAG: Drag(),
    Method.LEAST_SQUARES: drag_with_least_squares,
    Method.FREEDRAG: drag_with_freedrag,
    Method.NO_TRACKING: drag_without_tracking,
    Method.OPTICAL_FLOW: drag_with_flow(dis_flow),
    Method.RAFT: drag_with_flow(raft_flow),
    Method.PIPS: drag_with_point_tracker(pips_tracker),
    Method.COTRACKER: drag_with_point_tracker(cotracker_tracker),
    Method.USER_CONTROLLABLE_LT: edit_with_latent_transformer,
}
OPTIONAL_TRACKERS: Mapping[Method, Callable[[], object]] = {
    Method.OPTICAL_FLOW: dis_flow,
    Method.RAFT: raft_flow,
    Method.PIPS: pips_tracker,
    Method.COTRACKER: cotracker_tracker,
}
"""The methods that need a package or weights, and what loads them or raises an InputError."""


def select_methods(
    method_names: Sequence[str] | None, generator: Generator
) -> tuple[tuple[Method, ...], dict[Method, str]]:
    """Choose methods for a generator by their names.

    Args:
        method_names: None or none: all methods that can be used on this machine with this generator.

    Returns:
        The chosen methods, and for each method that cannot be used the reason.

    Raises:
        InputError: a named method does not exist, or cannot be used.
    """
    why_unusable = {}
    loaders: dict[Method, Callable[[], object]] = {
        **OPTIONAL_TRACKERS,
        Method.USER_CONTROLLABLE_LT: partial(transformer_path, generator),
    }
    for method, load_or_fail in loaders.items():
        try:
            load_or_fail()
        except InputError as load_error:
            why_unusable[method] = str(load_error)
    if not method_names:
        return tuple(method for method in Method if method not in why_unusable), why_unusable
    for method_name in method_names:
        if method_name not in list(Method):
            raise InputError(f"there is no method {method_name!r}; choose from {', '.join(Method)}")
        if Method(method_name) in why_unusable:
            raise InputError(why_unusable[Method(method_name)])
    return tuple(Method(method_name) for method_name in method_names), why_unusable
