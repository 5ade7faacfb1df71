"""A photograph that is aligned with the images of a model, in one of the ways that a user can choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.registry import bundled_models
from draggan_engine.core.errors import EditError, Remedy
from draggan_engine.core.geometry import Size, contains, distance
from draggan_engine.core.inversion_choices import MIN_POINT_DISTANCE, AlignmentChoice
from draggan_engine.storage.inversion_files import PhotographAlignment, RefinedAlignment, file_sha256
from draggan_engine.storage.landmark_files import read_landmarks

from .alignment import (
    CRITTER_EYES,
    FFHQ_EYES,
    Similarity,
    TwoPoints,
    align_two_points,
    align_whole,
    check_side,
    crop_photograph,
)
from .faces import FaceDetector, eye_centers, face_detector
from .ffhq_crop import LANDMARK_COUNT, crop_ffhq

LandmarkPoints = NDArray[np.float64]


@dataclass(frozen=True)
class AlignedPhotograph:
    """A photograph as the model should show it.

    Attributes:
        image: `uint8 [H, W, 3]`, of the size of the model's images.
        refinement: how the alignment was refined; None if it was not to be refined.
    """

    image: NDArray[np.uint8]
    alignment: PhotographAlignment
    refinement: RefinedAlignment | None = None


class PhotographAligner:
    """Aligns photographs in the way that was chosen.

    Args:
        report: is called with what a person should know, in one line.

    Raises:
        InputError: the landmarks cannot be read, or dlib is not installed.
    """

    def __init__(self, choice: AlignmentChoice, report: Callable[[str], object]) -> None:
        self._choice, self._report = choice, report
        self._landmarks: LandmarkPoints | None = None
        self._detector: FaceDetector | None = None
        if choice.landmarks_path is not None:
            self._landmarks = read_landmarks(Path(choice.landmarks_path), LANDMARK_COUNT)
        elif choice.how in ("faces", "ffhq"):
            self._detector = face_detector(5 if choice.how == "faces" else 68)

    def align(self, photograph_path: Path, photograph: NDArray[np.uint8], model: Model) -> AlignedPhotograph:
        """
        Args:
            photograph: `uint8 [height, width, 3]`, the content of the file.

        Raises:
            EditError: the photograph, the points or the landmarks cannot be used, or no face was found.
        """
        photograph_size, model_size = Size(photograph.shape[1], photograph.shape[0]), model.info.size
        check_side(photograph_size)
        landmarks = self._landmarks if self._detector is None else self._detect_landmarks(self._detector, photograph)
        if landmarks is not None and self._choice.how == "ffhq":
            image, similarity = crop_ffhq(photograph, landmarks, model_size)
        else:
            points = self._choice.points if landmarks is None else eye_centers(landmarks)
            similarity = self._find_similarity(photograph_size, points, model)
            image = crop_photograph(photograph, similarity, model_size)
        return AlignedPhotograph(image, _describe(photograph_path, photograph_size, similarity))

    def _find_similarity(self, photograph_size: Size, points: TwoPoints | None, model: Model) -> Similarity:
        if points is not None:
            points_in_model = self._choice.points_in_model or _eyes_of(model)
            _check_points_in_model(points_in_model, model.info.size)
            return align_two_points(photograph_size, points, points_in_model)
        if self._choice.how == "same size" and photograph_size != model.info.size:
            raise EditError(
                f"the photograph is {photograph_size.width}×{photograph_size.height} pixels, and the images of "
                f"{model.name} are {model.info.size.width}×{model.info.size.height}",
                Remedy.align_photograph,
            )
        return align_whole(photograph_size, model.info.size)

    def _detect_landmarks(self, detector: FaceDetector, photograph: NDArray[np.uint8]) -> LandmarkPoints:
        """Return the landmarks of the largest face, and say where its eyes are if there are others.

        Raises:
            EditError: no face was found.
        """
        face = detector.find_largest_face(photograph)
        if face is None:
            raise EditError(
                "no face was found in the photograph: only upright faces that look at the camera are", Remedy.give_eyes
            )
        if face.face_count > 1:
            left, right = (f"{x:.0f},{y:.0f}" for x, y in eye_centers(face.landmarks))
            self._report(
                f"{face.face_count} faces were found; the largest, with its eyes at {left} and {right}, is used; "
                "for another one, give its eyes as two points"
            )
        return face.landmarks


def _eyes_of(model: Model) -> TwoPoints:
    """Return where the images of a model are expected to have their eyes, in pixels."""
    model_size = model.info.size
    eyes = CRITTER_EYES if model.name in bundled_models() else FFHQ_EYES
    left, right = ((x * model_size.width - 0.5, y * model_size.height - 0.5) for x, y in eyes)
    return left, right


def _check_points_in_model(points: TwoPoints, model_size: Size) -> None:
    for x, y in points:
        if not contains((x, y), model_size):
            raise EditError(
                f"the place {x:g},{y:g} for a point is outside the model's images, which have {model_size.width}×"
                f"{model_size.height} pixels; give two places in them"
            )
    if distance(*points) < MIN_POINT_DISTANCE:
        raise EditError(
            f"the places for the two points are {distance(*points):.1f} pixels apart; "
            f"give two that are at least {MIN_POINT_DISTANCE:g} pixels apart"
        )


def _describe(photograph_path: Path, photograph_size: Size, similarity: Similarity) -> PhotographAlignment:
    return PhotographAlignment(
        photograph=str(photograph_path.resolve()).encode("utf-8", "replace").decode("utf-8"),
        photograph_sha256=file_sha256(photograph_path),
        photograph_size=photograph_size,
        multiplier=(similarity.multiplier.real, similarity.multiplier.imag),
        offset=(similarity.offset.real, similarity.offset.imag),
    )


def similarity_of(alignment: PhotographAlignment) -> Similarity:
    """Return the transform from pixels of the photograph to pixels of the model's images."""
    return Similarity(complex(*alignment.multiplier), complex(*alignment.offset))
