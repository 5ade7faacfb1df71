"""Optical flow between two pictures, as baselines of point tracking use it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from draggan_engine.core.errors import InputError

Picture = NDArray[np.uint8]
Flow = Callable[[Picture, Picture], NDArray[np.float32]]
"""From two pictures `uint8 [H, W, 3]`: for each pixel of the first, how far its content has gone in the second,
`float32 [H, W, 2]` (x, y) in pixels."""


MIN_FLOW_SIZE = 128
"""Px: smaller pictures are enlarged before optical flow looks at them."""


@cache
def dis_flow() -> Flow:
    """OpenCV's DIS (Kroeger et al. 2016), which needs no weights.

    Raises:
        InputError: OpenCV is not installed.
    """
    if importlib.util.find_spec("cv2") is None:
        raise InputError("optical flow: OpenCV is not there; pip install 'draggan-tui[eval]'")
    import cv2

    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(before: Picture, after: Picture) -> NDArray[np.float32]:
        height, width = before.shape[:2]
        # Its patches have eight pixels a side: a small picture has too few of them.
        scale = max(1, -(-MIN_FLOW_SIZE // min(height, width)))
        size = (width * scale, height * scale)
        grey = [
            cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_CUBIC)
            for picture in (before, after)
        ]
        found = finder.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA) / scale, np.float32)

    return flow


def why_no_raft() -> str | None:
    """Why RAFT cannot be had, or None. It is never downloaded."""
    if importlib.util.find_spec("torchvision") is None:
        return "torchvision is not installed"
    try:
        from torchvision.models.optical_flow import Raft_Small_Weights
    except (ImportError, RuntimeError) as error:  # one that was built for another torch
        return f"torchvision cannot be imported ({error})"
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(Raft_Small_Weights.DEFAULT.url).name
    return None if path.exists() else f"its weights are not on this machine ({path})"


@cache
def raft_flow() -> Flow:
    """Torchvision's RAFT (Teed and Deng 2020), the small one.

    Raises:
        InputError: torchvision or the weights are not there.
    """
    if (missing := why_no_raft()) is not None:
        raise InputError(f"RAFT: {missing}")
    from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

    return flow_from_raft(raft_small(weights=Raft_Small_Weights.DEFAULT, progress=False))


def flow_from_raft(network: Any) -> Flow:
    """A RAFT of torchvision's, as a `Flow`. It wants heights and widths of 128 at least that eight divides."""
    network = network.eval().requires_grad_(False)

    def tensor(picture: Picture, size: tuple[int, int]) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
        return torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    @torch.inference_mode()
    def flow(before: Picture, after: Picture) -> NDArray[np.float32]:
        height, width = before.shape[:2]
        size = max(128, -(-height // 8) * 8), max(128, -(-width // 8) * 8)
        found = network(tensor(before, size), tensor(after, size))[-1]
        found = torch.nn.functional.interpolate(found, size=(height, width), mode="bilinear", align_corners=False)[0]
        scale = torch.tensor([width / size[1], height / size[0]])[:, None, None]
        result: NDArray[np.float32] = (found * scale).permute(1, 2, 0).numpy()
        return result

    return flow


def sample_flow(flow: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The flow `[H, W, 2]` at points `[..., 2]`, bilinear; beyond the border the border's."""
    height, width = flow.shape[:2]
    x, y = np.clip(points[..., 0], 0, width - 1), np.clip(points[..., 1], 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right, down = (x - left)[..., None], (y - top)[..., None]
    upper = flow[top, left] * (1 - right) + flow[top, left + 1] * right
    lower = flow[top + 1, left] * (1 - right) + flow[top + 1, left + 1] * right
    result: NDArray[np.float32] = (upper * (1 - down) + lower * down).astype(np.float32)
    return result
