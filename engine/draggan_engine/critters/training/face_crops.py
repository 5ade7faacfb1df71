"""Training on windows of images, most of them around faces.

A window has a fifth of the pixels of an image, and takes a third of the time.
"""

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

GRID_SIZE = 32
"""The corners of windows lie on a grid of this many lines: the pixels of the last map that is computed whole."""
WINDOW_CELLS = (13, 15)
"""Height and width of a window in cells of the grid. Eyes, nose and mouth of the largest face fit in."""
RANDOM_WINDOW_SHARE, RANDOM_WINDOW_WEIGHT = 0.3, 4.0
"""This share of the windows lies anywhere, with this weight of each pixel; otherwise all but the faces would be forgotten."""
CONVOLUTION_MARGIN = 3
"""How many pixels around a window the convolutions need of the map below it."""
HIGH_RESOLUTION_DTYPE = torch.bfloat16
"""The dtype of the blocks from 16 px on, if the device supports it."""
WINDOW_SQUARED_WEIGHT, WINDOW_EDGE_WEIGHT = 0.0, 0.7  # of the loss
WINDOW_JITTER = 0.02
"""σ of the noise on w at the start, in units of the σ of w."""

WindowCorners = NDArray[np.int64]


def window_size(resolution: int) -> tuple[int, int]:
    """Return height and width of the windows of images, px."""
    return (WINDOW_CELLS[0] * resolution // GRID_SIZE, WINDOW_CELLS[1] * resolution // GRID_SIZE)


def choose_windows(scene: Scene, resolution: int, rng: np.random.Generator) -> tuple[WindowCorners, NDArray[np.bool_]]:
    """Return the top left corners `[N, 2]` (y, x) of windows, px, and which of them are at random positions `[N]`."""
    part_centers, part_radii = (
        face_part_centers(scene),
        np.array([part_radius for _, part_radius in FACE_PARTS])[:, None],
    )
    face_centers = ((part_centers - part_radii).min(axis=1) + (part_centers + part_radii).max(axis=1)) / 2
    max_corner = GRID_SIZE - np.array(WINDOW_CELLS)
    face_corners = to_pixels(face_centers, GRID_SIZE)[:, ::-1] + 0.5 - np.array(WINDOW_CELLS) / 2
    window_count = len(face_corners)
    is_random = rng.permutation(window_count) < round(window_count * RANDOM_WINDOW_SHARE)
    random_corners = rng.integers(0, max_corner + 1, (window_count, 2))
    corner_cells = np.where(is_random[:, None], random_corners, np.clip(np.round(face_corners), 0, max_corner))
    return corner_cells.astype(np.int64) * (resolution // GRID_SIZE), is_random


def crop_windows(maps: Tensor, corners: WindowCorners, crop_size: tuple[int, int]) -> Tensor:
    """Return a window of each of `[N, C, H, W]`, `[N, C, height, width]`."""
    height, width = crop_size
    map_windows = [
        whole_map[:, y : y + height, x : x + width] for whole_map, (y, x) in zip(maps, corners.tolist(), strict=True)
    ]
    return torch.stack(map_windows)


def generate_windows(
    synthesis: SynthesisNetwork, ws: Tensor, corners: WindowCorners, dtype: torch.dtype = HIGH_RESOLUTION_DTYPE
) -> Tensor:
    """Return windows of the images of `ws` `[N, num_ws, w_dim]`. Blocks above `GRID_SIZE` px compute only the windows."""
    ws_rows, row_index = ws.unbind(dim=1), 0
    high_resolution_dtype = dtype if supports_bfloat16(ws.device) else ws.dtype
    x: Tensor | None = None
    image: Tensor | None = None
    resolution = synthesis.image_heights[-1]
    map_corners = np.zeros_like(corners)  # of x and image, in pixels of their whole maps
    for height in synthesis.image_heights:
        synthesis_block = synthesis.get_submodule(f"b{height}")
        assert isinstance(synthesis_block, StyleGAN2Block)
        if height > GRID_SIZE:
            assert x is not None
            assert image is not None
            lower_height = height // 2
            window_margin = CONVOLUTION_MARGIN if lower_height == GRID_SIZE else 2
            inner_height, inner_width = window_size(lower_height)
            crop_size = (inner_height + 2 * window_margin, inner_width + 2 * window_margin)
            new_corners = np.clip(
                corners * lower_height // resolution - window_margin, 0, lower_height - np.array(crop_size)
            )
            x, image = (crop_windows(maps, new_corners - map_corners, crop_size) for maps in (x, image))
            x = x.contiguous(memory_format=torch.channels_last)
            map_corners = new_corners * 2
        x = synthesis_block.feature_map(
            x, ws_rows[row_index:], "const", high_resolution_dtype if height >= 16 else ws.dtype
        )
        row_index += 1 if synthesis_block.is_first else 2
        image = synthesis_block.add_to_image(image, x, ws_rows[row_index])
    assert image is not None
    return crop_windows(image, corners - map_corners, window_size(resolution))
