"""Crops near an aligned crop of a photograph, and which of them matches an image best (Lucas and Kanade 1981)."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.geometry import Size

from .alignment import Similarity, crop_photograph

MAX_LOG_SCALE, MAX_ANGLE = 0.2, math.radians(15)
MAX_SHIFT = 0.1
"""As a share of the crop's height."""
_MARGIN_SHARE = 0.35
"""How far crops within these limits reach beyond the aligned crop, as a share of its sides: 0.1 + (e^0.2 · √2 · cos 30° − 1) / 2,
rounded up; crops beyond it continue with the colours of the rim."""
_BLUR_RADIUS, _BLUR_DEVIATION = 3, 1.0
_DAMPING = 1e-3  # relative to the trace of the normal equations
_OUTLIER = 2.0  # differences of this many times the median count half as much


@dataclass(frozen=True)
class CropChange:
    """How a crop is moved over its photograph: its pixel v shows what was at c + exp(log_scale + i·angle)·(v − c) + shift,
    in complex numbers, where c is the crop's centre.

    Attributes:
        log_scale: above 0, the crop covers more of the photograph.
        angle: in radians.
        shift: x + i·y, as a share of the crop's height.
    """

    log_scale: float = 0.0
    angle: float = 0.0
    shift: complex = 0j

    def limited(self) -> CropChange:
        """Return the nearest change within the limits."""
        excess = max(1.0, abs(self.shift) / MAX_SHIFT)
        return CropChange(
            min(max(self.log_scale, -MAX_LOG_SCALE), MAX_LOG_SCALE),
            min(max(self.angle, -MAX_ANGLE), MAX_ANGLE),
            self.shift / excess,
        )

    @property
    def is_at_limit(self) -> bool:
        return (
            abs(self.log_scale) >= MAX_LOG_SCALE
            or abs(self.angle) >= MAX_ANGLE
            or abs(self.shift) >= MAX_SHIFT * (1 - 1e-9)
        )

    def similarity(self, crop_size: Size) -> Similarity:
        """Return the transform from pixels of the changed crop to pixels of the crop as it was."""
        multiplier = cmath.exp(complex(self.log_scale, self.angle))
        center = complex(crop_size.width - 1, crop_size.height - 1) / 2
        return Similarity(multiplier, center - multiplier * center + self.shift * crop_size.height)


