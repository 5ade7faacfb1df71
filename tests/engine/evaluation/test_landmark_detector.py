"""The landmark detector: the error of the bundled weights, its geometry, and its training."""

from __future__ import annotations

import numpy as np
import torch

from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.render import render_scene
from draggan_engine.critters.scene.scene import build_scene, to_pixels
from draggan_engine.critters.training.train_landmark_detector import (
    augment_images,
    held_out_errors,
    train_detector,
    true_landmarks,
)
from draggan_engine.evaluation.landmark_detector import (
    DETECTOR_WEIGHTS,
    detect_landmarks,
    heat_map_centers,
    mean_landmark_error,
)


def test_the_bundled_weights_are_small_and_accurate() -> None:
    """Errors in px at 128 over visible points, on drawings of held-out seeds and on generated images of the same seeds."""
    assert DETECTOR_WEIGHTS.stat().st_size < 4_000_000
    errors = held_out_errors(None)
    assert errors["renders_px"] < 0.8
    assert errors["generated_px"] < 0.85
    assert errors["visibility"] > 0.95


def test_landmarks_are_detected_in_images_of_any_size() -> None:
    scene = build_scene(np.random.default_rng(5).standard_normal((8, Z_DIM)))
    for size in (64, 256):
        detected = detect_landmarks(torch.from_numpy(render_scene(scene, size, 2)))
        points = to_pixels(scene.landmarks.points, size)
        assert mean_landmark_error(detected.points, points, scene.landmarks.visible) * 128 / size < 1.2, size


def test_heat_map_centers_are_in_pixels_of_the_image() -> None:
    heat = torch.full((1, 2, 64, 64), -100.0)
    heat[0, 0, 10, 20] = 0.0
    heat[0, 1, 0, 0] = heat[0, 1, 0, 1] = 0.0
    assert torch.allclose(heat_map_centers(heat)[0], torch.tensor([[40.5, 20.5], [1.5, 0.5]]))


def test_augmentation_moves_points_with_the_image() -> None:
    """After augmentation, a bright dot is at its point."""
    rng = np.random.default_rng(0)
    places = torch.tensor([[64.0, 64.0], [40.0, 80.0], [90.0, 50.0], [70.0, 100.0]])
    images = torch.full((4, 3, 128, 128), -1.0)
    for image, (x, y) in zip(images, places.long().tolist(), strict=True):
        image[:, y - 1 : y + 2, x - 1 : x + 2] = 1.0
    turned, points = augment_images(images, places[:, None], rng)
    for image, (x, y) in zip(turned, points[:, 0].tolist(), strict=True):
        bright = (image.mean(dim=0) - image.mean(dim=0).median()).clamp_min(0.4) - 0.4
        rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
        assert abs(float((bright * columns).sum() / bright.sum()) - x) < 0.5
        assert abs(float((bright * rows).sum() / bright.sum()) - y) < 0.5


def test_training_reduces_the_loss() -> None:
    losses = [loss for _, loss in train_detector(step_count=30, batch_size=4, seed=1)]
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])


def test_true_landmarks_are_those_of_the_scene() -> None:
    scene = build_scene(np.random.default_rng(1).standard_normal((2, Z_DIM)))
    points, visible = true_landmarks(scene)
    assert points.shape == (2, len(LANDMARKS), 2) and visible.dtype == torch.bool
    perfect = mean_landmark_error(points.numpy(), to_pixels(scene.landmarks.points, 128), scene.landmarks.visible)
    assert perfect < 1e-4
