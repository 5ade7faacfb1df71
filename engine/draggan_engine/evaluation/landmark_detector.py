"""Detect the 68 landmarks of critters with a small network, whose weights come with the program.

It takes the place of dlib's detector in the paper's table 1. Sets of images are compared by its pooled features (a Fréchet
distance, as the FID is one of Inception's features).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.networks.convolution_blocks import (
    TRUNK_CHANNELS,
    ConvolutionalTrunk,
    ResidualBlock,
    convolution_block,
)

DETECTOR_SIZE = 128
"""Height and width of the network's input, px."""
FEATURE_COUNT = TRUNK_CHANNELS[-1]
"""The number of pooled features."""
DETECTOR_WEIGHTS = Path(__file__).parent / "weights" / "detector.safetensors"


class LandmarkDetector(ConvolutionalTrunk):
    """An hourglass network. Each landmark is the centre of mass of a heat map of 64×64."""

    def __init__(self) -> None:
        super().__init__()
        landmark_count = len(LANDMARKS)
        self.up16 = nn.Conv2d(FEATURE_COUNT, 96, 1)
        self.at16 = ResidualBlock(96)
        self.up32 = nn.Conv2d(96, 48, 1)
        self.at32 = ResidualBlock(48)
        self.up64 = nn.Conv2d(48, 24, 1)
        self.at64 = convolution_block(24, 32)
        self.heat = nn.Conv2d(32, landmark_count, 1)
        self.visibility_head = nn.Sequential(
            nn.Linear(FEATURE_COUNT + 2 * landmark_count, 128), nn.SiLU(), nn.Linear(128, landmark_count)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return points, visibility and features of images.

        Args:
            images: `[N, 3, 128, 128]` in −1…1.

        Returns:
            points `[N, 68, 2]` in pixels, visibility logits `[N, 68]`, features `[N, FEATURES]`.
        """
        features_64 = self.down64(images)
        features_32 = self.down32(features_64)
        features_16 = self.down16(features_32)
        features_8 = self.down8(features_16)
        features = features_8.mean(dim=(2, 3))
        y = self.at16(features_16 + _upsample(self.up16(features_8)))
        y = self.at32(features_32 + _upsample(self.up32(y)))
        y = self.at64(features_64 + _upsample(self.up64(y)))
        points = heat_map_centers(self.heat(y).float())
        visibility = self.visibility_head(
            torch.cat([features, points.flatten(1).to(features.dtype) / DETECTOR_SIZE - 0.5], dim=1)
        )
        return points, visibility.float(), features.float()


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def heat_map_centers(heat_maps: Tensor) -> Tensor:
    """Return the mean position under the softmax of each map `[N, L, h, w]`.

    Returns:
        `[N, L, 2]` (x, y) in pixels of the 128×128 image.
    """
    map_height, map_width = heat_maps.shape[2:]
    pixel_weights = heat_maps.flatten(2).softmax(dim=2).view_as(heat_maps)
    x = (torch.arange(map_width, device=heat_maps.device) + 0.5) * (DETECTOR_SIZE / map_width) - 0.5
    y = (torch.arange(map_height, device=heat_maps.device) + 0.5) * (DETECTOR_SIZE / map_height) - 0.5
    return torch.stack([(pixel_weights.sum(dim=2) * x).sum(dim=2), (pixel_weights.sum(dim=3) * y).sum(dim=2)], dim=2)


@dataclass(frozen=True)
class DetectedLandmarks:
    """The landmarks of N images.

    Attributes:
        points: `[N, 68, 2]` (x, y) in pixels of the images, in the order of `LANDMARKS`.
        visible: `[N, 68]` bool.
        features: `[N, FEATURES]`.
    """

    points: NDArray[np.float32]
    visible: NDArray[np.bool_]
    features: NDArray[np.float32]


@cache
def bundled_detector() -> LandmarkDetector:
    """Return the detector that comes with the program, in evaluation mode, with parameters that require no gradient."""
    detector_network = LandmarkDetector()
    detector_network.load_state_dict(
        {tensor_name: tensor.float() for tensor_name, tensor in load_file(DETECTOR_WEIGHTS).items()}
    )
    return detector_network.eval().requires_grad_(False)


@torch.inference_mode()
def detect_landmarks(
    images: Tensor, detector_network: LandmarkDetector | None = None, batch_size: int = 32
) -> DetectedLandmarks:
    """Detect the landmarks of critters.

    Args:
        images: `[N, 3, H, H]` in −1…1, square, of any size.
        detector_network: None: the bundled one.
    """
    detector_network = bundled_detector() if detector_network is None else detector_network
    pixel_scale = images.shape[3] / DETECTOR_SIZE
    small_images = (
        images if pixel_scale == 1 else F.interpolate(images, size=(DETECTOR_SIZE, DETECTOR_SIZE), mode="area")
    )
    network_outputs = [
        detector_network(small_images[i : i + batch_size].cpu()) for i in range(0, len(small_images), batch_size)
    ]
    points, visibility, features = (torch.cat(output_batches) for output_batches in zip(*network_outputs, strict=True))
    # Pixel centres are integers, so the border of an image of any size is at −0.5.
    return DetectedLandmarks(((points + 0.5) * pixel_scale - 0.5).numpy(), (visibility > 0).numpy(), features.numpy())


def mean_landmark_error(
    points: NDArray[np.float32], true_points: NDArray[np.float64], visible: NDArray[np.bool_]
) -> float:
    """Return the mean distance over the visible points, in pixels; NaN: no point is visible."""
    landmark_errors = np.linalg.norm(points - true_points, axis=2)[visible]
    return float(landmark_errors.mean()) if len(landmark_errors) else math.nan
