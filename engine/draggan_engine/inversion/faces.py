"""Faces of photographs and their landmarks, detected with dlib (King 2009; Kazemi and Sullivan 2014).

dlib is an optional package, and so are its predictors of landmarks. The predictor of 68 landmarks was
trained on iBUG 300-W, whose licence excludes commercial use. The predictor of 5 landmarks is free for every use.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.errors import InputError

from .alignment import TwoPoints

LandmarkCount = Literal[5, 68]
_EYE_LANDMARKS: dict[int, tuple[list[int], list[int]]] = {
    5: ([2, 3], [0, 1]),
    68: ([*range(36, 42)], [*range(42, 48)]),
}
DETECTION_SIDE = 1280
"""Photographs are reduced to this length of their longer side before faces are detected, px."""
_ENLARGEMENTS = (0, 1)
"""How often the image is doubled: dlib finds faces from 80 px, and if there are none, from 40 px."""
_PREDICTOR_NAMES: dict[LandmarkCount, str] = {
    5: "shape_predictor_5_face_landmarks.dat",
    68: "shape_predictor_68_face_landmarks.dat",
}


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """The largest face of a photograph.

    Attributes:
        landmarks: 5 or 68, `[L, 2]` (x, y) in pixels of the photograph.
        face_count: how many faces the photograph has.
    """

    landmarks: NDArray[np.float64]
    face_count: int


def eye_centers(landmarks: NDArray[np.float64]) -> TwoPoints:
    """Return the centres of the eyes at the left and at the right of the image, of 5 or 68 landmarks `[L, 2]`."""
    (left_x, left_y), (right_x, right_y) = (landmarks[part].mean(axis=0) for part in _EYE_LANDMARKS[len(landmarks)])
    return (float(left_x), float(left_y)), (float(right_x), float(right_y))


class FaceDetector:
    """dlib's detector of frontal faces, and one of its predictors of landmarks.

    Args:
        dlib: the module.
    """

    def __init__(self, dlib: Any, predictor_path: Path, landmark_count: LandmarkCount) -> None:
        self._dlib = dlib
        self._detect_boxes = dlib.get_frontal_face_detector()
        self._predict_landmarks = dlib.shape_predictor(str(predictor_path))
        self._landmark_count = landmark_count

    def boxes(self, image: NDArray[np.uint8], enlargement: int = 0) -> list[Any]:
        """Return the boxes of all faces, as dlib's rectangles, the largest first.

        Args:
            image: `[H, W, 3]`.
            enlargement: how often the image is doubled first.
        """
        return sorted(self._detect_boxes(image, enlargement), key=lambda box: box.area(), reverse=True)

    def landmarks(self, image: NDArray[np.uint8], box: Any) -> NDArray[np.float64]:
        """Return the landmarks of the face in a box, `[L, 2]` (x, y) in pixels of the image."""
        shape = self._predict_landmarks(image, box)
        return np.array([(shape.part(i).x, shape.part(i).y) for i in range(self._landmark_count)], np.float64)

    def find_largest_face(self, photograph: NDArray[np.uint8]) -> DetectedFace | None:
        """Return the largest face of a photograph of any size; None if it has none."""
        photograph = np.ascontiguousarray(photograph)
        height, width = photograph.shape[:2]
        reduction = max(1.0, max(height, width) / DETECTION_SIDE)
        reduced_size = max(1, round(width / reduction)), max(1, round(height / reduction))
        reduced = np.asarray(Image.fromarray(photograph).resize(reduced_size, Image.Resampling.BOX, reducing_gap=2.0))
        for enlargement in _ENLARGEMENTS:
            boxes = self.boxes(reduced, enlargement)
            if boxes:
                box = self._enlarged_box(boxes[0], reduction)
                return DetectedFace(self.landmarks(photograph, box), len(boxes))
        return None

    def _enlarged_box(self, box: Any, factor: float) -> Any:
        edges = (box.left(), box.top(), box.right(), box.bottom())
        return self._dlib.rectangle(*(round((edge + 0.5) * factor - 0.5) for edge in edges))


@cache
def face_detector(landmark_count: LandmarkCount) -> FaceDetector:
    """Return dlib's detector of faces with a predictor of so many landmarks.

    Raises:
        InputError: dlib or its predictor is not installed.
    """
    predictor_path = find_predictor(landmark_count)
    if predictor_path is None or importlib.util.find_spec("dlib") is None:
        raise InputError(
            "the detector dlib: dlib or its predictor of landmarks is not installed; "
            "run pip install 'draggan-tui[faces]'"
        )
    try:
        import dlib
    except ImportError as import_error:
        raise InputError(f"the detector dlib: dlib cannot be imported ({import_error})") from import_error
    return FaceDetector(dlib, predictor_path, landmark_count)


def find_predictor(landmark_count: LandmarkCount) -> Path | None:
    """Return the predictor's file in the package face-recognition-models, which cannot be imported without setuptools."""
    try:
        package_files = importlib.metadata.files("face-recognition-models") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for package_file in package_files:
        if package_file.name == _PREDICTOR_NAMES[landmark_count]:
            return Path(str(package_file.locate()))
    return None
