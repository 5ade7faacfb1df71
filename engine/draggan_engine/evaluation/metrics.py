"""How far a picture is from another one."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model

from .cases import has_known_landmarks
from .landmark_detector import detect_landmarks

log = logging.getLogger("draggan_engine")


def mse(a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """Mean square error of pictures `[N, 3, H, W]` in −1…1, `[N]`."""
    return (a - b).double().square().mean(dim=(1, 2, 3)).cpu().numpy()


def ssim(a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """Structural similarity (Wang et al. 2004, eq. 13) of pictures `[N, C, H, W]` in −1…1, averaged over pixels and
    channels, `[N]`: 11×11 Gaussian window of σ 1.5, K1 0.01, K2 0.03, no padding."""
    axis = torch.arange(11, dtype=torch.float64, device=a.device) - 5
    tap = torch.exp(-(axis**2) / (2 * 1.5**2))
    tap = tap / tap.sum()
    channels = a.shape[1]
    kernel = torch.outer(tap, tap).expand(channels, 1, 11, 11)

    def local(x: Tensor) -> Tensor:
        return F.conv2d(x, kernel, groups=channels)

    x, y = a.double(), b.double()
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # of a range of 2
    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    both = local(x * y) - mean_x * mean_y
    value = (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return value.mean(dim=(1, 2, 3)).cpu().numpy()


def change_by_mask(before: Tensor, after: Tensor, mask: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean absolute change in levels (0…255) of a picture `[3, H, W]`, inside a mask (1) and outside of it."""
    levels = (after - before).abs().mean(dim=0).cpu().numpy() * 127.5
    return float(levels[mask == 1].mean()), float(levels[mask == 0].mean())


FeatureFunction = Callable[[Tensor], NDArray[np.float32]]
"""Pictures `[N, 3, H, W]` in −1…1 → `[N, F]`."""


@cache
def feature_function(model: Model) -> FeatureFunction | None:
    """In what pictures of a model are compared: the landmark detector's features for critters, else those before the last
    layer of the model's discriminator; None if its file has none."""
    if has_known_landmarks(model):
        return lambda pictures: detect_landmarks(pictures).features
    discriminator = model.load_discriminator()
    if discriminator is None:
        return None
    label = torch.zeros(1, model.generator.config.c_dim, device=model.generator.device)
    caught: list[Tensor] = []
    discriminator.get_submodule("b4.fc").register_forward_hook(lambda _module, _given, found: caught.append(found))

    @torch.inference_mode()
    def features(pictures: Tensor) -> NDArray[np.float32]:
        caught.clear()
        for picture in pictures:  # alone: it also looks at how the pictures of a batch differ
            discriminator(picture[None], label) if label.shape[1] else discriminator(picture[None])
        return torch.cat(caught).cpu().numpy()

    return features


def feature_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean distance of features `[N, F]`, over the root mean square length of both, `[N]`."""
    length = np.sqrt((np.square(a).sum(axis=1) + np.square(b).sum(axis=1)) / 2)
    distance: NDArray[np.float64] = np.linalg.norm(a - b, axis=1) / np.maximum(length, 1e-12)
    return distance


@cache
def lpips() -> Callable[[Tensor, Tensor], NDArray[np.float64]] | None:
    """LPIPS (Zhang et al. 2018) on AlexNet by the package `lpips`, if that and its weights are on this machine."""
    if importlib.util.find_spec("lpips") is None:
        return None
    try:
        network: Any = importlib.import_module("lpips").LPIPS(net="alex", verbose=False)
    except Exception as error:  # whatever a foreign package makes of missing weights
        log.warning("LPIPS is left out: %s", error)
        return None
    network = network.eval().requires_grad_(False)

    @torch.inference_mode()
    def distance(a: Tensor, b: Tensor) -> NDArray[np.float64]:
        size = max(64, a.shape[2])
        x, y = (F.interpolate(p.cpu(), size=(size, size), mode="bilinear") for p in (a, b))
        return network(x, y).flatten().double().numpy()  # type: ignore[no-any-return]

    return distance
