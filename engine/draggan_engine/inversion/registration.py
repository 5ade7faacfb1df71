"""Registration: the alignment of a photograph is refined together with a coarse latent, until both show the same places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_engine.dragging.adam import Adam
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.w_statistics import w_statistics

from .alignment import Similarity
from .crop_matching import CropChange, CropMatcher
from .latent_rows import LatentRows
from .latents import average_w
from .losses import ImageLoss, rgb_images
from .starts import SmallComparison, choose_starts

REGISTRATION_STEPS = 60
FIRST_STEPS = 15
"""Steps of several latents, before the alignment is changed to match the best of them."""
MATCHES_PER_STEP = 3
REGISTRATION_HEIGHT = 64  # of the images, px
START_COUNT = 3
STEP_SIZE = 0.15  # in standard deviations of w


@dataclass(frozen=True)
class RegistrationStep:
    """A step of the latent, and what has been found so far.

    Attributes:
        step: 1 for the first step.
        loss: of the best latent against the crop, where the photograph is; see `ImageLoss`.
        change: of the crop.
        similarity: the refined alignment, from the photograph to the model's image.
    """

    step: int
    loss: float
    change: CropChange
    similarity: Similarity


def register(
    generator: Generator, photograph: NDArray[np.uint8], similarity: Similarity, model_size: Size, label: int = 0
) -> Iterator[RegistrationStep]:
    """Refine scale, angle and shift of an alignment, and yield each step.

    In turn the latent makes a step towards the crop, and the crop moves to match the image of the latent. Both are compared
    at no more than 64 pixels. The iterator ends early if an image is not finite.

    Args:
        generator: in eval mode, with parameters that require no gradient.
        photograph: `uint8 [height, width, 3]`.
        similarity: from the photograph to the model's image.
        label: class of a conditional model.
    """
    heights = generator.synthesis.image_heights
    height = min((height for height in heights if height >= REGISTRATION_HEIGHT), default=heights[-1])
    crop_height = min(height, REGISTRATION_HEIGHT)
    crop_size = Size(max(1, round(crop_height * model_size.width / model_size.height)), crop_height)
    to_crop = similarity.then(Similarity.of_scale(crop_height / model_size.height))
    matcher = CropMatcher(photograph, to_crop, crop_size, generator.device)
    change = CropChange()
    target, is_inside = matcher.crop(change)
    rows = LatentRows(average_w(generator, label), w_statistics(generator.mapping), (0,) * generator.num_ws)
    comparison = SmallComparison(generator, target, label)
    coordinates = rows.to_coordinates(choose_starts(generator, comparison, START_COUNT, seed=0, label=label))
    adam = Adam(coordinates, STEP_SIZE)
    for step in range(1, REGISTRATION_STEPS + 1):
        variable = coordinates.detach().requires_grad_()
        large_images = rgb_images(generator.synthesis(rows.to_ws(variable), image=height).image)
        images = F.adaptive_avg_pool2d(large_images, (crop_size.height, crop_size.width))
        # Beyond the photograph, an image is compared with itself.
        losses = torch.cat(
            [ImageLoss(torch.where(is_inside, target, image.detach()))(image) for image in torch.split(images, 1)]
        )
        (gradient,) = torch.autograd.grad(losses.sum(), variable)
        if not bool(torch.isfinite(losses).all() and torch.isfinite(gradient).all()):
            return
        adam.descend(coordinates, gradient)
        if step == FIRST_STEPS:
            is_best = torch.arange(len(losses), device=losses.device) == losses.argmin()
            coordinates = coordinates[is_best]
            adam.select(is_best)
        elif step > FIRST_STEPS:
            for _ in range(MATCHES_PER_STEP):
                change = matcher.improve(change, images.detach())
            target, is_inside = matcher.crop(change)
        refined = similarity.then(change.similarity(model_size).inverse)
        yield RegistrationStep(step, float(losses.detach().min()), change, refined)
