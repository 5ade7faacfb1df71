"""Windows of pictures, most of them round a face: what is small in a picture is learned from a fifth of its pixels, in a third of the
time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.critters.scene.scene import Scene, to_pixels
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.stylegan2 import StyleGAN2Block
from draggan_engine.networks.synthesis import SynthesisNetwork

from .losses import FACE_PARTS, face_part_centers

GRID_SIZE = 32  # a window's corners lie on a grid of so many lines, the pixels of the last map that is computed whole
WINDOW_CELLS = (13, 15)  # high and wide: the largest face's eyes, nose and mouth fit in
RANDOM_WINDOW_SHARE, RANDOM_WINDOW_WEIGHT = 0.3, 4.0
"""So many of the windows lie anywhere, and each of their pixels is worth so much, or else all but the faces would be forgotten."""
CONVOLUTION_MARGIN = 3  # cells of a map, round a window, that its convolutions may want of the map below
HIGH_RESOLUTION_DTYPE = torch.bfloat16  # of the blocks from 16 px on, where the device has it
WINDOW_SQUARED_WEIGHT, WINDOW_EDGE_WEIGHT = 0.0, 0.7  # of the loss
WINDOW_JITTER = 0.02  # of w's spread, at first: a network that goes on from another has its w

WindowCorners = NDArray[np.int64]


def window_size(resolution: int) -> tuple[int, int]:
    """Height and width of windows of pictures of that resolution, px."""
    return (WINDOW_CELLS[0] * resolution // GRID_SIZE, WINDOW_CELLS[1] * resolution // GRID_SIZE)


def choose_windows(scene: Scene, resolution: int, rng: np.random.Generator) -> tuple[WindowCorners, NDArray[np.bool_]]:
    """The windows' top left corners `[N, 2]` (y, x), px, and which of them are anywhere `[N]`."""
    centres, radii = face_part_centers(scene), np.array([radius for _, radius in FACE_PARTS])[:, None]
    middle = ((centres - radii).min(axis=1) + (centres + radii).max(axis=1)) / 2
    most = GRID_SIZE - np.array(WINDOW_CELLS)
    corner = to_pixels(middle, GRID_SIZE)[:, ::-1] + 0.5 - np.array(WINDOW_CELLS) / 2
    count = len(corner)
    anywhere = rng.permutation(count) < round(count * RANDOM_WINDOW_SHARE)
    cells = np.where(anywhere[:, None], rng.integers(0, most + 1, (count, 2)), np.clip(np.round(corner), 0, most))
    return cells.astype(np.int64) * (resolution // GRID_SIZE), anywhere


def crop_windows(maps: Tensor, corners: WindowCorners, size: tuple[int, int]) -> Tensor:
    """Of each of `[N, C, H, W]` a window, `[N, C, height, width]`."""
    height, width = size
    windows = [one[:, y : y + height, x : x + width] for one, (y, x) in zip(maps, corners.tolist(), strict=True)]
    return torch.stack(windows)


def generate_windows(synthesis: SynthesisNetwork, ws: Tensor, corners: WindowCorners) -> Tensor:
    """The windows of the full pictures of `ws` `[N, num_ws, w_dim]`: blocks above `CELL` px are computed there alone."""
    rows, row = ws.unbind(dim=1), 0
    precision = HIGH_RESOLUTION_DTYPE if supports_bfloat16(ws.device) else ws.dtype
    x: Tensor | None = None
    picture: Tensor | None = None
    resolution = synthesis.image_heights[-1]
    at = np.zeros_like(corners)  # of x and picture, px of their whole maps
    for height in synthesis.image_heights:
        block = synthesis.get_submodule(f"b{height}")
        assert isinstance(block, StyleGAN2Block)
        if height > GRID_SIZE:
            assert x is not None
            assert picture is not None
            below = height // 2
            margin = CONVOLUTION_MARGIN if below == GRID_SIZE else 2
            high, wide = window_size(below)
            size = (high + 2 * margin, wide + 2 * margin)
            inside = np.clip(corners * below // resolution - margin, 0, below - np.array(size))
            x, picture = (crop_windows(some, inside - at, size) for some in (x, picture))
            x = x.contiguous(memory_format=torch.channels_last)
            at = inside * 2
        x = block.feature_map(x, rows[row:], "const", precision if height >= 16 else ws.dtype)
        row += 1 if block.is_first else 2
        picture = block.add_to_image(picture, x, rows[row])
    assert picture is not None
    return crop_windows(picture, corners - at, window_size(resolution))
