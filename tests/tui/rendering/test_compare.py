"""Two images shown as one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.compare import DIFFERENCE_GAIN, ComparedImages, join_images


def flat(width: int, height: int, value: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


BEFORE, AFTER = flat(8, 4, 10), flat(8, 4, 200)


def test_only_before_or_only_after() -> None:
    assert join_images(BEFORE, AFTER, "after") is AFTER
    assert np.array_equal(join_images(BEFORE, AFTER, "before"), BEFORE)


@pytest.mark.parametrize(
    ("column", "row"),
    [
        (-3, [200] * 8),
        (0, [200] * 8),
        (1, [10, 255, *[200] * 6]),
        (4, [10] * 4 + [255] + [200] * 3),
        (7, [10] * 7 + [255]),
        (8, [10] * 8),
        (50, [10] * 8),
    ],
)
def test_the_position_of_the_split(column: int, row: list[int]) -> None:
    split = join_images(BEFORE, AFTER, "split", column)
    assert split[0, :, 0].tolist() == row
    assert split[1, :, 0].tolist() == [0 if value == 255 else value for value in row], "the line is dashed"
    assert (BEFORE == 10).all(), "neither is written on"
    assert (AFTER == 200).all()


@pytest.mark.parametrize("scale", [None, 3 / 8, 1, 8])
def test_the_line_of_the_split_is_one_screen_pixel_wide_at_every_zoom(scale: float | None) -> None:
    view = Viewport(Size(256, 256), Size(43, 44), scale).centred((128.0, 128.0))
    split = ComparedImages(flat(256, 256, 10), flat(256, 256, 200), "split", 0.5).sampled(view)
    middle = round(view.grid.width / 2) - view.window.left
    assert split[0, :, 0].tolist() == [10] * middle + [255] + [200] * (view.window.width - middle - 1)


def test_the_difference_is_taken_between_resampled_images() -> None:
    """Noise that resampling removes is no difference."""
    noise = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 20
    before, after = np.broadcast_to(100 + noise, (8, 8, 3)), np.broadcast_to(120 - noise, (8, 8, 3))
    images = ComparedImages(before.astype(np.uint8), after.astype(np.uint8), "difference", 0.0)
    assert not images.sampled(Viewport(Size(8, 8), Size(4, 4))).any()
    assert images.sampled(Viewport(Size(8, 8), Size(8, 8))).all()


def test_the_difference_is_amplified_and_black_where_nothing_has_changed() -> None:
    before, after = flat(3, 2, 100), flat(3, 2, 100)
    after[0, 0], after[0, 1], after[0, 2] = (104, 100, 97), (0, 255, 100), (99, 100, 255)
    difference = join_images(before, after, "difference")
    assert difference.dtype == np.uint8
    assert difference[0].tolist() == [
        [4 * DIFFERENCE_GAIN, 0, 3 * DIFFERENCE_GAIN],
        [255, 255, 0],
        [DIFFERENCE_GAIN, 0, 255],
    ]
    assert not difference[1].any()
    assert np.array_equal(join_images(after, before, "difference"), difference)
