"""An image as terminal cells of four, six or eight parts, each of which has one of the cell's two colours."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.rendering.cell_parts import PARTS, characters
from draggan_tui.rendering.cells import Cells
from draggan_tui.terminal.cell_shape import CellShape

CELLS_PER_BLOCK = 512  # cells that are searched at a time, so that the data fits into the processor's cache


def two_color_cells(image: NDArray[np.uint8], shape: CellShape) -> Cells:
    """Return the cells whose parts have the least squared error.

    Every division of the parts into two groups is compared; each group has its mean colour.

    Args:
        image: `uint8 [H, W, 3]`, one pixel for each part.
    """
    parts = PARTS[shape]
    rows, columns = image.shape[0] // parts.height, image.shape[1] // parts.width
    part_colors = (
        image.reshape(rows, parts.height, columns, parts.width, 3)
        .transpose(1, 3, 4, 0, 2)
        .reshape(parts.width * parts.height, 3, rows * columns)
        .astype(np.float32)
    )
    patterns = np.empty(rows * columns, dtype=np.intp)
    ink, paper = np.empty((2, 3, rows * columns), dtype=np.float32)
    for start in range(0, rows * columns, CELLS_PER_BLOCK):
        block = slice(start, start + CELLS_PER_BLOCK)
        patterns[block], ink[:, block], paper[:, block] = _best_division(part_colors[..., block])
    fg, bg = (
        np.ascontiguousarray(np.rint(colors).astype(np.uint8).T.reshape(rows, columns, 3)) for colors in (ink, paper)
    )
    char = characters(shape)[patterns].reshape(rows, columns)
    return Cells(char, fg, bg, np.zeros((rows, columns), dtype=np.uint8))


def _best_division(
    part_colors: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Return the best pattern of each cell and the mean colours of the parts inside and outside it.

    The first part is outside every pattern, because a pattern and its complement divide the parts alike. The squared error
    is least where the squared distance of the two means, weighted by the sizes of the groups, is greatest.

    Args:
        part_colors: `float32 [parts, 3, cells]`.

    Returns:
        Patterns, `intp [cells]`; two colours, `float32 [3, cells]` each. The pattern is 0 if all parts have one colour.
    """
    mean_color = part_colors.mean(axis=0)
    offsets = part_colors - mean_color
    sums = np.zeros((1, *mean_color.shape), dtype=np.float32)  # of the parts inside each pattern
    for offset in offsets[1:]:
        sums = np.concatenate([sums, sums + offset])
    inside_counts, weights = _pattern_sizes(len(part_colors))
    gains = np.einsum("pcn,pcn->pn", sums, sums) * weights[:, None]
    best = np.asarray(gains.argmax(axis=0))
    cell_indices = np.arange(len(best))
    best_sums, inside_count = sums[best, :, cell_indices].T, inside_counts[best]
    ink = mean_color + best_sums / np.maximum(inside_count, 1)
    paper = mean_color - best_sums / (len(part_colors) - inside_count)
    return best << 1, ink, paper


@cache
def _pattern_sizes(part_count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how many parts are inside each pattern without the first part, and 1 / inside + 1 / outside, 0 for none."""
    patterns = np.arange(1 << part_count - 1)
    inside_counts = sum((patterns >> bit & 1) for bit in range(part_count - 1)) + np.zeros(len(patterns), np.float32)
    weights = 1 / np.maximum(inside_counts, 1) + 1 / (part_count - inside_counts)
    weights[0] = 0
    return inside_counts.astype(np.float32), weights.astype(np.float32)


def screen_means(image: NDArray[np.uint8], parts: Size) -> NDArray[np.uint8]:
    """Return an image of the parts of cells as one of screen pixels, of which each cell has two, one above the other.

    Args:
        image: `uint8 [H, W, 3]`, one pixel for each part.
        parts: how many parts a cell has beside and below each other.

    Returns:
        `uint8 [H', W', 3]`; the image itself if its pixels are screen pixels.
    """
    if parts == PARTS["half"]:
        return image
    rows, columns = image.shape[0] // parts.height, image.shape[1] // parts.width
    part_rows = image.reshape(rows, parts.height, columns, parts.width, 3).mean(axis=3, dtype=np.float32)
    part_top = np.arange(parts.height) / parts.height
    half_top = np.array([[0.0], [0.5]])
    overlaps = np.minimum(part_top + 1 / parts.height, half_top + 0.5) - np.maximum(part_top, half_top)
    shares = np.maximum(overlaps, 0) * 2
    screen_rows = np.rint(np.einsum("hp,rpcn->rhcn", shares, part_rows))
    return np.asarray(screen_rows.astype(np.uint8).reshape(2 * rows, columns, 3))
