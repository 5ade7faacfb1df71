"""FFHQ's crop: its square from 68 landmarks, what it shows, and that the transform says where it lies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.inversion.ffhq_crop import crop_ffhq, ffhq_square

FACE = {"eye_left": (-30.0, 0.0), "eye_right": (30.0, 0.0), "mouth_left": (-24.0, 64.0), "mouth_right": (24.0, 64.0)}
"""Half a face: eyes and corners of the mouth, in pixels from the point between the eyes."""


def landmarks_of_face(center: tuple[float, float], scale: float = 1.0, angle: float = 0.0) -> NDArray[np.float64]:
    """Return 68 landmarks of a face of which only the eyes and the corners of the mouth have a meaning.

    Args:
        center: of the point between the eyes.
        angle: in radians, clockwise in the image.
    """
    landmarks = np.full((68, 2), 1e6)  # a landmark that the square does not depend on
    circle = np.array([(math.cos(turn), math.sin(turn)) for turn in np.arange(6) * math.pi / 3])
    landmarks[36:42] = FACE["eye_left"] + 7 * circle
    landmarks[42:48] = FACE["eye_right"] + 7 * circle
    landmarks[48], landmarks[54] = FACE["mouth_left"], FACE["mouth_right"]
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return landmarks @ rotation.T * scale + center


def square_by_angles(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute FFHQ's square in another way: its sides have the angle of the sum of two vectors, in polar coordinates."""
    left_x, left_y = sum(landmarks[36:42, 0]) / 6, sum(landmarks[36:42, 1]) / 6
    right_x, right_y = sum(landmarks[42:48, 0]) / 6, sum(landmarks[42:48, 1]) / 6
    eyes_x, eyes_y = (left_x + right_x) / 2, (left_y + right_y) / 2
    down_x = (landmarks[48, 0] + landmarks[54, 0]) / 2 - eyes_x
    down_y = (landmarks[48, 1] + landmarks[54, 1]) / 2 - eyes_y
    angle = math.atan2(right_y - left_y - down_x, right_x - left_x + down_y)
    half_side = max(2 * math.hypot(right_x - left_x, right_y - left_y), 1.8 * math.hypot(down_x, down_y))
    half_diagonal = half_side * math.sqrt(2)
    center_x, center_y = eyes_x + down_x / 10, eyes_y + down_y / 10
    return np.array([
        (center_x + half_diagonal * math.cos(angle + math.radians(turn)),
         center_y + half_diagonal * math.sin(angle + math.radians(turn)))
        for turn in (-135, 135, 45, -45)
    ])  # fmt: skip


def smooth_photograph(width: int, height: int) -> NDArray[np.uint8]:
    """Return an image in which every place has its own colour, which changes by about a level a pixel."""
    y, x = np.mgrid[:height, :width].astype(float)
    channels = (128 + 100 * np.sin(x / 110), 128 + 100 * np.cos(y / 90), 128 + 100 * np.sin((x + y) / 150))
    return np.stack(channels, axis=-1).round().astype(np.uint8)


@given(st.lists(st.tuples(st.floats(0, 3000), st.floats(0, 3000)), min_size=68, max_size=68))
def test_the_square_agrees_with_another_computation(points: list[tuple[float, float]]) -> None:
    landmarks = np.array(points)
    a = landmarks[42:48].mean(axis=0) - landmarks[36:42].mean(axis=0)
    b = landmarks[[48, 54]].mean(axis=0) - landmarks[36:48].mean(axis=0)
    if math.hypot(a[0] + b[1], a[1] - b[0]) < 1e-3:  # the square has no direction
        return
    assert np.abs(ffhq_square(landmarks) - square_by_angles(landmarks)).max() < 0.1


def test_the_square_of_an_upright_face() -> None:
    # 60 px between the eyes, 64 px down to the mouth: the half side is 2 · 60, and the centre 6.4 px below the eyes.
    square = ffhq_square(landmarks_of_face((300, 200)))
    expected = [(180, 86.4), (180, 326.4), (420, 326.4), (420, 86.4)]
    assert np.abs(square - expected).max() < 1e-9


@pytest.mark.parametrize(
    ("photograph_size", "center", "scale", "side"),
    [
        (Size(700, 600), (350, 300), 1.0, 128),  # not reduced
        (Size(1201, 907), (600, 430), 2.7, 64),  # reduced to a fifth, which divides neither side
        (Size(700, 600), (330, 310), 0.8, 512),  # enlarged
    ],
)
def test_the_transform_says_where_the_crop_lies(
    photograph_size: Size, center: tuple[float, float], scale: float, side: int
) -> None:
    photograph = smooth_photograph(*photograph_size)
    landmarks = landmarks_of_face(center, scale, angle=0.2)
    crop, similarity = crop_ffhq(photograph, landmarks, Size(side, side))
    assert (crop.shape, crop.dtype) == ((side, side, 3), np.uint8)
    positions = np.mgrid[2 : side - 2 : 5, 2 : side - 2 : 5].reshape(2, -1).T
    shown = np.array([crop[y, x] for y, x in positions], float)
    photograph_points = [similarity.inverse.apply((float(x), float(y))) for y, x in positions]
    x, y = np.array(photograph_points).T
    expected = np.stack(
        [128 + 100 * np.sin(x / 110), 128 + 100 * np.cos(y / 90), 128 + 100 * np.sin((x + y) / 150)], -1
    )
    assert np.abs(shown - expected).max() < 2.0
    assert np.abs(shown - expected).mean() < 0.7  # PIL rounds down; two pixels beside it, the mean is above 1


