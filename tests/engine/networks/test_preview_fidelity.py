"""Which of a model's smaller images look like its full one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.geometry import Size
from draggan_engine.core.resampling import area_means
from draggan_engine.networks import preview_fidelity
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.preview_fidelity import (
    COMPARED_HEIGHT,
    PreviewFidelity,
    PreviewFormat,
    bfloat16_image,
    gains_from_bfloat16,
    mean_difference,
    measure_preview_fidelity,
)
from tests.support.tiny_models import random_generator, random_stylegan3


def generator_with_details(strength: float) -> Generator:
    """Return a generator of 64×64 pixels whose highest block adds details of this strength to the image below it."""
    torch.manual_seed(0)
    config = StyleGAN2Config(resolution=64, z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16, 8))
    generator = Generator(config).eval().requires_grad_(False)
    generator.synthesis.get_submodule("b64").torgb.weight.mul_(strength)  # type: ignore[operator, union-attr]
    return generator


@pytest.mark.parametrize("name", ["critters-256", "critters-128"])
def test_the_bundled_models_are_shown_by_their_full_images_only(name: str) -> None:
    assert measure_preview_fidelity(load_model(name, "cpu").generator).faithful_heights == ()


def test_a_smaller_image_that_looks_different_is_rejected() -> None:
    fidelity = measure_preview_fidelity(random_generator())
    assert (fidelity.image_size, fidelity.faithful_heights) == (Size(32, 32), ())
    assert fidelity.cheapest_format(Size(1, 2)).height == 32


def test_a_smaller_image_that_looks_like_the_full_one_is_accepted() -> None:
    fidelity = measure_preview_fidelity(generator_with_details(0.0))
    assert fidelity.faithful_heights[-1:] == (32,)
    assert 16 not in fidelity.faithful_heights, "heights below one that looks different are not examined"
    assert [fidelity.cheapest_format(Size(*view)).height for view in ((20, 20), (32, 32), (33, 20), (20, 34))] == [
        32,
        32,
        64,
        64,
    ]


def test_faint_details_are_accepted_and_strong_ones_are_not() -> None:
    has_faithful_heights = [
        bool(measure_preview_fidelity(generator_with_details(strength)).faithful_heights)
        for strength in (0.0, 0.003, 0.3, 1.0)
    ]
    assert has_faithful_heights == [True, True, False, False]


def test_the_cheapest_image_has_enough_pixels_for_the_preview() -> None:
    fidelity = PreviewFidelity(Size(512, 1024), faithful_heights=(128, 256, 512))
    assert [fidelity.cheapest_format(Size(*view)).height for view in ((64, 128), (65, 128), (20, 130), (96, 192), (97, 192))] == [
        128, 256, 256, 256, 1024
    ]  # fmt: skip
    assert COMPARED_HEIGHT == 192, "larger previews are not compared"


def test_only_the_full_image_is_rendered_in_the_quicker_number_type() -> None:
    """Two small differences could add up to a large one."""
    fidelity = PreviewFidelity(Size(64, 64), faithful_heights=(32,), dtype=torch.bfloat16)
    assert fidelity.cheapest_format(Size(20, 20)) == PreviewFormat(32, None)
    assert fidelity.cheapest_format(Size(60, 60)) == PreviewFormat(64, torch.bfloat16)
    assert fidelity.cheapest_format(Size(64, 64)) == PreviewFormat(64, None), "it may be compared with another image"
    assert fidelity.exact_format == PreviewFormat(64, None)


@pytest.mark.parametrize("name", ["critters-256", "critters-128"])
def test_images_of_the_bundled_models_look_the_same_in_bfloat16(name: str) -> None:
    generator = load_model(name, "cpu").generator
    ws = latent_of_seed(generator, 42, psi=1.0)
    assert 0 < mean_difference(bfloat16_image(generator, ws), generate_image(generator, ws)) < 0.5


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_bfloat16_is_used_where_the_processor_has_it_and_the_image_looks_the_same(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool
) -> None:
    monkeypatch.setattr(preview_fidelity, "supports_bfloat16", lambda _: has_bfloat16)
    expected_dtype = torch.bfloat16 if has_bfloat16 else None
    generator = load_model("critters-128", "cpu").generator
    assert measure_preview_fidelity(generator).dtype == expected_dtype
    monkeypatch.setattr(preview_fidelity, "MAX_MEAN_DIFFERENCE", 0.01)
    assert measure_preview_fidelity(generator).dtype is None


def test_stylegan3_has_no_quicker_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_fidelity, "supports_bfloat16", lambda _: True)
    assert not gains_from_bfloat16(random_stylegan3())
    assert gains_from_bfloat16(random_generator())


def test_images_are_compared_at_the_size_that_a_terminal_shows() -> None:
    full = np.random.default_rng(0).integers(0, 255, (256, 128, 3), dtype=np.uint8)
    assert mean_difference(area_means(full, Size(64, 128)), full) == 0
    brighter = np.minimum(area_means(full, Size(64, 128)) + np.uint8(2), 255).astype(np.uint8)
    assert mean_difference(brighter, full) == pytest.approx(2, abs=0.1)
