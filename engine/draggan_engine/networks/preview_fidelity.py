"""Whether a generator's smaller images look like its full one. They need not: the output of a lower block of StyleGAN2
is what the blocks above it build on, and nothing in the training makes it resemble the result."""

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
"""Levels of 255 by which a smaller image may differ from the full one, on average over pixels and channels."""
COMPARED_SEEDS = (0, 1, 2)
COMPARED_HEIGHT = 192
"""Pixels in which two images are compared, at most: a terminal seldom shows more, and details that it cannot show do
not count."""


@dataclass(frozen=True)
class PreviewHeights:
    """The heights in which a drag may be shown.

    Attributes:
        image_size: size of the full image.
        faithful_heights: heights of smaller images that look like the full one, lowest first.
    """

    image_size: Size
    faithful_heights: tuple[int, ...] = ()

    def cheapest_height(self, preview_size: Size) -> int:
        """Return the height of the cheapest image that looks like the full one in a view of so many pixels."""
        needed = max(preview_size.height, preview_size.width * self.image_size.height / self.image_size.width)
        return next(
            (height for height in self.faithful_heights if needed <= min(height, COMPARED_HEIGHT)),
            self.image_size.height,
        )


def measure_preview_heights(generator: Generator) -> PreviewHeights:
    """Compare the images of a few latents, from the largest smaller image downwards until one looks different."""
    height, width = generator.size

    @cache
    def image(seed: int, height: int) -> NDArray[np.uint8]:
        return generate_image(generator, latent_of_seed(generator, seed, psi=1.0), height)

    close: list[int] = []
    for lower in reversed(generator.synthesis.image_heights[:-1]):
        if not all(
            mean_difference(image(seed, lower), image(seed, height)) < MAX_MEAN_DIFFERENCE for seed in COMPARED_SEEDS
        ):
            break
        close.insert(0, lower)
    return PreviewHeights(Size(width, height), tuple(close))


def mean_difference(smaller: NDArray[np.uint8], full: NDArray[np.uint8]) -> float:
    """Return how far an image `uint8 [h, w, 3]` is from the full one `uint8 [H, W, 3]`, in levels of 255 on average."""
    rows = min(smaller.shape[0], COMPARED_HEIGHT)
    size = Size(max(round(rows * full.shape[1] / full.shape[0]), 1), rows)
    return float(np.abs(area_means(smaller, size).astype(np.int16) - area_means(full, size)).mean())
