"""What the networks are taught with."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.scene import Scene
from draggan_engine.networks.discriminator import Discriminator

# Round these (the mean of the landmarks) within so much (picture plane units) a whole-picture mean sees too little.
FACE_PARTS = (
    (("eye_left",), 0.17),
    (("eye_right",), 0.17),
    (("nose_tip",), 0.13),
    (("mouth_left", "mouth_right", "mouth_top", "mouth_bottom"), 0.22),
)
FACE_PART_WEIGHT = 12.0


def face_part_centers(scene: Scene) -> NDArray[np.float64]:
    """`[N, len(PARTS), 2]`, picture plane."""
    found: NDArray[np.float64] = np.stack(
        [scene.landmarks.points[:, [LANDMARKS.index(name) for name in names]].mean(axis=1) for names, _ in FACE_PARTS],
        axis=1,
    )
    return found


def face_part_weights(scene: Scene, resolution: int) -> Tensor:
    """`[N, 1, H, W]`: 1, and 1 + `EXTRA` in discs round eyes, nose and mouth."""
    axis = (np.arange(resolution) + 0.5) * 2 / resolution - 1
    inside = np.zeros((len(scene.landmarks.points), resolution, resolution), dtype=bool)
    for centre, (_, radius) in zip(face_part_centers(scene).transpose(1, 0, 2), FACE_PARTS, strict=True):
        dx = axis[None, None, :] - centre[:, 0, None, None]
        dy = -axis[None, :, None] - centre[:, 1, None, None]
        inside |= dx**2 + dy**2 < radius**2
    return torch.from_numpy(1 + FACE_PART_WEIGHT * inside.astype(np.float32))[:, None]


def distillation_loss(
    picture: Tensor, truth: Tensor, weight: Tensor, squares: float = 1.0, edges: float = 1.0
) -> Tensor:
    """Weighted L1 + `squares`·L2 + `edges`·L1 of horizontal and vertical differences; scalar."""
    weight = weight / weight.mean()
    error = picture - truth
    loss = (weight * (error.abs() + squares * error.square())).mean()
    for dim in (2, 3):
        loss = loss + edges * (weight.narrow(dim, 1, weight.shape[dim] - 1) * error.diff(dim=dim).abs()).mean()
    return loss


def generator_loss(logits: Tensor) -> Tensor:
    """Non-saturating (Goodfellow et al. 2014), of the logits of generated pictures."""
    return F.softplus(-logits).mean()


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Logistic, of both kinds of logits."""
    return F.softplus(-real).mean() + F.softplus(generated).mean()


def gradient_penalty(discriminator: Discriminator, pictures: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018) without its factor: the mean squared gradient of the logit of real pictures."""
    pictures = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(pictures).sum(), pictures, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
