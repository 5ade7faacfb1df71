"""The losses of the generator and the discriminator."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.scene import Scene
from draggan_engine.networks.discriminator import Discriminator

FACE_PARTS = (
    (("eye_left",), 0.17),
    (("eye_right",), 0.17),
    (("nose_tip",), 0.13),
    (("mouth_left", "mouth_right", "mouth_top", "mouth_bottom"), 0.22),
)
"""Landmarks whose mean is the centre of a part, and the part's radius (image plane units)."""
FACE_PART_WEIGHT = 12.0
"""How much more the pixels of face parts count. They are too small to matter in a mean over the whole image."""


def face_part_centers(scene: Scene) -> NDArray[np.float64]:
    """Return the centres of the face parts, `[N, len(FACE_PARTS), 2]` in the image plane."""
    part_centers: NDArray[np.float64] = np.stack(
        [
            scene.landmarks.points[:, [LANDMARKS.index(landmark_name) for landmark_name in landmark_names]].mean(axis=1)
            for landmark_names, _ in FACE_PARTS
        ],
        axis=1,
    )
    return part_centers


def face_part_weights(scene: Scene, resolution: int) -> Tensor:
    """Return `[N, 1, H, W]`: 1 + `FACE_PART_WEIGHT` in discs around eyes, nose and mouth, 1 elsewhere."""
    pixel_positions = (np.arange(resolution) + 0.5) * 2 / resolution - 1
    is_inside = np.zeros((len(scene.landmarks.points), resolution, resolution), dtype=bool)
    for part_center, (_, part_radius) in zip(face_part_centers(scene).transpose(1, 0, 2), FACE_PARTS, strict=True):
        dx = pixel_positions[None, None, :] - part_center[:, 0, None, None]
        dy = -pixel_positions[None, :, None] - part_center[:, 1, None, None]
        is_inside |= dx**2 + dy**2 < part_radius**2
    return torch.from_numpy(1 + FACE_PART_WEIGHT * is_inside.astype(np.float32))[:, None]


def distillation_loss(
    image: Tensor, true_image: Tensor, weight: Tensor, squared_weight: float = 1.0, edge_weight: float = 1.0
) -> Tensor:
    """Return a scalar: the sum of L1, `squared_weight`·L2, and `edge_weight`·L1 of horizontal and vertical differences.

    Args:
        image, true_image: `[N, 3, H, W]`.
        weight: `[N, 1, H, W]`; only its ratios count.
    """
    weight = weight / weight.mean()
    pixel_error = image - true_image
    loss = (weight * (pixel_error.abs() + squared_weight * pixel_error.square())).mean()
    for dim in (2, 3):
        loss = (
            loss + edge_weight * (weight.narrow(dim, 1, weight.shape[dim] - 1) * pixel_error.diff(dim=dim).abs()).mean()
        )
    return loss


def generator_loss(logits: Tensor) -> Tensor:
    """Return the non-saturating loss (Goodfellow et al. 2014) of the logits of generated images."""
    return F.softplus(-logits).mean()


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """Return the logistic loss of the logits of real and generated images."""
    return F.softplus(-real_logits).mean() + F.softplus(generated_logits).mean()


def gradient_penalty(discriminator: Discriminator, images: Tensor) -> Tensor:
    """Return R1 (Mescheder et al. 2018) without its factor: the mean squared gradient of the logits of real images."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
