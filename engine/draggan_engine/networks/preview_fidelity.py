"""Which cheaper images of a generator look like its full image: smaller ones, and one that is computed in bfloat16.

They need not: the image of a lower block of StyleGAN2 is what the blocks above build on, and nothing in the training
makes it resemble the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.geometry import Size
from draggan_engine.core.resampling import area_means

from .bfloat16 import supports_bfloat16
from .generate import generate_image, latent_of_seed, to_uint8
from .generator import Generator
from .stylegan2 import StyleGAN2Synthesis

MAX_MEAN_DIFFERENCE = 1.5
"""How far a cheaper image may differ from the full one: levels of 255, on average over pixels and channels."""
COMPARED_SEEDS = (0, 1, 2)
COMPARED_HEIGHT = 192
"""The largest height in pixels at which two images are compared. A terminal seldom shows more, and details that it
cannot show do not count."""


class PreviewFormat(NamedTuple):
    """How an image is rendered.

    Attributes:
        height: one of the network's `image_heights`.
        dtype: number type of the blocks that a drag's step has not computed; None = their own.
    """

    height: int
    dtype: torch.dtype | None = None


@dataclass(frozen=True)
class PreviewFidelity:
    """What a drag may be shown as while it runs.

    Attributes:
        image_size: size of the full image.
        faithful_heights: heights of smaller images that look like the full one, lowest first.
        dtype: a number type in which the full image is rendered more quickly and looks the same; None = there is none.
    """

    image_size: Size
    faithful_heights: tuple[int, ...] = ()
    dtype: torch.dtype | None = None

    @property
    def exact_format(self) -> PreviewFormat:
        """The full image itself."""
        return PreviewFormat(self.image_size.height)

    def cheapest_format(self, preview_size: Size) -> PreviewFormat:
        """Return the cheapest format that looks like the full image in a view of `preview_size` pixels.

        A view with as many pixels as the image gets the image itself: it may be compared with another one.
        """
        needed_height = max(preview_size.height, preview_size.width * self.image_size.height / self.image_size.width)
        for height in self.faithful_heights:
            if needed_height <= min(height, COMPARED_HEIGHT):
                return PreviewFormat(height)
        is_reduced = needed_height < self.image_size.height
        return PreviewFormat(self.image_size.height, self.dtype if is_reduced else None)


def measure_preview_fidelity(generator: Generator) -> PreviewFidelity:
    """Compare the images of a few latents: the full image with the one in bfloat16, where the device is quicker in it, and
    with the smaller ones, from the largest downwards until one looks different.
    """
    full_height, full_width = generator.image_shape
    latents = [latent_of_seed(generator, seed, psi=1.0) for seed in COMPARED_SEEDS]
    full_images = [generate_image(generator, ws) for ws in latents]

    def is_faithful(render: Callable[[Tensor], NDArray[np.uint8]]) -> bool:
        image_pairs = zip(latents, full_images, strict=True)
        return all(mean_difference(render(ws), full_image) < MAX_MEAN_DIFFERENCE for ws, full_image in image_pairs)

    faithful_heights: list[int] = []
    for height in reversed(generator.synthesis.image_heights[:-1]):
        if not is_faithful(partial(generate_image, generator, height=height)):
            break
        faithful_heights.insert(0, height)
    takes_bfloat16 = gains_from_bfloat16(generator) and is_faithful(partial(bfloat16_image, generator))
    return PreviewFidelity(
        Size(full_width, full_height), tuple(faithful_heights), torch.bfloat16 if takes_bfloat16 else None
    )


def gains_from_bfloat16(generator: Generator) -> bool:
    """Return whether images are rendered more quickly in bfloat16: StyleGAN2 on a processor that has instructions for it."""
    return (
        isinstance(generator.synthesis, StyleGAN2Synthesis)
        and generator.device.type == "cpu"
        and supports_bfloat16(generator.device)
    )


@torch.no_grad()
def bfloat16_image(generator: Generator, ws: Tensor) -> NDArray[np.uint8]:
    """Return the full image of `ws` `[1, num_ws, w_dim]` with all blocks computed in bfloat16, `uint8 [H, W, 3]`."""
    return to_uint8(generator.synthesis(ws, dtype=torch.bfloat16).image)


def mean_difference(smaller: NDArray[np.uint8], full: NDArray[np.uint8]) -> float:
    """Return how far an image `uint8 [h, w, 3]` is from the full one `uint8 [H, W, 3]`, in levels of 255 on average."""
    compared_height = min(smaller.shape[0], COMPARED_HEIGHT)
    compared_size = Size(max(round(compared_height * full.shape[1] / full.shape[0]), 1), compared_height)
    differences = area_means(smaller, compared_size).astype(np.int16) - area_means(full, compared_size)
    return float(np.abs(differences).mean())
