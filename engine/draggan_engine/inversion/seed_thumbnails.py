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

from .latents import map_to_ws, z_of_seeds
from .small_images import SmallImages

CALIBRATION_SEEDS = range(16)


class SeedThumbnails:
    """Renders the thumbnails of seeds.

    Args:
        label: class of a conditional model.
    """

    def __init__(self, generator: Generator, label: int = 0) -> None:
        self._generator, self._label = generator, label
        self._small_images = SmallImages(generator, CALIBRATION_SEEDS, label)

    @torch.no_grad()
    def render(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Return the thumbnails of some seeds, `[N, 16, 16, 3]`."""
        ws = map_to_ws(self._generator, z_of_seeds(self._generator, seeds), self._label)
        return _thumbnails(self._small_images(ws))


def nearest_seeds(index: SeedIndex, target: Tensor, count: int) -> list[int]:
    """Return the seeds whose thumbnails have the least squared distance from that of an image, the nearest first.

    Args:
        target: `[1, 3, H, W]` in −1…1.
    """
    differences = index.thumbnails.astype(np.float32) - _thumbnails(target).astype(np.float32)
    nearest: list[int] = np.square(differences).sum(axis=(1, 2, 3)).argsort(kind="stable")[:count].tolist()
    return nearest


def _thumbnails(images: Tensor) -> NDArray[np.uint8]:
    """Return images `[N, 3, H, W]`, averaged down, as `[N, 16, 16, 3]`."""
    colors = F.adaptive_avg_pool2d(images.nan_to_num(), (SEED_THUMBNAIL_SIZE, SEED_THUMBNAIL_SIZE)).permute(0, 2, 3, 1)
    pixels: NDArray[np.uint8] = ((colors.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
    return pixels
