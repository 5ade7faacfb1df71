"""Small images of latents resemble the whole images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.inversion.latents import map_to_ws, z_of_seeds
from draggan_engine.inversion.losses import mean_squares, rgb_images
from draggan_engine.inversion.small_images import SmallImages
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_stylegan3

SEEDS = range(6)


def generator_with_late_colours(const_width: int) -> Generator:
    """Return a StyleGAN2 generator of 64 rows whose last block only adds a colour."""
    torch.manual_seed(0)
    config = StyleGAN2Config(
        resolution=64, z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8, 8), const_size=(4, const_width)
    )
    generator = Generator(config).eval().requires_grad_(False)
    for resolution in (4, 8, 16, 32, 64):
        generator.get_parameter(f"synthesis.b{resolution}.torgb.weight").mul_(0.1 if resolution < 64 else 0)
    generator.get_parameter("synthesis.b64.torgb.bias").copy_(torch.tensor([0.3, -0.2, 0.1]))
    return generator


def whole_images(generator: Generator, ws: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(rgb_images(generator.synthesis(ws).image), size)


@pytest.mark.parametrize(("const_width", "size"), [(4, (32, 32)), (8, (32, 64))])
@torch.no_grad()
def test_colours_are_those_of_whole_images(const_width: int, size: tuple[int, int]) -> None:
    generator = generator_with_late_colours(const_width)
    ws = map_to_ws(generator, z_of_seeds(generator, SEEDS), 0)
    small_images = SmallImages(generator, SEEDS)
    assert small_images.size == size
    whole = whole_images(generator, ws, (16, 16))
    raw = rgb_images(generator.synthesis(ws, image=32).image)
    fitted_error, raw_error = (
        float(mean_squares(F.adaptive_avg_pool2d(images, (16, 16)), whole).mean()) for images in (small_images(ws), raw)
    )
    assert fitted_error < 0.05 * raw_error


@torch.no_grad()
def test_a_network_without_small_images_renders_whole_ones() -> None:
    generator = random_stylegan3()
    ws = map_to_ws(generator, z_of_seeds(generator, SEEDS), 0)
    small_images = SmallImages(generator, SEEDS)
    assert small_images.rendered_pixels == 32 * 32
    assert torch.equal(small_images(ws), whole_images(generator, ws, small_images.size))
