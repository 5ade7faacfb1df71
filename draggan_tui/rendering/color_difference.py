"""Which cells look different from others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.dithering import linear_light, oklab_array


def visible_differences(cells: Cells, other_cells: Cells, least_difference: float) -> NDArray[np.bool_]:
    """Return `bool [rows, columns]`: the cells whose characters differ, or whose colours do by as much.

    Args:
        least_difference: ΔE, the distance of two colours in OKLab times 100; black and white are 100 apart.
    """
    is_different = cells.differences(other_cells)
    has_other_text = (
        (cells.char != other_cells.char)
        | (cells.style != other_cells.style)
        | (cells.graphics != other_cells.graphics).any(axis=2)
    )
    if least_difference > 0:
        rows, columns = np.nonzero(is_different & ~has_other_text)
        color_distance = np.maximum(
            _color_distance(cells.fg[rows, columns], other_cells.fg[rows, columns]),
            _color_distance(cells.bg[rows, columns], other_cells.bg[rows, columns]),
        )
        is_different[rows, columns] = color_distance >= least_difference
    return is_different


def _color_distance(rgb: NDArray[np.uint8], other_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ΔE of colours, `uint8 [n, 3]`."""
    lab_difference = oklab_array(linear_light(rgb)) - oklab_array(linear_light(other_rgb))
    return np.asarray(100 * np.sqrt((lab_difference**2).sum(axis=1)))
