"""Small copies of the images of seeds, and which of them are most like an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.networks.generator import Generator
from draggan_engine.storage.seed_index_file import SEED_THUMBNAIL_SIZE, SeedIndex

from .losses import rgb_images
from .starts import map_to_ws, z_of_seeds

RENDER_HEIGHT = 32
CALIBRATION_SEEDS = range(16)


class SeedThumbnails:
    """Renders the thumbnails of seeds.

    If the network can render images of about 32 pixels, these are used. They lack what its last blocks add to the colours, so
    an affine map of the colours, fitted to a few whole images, makes up for it.

    Args:
        label: class of a conditional model.
    """

    def __init__(self, generator: Generator, label: int = 0) -> None:
        heights = generator.synthesis.image_heights
        self._generator, self._label = generator, label
        self._height = min((height for height in heights if height >= RENDER_HEIGHT), default=heights[-1])
        self._color_map = self._fit_color_map() if self._height < heights[-1] else None

    @torch.no_grad()
    def render(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Return the thumbnails of some seeds, `[N, 16, 16, 3]`."""
        colors = self._render_colors(seeds, self._height)
        return _to_uint8(colors if self._color_map is None else _with_ones(colors) @ self._color_map)

    @torch.no_grad()
    def _fit_color_map(self) -> Tensor:
        """Return the map from red, green, blue and 1 to the colours of whole images, `[4, 3]`, by least squares."""
        small_images, whole_images = (
            torch.cat([self._render_colors([seed], height) for seed in CALIBRATION_SEEDS])
            for height in (self._height, None)
        )
        color_map: Tensor = torch.linalg.lstsq(
            _with_ones(small_images).flatten(0, 2), whole_images.flatten(0, 2)
        ).solution
        return color_map

    def _render_colors(self, seeds: Sequence[int], height: int | None) -> Tensor:
        """Return the images of seeds, averaged down, `[N, 16, 16, 3]` on the CPU.

        Args:
            height: of the images that the network renders; None: whole images.
        """
        ws = map_to_ws(self._generator, z_of_seeds(self._generator, seeds), self._label)
        images = rgb_images(self._generator.synthesis(ws, image=height).image)
        return _average_down(images.clamp(-1, 1).nan_to_num())


def nearest_seeds(index: SeedIndex, target: Tensor, count: int) -> list[int]:
    """Return the seeds whose thumbnails have the least squared distance from that of an image, the nearest first.

    Args:
        target: `[1, 3, H, W]` in −1…1.
    """
    differences = index.thumbnails.astype(np.float32) - _to_uint8(_average_down(target)).astype(np.float32)
    nearest: list[int] = np.square(differences).sum(axis=(1, 2, 3)).argsort(kind="stable")[:count].tolist()
    return nearest


def _average_down(images: Tensor) -> Tensor:
    """Return images `[N, 3, H, W]` as `[N, 16, 16, 3]` on the CPU."""
    return F.adaptive_avg_pool2d(images, (SEED_THUMBNAIL_SIZE, SEED_THUMBNAIL_SIZE)).permute(0, 2, 3, 1).cpu()


def _with_ones(colors: Tensor) -> Tensor:
    """Return colours `[..., 3]` with a fourth component that is 1."""
    return F.pad(colors, (0, 1), value=1.0)


def _to_uint8(colors: Tensor) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = ((colors.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return pixels
