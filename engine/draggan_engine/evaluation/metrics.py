"""Distances between images."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.errors import CheckpointError

from .cases import has_known_landmarks
from .landmark_detector import detect_landmarks

log = logging.getLogger("draggan_engine")

ALEXNET_WEIGHTS_NAME = "alexnet-owt-7be5be79.pth"
"""The weights that LPIPS reads, in torch's cache. If they are not there, the package `lpips` downloads them."""


def mse(a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """Return the mean square error of images `[N, 3, H, W]` in −1…1, `[N]`."""
    return (a - b).double().square().mean(dim=(1, 2, 3)).cpu().numpy()


def ssim(a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """Return the structural similarity (Wang et al. 2004, eq. 13) of images `[N, C, H, W]` in −1…1, `[N]`.

    It is averaged over pixels and channels. Window: 11×11, Gaussian, σ 1.5; K1 0.01, K2 0.03; no padding.
    """
    tap_offsets = torch.arange(11, dtype=torch.float64, device=a.device) - 5
    gaussian_taps = torch.exp(-(tap_offsets**2) / (2 * 1.5**2))
    gaussian_taps = gaussian_taps / gaussian_taps.sum()
    channel_count = a.shape[1]
    gaussian_kernel = torch.outer(gaussian_taps, gaussian_taps).expand(channel_count, 1, 11, 11)

    def local(x: Tensor) -> Tensor:
        return F.conv2d(x, gaussian_kernel, groups=channel_count)

    x, y = a.double(), b.double()
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # the range of values is 2
    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    covariance_xy = local(x * y) - mean_x * mean_y
    similarity_map = (
        (2 * mean_x * mean_y + c1) * (2 * covariance_xy + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    )
    return similarity_map.mean(dim=(1, 2, 3)).cpu().numpy()


def change_by_mask(image_before: Tensor, image_after: Tensor, mask: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the mean absolute change of an image `[3, H, W]` inside a mask (1) and outside it, in levels of 0…255."""
    change_levels = (image_after - image_before).abs().mean(dim=0).cpu().numpy() * 127.5
    return float(change_levels[mask == 1].mean()), float(change_levels[mask == 0].mean())


def dragging_accuracy(
    image_before: Tensor, image_after: Tensor, handles: NDArray[np.floating], targets: NDArray[np.floating], radius: int
) -> float:
    """Return the dragging accuracy index (Zhang et al. 2024, GoodDrag), which is 0 if the content of each handle has arrived.

    It is the squared difference between the patch around a handle before the edit and the patch around its target after it,
    summed over the channels, with values in 0…1, and averaged over the pixels and pairs. Patches continue beyond the
    image with its border.

    Args:
        image_before, image_after: `[3, H, W]` in −1…1.
        handles, targets: `[P, 2]` (x, y) in pixels.
        radius: γ; a patch has 2γ + 1 pixels in height and width.
    """
    patch_before, patch_after = (
        _patches(image, points, radius) for image, points in ((image_before, handles), (image_after, targets))
    )
    return float(((patch_before - patch_after) / 2).square().sum(dim=0).mean())


def _patches(image: Tensor, points: NDArray[np.floating], radius: int) -> Tensor:
    """Return the pixels around points, bilinear, `[3, P, (2 radius + 1)²]`."""
    height, width = image.shape[1:]
    axis = torch.arange(-radius, radius + 1, dtype=torch.float64)
    offsets = torch.cartesian_prod(axis, axis).flip(1)
    positions = torch.from_numpy(np.asarray(points, np.float64))[:, None] + offsets
    # grid_sample has −1 and 1 at the outer edges of the image.
    grid = (positions + 0.5) * 2 / torch.tensor([width, height], dtype=torch.float64) - 1
    return F.grid_sample(image[None].double().cpu(), grid[None], padding_mode="border", align_corners=False)[0]


FeatureFunction = Callable[[Tensor], NDArray[np.float32]]
"""From images `[N, 3, H, W]` in −1…1 to features `[N, F]`."""


@cache
def feature_function(model: Model) -> FeatureFunction | None:
    """Return the features in which images of a model are compared.

    These are the landmark detector's for critters, otherwise those before the last layer of the model's discriminator. None:
    the model file has no discriminator, or one that cannot be used.
    """
    if has_known_landmarks(model):
        return lambda images: detect_landmarks(images).features
    discriminator = None
    with suppress(CheckpointError):
        discriminator = model.load_discriminator()
    if discriminator is None:
        return None
    class_label = torch.zeros(1, model.generator.config.c_dim, device=model.generator.device)
    layer_outputs: list[Tensor] = []
    discriminator.get_submodule("b4.fc").register_forward_hook(
        lambda _module, _input, layer_output: layer_outputs.append(layer_output)
    )

    @torch.inference_mode()
    def features(images: Tensor) -> NDArray[np.float32]:
        layer_outputs.clear()
        for single_image in images:  # one by one, because the discriminator compares the images of a batch
            discriminator(single_image[None], class_label) if class_label.shape[1] else discriminator(
                single_image[None]
            )
        return torch.cat(layer_outputs).cpu().numpy()

    return features


def feature_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the Euclidean distance of features `[N, F]`, divided by the root mean square length of both, `[N]`."""
    rms_length = np.sqrt((np.square(a).sum(axis=1) + np.square(b).sum(axis=1)) / 2)
    feature_distances: NDArray[np.float64] = np.linalg.norm(a - b, axis=1) / np.maximum(rms_length, 1e-12)
    return feature_distances


@cache
def lpips() -> Callable[[Tensor, Tensor], NDArray[np.float64]] | None:
    """Return LPIPS (Zhang et al. 2018) with AlexNet; None: the package `lpips` or its weights are not on this machine."""
    weights_path = Path(torch.hub.get_dir()) / "checkpoints" / ALEXNET_WEIGHTS_NAME
    if importlib.util.find_spec("lpips") is None or not weights_path.is_file():
        return None
    try:
        lpips_network: Any = importlib.import_module("lpips").LPIPS(net="alex", verbose=False)
    except Exception as lpips_error:  # the package does not document what it raises if weights are missing
        log.warning("LPIPS is left out: %s", lpips_error)
        return None
    lpips_network = lpips_network.eval().requires_grad_(False)

    @torch.inference_mode()
    def distance(a: Tensor, b: Tensor) -> NDArray[np.float64]:
        input_size = max(64, a.shape[2])
        x, y = (F.interpolate(p.cpu(), size=(input_size, input_size), mode="bilinear") for p in (a, b))
        return lpips_network(x, y).flatten().double().numpy()  # type: ignore[no-any-return]

    return distance
