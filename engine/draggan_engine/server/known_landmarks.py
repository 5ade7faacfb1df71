"""Landmarks of a bundled model's images, which the editor proposes as handles."""

from __future__ import annotations

from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.registry import bundled_w_covariance
from draggan_engine.core.geometry import Point
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.critters.scene.animal_parameters import z_of_seed
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.scene import build_scene, to_pixels

HANDLE_LANDMARKS = (
    "nose_tip", "eye_left", "eye_right", "mouth_left", "mouth_right", "mouth_bottom",
    "ear_tip_left", "ear_tip_right", "ear_hollow_left_base", "ear_hollow_right_base",
    "outline_03", "outline_07", "outline_12",
)  # fmt: skip
"""Those that people drag, the most likely first."""


def visible_landmarks(model: Model, source: LatentRef) -> tuple[Point, ...]:
    """Return the landmarks that can be seen in an image, in pixels of it; none unless the image's scene is known.

    It is known for the bundled models' images of seeds at ψ = 1 that no drag has changed.
    """
    if source != LatentRef(seed=source.seed) or not bundled_w_covariance(model.sha256).is_file():
        return ()
    landmarks = build_scene(z_of_seed(source.seed)).landmarks
    points = to_pixels(landmarks.points[0], model.info.height)
    indices = [LANDMARKS.index(landmark_name) for landmark_name in HANDLE_LANDMARKS]
    return tuple((float(points[i, 0]), float(points[i, 1])) for i in indices if landmarks.visible[0, i])
