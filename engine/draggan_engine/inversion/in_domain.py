"""Which area of a photograph a generator can show."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_ERROR = 0.1  # mean over the colours of values in −1…1, blurred
ERROR_BLUR, AREA_BLUR = 3, 2  # standard deviations, in pixels of an image with 256 rows
DISC_RADIUS = 0.35  # of the image's height
LEAST_WIDTH = 1 / 16  # of the image's height; a narrower part of either area goes to the other one
OUTSIDE_WEIGHT = 0.2


@torch.no_grad()
def in_domain_area(image: Tensor, target: Tensor) -> Tensor:
    """Return where a generator can show the target, `[1, 1, H, W]` in 0…1: where its image is near to it, and in a disc in the
    middle, where people drag. The border is soft.

    Narrow parts count with what surrounds them. An ear whose tip the generator has drawn too short is one thing: if its tip
    belonged to the outer area, it would stay behind when the ear moves.

    Args:
        image, target: `[1, 3, H, W]` in −1…1.
    """
    unit = image.shape[2] / 256
    error = _blur((image.clamp(-1, 1) - target).abs().mean(dim=1, keepdim=True), ERROR_BLUR * unit)
    outside = _without_narrow_parts((error >= MAX_ERROR).to(image))
    inside = _without_narrow_parts(1 - outside)
    return _blur(torch.maximum(inside, _central_disc(image).to(image)), AREA_BLUR * unit)


def search_weights(target: Tensor) -> Tensor:
    """Return how much each pixel counts in a search whose image is to be tuned in an area of its own, `[1, 1, H, W]`: 1 in a
    disc in the middle, and less outside, so that a background that the generator cannot show does not lead the search away.

    Args:
        target: `[1, 3, H, W]`.
    """
    return OUTSIDE_WEIGHT + (1 - OUTSIDE_WEIGHT) * _central_disc(target).to(target)


def _central_disc(image: Tensor) -> Tensor:
    """Return which pixels of an image `[1, 3, H, W]` are in the disc, bool `[1, 1, H, W]`."""
    height, width = image.shape[2:]
    y = torch.arange(height, device=image.device)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=image.device) - (width - 1) / 2
    return (x.square() + y.square() < (DISC_RADIUS * height) ** 2)[None, None]


def _without_narrow_parts(area: Tensor) -> Tensor:
    """Return an area, `[1, 1, H, W]` of 0 and 1, without what is narrower than `LEAST_WIDTH` in it."""
    side = 2 * max(1, round(LEAST_WIDTH / 2 * area.shape[2])) + 1
    eroded_area = -F.max_pool2d(-area, side, stride=1, padding=side // 2)
    return F.max_pool2d(eroded_area, side, stride=1, padding=side // 2)


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Blur `[1, 1, H, W]` by a Gaussian; the borders are repeated."""
    radius = max(1, math.ceil(2 * sigma))
    positions = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-positions.square() / (2 * sigma**2))
    taps = taps / taps.sum()
    padded = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps[None, None, None]), taps[None, None, :, None]).clamp(0, 1)