class CropMatcher:
    """Samples crops near an aligned crop, and moves them so that they match an image.

    Args:
        photograph: `uint8 [height, width, 3]`.
        similarity: from the photograph to the aligned crop, which has `crop_size`.
        device: of the images.
    """

    def __init__(
        self, photograph: NDArray[np.uint8], similarity: Similarity, crop_size: Size, device: torch.device
    ) -> None:
        self._crop_size = crop_size
        margin_x, margin_y = (math.ceil(length * _MARGIN_SHARE) for length in crop_size)
        self._margin = complex(margin_x, margin_y)
        size = Size(crop_size.width + 2 * margin_x, crop_size.height + 2 * margin_y)
        to_surroundings = similarity.then(Similarity(1 + 0j, self._margin))
        pixels = crop_photograph(photograph, to_surroundings, size).astype(np.float32)
        colors = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device) / 127.5 - 1
        photograph_size = Size(photograph.shape[1], photograph.shape[0])
        is_inside = _inside(photograph_size, to_surroundings.inverse, size).to(device)
        blurred = _blur(colors)
        self._layers = torch.cat([colors, blurred, *_slopes(blurred), is_inside], dim=1)
        self._positions = _positions(crop_size).to(device)

    def crop(self, change: CropChange) -> tuple[Tensor, Tensor]:
        """Return a changed crop, `[1, 3, H, W]` in −1…1, and which of its pixels the photograph has, bool `[1, 1, H, W]`."""
        layers = self._sample(change)
        return layers[:, :3], layers[:, 12:] > 0.99

    @torch.no_grad()
    def improve(self, change: CropChange, image: Tensor) -> CropChange:
        """Return a change with which the crop is more like an image.

        It is one step of Gauss and Newton on the squared differences of blurred colours, in which pixels that differ much
        count less, and those beyond the photograph not at all.

        Args:
            image: `[1, 3, H, W]` in −1…1, of the size of the crop.
        """
        layers = self._sample(change)
        differences = (layers[:, 3:6] - _blur(image))[0].double()
        slopes = torch.complex(layers[0, 6:9].double(), layers[0, 9:12].double())
        weights = _weights(differences, layers[0, 12:] > 0.99)
        half_height = self._crop_size.height / 2
        arms = cmath.exp(complex(change.log_scale, change.angle)) * (self._positions - self._positions.mean())
        units = torch.full_like(arms, half_height)
        # How a pixel moves with the logarithm of the scale, the angle, and the shift in half heights.
        movements = torch.stack([arms, 1j * arms, units, 1j * units])
        jacobian = (slopes.conj() * movements[:, None]).real
        normal_matrix = torch.einsum("ichw,jchw->ij", jacobian * weights, jacobian)
        right_side = torch.einsum("ichw,chw->i", jacobian * weights, differences)
        normal_matrix += torch.eye(4).to(normal_matrix) * (_DAMPING * normal_matrix.trace() + 1e-9)
        scale_step, angle_step, step_x, step_y = torch.linalg.solve(normal_matrix, right_side).tolist()
        return CropChange(
            change.log_scale - scale_step, change.angle - angle_step, change.shift - complex(step_x, step_y) / 2
        ).limited()

    def _sample(self, change: CropChange) -> Tensor:
        """Return all layers of a changed crop, `[1, 13, H, W]`."""
        similarity = change.similarity(self._crop_size)
        positions = self._positions * similarity.multiplier + similarity.offset + self._margin
        height, width = self._layers.shape[2:]
        grid = torch.stack([(2 * positions.real + 1) / width - 1, (2 * positions.imag + 1) / height - 1], dim=-1)
        return F.grid_sample(self._layers, grid[None].to(self._layers), padding_mode="border", align_corners=False)


def _positions(size: Size) -> Tensor:
    """Return x + i·y of each pixel, complex `[H, W]`."""
    y, x = torch.meshgrid(
        torch.arange(size.height, dtype=torch.float64), torch.arange(size.width, dtype=torch.float64), indexing="ij"
    )
    return torch.complex(x, y)


def _inside(photograph_size: Size, to_photograph: Similarity, size: Size) -> Tensor:
    """Return 1 for each pixel that lies on the photograph and 0 for the others, `[1, 1, H, W]`."""
    positions = _positions(size) * to_photograph.multiplier + to_photograph.offset + complex(0.5, 0.5)
    is_inside = (positions.real >= 0) & (positions.real <= photograph_size.width)
    is_inside &= (positions.imag >= 0) & (positions.imag <= photograph_size.height)
    return is_inside[None, None].float()


def _weights(differences: Tensor, is_inside: Tensor) -> Tensor:
    """Return a weight for each pixel, `[1, H, W]`, of differences `[3, H, W]`: less for outliers, 0 beyond the photograph."""
    squares = differences.square().sum(dim=0, keepdim=True)
    typical = squares.where(is_inside, torch.nan).nanmedian().nan_to_num(1.0).clamp_min(1e-6)
    return is_inside / (1 + squares / (_OUTLIER**2 * typical))


def _blur(images: Tensor) -> Tensor:
    channels = images.shape[1]
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1).to(images)
    kernel = torch.exp(-offsets.square() / (2 * _BLUR_DEVIATION**2))
    row_kernel = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    padded = F.pad(images, (_BLUR_RADIUS,) * 4, mode="replicate")
    rows = F.conv2d(padded, row_kernel, groups=channels)
    return F.conv2d(rows, row_kernel.transpose(2, 3), groups=channels)


def _slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return how colours change along x and along y, per pixel."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    along_y = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    return along_x, along_y
