"""Which of a generator's smaller images look like its full image.

They need not: the image of a lower block of StyleGAN2 is what the blocks above build on, and nothing in the training
makes it resemble the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_engine.core.resampling import area_means

from .generate import generate_image, latent_of_seed
from .generator import Generator

MAX_MEAN_DIFFERENCE = 1.5
"""How far a smaller image may differ from the full one: levels of 255, on average over pixels and channels."""
COMPARED_SEEDS = (0, 1, 2)
COMPARED_HEIGHT = 192
"""The largest height in pixels at which two images are compared. A terminal seldom shows more, and details that it
cannot show do not count."""


@dataclass(frozen=True)
class PreviewHeights:
    """The heights at which a drag may be shown.

    Attributes:
        image_size: size of the full image.
        faithful_heights: heights of smaller images that look like the full one, lowest first.
    """

    image_size: Size
    faithful_heights: tuple[int, ...] = ()

    def cheapest_height(self, preview_size: Size) -> int:
        """Return the height of the smallest image that looks like the full one in a view of `preview_size` pixels."""
        needed_height = max(preview_size.height, preview_size.width * self.image_size.height / self.image_size.width)
        return next(
            (height for height in self.faithful_heights if needed_height <= min(height, COMPARED_HEIGHT)),
            self.image_size.height,
        )


def measure_preview_heights(generator: Generator) -> PreviewHeights:
    """Compare the images of a few latents, from the largest smaller height downwards until one looks different."""
    full_height, full_width = generator.image_shape

    @cache
    def image_of(seed: int, height: int) -> NDArray[np.uint8]:
        return generate_image(generator, latent_of_seed(generator, seed, psi=1.0), height)

    faithful_heights: list[int] = []
    for height in reversed(generator.synthesis.image_heights[:-1]):
        differences = (mean_difference(image_of(seed, height), image_of(seed, full_height)) for seed in COMPARED_SEEDS)
        if not all(difference < MAX_MEAN_DIFFERENCE for difference in differences):
            break
        faithful_heights.insert(0, height)
    return PreviewHeights(Size(full_width, full_height), tuple(faithful_heights))


def mean_difference(smaller: NDArray[np.uint8], full: NDArray[np.uint8]) -> float:
    """Return how far an image `uint8 [h, w, 3]` is from the full one `uint8 [H, W, 3]`, in levels of 255 on average."""
    compared_height = min(smaller.shape[0], COMPARED_HEIGHT)
    compared_size = Size(max(round(compared_height * full.shape[1] / full.shape[0]), 1), compared_height)
    differences = area_means(smaller, compared_size).astype(np.int16) - area_means(full, compared_size)
    return float(np.abs(differences).mean())
