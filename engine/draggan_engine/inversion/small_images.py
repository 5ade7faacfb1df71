"""Small images of latents, which cost little: for choosing where a search starts, and for finding near seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.networks.generator import Generator

from .latents import map_to_ws, z_of_seeds
from .losses import rgb_images

SMALL_HEIGHT = 32
"""The height of small images, px, or that of the model's images if these are smaller."""
FITTED_HEIGHT = 16  # of the images to which the map of the colours is fitted


class SmallImages:
    """Renders small images.

    If the network can render images of about 32 pixels, these are used. They lack what its last blocks add to the colours, so
    an affine map of the colours, fitted to a few whole images, makes up for it. Otherwise whole images are averaged down.

    Args:
        calibration_seeds: of the whole images.
        label: class of a conditional model.

    Attributes:
        size: height and width, px.
        rendered_pixels: how many pixels the network renders for each.
    """

    def __init__(self, generator: Generator, calibration_seeds: Sequence[int], label: int = 0) -> None:
        heights = generator.synthesis.image_heights
        self._generator = generator
        self._rendered_height = min((height for height in heights if height >= SMALL_HEIGHT), default=heights[-1])
        image_height, image_width = generator.image_shape
        height = min(SMALL_HEIGHT, image_height)
        self.rendered_pixels = self._rendered_height**2 * image_width // image_height
        self.size = height, max(1, round(height * image_width / image_height))
        self._color_map: Tensor | None = None
        if self._rendered_height < heights[-1]:
            self._color_map = self._fit_color_map(calibration_seeds, label)

    def __call__(self, ws: Tensor) -> Tensor:
        """Return the images of latents `[N, num_ws, w_dim]`, `[N, 3, *size]`, values in about −1…1."""
        images = F.adaptive_avg_pool2d(self._render(ws, self._rendered_height), self.size)
        if self._color_map is None:
            return images
        return F.conv2d(images, self._color_map[:3].T[:, :, None, None], self._color_map[3])

    @torch.no_grad()
    def _fit_color_map(self, seeds: Sequence[int], label: int) -> Tensor:
        """Return the map from red, green, blue and 1 to the colours of whole images, `[4, 3]`, by least squares."""
        latents = map_to_ws(self._generator, z_of_seeds(self._generator, seeds), label)
        small_colors, whole_colors = (
            torch.cat([self._colors(ws, height) for ws in torch.split(latents, 1)])
            for height in (self._rendered_height, self._generator.synthesis.image_heights[-1])
        )
        color_map: Tensor = torch.linalg.lstsq(F.pad(small_colors, (0, 1), value=1.0), whole_colors).solution
        return color_map.to(latents)

    def _colors(self, ws: Tensor, height: int) -> Tensor:
        """Return the colours of an image that is averaged down, `[pixels, 3]` on the CPU."""
        images = self._render(ws, height).clamp(-1, 1).nan_to_num()
        return F.adaptive_avg_pool2d(images, (FITTED_HEIGHT, FITTED_HEIGHT))[0].flatten(1).T.cpu()

    def _render(self, ws: Tensor, height: int) -> Tensor:
        return rgb_images(self._generator.synthesis(ws, image=height).image)
