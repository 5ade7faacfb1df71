"""The crop with which FFHQ was made from photographs: a square from the 68 landmarks of a face (Karras et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, contains

from .alignment import MIN_PHOTOGRAPH_SIDE, Similarity, check_side

LANDMARK_COUNT = 68
_LEFT_EYE, _RIGHT_EYE, _MOUTH_CORNERS = slice(36, 42), slice(42, 48), [48, 54]
_OVERSAMPLING = 4
_BORDER_SHARE, _MIN_BORDER = 0.1, 3  # around the square, of its side and in pixels
_PADDING_SHARE, _BLUR_SHARE = 0.3, 0.02  # of the side of the square

Corners = NDArray[np.float64]
"""Corners of a square: top left, bottom left, bottom right, top right, `[4, 2]` (x, y) in pixels."""


def ffhq_square(landmarks: NDArray[np.float64]) -> Corners:
    """Return the square of FFHQ around a face.

    Args:
        landmarks: `[68, 2]` (x, y), in the order of iBUG 300-W.
    """
    left_eye, right_eye, mouth = (
        complex(*landmarks[part].mean(axis=0)) for part in (_LEFT_EYE, _RIGHT_EYE, _MOUTH_CORNERS)
    )
    eyes = (left_eye + right_eye) / 2
    eye_to_eye, eyes_to_mouth = right_eye - left_eye, mouth - eyes
    direction = eye_to_eye - 1j * eyes_to_mouth
    half_side = max(2.0 * abs(eye_to_eye), 1.8 * abs(eyes_to_mouth))
    rightwards = direction / abs(direction) * half_side if direction else 0j
    downwards = 1j * rightwards
    center = eyes + 0.1 * eyes_to_mouth
    corners = [
        center - rightwards - downwards,
        center - rightwards + downwards,
        center + rightwards + downwards,
        center + rightwards - downwards,
    ]
    return np.array([(corner.real, corner.imag) for corner in corners])


def crop_ffhq(
    photograph: NDArray[np.uint8], landmarks: NDArray[np.float64], model_size: Size
) -> tuple[NDArray[np.uint8], Similarity]:
    """Return FFHQ's crop of a photograph, `uint8 [side, side, 3]`, and the transform from the photograph to it.

    Beyond its borders the photograph is mirrored, and fades there into its blurred copy and its median colour. As in FFHQ,
    photographs of high resolution are first reduced to an integer fraction, which moves the square by less than a pixel
    of the reduced photograph; the transform says where the crop really lies.

    Args:
        photograph: `uint8 [height, width, 3]`.
        landmarks: `[68, 2]` (x, y) in pixels of the photograph.
        model_size: must be square.

    Raises:
        EditError: the model's images are not square, or the photograph or the landmarks cannot be used.
    """
    photograph_size = Size(photograph.shape[1], photograph.shape[0])
    _check_landmarks(photograph_size, landmarks, model_size)
    side = model_size.width
    image, square = Image.fromarray(photograph), _Square(ffhq_square(landmarks))
    shrinking = math.floor(square.side / side / 2)
    if shrinking > 1:
        width, height = (max(1, round(length / shrinking)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        square = _Square(square.corners / shrinking)
    similarity = _similarity_of(square, photograph_size, Size(*image.size), side)
    image, square = _cut_out(image, square)
    image, square = _pad(image, square)
    # PIL counts from the edge of the first pixel, where the corners count from its centre.
    quad = tuple((square.corners + 0.5).ravel())
    large_side = _OVERSAMPLING * side
    large_crop = image.transform((large_side, large_side), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
    return np.asarray(large_crop.resize((side, side), Image.Resampling.LANCZOS)), similarity


@dataclass(frozen=True, eq=False)
class _Square:
    corners: Corners

    @property
    def side(self) -> float:
        return math.dist(self.corners[0], self.corners[3])

    @property
    def border(self) -> int:
        """How much of the photograph is kept around the square, in pixels."""
        return max(round(self.side * _BORDER_SHARE), _MIN_BORDER)

    def bounds(self) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the square with its border."""
        left, top = np.floor(self.corners.min(axis=0)).astype(int) - self.border
        right, bottom = np.ceil(self.corners.max(axis=0)).astype(int) + self.border
        return int(left), int(top), int(right), int(bottom)

    def moved(self, x: int, y: int) -> _Square:
        return _Square(self.corners + np.array([x, y]))


