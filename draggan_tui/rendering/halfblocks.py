"""An image as terminal cells.

A cell shows two pixels: "▀" in the colour of the upper one, on the colour of the lower one. With 16 colours or none a
cell shows one of five shades.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.cells import UPPER_HALF, Cells
from draggan_tui.rendering.dithering import luma, shade_mixes
from draggan_tui.terminal.xterm_palette import Rgb

SHADES = np.array([ord(char) for char in " ░▒▓█"], dtype=np.uint32)


def halfblocks(image: NDArray[np.uint8]) -> Cells:
    """Return two pixels in each cell.

    Args:
        image: `uint8 [H, W, 3]`, H even.
    """
    height, width, _ = image.shape
    grid_shape = (height // 2, width)
    return Cells(
        np.full(grid_shape, UPPER_HALF, dtype=np.uint32), image[0::2], image[1::2], np.zeros(grid_shape, dtype=np.uint8)
    )


def shades(image: NDArray[np.uint8], ink: Rgb, paper: Rgb) -> Cells:
    """Return cells that need no colour: the nearer the image is to the ink, the more ink a cell has.

    The contrast is stretched so that the image's own range (2nd to 98th percentile) fills the five shades.

    Args:
        image: `uint8 [H, W, 3]`, H even.
    """
    height, width, _ = image.shape
    cells = Cells.blank(height // 2, width, ink, paper)
    cell_luma = luma(image).reshape(height // 2, 2, width).mean(axis=1)
    low_luma, high_luma = np.percentile(cell_luma, (2, 98))
    ink_share = (cell_luma - low_luma) / max(high_luma - low_luma, 1 / 255)
    if luma(np.array(ink)) < luma(np.array(paper)):
        ink_share = 1 - ink_share
    cells.char[:] = SHADES[np.clip(ink_share * len(SHADES), 0, len(SHADES) - 1).astype(np.intp)]
    return cells


def colored_shades(image: NDArray[np.uint8]) -> Cells:
    """Return cells in the 16 colours, each a shade of one colour on another.

    The terminal's shades are finer than half-cells, which matters more than a sharp edge where there are so few colours.

    Args:
        image: `uint8 [H, W, 3]`, H even.
    """
    height, width, _ = image.shape
    mean_colors = image.reshape(height // 2, 2, width, 3).mean(axis=1).astype(np.uint8)
    dark_colors, light_colors, light_quarters = shade_mixes(mean_colors)
    return Cells(SHADES[light_quarters], light_colors, dark_colors, np.zeros(light_quarters.shape, dtype=np.uint8))
