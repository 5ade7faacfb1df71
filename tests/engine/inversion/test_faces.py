"""Faces of photographs: their landmarks, and that their eyes alone give nearly FFHQ's crop."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.errors import InputError
from draggan_engine.inversion import faces
from draggan_engine.inversion.alignment import FFHQ_EYES, Similarity
from draggan_engine.inversion.faces import FaceDetector, LandmarkCount, eye_centers, face_detector
from draggan_engine.inversion.ffhq_crop import ffhq_square
from tests.support.dlib_packages import needs_dlib
from tests.support.photograph_model import PHOTOGRAPH

LANDMARK_COUNTS: tuple[LandmarkCount, ...] = (5, 68)
EYES = ((104, 99), (154, 101))
"""Of the photograph, in its 256 pixels."""


def photograph_of_face(side: int = 256) -> NDArray[np.uint8]:
    with Image.open(PHOTOGRAPH) as photograph:
        return np.asarray(photograph.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


@needs_dlib
@pytest.mark.parametrize("landmark_count", LANDMARK_COUNTS)
def test_the_eyes_of_a_photograph_are_found(landmark_count: LandmarkCount) -> None:
    face = face_detector(landmark_count).find_largest_face(photograph_of_face())
    assert face is not None
    assert face.landmarks.shape == (landmark_count, 2)
    assert face.face_count == 1
    assert np.abs(np.array(eye_centers(face.landmarks)) - EYES).max() < 3


@needs_dlib
def test_the_eyes_alone_give_nearly_the_crop_of_68_landmarks() -> None:
    photograph = photograph_of_face()
    by_5, by_68 = (face_detector(count).find_largest_face(photograph) for count in LANDMARK_COUNTS)
    assert by_5 is not None and by_68 is not None
    (left_x, left_y), (right_x, right_y) = FFHQ_EYES
    similarity = Similarity.of_points(eye_centers(by_5.landmarks), ((left_x, left_y), (right_x, right_y)))
    corners = [similarity.inverse.apply(corner) for corner in ((0, 0), (0, 1), (1, 1), (1, 0))]
    square = ffhq_square(by_68.landmarks)
    side = float(np.linalg.norm(square[3] - square[0]))
    assert np.linalg.norm(np.array(corners) - square, axis=1).max() < 0.04 * side


@needs_dlib
def test_large_photographs_are_reduced_to_find_a_face_and_landmarks_are_found_in_all_their_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faces, "DETECTION_SIDE", 250)
    face = face_detector(5).find_largest_face(photograph_of_face(1000))
    assert face is not None
    expected = (np.array(EYES) + 0.5) * 1000 / 256 - 0.5
    assert np.abs(np.array(eye_centers(face.landmarks)) - expected).max() < 12
    assert (face.landmarks % 4 != face.landmarks[0] % 4).any()  # not multiples of reduced pixels


@needs_dlib
def test_small_faces_are_found_at_twice_their_size() -> None:
    photograph = np.full((200, 300, 3), 128, np.uint8)
    photograph[40:136, 100:196] = photograph_of_face(96)
    face = face_detector(5).find_largest_face(photograph)
    assert face is not None
    expected = (np.array(EYES) + 0.5) * 96 / 256 - 0.5 + (100, 40)
    assert np.abs(np.array(eye_centers(face.landmarks)) - expected).max() < 3


@needs_dlib
def test_of_several_faces_the_largest_is_used() -> None:
    photograph = np.full((400, 700, 3), 128, np.uint8)
    photograph[100:356, 0:256] = photograph_of_face(256)
    photograph[20:380, 300:660] = photograph_of_face(360)
    face = face_detector(5).find_largest_face(photograph)
    assert face is not None
    assert face.face_count == 2
    expected = (np.array(EYES) + 0.5) * 360 / 256 - 0.5 + (300, 20)
    assert np.abs(np.array(eye_centers(face.landmarks)) - expected).max() < 5


@needs_dlib
def test_a_photograph_without_a_face_has_none() -> None:
    y, x = np.mgrid[:300, :400]
    assert face_detector(5).find_largest_face(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)) is None


class StandIn:
    """Stands in for dlib: it finds two faces, and all landmarks of a face are at the left edge of its box."""

    class rectangle:
        def __init__(self, left: int, top: int, right: int, bottom: int) -> None:
            self.edges = left, top, right, bottom

        def left(self) -> int:
            return self.edges[0]

        def area(self) -> int:
            return (self.edges[2] - self.edges[0]) * (self.edges[3] - self.edges[1])

    class Shape:
        def __init__(self, x: int) -> None:
            self.x, self.y = x, 40

        def part(self, index: int) -> StandIn.Shape:
            assert 0 <= index < 68
            return self

    @staticmethod
    def get_frontal_face_detector() -> Any:
        boxes = [StandIn.rectangle(10, 0, 90, 80), StandIn.rectangle(300, 0, 390, 90)]
        return lambda image, enlargement: boxes  # noqa: ARG005

    @staticmethod
    def shape_predictor(path: str) -> Any:
        assert path == "predictor.dat"
        return lambda image, box: StandIn.Shape(box.left())  # noqa: ARG005


def test_boxes_come_in_the_order_of_their_size() -> None:
    detector = FaceDetector(StandIn, Path("predictor.dat"), 68)
    image = np.zeros((512, 512, 3), np.uint8)
    boxes = detector.boxes(image)
    assert [box.left() for box in boxes] == [300, 10]
    assert detector.landmarks(image, boxes[0]).tolist() == [[300, 40]] * 68


@pytest.mark.parametrize("landmark_count", LANDMARK_COUNTS)
@pytest.mark.parametrize("missing", ["dlib", "predictor"])
def test_a_missing_package_is_named_with_the_extra_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, missing: str, landmark_count: LandmarkCount
) -> None:
    def no_package(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    if missing == "dlib":
        monkeypatch.setitem(sys.modules, "dlib", None)
        monkeypatch.setattr(faces, "find_predictor", lambda _: Path("predictor.dat"))
    else:
        monkeypatch.setattr(importlib.metadata, "files", no_package)
    with pytest.raises(InputError, match=r"not installed; run pip install 'draggan-tui\[faces\]'"):
        face_detector.__wrapped__(landmark_count)  # without the detectors of other tests
