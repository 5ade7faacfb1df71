"""Align a photograph with the images of a model, as the options of a command say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.registry import bundled_models
from draggan_engine.core.errors import EditError, InputError
from draggan_engine.core.geometry import Size, contains, distance
from draggan_engine.inversion.alignment import (
    CRITTER_EYES,
    FFHQ_EYES,
    MIN_POINT_DISTANCE,
    Similarity,
    TwoPoints,
    align_two_points,
    align_whole,
    check_side,
    crop_photograph,
)
from draggan_engine.inversion.faces import FaceDetector, eye_centers, face_detector
from draggan_engine.inversion.ffhq_crop import LANDMARK_COUNT, crop_ffhq
from draggan_engine.storage.inversion_files import PhotographAlignment, RefinedAlignment, file_sha256
from draggan_engine.storage.landmark_files import read_landmarks
from draggan_tui.cli.headless_drag import parse_points, print_line
from draggan_tui.cli.options import PREDICTOR_LICENCE

LandmarkPoints = NDArray[np.float64]


@dataclass(frozen=True)
class AlignmentOptions:
    """What was typed about the alignment.

    Attributes:
        align_text: `none`, `faces`, `ffhq`, or like `eyes=64,70:76,70`; None if nothing was typed.
        onto_text: like `64,70:76,70`, or None for the usual places of eyes.
        landmarks_path: a file with 68 landmarks, or None for those that dlib detects.
        accepts_licence: whether the user accepts the licence of dlib's 68 landmarks.
        refines: whether the alignment is refined by registration; None: if two points were typed.
    """

    align_text: str | None = None
    onto_text: str | None = None
    landmarks_path: Path | None = None
    accepts_licence: bool = False
    refines: bool | None = None


@dataclass(frozen=True)
class AlignedPhotograph:
    """A photograph as the model should show it.

    Attributes:
        image: `uint8 [H, W, 3]`, of the size of the model's images.
        refinement: how the alignment was refined; None if it was not.
    """

    image: NDArray[np.uint8]
    alignment: PhotographAlignment
    refinement: RefinedAlignment | None = None


class PhotographAligner:
    """Aligns photographs as options say.

    Attributes:
        refines: whether the alignment is to be refined by registration.

    Raises:
        InputError: a text does not have the form that it should have, options contradict each other, the landmarks cannot
            be read, or dlib is not installed.
    """

    def __init__(self, options: AlignmentOptions) -> None:
        self._align_text = options.align_text
        self._points = _parse_eyes(options)
        self._points_in_model = _parse_onto(options)
        self._landmarks = _read_landmarks(options)
        self._detector = _load_detector(options)
        self.refines = (self._points is not None) if options.refines is None else options.refines
        if self.refines and options.align_text == "ffhq":
            raise EditError("--refine: it would change FFHQ's crop; leave it out, or use --align faces")

    def align(self, photograph_path: Path, photograph: NDArray[np.uint8], model: Model) -> AlignedPhotograph:
        """
        Args:
            photograph: `uint8 [height, width, 3]`, the content of the file.

        Raises:
            EditError: the photograph, the points or the landmarks cannot be used, or no face was found.
        """
        photograph_size, model_size = Size(photograph.shape[1], photograph.shape[0]), model.info.size
        check_side(photograph_size)
        landmarks = self._landmarks if self._detector is None else _detect_landmarks(self._detector, photograph)
        if landmarks is not None and self._align_text == "ffhq":
            image, similarity = crop_ffhq(photograph, landmarks, model_size)
        else:
            points = self._points if landmarks is None else eye_centers(landmarks)
            similarity = self._find_similarity(photograph_size, points, model)
            image = crop_photograph(photograph, similarity, model_size)
        return AlignedPhotograph(image, _describe(photograph_path, photograph_size, similarity))

    def _find_similarity(self, photograph_size: Size, points: TwoPoints | None, model: Model) -> Similarity:
        if points is not None:
            points_in_model = self._points_in_model or _eyes_of(model)
            _check_points_in_model(points_in_model, model.info.size)
            return align_two_points(photograph_size, points, points_in_model)
        if self._align_text is None and photograph_size != model.info.size:
            raise EditError(
                f"the photograph is {photograph_size.width}×{photograph_size.height} pixels, and the images of "
                f"{model.name} are {model.info.size.width}×{model.info.size.height}; give two of its points with "
                "--align eyes=X,Y:X,Y, for example the eyes, or --align none if it shows everything where the model's "
                "images do"
            )
        return align_whole(photograph_size, model.info.size)


def _parse_eyes(options: AlignmentOptions) -> TwoPoints | None:
    """Return the two points of the photograph; None if the alignment has none.

    Raises:
        EditError: the text has none of the forms that are possible.
    """
    how, _, points_text = (options.align_text or "none").partition("=")
    points = parse_points(points_text) if how == "eyes" else None
    if points is None and options.align_text not in (None, "none", "faces", "ffhq"):
        raise EditError(
            f"--align {options.align_text!r}: write eyes=X,Y:X,Y with two points of the photograph, in pixels, "
            "e.g. --align eyes=412,520:618,508; or faces, ffhq or none"
        )
    return points


def _parse_onto(options: AlignmentOptions) -> TwoPoints | None:
    if options.onto_text is None:
        return None
    points = parse_points(options.onto_text)
    if points is None:
        raise EditError(
            f"--onto {options.onto_text!r}: write it as X,Y:X,Y, two points of the model's image, in pixels, "
            "e.g. --onto 50,68:78,68"
        )
    if options.align_text in (None, "none", "ffhq"):
        raise EditError("--onto: it says where two points belong; give them too, with --align eyes=X,Y:X,Y")
    return points


def _read_landmarks(options: AlignmentOptions) -> LandmarkPoints | None:
    if options.landmarks_path is None:
        return None
    if options.align_text != "ffhq":
        raise EditError("--landmarks: only FFHQ's crop uses them; add --align ffhq")
    return read_landmarks(options.landmarks_path, LANDMARK_COUNT)


def _load_detector(options: AlignmentOptions) -> FaceDetector | None:
    """Return the detector of faces that the alignment needs; None if it needs none.

    Raises:
        InputError: it is not installed, or its licence has not been accepted.
    """
    if options.align_text == "faces":
        return face_detector(5)
    if options.align_text != "ffhq" or options.landmarks_path is not None:
        return None
    if not options.accepts_licence:
        raise InputError(f"--align ffhq {PREDICTOR_LICENCE}, or give landmarks of your own with --landmarks FILE")
    return face_detector(68)


def _detect_landmarks(detector: FaceDetector, photograph: NDArray[np.uint8]) -> LandmarkPoints:
    """Return the landmarks of the largest face, and say where its eyes are if there are others.

    Raises:
        EditError: no face was found.
    """
    face = detector.find_largest_face(photograph)
    if face is None:
        raise EditError(
            "no face was found in the photograph: only upright faces that look at the camera are; "
            "give its eyes, in pixels of the photograph, with --align eyes=X,Y:X,Y"
        )
    if face.face_count > 1:
        left, right = (f"{x:.0f},{y:.0f}" for x, y in eye_centers(face.landmarks))
        print_line(
            f"{face.face_count} faces were found; the largest, with its eyes at {left} and {right}, is used; "
            "for another one, give its eyes with --align eyes=X,Y:X,Y"
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
                f"--onto: the point {x:g},{y:g} is outside the model's images, which have {model_size.width}×"
                f"{model_size.height} pixels; give two points in them"
            )
    if distance(*points) < MIN_POINT_DISTANCE:
        raise EditError(
            f"--onto: the two points are {distance(*points):.1f} pixels apart; "
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