def test_the_crop_shows_the_square() -> None:
    landmarks = landmarks_of_face((350, 300), 1.3, angle=-0.3)
    _, similarity = crop_ffhq(smooth_photograph(700, 600), landmarks, Size(256, 256))
    corners = [similarity.apply((float(x), float(y))) for x, y in ffhq_square(landmarks)]
    expected = [(-0.5, -0.5), (-0.5, 255.5), (255.5, 255.5), (255.5, -0.5)]
    assert np.abs(np.array(corners) - expected).max() < 1e-9


def test_a_reduced_photograph_moves_the_square_by_less_than_a_reduced_pixel() -> None:
    landmarks = landmarks_of_face((600, 430), 2.7)
    _, similarity = crop_ffhq(smooth_photograph(1201, 907), landmarks, Size(64, 64))
    shrinking = 5  # the square has 648 px: ⌊648 / 64 / 2⌋
    corners = np.array([similarity.inverse.apply(corner) for corner in ((-0.5, -0.5), (63.5, 63.5))])
    assert np.abs(corners - ffhq_square(landmarks)[[0, 2]]).max() < shrinking


def test_beyond_its_borders_the_photograph_fades_into_its_median_colour() -> None:
    photograph = np.zeros((240, 400, 3), np.uint8)
    photograph[:] = (200, 120, 40)
    photograph[:, ::2] = (180, 100, 20)
    crop, similarity = crop_ffhq(photograph, landmarks_of_face((60, 120)), Size(256, 256))
    border = round(similarity.apply((-0.5, 0.0))[0])
    contrast = np.abs(np.diff(crop[120:136].astype(int), axis=1)).max(axis=(0, 2))
    assert border == 63
    assert contrast[: border - 20].max() <= 2 < 8 <= contrast[border + 60 : border + 120].max()
    assert np.abs(crop[120, 0].astype(int) - (190, 110, 30)).max() <= 11


def test_a_square_within_the_photograph_is_not_padded() -> None:
    photograph = smooth_photograph(700, 600)
    landmarks = landmarks_of_face((350, 300))
    crop, similarity = crop_ffhq(photograph, landmarks, Size(240, 240))
    left, top = (round(c) for c in similarity.inverse.apply((0.0, 0.0)))
    assert np.abs(crop.astype(int) - photograph[top : top + 240, left : left + 240]).max() <= 2


def test_photographs_of_any_size_are_cropped_in_bounded_memory() -> None:
    """A face at the corner of a small photograph and a large model: the mirrored part is a few times the photograph."""
    photograph = smooth_photograph(64, 64)
    crop, similarity = crop_ffhq(photograph, landmarks_of_face((20, 12), 0.5), Size(256, 256))
    assert crop.shape == (256, 256, 3)
    assert similarity.scale == pytest.approx(256 / 120)


@pytest.mark.parametrize(
    ("landmarks", "model_size", "message"),
    [
        (landmarks_of_face((350, 300)), Size(64, 128), "FFHQ's crop is square, and the model's images are 64×128"),
        (landmarks_of_face((900, 300)), Size(64, 64), "the eye at the left is at 870,300, outside the photograph"),
        (landmarks_of_face((680, 300)), Size(64, 64), "the eye at the right is at 710,300, outside"),
        (landmarks_of_face((350, 560)), Size(64, 64), "the mouth is at 350,624, outside"),
        (landmarks_of_face((350, 300), 0.05), Size(64, 64), "FFHQ's square around this face has a side of 12.0 pixels"),
        (np.full((68, 2), 50.0), Size(64, 64), "FFHQ's square around this face has a side of 0.0 pixels"),
    ],
)
def test_landmarks_that_cannot_be_used_are_refused(
    landmarks: NDArray[np.float64], model_size: Size, message: str
) -> None:
    with pytest.raises(EditError, match=message):
        crop_ffhq(np.zeros((600, 700, 3), np.uint8), landmarks, model_size)


def test_a_tiny_photograph_is_refused() -> None:
    tiny = np.asarray(Image.new("RGB", (15, 40)))
    with pytest.raises(EditError, match="the photograph is 15×40 pixels; give one of at least 16×16"):
        crop_ffhq(tiny, landmarks_of_face((7, 10), 0.1), Size(64, 64))
