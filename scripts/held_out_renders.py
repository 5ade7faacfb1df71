"""Drawings of critters that the bundled models have not learned from, for measuring inversions."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.critters.scene.render import render_cut_out, render_scene
from draggan_engine.critters.scene.scene import Scene, build_scene

RGBImage = NDArray[np.uint8]

SCENE_SEED = 77  # training draws its scenes from other seeds
RENDERS_PER_KIND = 8
NOISE_DEVIATION = 5.0  # levels of 255
JPEG_QUALITY = 75
PHOTOGRAPH = Path(__file__).parent.parent / "tests" / "fixtures" / "photographs" / "astronaut.jpg"
CROP_SIZES = (100, 250)  # least and largest side of a crop of the photograph, in its pixels


@dataclass(frozen=True)
class HeldOutRender:
    """A drawing of one scene.

    Attributes:
        number: of the scene.
        kind: one of `KINDS`.
        image: `uint8 [size, size, 3]`.
    """

    number: int
    kind: str
    image: RGBImage


def draw_render(number: int, size: int) -> HeldOutRender:
    """Draw the scene with a number, as the kind that this number has.

    Args:
        number: from 0 to `RENDER_COUNT` − 1.
        size: height and width, px.
    """
    kind = kind_of(number)
    return HeldOutRender(number, kind, _DRAWERS[kind](number, size))


def kind_of(number: int) -> str:
    """Return the kind of the render with a number: the first eight are plain, and so on."""
    return KINDS[number // RENDERS_PER_KIND]


def held_out_z(number: int) -> NDArray[np.float64]:
    """Return the z of the scene with a number, `[1, Z_DIM]`; numbers beyond those of the renders have scenes too."""
    return np.random.default_rng([SCENE_SEED, number]).standard_normal((1, Z_DIM))


def held_out_scene(number: int) -> Scene:
    """Return the scene with a number."""
    return build_scene(held_out_z(number))


def _plain(number: int, size: int) -> RGBImage:
    return _to_levels(_draw(held_out_scene(number), size))


def _with_noise_and_jpeg(number: int, size: int) -> RGBImage:
    """Add Gaussian noise, then compress the image as JPEG and read it again."""
    noise = np.random.default_rng([SCENE_SEED, number, 1]).standard_normal((size, size, 3))
    noisy_image = _draw(held_out_scene(number), size) + noise * (NOISE_DEVIATION / 127.5)
    jpeg_file = io.BytesIO()
    Image.fromarray(_to_levels(noisy_image)).save(jpeg_file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(jpeg_file).convert("RGB"))


def _before_a_photograph(number: int, size: int) -> RGBImage:
    """Put a crop of a photograph in the place of the backdrop."""
    on_black, backdrop_share = (x[0].transpose(1, 2, 0) for x in render_cut_out(held_out_scene(number), size))
    return _to_levels(on_black + backdrop_share * (_photograph_crop(number, size) + 1))


def _photograph_crop(number: int, size: int) -> NDArray[np.float32]:
    """Return a random crop of a photograph, `[size, size, 3]` in −1…1."""
    rng = np.random.default_rng([SCENE_SEED, number, 2])
    photograph = Image.open(PHOTOGRAPH).convert("RGB")
    side = int(rng.integers(*CROP_SIZES))
    left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
    crop = photograph.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
    return np.asarray(crop, dtype=np.float32) / 127.5 - 1


def _draw(scene: Scene, size: int) -> NDArray[np.float32]:
    """Return the image of a scene, `[size, size, 3]` in −1…1."""
    image: NDArray[np.float32] = render_scene(scene, size)[0].transpose(1, 2, 0)
    return image


def _to_levels(image: NDArray[np.floating]) -> RGBImage:
    return ((image + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


_DRAWERS: Mapping[str, Callable[[int, int], RGBImage]] = {
    "plain": _plain,
    "noise and JPEG": _with_noise_and_jpeg,
    "photograph behind": _before_a_photograph,
}
KINDS = tuple(_DRAWERS)
RENDER_COUNT = RENDERS_PER_KIND * len(KINDS)
