"""Alignment of a photograph with the images of a model: a similarity transform, and the crop that it defines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, contains, distance
from draggan_engine.core.inversion_choices import MIN_POINT_DISTANCE

TwoPoints = tuple[Point, Point]

FFHQ_EYES: TwoPoints = ((0.3779, 0.4696), (0.6238, 0.4701))
"""Where FFHQ's mean face has its eyes, as shares of the image's width and height (facexlib's template)."""
CRITTER_EYES: TwoPoints = ((0.39, 0.532), (0.61, 0.532))
"""The same of the bundled models: the mean of the landmarks `eye_left` and `eye_right`."""

MIN_PHOTOGRAPH_SIDE = 16
MAX_SHRINKING = 4  # a photograph is first averaged down until it is at most this much finer than the crop


@dataclass(frozen=True)
class Similarity:
    """Scaling, rotation and shift, from pixels of the photograph to pixels of the crop: `q = m·p + t` in complex numbers.

    Attributes:
        multiplier: m; its magnitude is the scale and its angle the rotation.
        offset: t.
    """

    multiplier: complex
    offset: complex

    @classmethod
    def of_points(cls, sources: TwoPoints, targets: TwoPoints) -> Similarity:
        """Return the transform that moves two different points to two targets."""
        source_a, source_b = (complex(*point) for point in sources)
        target_a, target_b = (complex(*point) for point in targets)
        multiplier = (target_b - target_a) / (source_b - source_a)
        return cls(multiplier, target_a - multiplier * source_a)

    @classmethod
    def of_scale(cls, scale: float) -> Similarity:
        """Return the transform that resizes an image: the pixels' outer edges stay edges."""
        return cls(complex(scale), complex((scale - 1) / 2, (scale - 1) / 2))

    @property
    def scale(self) -> float:
        return abs(self.multiplier)

    @property
    def inverse(self) -> Similarity:
        return Similarity(1 / self.multiplier, -self.offset / self.multiplier)

    def then(self, following: Similarity) -> Similarity:
        """Return the transform that applies this one first and then the following one."""
        return Similarity(following.multiplier * self.multiplier, following.multiplier * self.offset + following.offset)

    def apply(self, point: Point) -> Point:
        moved_point = self.multiplier * complex(*point) + self.offset
        return moved_point.real, moved_point.imag


def align_whole(photograph_size: Size, model_size: Size) -> Similarity:
    """Return the transform that resizes the whole photograph to the size of the model's images.

    Raises:
        EditError: the photograph is too small, or has another aspect ratio.
    """
    check_side(photograph_size)
    if photograph_size.width * model_size.height != photograph_size.height * model_size.width:
        raise EditError(
            f"the photograph is {photograph_size.width}×{photograph_size.height} pixels, and the model's images are "
            f"{model_size.width}×{model_size.height}; crop it to the same aspect ratio, or align it by two points"
        )
    return Similarity.of_scale(model_size.width / photograph_size.width)


def align_two_points(photograph_size: Size, photograph_points: TwoPoints, model_points: TwoPoints) -> Similarity:
    """Return the transform that moves two points of the photograph to two points of the model's images.

    Args:
        photograph_points: in pixels of the photograph.
        model_points: two different points, in pixels of the model's images.

    Raises:
        EditError: the photograph is too small, or points lie outside the image or nearly on each other.
    """
    check_side(photograph_size)
    for x, y in photograph_points:
        if not contains((x, y), photograph_size):
            raise EditError(
                f"the point {x:g},{y:g} is outside the photograph, which is {photograph_size.width}×"
                f"{photograph_size.height} pixels; give two points in it"
            )
    point_distance = distance(*photograph_points)
    if point_distance < MIN_POINT_DISTANCE:
        raise EditError(
            f"the two points of the photograph are {point_distance:.1f} pixels apart; "
            f"give two that are at least {MIN_POINT_DISTANCE:g} pixels apart"
        )
    return Similarity.of_points(photograph_points, model_points)


def crop_photograph(photograph: NDArray[np.uint8], similarity: Similarity, model_size: Size) -> NDArray[np.uint8]:
    """Return the part of a photograph that a transform moves to the model's image, `uint8 [H, W, 3]`.

    The photograph is reflected at its borders. It is sampled bicubically on an upright grid that is about as fine as the
    photograph itself, and this grid is resized with Lanczos' filter, so that nothing aliases.

    Args:
        photograph: `uint8 [height, width, 3]`.
    """
    shrinking = max(1, math.floor(1 / (similarity.scale * MAX_SHRINKING)))
    if shrinking > 1:
        photograph = np.asarray(Image.fromarray(photograph).reduce(shrinking))
    shrunk_to_model = Similarity.of_scale(shrinking).then(similarity)
    fineness = max(1.0, 1 / shrunk_to_model.scale)
    grid_size = Size(round(model_size.width * fineness), round(model_size.height * fineness))
    horizontal_scale, vertical_scale = model_size.width / grid_size.width, model_size.height / grid_size.height
    grid = _sample(photograph, shrunk_to_model.inverse, grid_size, (horizontal_scale, vertical_scale))
    return np.asarray(grid.resize(model_size, Image.Resampling.LANCZOS))


class QuickCrops:
    """Crops a photograph again and again by transforms that are near to each other, to show it meanwhile.

    The photograph is reduced once to about the size that it has in the model's images, so that a crop of a large one takes
    little time. Its details are a little less sharp than those of `crop_photograph`.

    Args:
        photograph: `uint8 [height, width, 3]`.
        similarity: one of the transforms from the photograph to the model's images.
    """

    def __init__(self, photograph: NDArray[np.uint8], similarity: Similarity, model_size: Size) -> None:
        self._reduction = max(1, math.floor(1 / similarity.scale))
        self._reduced = np.asarray(Image.fromarray(photograph).reduce(self._reduction))
        self._model_size = model_size

    def crop(self, similarity: Similarity) -> NDArray[np.uint8]:
        """Return the part of the photograph that a transform moves to the model's image, `uint8 [H, W, 3]`."""
        reduced_to_model = Similarity.of_scale(self._reduction).then(similarity)
        return crop_photograph(self._reduced, reduced_to_model, self._model_size)


def _sample(
    photograph: NDArray[np.uint8], model_to_photograph: Similarity, grid_size: Size, steps: tuple[float, float]
) -> Image.Image:
    """Return a photograph sampled on a grid.

    Args:
        steps: the horizontal and vertical distance of the grid's points, in pixels of the model's image.
    """
    corners = [
        model_to_photograph.apply((x * steps[0] - 0.5, y * steps[1] - 0.5))
        for x in (0, grid_size.width)
        for y in (0, grid_size.height)
    ]
    margin = 3  # of the bicubic filter, and of rounding
    left, right = math.floor(min(x for x, _ in corners)) - margin, math.ceil(max(x for x, _ in corners)) + margin
    top, bottom = math.floor(min(y for _, y in corners)) - margin, math.ceil(max(y for _, y in corners)) + margin
    rows = _reflected_indices(top, bottom, photograph.shape[0])
    columns = _reflected_indices(left, right, photograph.shape[1])
    covered_part = Image.fromarray(photograph[rows[:, None], columns])
    # PIL maps edges of pixels, whose origin is the corner of the image, where `Similarity` maps centres.
    multiplier = model_to_photograph.multiplier
    origin = complex(*corners[0]) - complex(left - 0.5, top - 0.5)
    coefficients = (
        multiplier.real * steps[0], -multiplier.imag * steps[1], origin.real,
        multiplier.imag * steps[0], multiplier.real * steps[1], origin.imag,
    )  # fmt: skip
    return covered_part.transform(grid_size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)


def _reflected_indices(first: int, end: int, length: int) -> NDArray[np.intp]:
    """Return the pixels of an axis that the positions first … end − 1 show, if the image is mirrored at its edges."""
    positions = np.arange(first, end) % (2 * length)
    return np.minimum(positions, 2 * length - 1 - positions)


def check_side(photograph_size: Size) -> None:
    """
    Raises:
        EditError: the photograph is too small.
    """
    if min(photograph_size) < MIN_PHOTOGRAPH_SIDE:
        raise EditError(
            f"the photograph is {photograph_size.width}×{photograph_size.height} pixels; "
            f"give one of at least {MIN_PHOTOGRAPH_SIDE}×{MIN_PHOTOGRAPH_SIDE}"
        )
