"""Points of an image that are worth dragging: where point tracking finds something to hold on to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size, convert

from .flatness import is_flat
from .viewport import Viewport

MAX_PROPOSALS = 26
"""One for each letter."""
MIN_DISTANCE = 6
"""How far apart two proposals are at least in one direction, in screen pixels: three rows, or six columns."""
LANDMARK_DISTANCE = 3
"""The same for two landmarks, which are known to be worth a letter."""
MIN_SHARE = 0.01
"""Points whose score is less than this share of the best one's are not proposed."""


def propose_handles(
    rgb: NDArray[np.uint8], view: Viewport, radius: float, landmarks: Sequence[Point] = ()
) -> tuple[Point, ...]:
    """Return points that the view shows, in pixels of the full-resolution image: the landmarks, then points with texture.

    The points with texture are the largest smaller eigenvalues of the structure tensor (Shi and Tomasi, Good features to
    track, 1994), and none is flat as `is_flat` has it. There are at most `MAX_PROPOSALS` points.
    Those with texture are `MIN_DISTANCE` from all others, and landmarks `LANDMARK_DISTANCE` from each other.

    Args:
        rgb: `uint8 [H, W, 3]`, the image or a preview of it.
        radius: half the side of the square in which point tracking searches (r2), in pixels of the full-resolution image.
        landmarks: the likeliest handle first.
    """
    proposals: list[Point] = []
    for points, min_distance in ((landmarks, LANDMARK_DISTANCE), (_textured_points(rgb, view, radius), MIN_DISTANCE)):
        for point in points:
            distances = [_screen_distance(view, point, other_point) for other_point in proposals]
            if min(distances, default=min_distance) >= min_distance and view.nearest_shown(point) == point:
                proposals.append(point)
    return tuple(proposals[:MAX_PROPOSALS])


def _screen_distance(view: Viewport, point: Point, other_point: Point) -> int:
    """Return the larger of the distances along the two axes, in screen pixels."""
    return max(abs(a - b) for a, b in zip(view.pixel(point), view.pixel(other_point), strict=True))


def _textured_points(rgb: NDArray[np.uint8], view: Viewport, radius: float) -> Iterator[Point]:
    """Yield the points with texture, best first; they are shown and apart."""
    size, image_size = Size(rgb.shape[1], rgb.shape[0]), view.image_size
    points_x = [convert((x, 0), size, image_size)[0] for x in range(size.width)]
    points_y = [convert((0, y), size, image_size)[1] for y in range(size.height)]
    columns = np.array([view.pixel((x, 0))[0] for x in points_x])
    rows = np.array([view.pixel((0, y))[1] for y in points_y])
    window = view.window
    is_column_shown = (columns >= window.left) & (columns < window.right)
    is_row_shown = (rows >= window.top) & (rows < window.bottom)
    scores = texture_scores(rgb, max(round(size.width / 64), 1)) * is_row_shown[:, None] * is_column_shown
    least_score = max(float(scores.max()) * MIN_SHARE, 1e-9)
    point_count = 0
    while point_count < MAX_PROPOSALS:
        y, x = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[y, x] < least_score:
            break
        point = (points_x[x], points_y[y])
        if not is_flat(rgb, point, radius, image_size):
            point_count += 1
            yield point
        is_near = (abs(rows - rows[y]) < MIN_DISTANCE)[:, None] & (abs(columns - columns[x]) < MIN_DISTANCE)
        scores[is_near] = 0


def texture_scores(rgb: NDArray[np.uint8], radius: int) -> NDArray[np.float64]:
    """Return the smaller eigenvalue of the structure tensor around each pixel, `float64 [H, W]`, at least 0.

    Args:
        rgb: `uint8 [H, W, 3]`.
        radius: half the side of the square over which the tensor is averaged, in pixels of this image.
    """
    slope_y, slope_x = np.gradient(np.pad(rgb.mean(axis=2) / 255, 1, mode="edge"))
    slope_y, slope_x = slope_y[1:-1, 1:-1], slope_x[1:-1, 1:-1]
    xx, yy, xy = (_box_means(product, radius) for product in (slope_x**2, slope_y**2, slope_x * slope_y))
    return np.maximum((xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2), 0)


def _box_means(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Return the mean over the square around each value of `[H, W]`; beyond the border the values are 0."""
    side = 2 * radius + 1
    for axis in (0, 1):
        before_after = [(radius + 1, radius) if i == axis else (0, 0) for i in (0, 1)]
        sums = np.cumsum(np.pad(values, before_after), axis=axis)
        length = values.shape[axis]
        values = (sums.take(range(side, side + length), axis) - sums.take(range(length), axis)) / side
    return values
