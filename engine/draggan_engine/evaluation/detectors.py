"""The detectors that find the landmarks of images: that of the bundled critters, and dlib's for faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.errors import InputError
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.inversion.faces import face_detector

from .cases import has_known_landmarks
from .face_cases import face_case
from .face_detector import FACE_LANDMARKS, LANDMARKS_OF_A_FACE, detect_faces
from .landmark_detector import detect_landmarks
from .variants import DetectorName


@dataclass(frozen=True)
class Detector:
    """Finds the landmarks of images.

    Attributes:
        landmark_names: the names of the L points that `detect` returns.
        detect: from images `[N, 3, H, W]` in −1…1 to points `[N, L, 2]` (x, y) in pixels; NaN where there are none.
        knows_true_landmarks: whether the scenes of the images, and so their true landmarks, are known.
    """

    landmark_names: tuple[str, ...]
    detect: Callable[[Tensor], NDArray[np.float32]]
    knows_true_landmarks: bool


DETECTORS: Mapping[DetectorName, Detector] = {
    "critters": Detector(LANDMARKS, lambda images: detect_landmarks(images).points, knows_true_landmarks=True),
    "dlib": Detector(FACE_LANDMARKS, detect_faces, knows_true_landmarks=False),
}


def check_face_detector(model: Model) -> None:
    """Check that dlib is installed and detects faces in the images of a model.

    Raises:
        InputError: it is not, or it does not.
    """
    if has_known_landmarks(model):
        raise InputError(
            f"the detector dlib finds faces, and the images of {model.name!r} show none; use the detector critters"
        )
    face_detector(LANDMARKS_OF_A_FACE)
    face_case(model, 1, 0)
