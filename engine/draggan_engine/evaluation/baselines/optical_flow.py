"""The baselines that track handles by optical flow between images, with OpenCV's DIS or torchvision's RAFT."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.evaluation.edit_runs import EditFunction, EditResult, StepObserver, run_drags
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator

FlowImage = NDArray[np.uint8]
FlowFunction = Callable[[FlowImage, FlowImage], NDArray[np.float32]]
"""From two images `uint8 [H, W, 3]`: for each pixel of the first image, how far its content has moved in the second,
`float32 [H, W, 2]` (x, y) in pixels."""

MIN_FLOW_SIZE = 128
"""Smaller images are enlarged to this height and width before optical flow is computed, px."""


@cache
def dis_flow() -> FlowFunction:
    """Return OpenCV's DIS flow (Kroeger et al. 2016), which needs no weights.

    Raises:
        InputError: OpenCV is not installed.
    """
    if importlib.util.find_spec("cv2") is None:
        raise InputError("optical flow: OpenCV is not installed; run pip install 'draggan-tui[eval]'")
    import cv2

    flow_algorithm = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(before: FlowImage, after: FlowImage) -> NDArray[np.float32]:
        image_height, image_width = before.shape[:2]
        # DIS compares patches of 8×8 pixels; a small image has too few of them.
        size_factor = max(1, -(-MIN_FLOW_SIZE // min(image_height, image_width)))
        enlarged_size = (image_width * size_factor, image_height * size_factor)
        grey_before, grey_after = (
            cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), enlarged_size, interpolation=cv2.INTER_CUBIC)
            for image in (before, after)
        )
        large_flow = flow_algorithm.calc(grey_before, grey_after, np.zeros((*grey_before.shape, 2), np.float32))
        return np.asarray(
            cv2.resize(large_flow, (image_width, image_height), interpolation=cv2.INTER_AREA) / size_factor, np.float32
        )

    return flow


def why_no_raft() -> str | None:
    """Return why RAFT cannot be used on this machine, or None if it can. Its weights are never downloaded."""
    if importlib.util.find_spec("torchvision") is None:
        return "torchvision is not installed"
    try:
        from torchvision.models.optical_flow import Raft_Small_Weights
    except (ImportError, RuntimeError) as import_error:  # for example a torchvision that was built for another torch
        return f"torchvision cannot be imported ({import_error})"
    weights_path = Path(torch.hub.get_dir()) / "checkpoints" / Path(Raft_Small_Weights.DEFAULT.url).name
    return None if weights_path.exists() else f"its weights are not on this machine ({weights_path})"


@cache
def raft_flow() -> FlowFunction:
    """Return the flow of torchvision's small RAFT (Teed and Deng 2020).

    Raises:
        InputError: torchvision or the weights are missing.
    """
    if (why_missing := why_no_raft()) is not None:
        raise InputError(f"RAFT: {why_missing}")
    from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

    return flow_from_raft(raft_small(weights=Raft_Small_Weights.DEFAULT, progress=False))


def network_input_size(image_height: int, image_width: int) -> tuple[int, int]:
    """Return the height and width to which images are enlarged for RAFT and PIPs: multiples of 8, at least 128."""
    return max(128, -(-image_height // 8) * 8), max(128, -(-image_width // 8) * 8)


def flow_from_raft(raft_network: Any) -> FlowFunction:
    """Return the flow of a RAFT network of torchvision, which needs heights and widths that are multiples of 8 from 128."""
    raft_network = raft_network.eval().requires_grad_(False)

    def network_input(image: FlowImage, size: tuple[int, int]) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
        return torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    @torch.inference_mode()
    def flow(before: FlowImage, after: FlowImage) -> NDArray[np.float32]:
        image_height, image_width = before.shape[:2]
        enlarged_size = network_input_size(image_height, image_width)
        large_flow = raft_network(network_input(before, enlarged_size), network_input(after, enlarged_size))[-1]
        image_flow = torch.nn.functional.interpolate(
            large_flow, size=(image_height, image_width), mode="bilinear", align_corners=False
        )[0]
        size_factor = torch.tensor([image_width / enlarged_size[1], image_height / enlarged_size[0]])[:, None, None]
        pixel_flow: NDArray[np.float32] = (image_flow * size_factor).permute(1, 2, 0).numpy()
        return pixel_flow

    return flow


def sample_flow(flow: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the flow `[H, W, 2]` at points `[..., 2]`, bilinear. A point outside has the flow of the nearest border."""
    image_height, image_width = flow.shape[:2]
    x, y = np.clip(points[..., 0], 0, image_width - 1), np.clip(points[..., 1], 0, image_height - 1)
    left_column, top_row = np.minimum(x.astype(int), image_width - 2), np.minimum(y.astype(int), image_height - 2)
    right_share, lower_share = (x - left_column)[..., None], (y - top_row)[..., None]
    upper_flow = flow[top_row, left_column] * (1 - right_share) + flow[top_row, left_column + 1] * right_share
    lower_flow = flow[top_row + 1, left_column] * (1 - right_share) + flow[top_row + 1, left_column + 1] * right_share
    point_flow: NDArray[np.float32] = (upper_flow * (1 - lower_share) + lower_flow * lower_share).astype(np.float32)
    return point_flow


class FlowTracker:
    """A point tracker that moves the handles with the optical flow from each step's image to the next."""

    search_radius = math.inf

    def __init__(self, optimizer: DragganOptimizer, flow: FlowFunction) -> None:
        self.generator, self.flow = optimizer.generator, flow
        self.last_images = self._generate(optimizer.ws)

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        new_images = self._generate(ws)
        handle_moves = [
            sample_flow(self.flow(last_image, image), points)
            for last_image, image, points in zip(self.last_images, new_images, handles.cpu().numpy(), strict=True)
        ]
        self.last_images = new_images
        return handles + torch.from_numpy(np.stack(handle_moves)).to(handles)

    def select(self, kept: Tensor) -> None:
        self.last_images = [image for image, is_kept in zip(self.last_images, kept.tolist(), strict=True) if is_kept]

    @torch.no_grad()
    def _generate(self, ws: Tensor) -> list[FlowImage]:
        return [to_uint8(image[None]) for image in self.generator.synthesis(ws).image]


def drag_with_flow(make_flow: Callable[[], FlowFunction]) -> EditFunction:
    """Return the drag whose handles are tracked by optical flow."""

    def run(
        generator: Generator, drags: Sequence[DragTask], settings: DragSettings, observer: StepObserver | None
    ) -> list[EditResult]:
        optimizer = DragganOptimizer(generator, settings, drags)
        optimizer.tracker = FlowTracker(optimizer, make_flow())
        return run_drags(optimizer, observer)

    return run