def _check_landmarks(photograph_size: Size, landmarks: NDArray[np.float64], model_size: Size) -> None:
    check_side(photograph_size)
    if model_size.width != model_size.height:
        raise EditError(
            f"FFHQ's crop is square, and the model's images are {model_size.width}×{model_size.height} pixels; "
            "align the photograph by two points"
        )
    for part_name, part in (
        ("eye at the left", _LEFT_EYE),
        ("eye at the right", _RIGHT_EYE),
        ("mouth", _MOUTH_CORNERS),
    ):
        x, y = landmarks[part].mean(axis=0)
        if not contains((x, y), photograph_size):
            raise EditError(
                f"the {part_name} is at {x:.0f},{y:.0f}, outside the photograph, which is "
                f"{photograph_size.width}×{photograph_size.height} pixels; give landmarks in pixels of this photograph"
            )
    side = _Square(ffhq_square(landmarks)).side
    if side < MIN_PHOTOGRAPH_SIDE:
        raise EditError(
            f"FFHQ's square around this face has a side of {side:.1f} pixels; "
            f"give a photograph in which it has at least {MIN_PHOTOGRAPH_SIDE}"
        )


def _similarity_of(square: _Square, photograph_size: Size, reduced_size: Size, side: int) -> Similarity:
    """Return the transform from the photograph to the crop of a square of the reduced photograph."""

    def in_photograph(corner: NDArray[np.float64]) -> Point:
        x, y = (corner + 0.5) * photograph_size / reduced_size - 0.5
        return float(x), float(y)

    top_left, bottom_right = in_photograph(square.corners[0]), in_photograph(square.corners[2])
    return Similarity.of_points((top_left, bottom_right), ((-0.5, -0.5), (side - 0.5, side - 0.5)))


def _cut_out(image: Image.Image, square: _Square) -> tuple[Image.Image, _Square]:
    """Return the part of an image that a square and its border cover, and the square in it."""
    left, top, right, bottom = square.bounds()
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    return image.crop((left, top, right, bottom)), square.moved(-left, -top)


def _pad(image: Image.Image, square: _Square) -> tuple[Image.Image, _Square]:
    """Return an image that contains a square and its border, and the square in it."""
    left, top, right, bottom = square.bounds()
    padding = np.maximum([-left, -top, right - image.width, bottom - image.height], 0)
    if padding.max() <= square.border - 4:
        return image, square
    left, top, right, bottom = np.maximum(padding, round(square.side * _PADDING_SHARE)).tolist()
    mirrored = np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode="reflect")
    height, width = mirrored.shape[:2]
    depth = np.maximum(_depth_in_padding(height, top, bottom)[:, None], _depth_in_padding(width, left, right)[None])
    blurred = np.asarray(Image.fromarray(mirrored).filter(ImageFilter.GaussianBlur(square.side * _BLUR_SHARE)))
    blur_weight, median_weight = np.clip(3 * depth + 1, 0, 1), np.clip(depth, 0, 1)
    padded = np.empty_like(mirrored)
    for channel in range(3):
        faded = (
            mirrored[..., channel] + (blurred[..., channel].astype(np.float32) - mirrored[..., channel]) * blur_weight
        )
        faded += (np.median(faded) - faded) * median_weight
        padded[..., channel] = np.clip(np.rint(faded), 0, 255)
    return Image.fromarray(padded), square.moved(left, top)


def _depth_in_padding(length: int, before: int, after: int) -> NDArray[np.float32]:
    """Return how deep each pixel of an axis lies in the padding: 1 at the rim, 0 where the image begins, below 0 inside.

    Args:
        before, after: how many pixels of padding there are at either end, at least 1.
    """
    positions = np.arange(length, dtype=np.float32)
    return 1 - np.minimum(positions / before, (length - 1 - positions) / after)
