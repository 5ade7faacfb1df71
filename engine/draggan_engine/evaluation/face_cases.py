"""The cases of the landmark experiment on a model of faces, as in the paper's table 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.networks.generate import generate_images, latent_of_seed

from .cases import EvaluationCase, point_pairs
from .face_detector import (
    FACE_LANDMARKS,
    FIVE_FACE_LANDMARKS,
    LANDMARKS_OF_A_FACE,
    ONE_FACE_LANDMARK,
    detect_faces,
)

MAX_IMAGES_WITHOUT_FACE = 50
"""A case is given up after this many images without a face."""


@dataclass(frozen=True)
class _FacePair:
    """Two seeds whose images show a face.

    Attributes:
        first_seed: the seed of the image that is edited.
        points: the landmarks of both images, `[2, 70, 2]` (x, y) in pixels.
        skipped_images: how many other seeds were tried whose images show no face.
    """

    first_seed: int
    points: NDArray[np.float32]
    skipped_images: int


def face_case(model: Model, points: int, case_number: int) -> EvaluationCase:
    """Drag the landmarks of one face to where another face has them.

    Images in which no face is detected are skipped. As in the paper, pairs of faces that are near each other are kept.

    Args:
        points: 1: the tip of the nose; 5: eyes, nose and corners of the mouth; 68: all that lie in both images.

    Raises:
        InputError: dlib is not installed, or no face is detected in any of many images.
    """
    face_pair = _pair_of_faces(model, case_number)
    landmark_names = {
        1: ONE_FACE_LANDMARK,
        5: FIVE_FACE_LANDMARKS,
        68: FACE_LANDMARKS[:LANDMARKS_OF_A_FACE],
    }[points]
    landmark_indices = [
        i for i in map(FACE_LANDMARKS.index, landmark_names) if _lie_inside(model, face_pair.points[:, i]).all()
    ]
    handles, targets = face_pair.points[:, landmark_indices]
    drag_task = DragTask(
        latent_of_seed(model.generator, face_pair.first_seed, model.info.psi), point_pairs(handles, targets)
    )
    return EvaluationCase(
        case_number,
        drag_task,
        tuple(FACE_LANDMARKS[i] for i in landmark_indices),
        skipped_images=face_pair.skipped_images,
    )


@lru_cache(maxsize=4096)
def _pair_of_faces(model: Model, case_number: int) -> _FacePair:
    rng = np.random.default_rng([4, case_number])
    five_indices = list(map(FACE_LANDMARKS.index, FIVE_FACE_LANDMARKS))
    face_seeds: list[int] = []
    face_points: list[NDArray[np.float32]] = []
    skipped_images = 0
    while len(face_seeds) < 2:
        seed = int(rng.integers(1000, 2**31))
        ws = latent_of_seed(model.generator, seed, model.info.psi)
        (points,) = detect_faces(generate_images(model.generator, [ws]))
        if _lie_inside(model, points[five_indices]).all():
            face_seeds.append(seed)
            face_points.append(points)
            continue
        skipped_images += 1
        if skipped_images == MAX_IMAGES_WITHOUT_FACE:
            raise InputError(
                f"{model.name!r}: no face was detected in {skipped_images} of its images; the detector dlib is for models of "
                "frontal faces; run the experiments paired and tracking, which need no landmarks"
            )
    return _FacePair(face_seeds[0], np.stack(face_points), skipped_images)


def _lie_inside(model: Model, points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which points `[..., 2]` lie in the image; those of an image without a face, which are NaN, do not."""
    image_height, image_width = model.generator.image_shape
    is_inside = (points >= 0) & (points <= (image_width - 1, image_height - 1))
    return np.asarray(is_inside.all(axis=-1))
