"""The baselines that follow handles through a window of the last images, with PIPs or CoTracker."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.evaluation.edit_runs import EditFunction, EditResult, StepObserver, run_drags
from draggan_engine.networks.generator import Generator

from .optical_flow import network_input_size

WINDOW_FRAMES = 8
"""The number of images in a window, for which PIPs was trained."""
PIPS_ITERATIONS = 6
_COTRACKER_WEIGHTS_NAME = "scaled_offline.pth"

TrackFunction = Callable[[Tensor, Tensor], Tensor]
"""From `WINDOW_FRAMES` images `[T, 3, H, W]` in 0…255, oldest first, and points `[P, 2]` (x, y) in pixels of the first
image: where the points are in the last image, `[P, 2]`."""


@cache
def pips_tracker() -> TrackFunction:
    """Return the tracking of PIPs (Harley et al. 2022). Its weights are never downloaded.

    Raises:
        InputError: its code or its weights are missing.
    """
    clone_directory = _find_pips_clone()
    if clone_directory is None:
        raise InputError("PIPs: its code is not installed; clone github.com/aharley/pips and add it to PYTHONPATH")
    weight_files = sorted((clone_directory / "reference_model").glob("model-*.pth"))
    if not weight_files:
        raise InputError(
            f"PIPs: its weights are not on this machine; run get_reference_model.sh in {clone_directory}, "
            "which puts them into reference_model"
        )
    pips_network = _import_module("PIPs", "nets.pips").Pips(stride=4)
    pips_network.load_state_dict(_read_weights("PIPs", weight_files[-1])["model_state_dict"])
    return track_with_pips(pips_network)


def _find_pips_clone() -> Path | None:
    """Return the directory of PIPs' repository, which is not a package; None: it is not on Python's path."""
    try:
        module_spec = importlib.util.find_spec("nets.pips")
    except ImportError:
        return None
    return None if module_spec is None or module_spec.origin is None else Path(module_spec.origin).parent.parent


def track_with_pips(pips_network: Any) -> TrackFunction:
    """Return the tracking of a PIPs network, which needs heights and widths that are multiples of 8 from 128."""
    pips_network = pips_network.eval().requires_grad_(False)

    @torch.inference_mode()
    def track(frames: Tensor, points: Tensor) -> Tensor:
        height, width = frames.shape[2:]
        input_height, input_width = network_input_size(height, width)
        pixel_scale = torch.tensor([input_width / width, input_height / height], device=frames.device)
        input_frames = F.interpolate(frames, size=(input_height, input_width), mode="bilinear", align_corners=False)
        input_points = (points + 0.5) * pixel_scale - 0.5
        trajectories = pips_network.to(frames.device)(input_points[None], input_frames[None], iters=PIPS_ITERATIONS)[0]
        last_points: Tensor = trajectories[-1][0, -1]  # of the last iteration
        return (last_points + 0.5) / pixel_scale - 0.5

    return track


@cache
def cotracker_tracker() -> TrackFunction:
    """Return the tracking of CoTracker3 (Karaev et al. 2024), offline model. Its weights are never downloaded.

    Raises:
        InputError: its code or its weights are missing.
    """
    if importlib.util.find_spec("cotracker") is None:
        raise InputError(
            "CoTracker: the package cotracker is not installed; install github.com/facebookresearch/co-tracker"
        )
    weights_path = Path(torch.hub.get_dir()) / "checkpoints" / _COTRACKER_WEIGHTS_NAME
    if not weights_path.exists():
        raise InputError(f"CoTracker: its weights are not on this machine ({weights_path})")
    predictor = _import_module("CoTracker", "cotracker.predictor").CoTrackerPredictor(
        checkpoint=None, window_len=60, v2=False
    )
    predictor.model.load_state_dict(_read_weights("CoTracker", weights_path))
    return track_with_cotracker(predictor)


def track_with_cotracker(predictor: Any) -> TrackFunction:
    """Return the tracking of a CoTracker predictor, which resizes images itself."""
    predictor = predictor.eval().requires_grad_(False)

    @torch.inference_mode()
    def track(frames: Tensor, points: Tensor) -> Tensor:
        queries = F.pad(points, (1, 0))  # (frame, x, y): every point is one of the first frame
        tracks, _ = predictor.to(frames.device)(frames[None], queries=queries[None])
        last_points: Tensor = tracks[0, -1]
        return last_points

    return track


def _import_module(tracker_name: str, module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except (ImportError, RuntimeError) as import_error:  # for example a package that it needs in turn
        raise InputError(f"{tracker_name}: its code cannot be imported ({import_error})") from import_error


def _read_weights(tracker_name: str, weights_path: Path) -> Any:
    """Read a file of tensors. Files that hold anything else are refused."""
    try:
        return torch.load(weights_path, map_location="cpu", weights_only=True)
    except Exception as read_error:  # torch does not document what it raises for damaged files
        raise InputError(
            f"{tracker_name}: {weights_path} holds no weights that can be read; get the file again"
        ) from read_error


class WindowTracker:
    """A point tracker that follows the handles from the first to the last image of a window of the newest images.

    A handle is looked for as it appeared at the beginning of the window, so that it drifts more slowly than with flow from
    image to image.
    """

    search_radius = math.inf

    def __init__(self, optimizer: DragganOptimizer, track_points: TrackFunction) -> None:
        self.generator, self.track_points = optimizer.generator, track_points
        self.earlier_images: list[Tensor] = []
        self.earlier_handles: list[Tensor] = []
        self.newest_images = self._generate(optimizer.ws)

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        self.earlier_images = [*self.earlier_images, self.newest_images][-(WINDOW_FRAMES - 1) :]
        self.earlier_handles = [*self.earlier_handles, handles.clone()][-(WINDOW_FRAMES - 1) :]
        self.newest_images = self._generate(ws)
        # A drag begins with fewer images than a window has; then the first one is repeated.
        missing_count = WINDOW_FRAMES - 1 - len(self.earlier_images)
        window_images = [self.earlier_images[0]] * missing_count + [*self.earlier_images, self.newest_images]
        return torch.stack(
            [
                self.track_points(frames, points)
                for frames, points in zip(torch.stack(window_images, dim=1), self.earlier_handles[0], strict=True)
            ]
        ).to(handles)

    def select(self, kept: Tensor) -> None:
        self.earlier_images = [images[kept] for images in self.earlier_images]
        self.earlier_handles = [handles[kept] for handles in self.earlier_handles]
        self.newest_images = self.newest_images[kept]

    @torch.no_grad()
    def _generate(self, ws: Tensor) -> Tensor:
        """Return images `[N, 3, H, W]` in 0…255."""
        images: Tensor = (self.generator.synthesis(ws).image[:, :3].clamp(-1, 1) + 1) * 127.5
        return images


def drag_with_point_tracker(make_track_function: Callable[[], TrackFunction]) -> EditFunction:
    """Return the drag whose handles are followed by a point tracker."""

    def run(
        generator: Generator, drags: Sequence[DragTask], settings: DragSettings, observer: StepObserver | None
    ) -> list[EditResult]:
        optimizer = DragganOptimizer(generator, settings, drags)
        optimizer.tracker = WindowTracker(optimizer, make_track_function())
        return run_drags(optimizer, observer)

    return run
