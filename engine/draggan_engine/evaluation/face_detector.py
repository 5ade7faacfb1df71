"""Detect faces and their 68 landmarks with dlib, as the paper does for its table 1.

dlib (Kazemi and Sullivan 2014; landmarks of iBUG 300-W) is an optional package, and so is its predictor of landmarks, whose
licence excludes commercial use.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.errors import InputError
from draggan_engine.networks.generate import to_uint8

DETECTION_HEIGHT = 512
"""Images are resized to this height, the one of the paper's FFHQ model, before faces are detected, px."""
LANDMARKS_OF_A_FACE = 68
FACE_LANDMARKS = (*map(str, range(LANDMARKS_OF_A_FACE)), "eye_left", "eye_right")
"""dlib's landmarks by their index, and the centres of the eyes on the left and right of the image."""
_EYE_LANDMARKS = (range(36, 42), range(42, 48))
ONE_FACE_LANDMARK = ("30",)
"""The tip of the nose."""
FIVE_FACE_LANDMARKS = ("eye_left", "eye_right", "30", "48", "54")
"""Eyes, tip of the nose, corners of the mouth."""
_PREDICTOR_NAME = "shape_predictor_68_face_landmarks.dat"

FaceFinder = Callable[[NDArray[np.uint8]], NDArray[np.float64] | None]
"""From an image `[512, w, 3]` to the 68 landmarks `[68, 2]` (x, y) in pixels of its largest face; None: it has no face."""


@cache
def dlib_face_finder() -> FaceFinder:
    """Return dlib's detection of faces and landmarks.

    Raises:
        InputError: dlib or its predictor is not installed.
    """
    predictor_path = find_predictor()
    if predictor_path is None or importlib.util.find_spec("dlib") is None:
        raise InputError(
            "the detector dlib: dlib or its predictor of landmarks is not installed; "
            "run pip install 'draggan-tui[faces]'"
        )
    try:
        import dlib
    except ImportError as import_error:
        raise InputError(f"the detector dlib: dlib cannot be imported ({import_error})") from import_error
    detect_boxes = dlib.get_frontal_face_detector()
    predict_landmarks = dlib.shape_predictor(str(predictor_path))

    def find_face(image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        face_boxes = detect_boxes(image, 0)
        if not face_boxes:
            return None
        landmarks = predict_landmarks(image, max(face_boxes, key=lambda face_box: face_box.area()))
        return np.array([(landmarks.part(i).x, landmarks.part(i).y) for i in range(LANDMARKS_OF_A_FACE)], np.float64)

    return find_face


def find_predictor() -> Path | None:
    """Return the predictor's file in the package face-recognition-models, which cannot be imported without setuptools."""
    try:
        package_files = importlib.metadata.files("face-recognition-models") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for package_file in package_files:
        if package_file.name == _PREDICTOR_NAME:
            return Path(str(package_file.locate()))
    return None


def detect_faces(images: Tensor) -> NDArray[np.float32]:
    """Detect the landmarks of the largest face of each image.

    Args:
        images: `[N, 3, H, W]` in −1…1, of any size.

    Returns:
        `[N, 70, 2]` (x, y) in pixels of the images, in the order of `FACE_LANDMARKS`; NaN where no face was detected.

    Raises:
        InputError: dlib or its predictor is not installed.
    """
    find_face = dlib_face_finder()
    height, width = images.shape[2:]
    pixel_scale = height / DETECTION_HEIGHT
    detection_size = (DETECTION_HEIGHT, max(1, round(width / pixel_scale)))
    points = np.full((len(images), len(FACE_LANDMARKS), 2), np.nan, np.float32)
    for image, image_points in zip(torch.split(images, 1), points, strict=True):
        if height > DETECTION_HEIGHT:
            resized_image = F.interpolate(image, size=detection_size, mode="area")
        else:
            resized_image = F.interpolate(image, size=detection_size, mode="bilinear", align_corners=False)
        face_points = find_face(to_uint8(resized_image))
        if face_points is not None:
            eye_centers = [face_points[list(eye_indices)].mean(axis=0) for eye_indices in _EYE_LANDMARKS]
            image_points[:] = (np.concatenate([face_points, eye_centers]) + 0.5) * pixel_scale - 0.5
    return points
