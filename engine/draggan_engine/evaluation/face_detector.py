"""Detect faces and their 68 landmarks in images of a model with dlib, as the paper does for its table 1."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.inversion.faces import eye_centers, face_detector
from draggan_engine.networks.generate import to_uint8

DETECTION_HEIGHT = 512
"""Images are resized to this height, the one of the paper's FFHQ model, before faces are detected, px."""
LANDMARKS_OF_A_FACE: Final = 68
FACE_LANDMARKS = (*map(str, range(LANDMARKS_OF_A_FACE)), "eye_left", "eye_right")
"""dlib's landmarks by their index, and the centres of the eyes on the left and right of the image."""
ONE_FACE_LANDMARK = ("30",)
"""The tip of the nose."""
FIVE_FACE_LANDMARKS = ("eye_left", "eye_right", "30", "48", "54")
"""Eyes, tip of the nose, corners of the mouth."""


def detect_faces(images: Tensor) -> NDArray[np.float32]:
    """Detect the landmarks of the largest face of each image.

    Args:
        images: `[N, 3, H, W]` in −1…1, of any size.

    Returns:
        `[N, 70, 2]` (x, y) in pixels of the images, in the order of `FACE_LANDMARKS`; NaN where no face was detected.

    Raises:
        InputError: dlib or its predictor is not installed.
    """
    detector = face_detector(LANDMARKS_OF_A_FACE)
    height, width = images.shape[2:]
    pixel_scale = height / DETECTION_HEIGHT
    detection_size = (DETECTION_HEIGHT, max(1, round(width / pixel_scale)))
    points = np.full((len(images), len(FACE_LANDMARKS), 2), np.nan, np.float32)
    for image, image_points in zip(torch.split(images, 1), points, strict=True):
        if height > DETECTION_HEIGHT:
            resized_image = F.interpolate(image, size=detection_size, mode="area")
        else:
            resized_image = F.interpolate(image, size=detection_size, mode="bilinear", align_corners=False)
        pixels = to_uint8(resized_image)
        boxes = detector.boxes(pixels)
        if boxes:
            face_points = detector.landmarks(pixels, boxes[0])
            all_points = np.concatenate([face_points, eye_centers(face_points)])
            image_points[:] = (all_points + 0.5) * pixel_scale - 0.5
    return points
