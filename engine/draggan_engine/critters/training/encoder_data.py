"""What the encoder learns from: drawings of scenes and images of a bundled model, disturbed as photographs are."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.critters.scene.render import render_cut_out, render_scene
from draggan_engine.critters.scene.scene import Scene, build_scene
from draggan_engine.inversion.encoder import ENCODER_SIZE
from draggan_engine.inversion.small_images import SMALL_HEIGHT
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import normalize_rms

GENERATED_SHARE, PASTED_SHARE = 0.25, 0.25  # of the pairs; the others are whole drawings
IMAGES_PER_CALL = 64  # bounds the memory
ROTATION_DEVIATION, MAX_SCALING, MAX_SHIFT = 0.04, 0.05, 0.03  # radians; the shift is a share of the height
MAX_GAIN, LIFT_DEVIATION, MAX_NOISE = 0.06, 0.02, 0.06  # of colours in −1…1
JPEG_SHARE, JPEG_QUALITIES = 0.25, (40, 95)


class EncoderPairs(NamedTuple):
    """Latents and their images.

    Attributes:
        z: float32 `[N, Z_DIM]` with a root mean square of 1.
        images: `uint8 [N, 3, 64, 64]`; the backdrop of some is not that of z.
        clean_images: `uint8 [N, 3, 32, 32]`, with the backdrop of z.
    """

    z: Tensor
    images: Tensor
    clean_images: Tensor

    def subset(self, indices: Tensor) -> EncoderPairs:
        return EncoderPairs(*(tensor[indices] for tensor in self))


def draw_pairs(generator: Generator, rng: np.random.Generator, count: int) -> EncoderPairs:
    """Return random pairs: drawings with their own backdrop, drawings with another one, and images of a model.

    Args:
        generator: of a bundled model.
        count: how many pairs.
    """
    z = rng.standard_normal((count, Z_DIM))
    generated_count, pasted_count = round(count * GENERATED_SHARE), round(count * PASTED_SHARE)
    generated_z = torch.from_numpy(z[:generated_count].astype(np.float32))
    scene = build_scene(z[generated_count:])
    clean_images = torch.cat([_generate(generator, generated_z), torch.from_numpy(render_scene(scene, ENCODER_SIZE))])
    images = clean_images.clone()
    pasted_scene = scene.subset(slice(0, pasted_count))
    images[generated_count : generated_count + pasted_count] = _draw_before(
        random_backdrops(rng, pasted_count), pasted_scene
    )
    return EncoderPairs(
        normalize_rms(torch.from_numpy(z.astype(np.float32))),
        to_levels(images),
        to_levels(F.adaptive_avg_pool2d(clean_images, SMALL_HEIGHT)),
    )


@torch.no_grad()
def _generate(generator: Generator, z: Tensor) -> Tensor:
    """Return the images of `z` `[N, Z_DIM]`, `[N, 3, 64, 64]`."""
    batches = []
    for z_batch in torch.split(z, IMAGES_PER_CALL):
        images = generator.synthesis(generator.mapping(z_batch)).image
        assert images is not None
        batches.append(F.adaptive_avg_pool2d(images, ENCODER_SIZE))
    return torch.cat(batches)


def _draw_before(backdrops: Tensor, scene: Scene) -> Tensor:
    """Return the animals of a scene before backdrops `[N, 3, 64, 64]`, with the same shape."""
    on_black, backdrop_share = (torch.from_numpy(x) for x in render_cut_out(scene, ENCODER_SIZE))
    return on_black + backdrop_share * (backdrops + 1)


def random_backdrops(rng: np.random.Generator, count: int) -> Tensor:
    """Return backdrops with blobs of all sizes and a few straight edges, `[count, 3, 64, 64]` in −1…1."""
    backdrops = torch.zeros(count, 3, ENCODER_SIZE, ENCODER_SIZE)
    for cells in (1, 2, 4, 8, 16, 32):
        amplitudes = rng.uniform(0, 0.7 if cells < 8 else 0.3, (count, 1, 1, 1))
        grey, colours = rng.standard_normal((count, 1, cells, cells)), rng.standard_normal((count, 3, cells, cells))
        blobs = torch.from_numpy((amplitudes * (grey + 0.5 * colours)).astype(np.float32))
        backdrops += F.interpolate(blobs, ENCODER_SIZE, mode="bilinear", align_corners=False)
    position = torch.linspace(-1, 1, ENCODER_SIZE)
    for _ in range(2):
        angle, distance = rng.uniform(0, 2 * np.pi, (count, 1, 1, 1)), rng.uniform(-1, 1, (count, 1, 1, 1))
        x_share, y_share, edge = (
            torch.from_numpy(a.astype(np.float32)) for a in (np.cos(angle), np.sin(angle), distance)
        )
        is_beyond = (x_share * position + y_share * position[:, None] > edge).float()
        backdrops += is_beyond * torch.from_numpy(rng.normal(0, 0.3, (count, 3, 1, 1)).astype(np.float32))
    return backdrops.clamp(-1, 1)


def disturb_images(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images `uint8 [N, 3, 64, 64]` as floats in −1…1, a little turned, scaled, shifted and recoloured, with noise, and
    some of them compressed as JPEG."""
    count = len(images)
    angles, scales = rng.normal(0, ROTATION_DEVIATION, count), 1 + rng.uniform(-MAX_SCALING, MAX_SCALING, count)
    cos, sin = np.cos(angles) / scales, np.sin(angles) / scales
    shifts = 2 * rng.uniform(-MAX_SHIFT, MAX_SHIFT, (count, 2))
    transforms = np.stack([cos, -sin, shifts[:, 0], sin, cos, shifts[:, 1]], axis=1).reshape(count, 2, 3)
    grid = F.affine_grid(torch.from_numpy(transforms.astype(np.float32)), list(images.shape), align_corners=False)
    disturbed = F.grid_sample(from_levels(images), grid, padding_mode="reflection", align_corners=False)
    gain, lift = (
        rng.uniform(1 - MAX_GAIN, 1 + MAX_GAIN, (count, 3, 1, 1)),
        rng.normal(0, LIFT_DEVIATION, (count, 3, 1, 1)),
    )
    noise = rng.uniform(0, MAX_NOISE, (count, 1, 1, 1)) * rng.standard_normal(images.shape, dtype=np.float32)
    disturbed = disturbed * torch.from_numpy(gain.astype(np.float32)) + torch.from_numpy(
        (lift + noise).astype(np.float32)
    )
    levels = to_levels(disturbed)
    for i in np.flatnonzero(rng.random(count) < JPEG_SHARE):
        levels[i] = torch.from_numpy(_compress(levels[i].permute(1, 2, 0).numpy(), int(rng.integers(*JPEG_QUALITIES))))
    return from_levels(levels)


def _compress(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return an image `[H, W, 3]` after a compression as JPEG, `[3, H, W]`."""
    jpeg_file = io.BytesIO()
    Image.fromarray(image).save(jpeg_file, "JPEG", quality=quality)
    return np.array(Image.open(jpeg_file)).transpose(2, 0, 1)


def to_levels(images: Tensor) -> Tensor:
    """Return images in −1…1 as `uint8`."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """Return images `uint8` as floats in −1…1."""
    return levels.float() / 127.5 - 1
