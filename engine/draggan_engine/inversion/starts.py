"""Where an inversion starts: at the average w, and at the random or given images that are most like the target."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.networks.generator import Generator

from .latents import average_w, map_to_ws
from .losses import ImageLoss
from .small_images import SmallImages

CANDIDATE_COUNT, MIN_CANDIDATE_COUNT = 200, 8
AFFORDABLE_PIXELS = CANDIDATE_COUNT * 64**2
"""Networks that cannot render small images get fewer candidates, so that they render no more pixels than this."""
CALIBRATION_SEEDS = range(4)
SEEDS_PER_BATCH = 8


class SmallComparison:
    """Compares small images of latents with a target.

    Args:
        target: `[1, 3, H, W]` in −1…1.
        label: class of a conditional model.
        weights: how much each pixel of the target counts, `[1, 1, H, W]`; None: all alike.

    Attributes:
        target: as small as the images.
    """

    def __init__(self, generator: Generator, target: Tensor, label: int = 0, weights: Tensor | None = None) -> None:
        self.images = SmallImages(generator, CALIBRATION_SEEDS, label)
        self.target = F.adaptive_avg_pool2d(target, self.images.size)
        self._loss, self._weights = ImageLoss(self.target), weights

    def __call__(self, ws: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images of latents `[N, num_ws, w_dim]`, `[N, 3, h, w]`, and their losses, `[N]`."""
        images = self.images(ws)
        return images, self.losses(images)

    def losses(self, images: Tensor) -> Tensor:
        """Return the losses of small images `[N, 3, h, w]`, `[N]`."""
        return self._loss.weighted(images, self._weights)


@torch.no_grad()
def choose_starts(
    generator: Generator,
    comparison: SmallComparison,
    start_count: int,
    seed: int,
    label: int = 0,
    near_z: Tensor | None = None,
) -> Tensor:
    """Return the average w and those of the best images, `[start_count, w_dim]`; fewer if some have no finite image.

    Args:
        comparison: with the target.
        seed: of the random images.
        label: class of a conditional model.
        near_z: `[N, z_dim]`, whose images resemble the target; they take the place of the random images, unless N is 0.
    """
    if near_z is not None and len(near_z):
        z = near_z
    else:
        candidate_count = min(
            max(AFFORDABLE_PIXELS // comparison.images.rendered_pixels, MIN_CANDIDATE_COUNT), CANDIDATE_COUNT
        )
        random_z = np.random.RandomState(seed).randn(candidate_count, generator.config.z_dim).astype(np.float32)
        z = torch.from_numpy(random_z).to(generator.device)
    w = torch.cat([average_w(generator, label)[None], map_to_ws(generator, z, label)[:, 0]])
    ws = w[:, None].expand(-1, generator.num_ws, -1)
    losses = torch.cat([comparison(ws_batch)[1] for ws_batch in torch.split(ws, SEEDS_PER_BATCH)])
    losses = losses.nan_to_num(nan=torch.inf)
    chosen = torch.cat([losses.new_zeros(1, dtype=torch.long), 1 + losses[1:].argsort()[: start_count - 1]])
    has_image = losses[chosen].isfinite()
    return w[chosen[has_image]] if bool(has_image.any()) else w[:1]
