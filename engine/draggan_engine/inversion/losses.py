"""How much an image differs from another, with nothing to download: edges and colours at five scales, features of the
model's discriminator or of random filters, and squared differences of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.geometry import Size
from draggan_engine.networks.discriminator import Discriminator

LossFeatures = Callable[[Tensor], list[Tensor]]
"""Maps images `[N, 3, H, W]` to feature maps `[N, C, h, w]`."""

PYRAMID_LEVELS = 5
FILTER_LAYERS, FILTER_CHANNELS, FILTER_SEED = 4, 64, 0
MAX_FILTER_HEIGHT = 128  # of the images that the random filters get
DISCRIMINATOR_BLOCKS = 4
PIXEL_WEIGHT = 0.1
CHANNEL_EPSILON = 1e-6  # keeps the squared length of a pixel's channels above 0
PEAK = 2.0  # of values in −1…1


class ImageLoss:
    """The loss of an inversion: features + Laplacian pyramid + 0.1 · mean squared difference.

    Args:
        target: the image to reach, `[1, 3, H, W]` in −1…1.
        discriminator: the model's own, for which `can_compare` holds; None: random filters take its place.
    """

    def __init__(self, target: Tensor, discriminator: Discriminator | None = None) -> None:
        self._target = target
        self._features: LossFeatures = (
            RandomFilters(target) if discriminator is None else discriminator_features(discriminator)
        )
        self._target_pyramid = laplacian_pyramid(target)
        with torch.no_grad():
            self._target_features = self._features(target)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the loss of each image, `[N]`.

        Args:
            images: `[N, 3, H, W]`.
        """
        return torch.stack([x.mean(dim=(1, 2, 3)) for x in self._differences(images)]).sum(dim=0)

    def weighted(self, images: Tensor, weights: Tensor | None) -> Tensor:
        """Return the loss of each image, `[N]`, with weights of the pixels, `[1, 1, H, W]`; None: all alike."""
        return self(images) if weights is None else self.in_areas(images, [weights])[0]

    def in_areas(self, images: Tensor, areas: Sequence[Tensor]) -> list[Tensor]:
        """Return the loss of each image in each of some areas, `[N]` each, as a mean over the area.

        Args:
            images: `[N, 3, H, W]`.
            areas: weights of the pixels, `[1, 1, H, W]`, not all 0.
        """
        differences = self._differences(images)
        return [torch.stack([_mean_in(area, x) for x in differences]).sum(dim=0) for area in areas]

    def _differences(self, images: Tensor) -> list[Tensor]:
        """Return maps of what is added up to the loss, each `[N, 1, h, w]`."""
        images = self._without_overshoot(images)
        maps = [*laplacian_pyramid(images), *self._features(images)]
        target_maps = [*self._target_pyramid, *self._target_features]
        differences = [
            (x - target).abs().mean(dim=1, keepdim=True) for x, target in zip(maps, target_maps, strict=True)
        ]
        squares = (images - self._target).square().mean(dim=1, keepdim=True)
        return [*differences, PIXEL_WEIGHT * squares]

    def _without_overshoot(self, images: Tensor) -> Tensor:
        """Return the images with values beyond −1…1 limited where the target, which had to be limited, is at that limit."""
        lowered = torch.where(self._target >= 1, images.clamp_max(1), images)
        return torch.where(self._target <= -1, lowered.clamp_min(-1), lowered)


def image_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return an image `uint8 [H, W, 3]` as `[1, 3, H, W]` in −1…1."""
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


def rgb_images(images: Tensor | None) -> Tensor:
    """Return rendered images `[N, C, H, W]` as `[N, 3, H, W]`; C is 1, 3 or 4, and alpha is dropped."""
    assert images is not None, "an image was requested"
    return images[:, :3].float().expand(-1, 3, -1, -1)


def mean_squares(images: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of each image from the target, `[N]`."""
    return (images - target).square().mean(dim=(1, 2, 3))


