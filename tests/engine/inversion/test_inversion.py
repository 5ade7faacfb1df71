"""The search for a latent: that it finds the latents of generated images, stops, and continues exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from draggan_engine.core.errors import InputError
from draggan_engine.core.inversion_choices import InversionMethod
from draggan_engine.inversion.inversion import (
    InversionEnd,
    InversionSettings,
    InversionStep,
)
from draggan_engine.inversion.latent_search import LatentSearchState
from draggan_engine.inversion.staged_inversion import StagedInversion
from draggan_engine.inversion.state_file import read_inversion_state, write_state
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.inversions import make_steps, run_to_end
from tests.support.tiny_models import random_generator, random_stylegan3

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("few_random_images")


@pytest.fixture(scope="module")
def target(generator: Generator) -> NDArray[np.uint8]:
    return generate_image(generator, latent_of_seed(generator, 5000, psi=1.0))


@pytest.fixture(scope="module")
def whole_run(generator: Generator, target: NDArray[np.uint8]) -> tuple[list[InversionStep], InversionEnd]:
    return run_to_end(StagedInversion(generator, target, settings(steps=20)))


def settings(method: InversionMethod = "w+", steps: int = 40) -> InversionSettings:
    return InversionSettings(method, steps, shared_rows=4)


@pytest.mark.parametrize("method", ["w", "w+"])
def test_a_generated_image_is_found_again(
    generator: Generator, target: NDArray[np.uint8], method: InversionMethod
) -> None:
    inversion_steps, inversion_end = run_to_end(StagedInversion(generator, target, settings(method, steps=80)))
    assert inversion_end.reason == "finished"
    assert inversion_steps[0].psnr < 20
    assert inversion_end.psnr > 35
    assert np.array_equal(inversion_end.image, generate_image(generator, inversion_end.ws))


def test_in_w_all_rows_are_alike_and_in_w_plus_those_that_drags_move(
    generator: Generator, target: NDArray[np.uint8]
) -> None:
    (w,) = run_to_end(StagedInversion(generator, target, settings("w", steps=8)))[1].ws
    assert torch.equal(w, w[:1].expand_as(w))
    (w_plus,) = run_to_end(StagedInversion(generator, target, settings("w+", steps=20)))[1].ws
    assert torch.equal(w_plus[:4], w_plus[:1].expand(4, -1))
    assert len(torch.unique(w_plus, dim=0)) == generator.num_ws - 3


def test_phases_follow_each_other_and_images_come_at_intervals(
    whole_run: tuple[list[InversionStep], InversionEnd],
) -> None:
    inversion_steps, _ = whole_run
    assert [step.step for step in inversion_steps] == list(range(1, 21))
    assert [step.phase for step in inversion_steps] == ["starts"] * 3 + ["w"] * 2 + ["w+"] * 15
    assert [step.step for step in inversion_steps if step.image is not None] == [10, 20]


@pytest.mark.parametrize("interrupted_after", [1, 3, 5, 15])
def test_a_resumed_inversion_gives_the_same_numbers(
    generator: Generator,
    target: NDArray[np.uint8],
    whole_run: tuple[list[InversionStep], InversionEnd],
    tmp_path: Path,
    interrupted_after: int,
) -> None:
    whole_steps, whole_end = whole_run
    interrupted = StagedInversion(generator, target, settings(steps=20))
    make_steps(interrupted, interrupted_after)
    write_state(tmp_path / "state.safetensors", interrupted.state, "fingerprint")
    state = read_inversion_state(tmp_path / "state.safetensors", "fingerprint", CPU)
    assert state is not None
    assert state.step == interrupted_after
    resumed_steps, resumed_end = run_to_end(StagedInversion(generator, target, settings(steps=20), state=state))
    assert [step.loss for step in resumed_steps] == [step.loss for step in whole_steps[interrupted_after:]]
    assert torch.equal(resumed_end.ws, whole_end.ws)
    assert resumed_end.psnr == whole_end.psnr


@pytest.mark.parametrize("stopped_after", [1, 4, 12])
def test_a_stopped_inversion_returns_one_latent(
    generator: Generator, target: NDArray[np.uint8], stopped_after: int
) -> None:
    inversion = StagedInversion(generator, target, settings(steps=20))
    inversion_steps = make_steps(inversion, stopped_after)
    inversion.control.stop()
    (inversion_end,) = inversion_steps
    assert isinstance(inversion_end, InversionEnd)
    assert (inversion_end.reason, inversion_end.step) == ("stopped", stopped_after)
    assert inversion_end.ws.shape == (1, generator.num_ws, generator.config.w_dim)


def test_an_infinite_loss_ends_the_search_with_the_last_finite_latent(target: NDArray[np.uint8]) -> None:
    generator = random_generator()
    inversion = StagedInversion(generator, target, settings(steps=20))
    inversion_steps = make_steps(inversion, 7)
    finite_coordinates = _coordinates(inversion)
    generator.get_parameter("synthesis.b32.torgb.bias").fill_(float("nan"))
    *_, inversion_end = inversion_steps
    assert isinstance(inversion_end, InversionEnd)
    assert (inversion_end.reason, inversion_end.step) == ("diverged", 7)
    assert torch.equal(_coordinates(inversion), finite_coordinates)


def test_stylegan3_is_inverted_too() -> None:
    generator = random_stylegan3().eval().requires_grad_(False)
    target = generate_image(generator, latent_of_seed(generator, 7, psi=1.0))
    inversion_steps, inversion_end = run_to_end(StagedInversion(generator, target, settings(steps=15)))
    assert inversion_end.loss <= min(step.loss for step in inversion_steps)


def test_a_class_has_starts_of_its_own() -> None:
    generator = random_generator(classes=3)
    target = generate_image(generator, latent_of_seed(generator, 7, psi=1.0, label=2))
    coordinates = [_coordinates(StagedInversion(generator, target, settings(), label=label)) for label in (1, 2)]
    assert not torch.equal(coordinates[0], coordinates[1])


def test_the_state_of_another_inversion_is_refused(
    generator: Generator, target: NDArray[np.uint8], tmp_path: Path
) -> None:
    state_path = tmp_path / "inversion-state.safetensors"
    assert read_inversion_state(state_path, "a", CPU) is None
    write_state(state_path, StagedInversion(generator, target, settings()).state, "a")
    with pytest.raises(InputError, match="unfinished inversion of another photograph, or with other options"):
        read_inversion_state(state_path, "b", CPU)
    state_path.write_bytes(state_path.read_bytes()[:-20])
    with pytest.raises(InputError, match="the file is damaged"):
        read_inversion_state(state_path, "a", CPU)


def _coordinates(inversion: StagedInversion) -> torch.Tensor:
    state = inversion.state
    assert isinstance(state, LatentSearchState)
    return state.coordinates
