"""Registration: an alignment that is a few percent and degrees off is put right, and the same each time."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.geometry import Size
from draggan_engine.inversion import registration, starts
from draggan_engine.inversion.alignment import Similarity
from draggan_engine.inversion.refined_alignment import MAX_LOSS
from draggan_engine.inversion.registration import register
from draggan_engine.networks.generate import generate_image, latent_of_seed
from scripts.held_out_renders import draw_render
from tests.support.tiny_models import random_generator, random_stylegan3

SIZE = Size(128, 128)


@pytest.fixture(scope="module")
def critters() -> Model:
    return load_model("critters-128", "cpu")


@pytest.fixture(scope="module")
def photograph(critters: Model) -> NDArray[np.uint8]:
    """Return an image of the model, twice as large."""
    image = generate_image(critters.generator, latent_of_seed(critters.generator, 42, psi=0.7))
    return np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC))


@pytest.fixture(autouse=True)
def few_random_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the starts among fewer images, which is faster."""
    monkeypatch.setattr(starts, "CANDIDATE_COUNT", 32)


def displaced(true_alignment: Similarity, shift: float, degrees: float) -> Similarity:
    """Return an alignment that is off by a share of the side of the crop, and by an angle about its centre."""
    turn, center = cmath.exp(1j * math.radians(degrees)), complex(63.5, 63.5)
    return true_alignment.then(Similarity(turn, center - turn * center + shift * 128 * cmath.exp(2j)))


def error(alignment: Similarity, true_alignment: Similarity) -> float:
    """Return how far apart two alignments put the corners of the photograph, as a share of the crop's side."""
    corners = ((0.0, 0.0), (255.0, 0.0), (0.0, 255.0), (255.0, 255.0))
    distances = [math.dist(alignment.apply(corner), true_alignment.apply(corner)) for corner in corners]
    return sum(distances) / len(distances) / 128


def test_an_alignment_that_is_off_is_put_right(
    critters: Model, photograph: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "REGISTRATION_STEPS", 40)
    true_alignment = Similarity.of_scale(0.5)
    alignment = displaced(true_alignment, 0.03, 4)
    *_, last_step = register(critters.generator, photograph, alignment, SIZE)
    assert last_step.step == 40
    assert not last_step.change.is_at_limit
    assert error(alignment, true_alignment) > 0.045
    assert error(last_step.similarity, true_alignment) < 0.015
    assert last_step.loss < 0.5 * MAX_LOSS


def test_no_image_matches_before_a_background_that_the_model_does_not_know(
    critters: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "REGISTRATION_STEPS", 40)
    drawing = draw_render(16, 256).image
    *_, last_step = register(critters.generator, drawing, displaced(Similarity.of_scale(0.5), 0.03, 4), SIZE)
    assert last_step.loss > MAX_LOSS


@pytest.mark.parametrize("is_stylegan3", [False, True])
def test_the_same_photograph_gives_the_same_alignment(
    is_stylegan3: bool, photograph: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "REGISTRATION_STEPS", 17)
    monkeypatch.setattr(registration, "REGISTRATION_HEIGHT", 24)
    torch.manual_seed(1)
    generator = random_stylegan3().eval().requires_grad_(False) if is_stylegan3 else random_generator()
    alignment = Similarity.of_scale(32 / 256)
    first, second = ([*register(generator, photograph, alignment, Size(32, 32))] for _ in range(2))
    assert first == second
    assert [step.step for step in first] == [*range(1, 18)]
    assert all(step.similarity == alignment for step in first[: registration.FIRST_STEPS])
    assert first[-1].similarity != alignment


def test_images_that_are_not_finite_end_it_early(photograph: NDArray[np.uint8]) -> None:
    generator = random_generator()
    generator.get_parameter("synthesis.b32.torgb.bias").fill_(float("nan"))
    assert not [*register(generator, photograph, Similarity.of_scale(32 / 256), Size(32, 32))]
