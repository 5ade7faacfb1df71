"""Paste an edited image of a model back into the photograph from which it was cropped.

Both ways change the photograph in place, in the bounding box of the crop only and some rows at a time, so that they need
little more memory than the photograph itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.geometry import Point, Size, rescale

from .alignment import Similarity, crop_photograph

FloatImage = NDArray[np.float32]

MIN_CHANGE = 2  # levels; a smaller change counts as none
BORDER_FADE_SHARE = 1 / 16  # of the crop's shorter side: how wide the change fades out at the border
MASK_FADE_SHARE = 1 / 32  # of the same: how wide it fades out beyond the mask
DETAIL_SHARE = 1 / 32  # of the same: what is larger is a shade, and what is smaller a detail
MIN_DETAIL_CHANGE = 8  # levels; details that change by more have moved
MOVED_MARGIN_SHARE = 1 / 32  # of the crop's shorter side: how far a photograph's details may be from the inversion's
MOVED_WEIGHT = 1e-6  # of the colours in places where details have moved
FARTHER_WEIGHT = 0.01  # of the colours twice as far away
ERODED_PIXELS, EDGE_SHARE = 2, 1 / 20  # facexlib's soft edge: how much is cut off, and its width as a share of √area
BAND_PIXELS = 1 << 15  # of the photograph that are changed at a time


def paste_change(
    photograph: NDArray[np.uint8],
    similarity: Similarity,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None = None,
) -> None:
    """Put the change from one image of a model to another into the photograph, in place.

    Where only colours and shades change, the change is added, and the photograph keeps its detail. Where details have moved,
    the photograph is replaced by the edited image, in the photograph's own colours: its details are still at their old
    places there, so that a sum would show them twice. The change fades out at each side of the crop beyond which the
    photograph continues, and beyond the mask. Where no channel changes by two levels or more, the photograph keeps its pixels.

    Args:
        photograph: `uint8 [height, width, 3]`, writable.
        similarity: from pixels of the photograph to pixels of the crop.
        before, after: `uint8 [H, W, 3]`, the inverted image and the edited one.
        mask: `uint8 [H, W]`, 1 = may change; None: everywhere.
    """
    change = after.astype(np.float32) - before.astype(np.float32)
    change[np.abs(change).max(axis=2) < MIN_CHANGE] = 0
    if not change.any():
        return
    height, width = change.shape[:2]
    weights = _border_weights(similarity, Size(width, height), Size(*photograph.shape[1::-1]))
    if mask is not None:
        weights *= _soft_area(mask, MASK_FADE_SHARE / 2)
    moved = _moved_details(change)
    crop = crop_photograph(photograph, similarity, Size(width, height))
    replacement = after + _color_difference(crop.astype(np.float32) - before, moved)
    addition = (1 - moved[..., None]) * change + moved[..., None] * replacement
    addition, opacity = addition * weights[..., None], moved * weights
    _blend(photograph, similarity, addition.astype(np.float32), opacity.astype(np.float32))


def paste_crop(photograph: NDArray[np.uint8], similarity: Similarity, crop: NDArray[np.uint8]) -> None:
    """Replace the photograph by an image of the model where that was cropped, in place, with a soft edge.

    The edge is that of facexlib: 2 pixels of the photograph are cut off, then w = ⌊√area/20⌋ on each side, and the rest is
    blurred by a Gaussian kernel of 2w + 1 pixels. An upright square and a turned one get the same edge.

    Args:
        photograph: `uint8 [height, width, 3]`, writable.
        similarity: from pixels of the photograph to pixels of the crop.
        crop: `uint8 [H, W, 3]`.
    """
    height, width = crop.shape[:2]
    edge_width = math.floor(math.sqrt(height * width) / similarity.scale * EDGE_SHARE)
    weights = np.outer(
        _gaussian_edges(height, edge_width, similarity.scale), _gaussian_edges(width, edge_width, similarity.scale)
    ).astype(np.float32)
    _blend(photograph, similarity, crop * weights[..., None], weights)


def crop_box(similarity: Similarity, crop_size: Size, photograph_size: Size) -> tuple[int, int, int, int]:
    """Return the part of the photograph in which the crop lies: left, top, right, bottom, the last two exclusive.

    It is empty (right ≤ left or bottom ≤ top) if the crop lies outside the photograph.
    """
    corners = [
        similarity.inverse.apply((x, y)) for x in (-0.5, crop_size.width - 0.5) for y in (-0.5, crop_size.height - 0.5)
    ]
    left, right = min(x for x, _ in corners), max(x for x, _ in corners)
    top, bottom = min(y for _, y in corners), max(y for _, y in corners)
    return (
        max(0, math.floor(left)),
        max(0, math.floor(top)),
        min(photograph_size.width, math.ceil(right) + 1),
        min(photograph_size.height, math.ceil(bottom) + 1),
    )


# ------------------------------------------------------------------------------------------------------


def _border_weights(similarity: Similarity, crop_size: Size, photograph_size: Size) -> NDArray[np.float64]:
    """Return weights `[H, W]` that rise from 0 to 1 at each side of the crop beyond which the photograph continues.

    At the other sides they are 1 up to the border: without pixels beyond it there can be no seam.
    """
    fade_width = BORDER_FADE_SHARE * min(crop_size)
    margin = 0.5 + similarity.scale / 2  # from the centre of the outermost pixel to the next pixel of the photograph
    left, top, right, bottom = -margin, -margin, crop_size.width - 1 + margin, crop_size.height - 1 + margin

    def photograph_continues(*side: Point) -> bool:
        for ends, length in zip(zip(*map(similarity.inverse.apply, side), strict=True), photograph_size, strict=True):
            if max(ends) < 0 or min(ends) > length - 1:
                return False
        return True

    columns = _side_weights(
        crop_size.width,
        fade_width if photograph_continues((left, top), (left, bottom)) else 0,
        fade_width if photograph_continues((right, top), (right, bottom)) else 0,
    )
    rows = _side_weights(
        crop_size.height,
        fade_width if photograph_continues((left, top), (right, top)) else 0,
        fade_width if photograph_continues((left, bottom), (right, bottom)) else 0,
    )
    return np.outer(rows, columns)


def _side_weights(length: int, start_width: float, end_width: float) -> NDArray[np.float64]:
    """Return the weights of an axis, which rise smoothly from 0 at each end to 1 at a distance; a distance of 0 means no rise."""
    from_start = np.arange(length, dtype=np.float64)
    shares = [
        np.clip(from_end / width, 0, 1)
        for from_end, width in ((from_start, start_width), (length - 1 - from_start, end_width))
        if width > 0
    ]
    share = np.minimum.reduce([np.ones(length), *shares])
    return np.asarray(share * share * (3 - 2 * share))


def _soft_area(area: NDArray[np.bool_ | np.uint8], margin_share: float) -> NDArray[np.float64]:
    """Return weights that are 1 in an area `[H, W]`, and fall to 0 beyond a margin around it.

    Args:
        margin_share: the width of the margin, as a share of the shorter side. At its end the weights are about ½.
    """
    side = min(area.shape)
    widened_area = _box_mean(area, max(1, round(margin_share * side))) > 0
    return _box_mean(widened_area, max(1, round(MASK_FADE_SHARE / 2 * side)))


def _moved_details(change: FloatImage) -> NDArray[np.float64]:
    """Return where the details of an image have moved, `[H, W]` in 0…1, with a soft edge.

    Args:
        change: `[H, W, 3]`, in levels.
    """
    detail_change = np.abs(change - _smooth(change, _detail_radius(change.shape))).max(axis=2)
    return _soft_area(detail_change > MIN_DETAIL_CHANGE, MOVED_MARGIN_SHARE)


def _color_difference(difference: FloatImage, moved: NDArray[np.float64]) -> FloatImage:
    """Return by how much the colours of a photograph differ from those of its inversion, without details, `[H, W, 3]`.

    Where details have moved, the colours are those of the nearest places where none have.

    Args:
        difference: of the photograph and the inversion, `[H, W, 3]`, in levels.
        moved: `[H, W]` in 0…1.
    """
    weights = np.maximum(1 - moved, MOVED_WEIGHT)[..., None]
    color_sum, weight_sum = np.zeros(difference.shape), np.zeros(weights.shape)
    # The smallest neighbourhood that has a place without moved details decides.
    for scale in range(math.ceil(math.log2(1 / DETAIL_SHARE))):
        radius = _detail_radius(moved.shape) << scale
        color_sum += FARTHER_WEIGHT**scale * _smooth(difference * weights, radius)
        weight_sum += FARTHER_WEIGHT**scale * _smooth(weights, radius)
    return (color_sum / weight_sum).astype(np.float32)


def _detail_radius(shape: tuple[int, ...]) -> int:
    """Return how far details reach in an image of a shape `(H, W, …)`, in pixels."""
    return max(1, round(DETAIL_SHARE * min(shape[:2])))


def _smooth(values: NDArray[np.floating], radius: int) -> NDArray[np.float64]:
    """Return `[H, W, C]` blurred by a box twice."""
    return _box_mean(_box_mean(values, radius), radius)


def _box_mean(values: NDArray[np.floating | np.bool_ | np.uint8], radius: int) -> NDArray[np.float64]:
    """Return the mean of the square of side 2·radius + 1 around each pixel of `[H, W, …]`; the border is continued outwards."""
    side = 2 * radius + 1
    means = values.astype(np.float64)
    for axis in (0, 1):
        margins = [(0, 0)] * means.ndim
        margins[axis] = (radius + 1, radius)
        sums: NDArray[np.float64] = np.cumsum(np.pad(means, margins, mode="edge"), axis=axis)
        length = values.shape[axis]
        means = np.asarray((sums.take(range(side, side + length), axis) - sums.take(range(length), axis)) / side)
    return means


def _gaussian_edges(length: int, edge_width: int, scale: float) -> NDArray[np.float64]:
    """Return the weights of an axis of the crop: those of an eroded box that was blurred by a Gaussian.

    The blur is the same in all directions, so along each side of the box, also of a turned one, it is that of one axis.

    Args:
        edge_width: w of `paste_crop`, in pixels of the photograph.
        scale: pixels of the crop for each pixel of the photograph.
    """
    sigma = (0.3 * (edge_width - 1) + 0.8) * scale  # as OpenCV takes it for a kernel of 2w + 1 pixels
    first = -0.5 + (ERODED_PIXELS + edge_width) * scale
    last = length - 1 - first
    rise = [math.erf((position - first) / (sigma * math.sqrt(2))) / 2 for position in range(length)]
    fall = [math.erf((position - last) / (sigma * math.sqrt(2))) / 2 for position in range(length)]
    return np.asarray(np.maximum(np.array(rise) - np.array(fall), 0))


def _blend(photograph: NDArray[np.uint8], similarity: Similarity, addition: FloatImage, opacity: FloatImage) -> None:
    """Set the photograph to photograph · (1 − opacity) + addition, rounded once, where the crop lies in it.

    Args:
        addition: `[H, W, 3]`, in levels.
        opacity: `[H, W]` in 0…1.
    """
    sampler = _CropSampler(np.dstack([addition, opacity]), similarity)
    crop_size, photograph_size = Size(*addition.shape[1::-1]), Size(*photograph.shape[1::-1])
    for left, top, right, bottom in _bands(crop_box(similarity, crop_size, photograph_size)):
        part = photograph[top:bottom, left:right]
        is_inside, samples = sampler.sample((left, top, right, bottom))
        blended = part[is_inside].T * (1 - samples[3]) + samples[:3]
        part[is_inside] = np.clip(np.rint(blended), 0, 255).T


def _bands(box: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Divide a box into bands of a limited number of pixels; an empty box has none."""
    left, top, right, bottom = box
    if right <= left:
        return
    row_count = max(1, BAND_PIXELS // (right - left))
    for band_top in range(top, bottom, row_count):
        yield left, band_top, right, min(band_top + row_count, bottom)


class _CropSampler:
    """Samples values of the crop at the pixels of the photograph, by cubic convolution (Keys 1981, a = −½).

    PIL's own bicubic transform has a = −1, with which a straight slope becomes wavy. Where the photograph is coarser than
    the crop, the values are resized first, so that nothing aliases.

    Args:
        values: `float32 [H, W, C]`.
        similarity: from pixels of the photograph to pixels of the crop.
    """

    def __init__(self, values: FloatImage, similarity: Similarity) -> None:
        height, width, _ = values.shape
        shrinking = max(1.0, similarity.scale)
        self._grid_size = Size(max(1, round(width / shrinking)), max(1, round(height / shrinking)))
        self._crop_size, self._similarity = Size(width, height), similarity
        if self._grid_size != self._crop_size:
            channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(values, 2, 0)]
            values = np.dstack(
                [np.asarray(channel.resize(self._grid_size, Image.Resampling.BICUBIC)) for channel in channels]
            )
        padded_values = np.pad(values, ((2, 2), (2, 2), (0, 0)), mode="edge")
        self._row_length = padded_values.shape[1]
        self._channels = np.ascontiguousarray(np.moveaxis(padded_values, 2, 0)).reshape(padded_values.shape[2], -1)

    def sample(self, box: tuple[int, int, int, int]) -> tuple[NDArray[np.bool_], FloatImage]:
        """Return which pixels of a part of the photograph the crop covers, `[h, w]`, and their values, `[C, n]`."""
        left, top, right, bottom = box
        rows, columns = np.mgrid[top:bottom, left:right]
        positions = self._similarity.multiplier * (columns + 1j * rows) + self._similarity.offset
        x = rescale(positions.real, self._crop_size.width, self._grid_size.width)
        y = rescale(positions.imag, self._crop_size.height, self._grid_size.height)
        is_inside = (np.abs(2 * x - self._grid_size.width + 1) < self._grid_size.width) & (
            np.abs(2 * y - self._grid_size.height + 1) < self._grid_size.height
        )
        return is_inside, self._interpolate(x[is_inside], y[is_inside])

    def _interpolate(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> FloatImage:
        """Return the values `[C, n]` at positions `[n]` of the grid."""
        column, row = np.floor(x), np.floor(y)
        # The padding is two pixels wide, and the first of four neighbours is at −1.
        first_index = ((row + 1) * self._row_length + column + 1).astype(np.intp)
        column_weights, row_weights = _cubic_weights(x - column), _cubic_weights(y - row)
        values = np.zeros((len(self._channels), len(x)), np.float32)
        for i, row_weight in enumerate(row_weights):
            for j, column_weight in enumerate(column_weights):
                neighbours = self._channels.take(first_index + (i * self._row_length + j), axis=1)
                values += neighbours * (row_weight * column_weight)
        return values


def _cubic_weights(t: NDArray[np.float64]) -> FloatImage:
    """Return the weights `[4, n]` of the neighbours at −1, 0, 1 and 2 of positions t in 0…1."""
    return np.stack(
        [
            ((2 - t) * t - 1) * t / 2,
            ((3 * t - 5) * t * t + 2) / 2,
            ((4 - 3 * t) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ]
    ).astype(np.float32)