def peak_signal_to_noise(images: Tensor, target: Tensor) -> Tensor:
    """Return the PSNR of each image in dB, `[N]`; at most 100, also of equal images.

    Args:
        images: `[N, 3, H, W]`; values beyond −1…1 count as these.
        target: `[1, 3, H, W]` in −1…1.
    """
    return 10 * torch.log10(PEAK**2 / mean_squares(images.clamp(-1, 1), target).clamp_min(PEAK**2 * 1e-10))


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Return what each of up to five levels adds to the next coarser one, and the coarsest level itself.

    Means over the pixels of each level, added without weights, are the loss of Bojanowski et al. (2018): there the sum
    over level j has the weight 2^2j, and the level has 4^−j as many pixels.
    """
    gaussians = [images]
    while len(gaussians) < PYRAMID_LEVELS and min(gaussians[-1].shape[2:]) >= 4:
        gaussians.append(F.avg_pool2d(gaussians[-1], 2))
    details = [
        finer - F.interpolate(coarser, finer.shape[2:], mode="bilinear", align_corners=False)
        for finer, coarser in pairwise(gaussians)
    ]
    return [*details, gaussians[-1]]


class RandomFilters:
    """Features of four 3×3 convolutions with random orthogonal filters, with channels of length 1. They compare images nearly
    as well as those of a trained network (Amir and Weiss, CVPR 2021).

    The images are averaged down to half their size, and to at most 128 rows: the convolutions of whole images would take as
    long as the generator, and searches with them do not end nearer to the target.

    Args:
        images: some that have the number type and the device of those to come.
    """

    def __init__(self, images: Tensor) -> None:
        random_numbers = torch.Generator().manual_seed(FILTER_SEED)
        widths = (3, *(FILTER_CHANNELS,) * FILTER_LAYERS)
        self._weights: list[Tensor] = []
        for channels_in, channels_out in pairwise(widths):
            rows = torch.randn(channels_out, channels_in * 9, generator=random_numbers)
            is_tall = rows.shape[0] > rows.shape[1]
            orthogonal = torch.linalg.qr(rows if is_tall else rows.T)[0]
            filters = (orthogonal if is_tall else orthogonal.T).reshape(channels_out, channels_in, 3, 3)
            self._weights.append(filters.to(images))

    def __call__(self, images: Tensor) -> list[Tensor]:
        feature_maps = []
        x = F.avg_pool2d(images, 2)
        while x.shape[2] > MAX_FILTER_HEIGHT:
            x = F.avg_pool2d(x, 2)
        for layer, weight in enumerate(self._weights):
            if layer and min(x.shape[2:]) >= 4:
                x = F.avg_pool2d(x, 2)
            x = F.relu(F.conv2d(x, weight, padding=1))
            feature_maps.append(_normalize_channels(x))
        return feature_maps


def discriminator_features(discriminator: Discriminator) -> LossFeatures:
    """Return the features of a discriminator's last blocks before its epilogue (Pan et al. 2020), with channels of length 1."""
    compared_resolutions = discriminator.resolutions[-DISCRIMINATOR_BLOCKS:]

    def features(images: Tensor) -> list[Tensor]:
        feature_maps = []
        x = images
        for resolution in discriminator.resolutions:
            x = discriminator.get_submodule(f"b{resolution}")(x)
            if resolution in compared_resolutions:
                feature_maps.append(_normalize_channels(x))
        return feature_maps

    return features


def can_compare(discriminator: Discriminator, image_size: Size) -> bool:
    """Return whether a discriminator takes RGB images of a size."""
    resolution = discriminator.config.resolution
    return discriminator.config.img_channels == 3 and image_size == (resolution, resolution)


def _normalize_channels(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(dim=1, keepdim=True) + CHANNEL_EPSILON)  # quicker than torch's own normalize


def _mean_in(area: Tensor, x: Tensor) -> Tensor:
    """Return the means of maps `[N, 1, h, w]` in an area of the image, `[N]`."""
    weights = F.adaptive_avg_pool2d(area, (x.shape[2], x.shape[3]))
    return (x * weights).sum(dim=(1, 2, 3)) / weights.sum()
