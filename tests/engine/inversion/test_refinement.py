"""Tuning of the generator to a photograph: it comes nearer, leaves the loaded generator alone, stops and continues exactly."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from draggan_engine.core.inversion_choices import InversionMethod
from draggan_engine.inversion import in_domain, refinement
from draggan_engine.inversion.in_domain import in_domain_area
from draggan_engine.inversion.inversion import InversionEnd, InversionSettings, InversionStep
from draggan_engine.inversion.refinement import RefinementState
from draggan_engine.inversion.staged_inversion import StagedInversion
from draggan_engine.inversion.state_file import read_inversion_state, write_state
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import tuned_generator
from tests.support.inversions import make_steps, run_to_end
from tests.support.tiny_models import random_stylegan3

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("few_random_images")


@pytest.fixture(scope="module")
def target(generator: Generator) -> NDArray[np.uint8]:
    """Return an image of the generator with a bright frame, which the generator cannot show."""
    image = generate_image(generator, latent_of_seed(generator, 5000, psi=1.0)).copy()
    frame = np.ones((32, 32), dtype=bool)
    frame[5:27, 5:27] = False
    image[frame] = (250, 240, 20)
    return image


@pytest.fixture(scope="module")
def whole_run(generator: Generator, target: NDArray[np.uint8]) -> tuple[list[InversionStep], InversionEnd]:
    return run_to_end(StagedInversion(generator, target, settings()))


def settings(method: InversionMethod = "hybrid", steps: int = 30) -> InversionSettings:
    return InversionSettings(method, steps, shared_rows=4)


@pytest.mark.parametrize("method", ["pti", "hybrid"])
def test_tuning_comes_nearer_and_leaves_the_loaded_generator_as_it_is(
    generator: Generator, target: NDArray[np.uint8], method: InversionMethod
) -> None:
    weights = {name: parameter.clone() for name, parameter in generator.named_parameters()}
    inversion_steps, inversion_end = run_to_end(StagedInversion(generator, target, settings(method, steps=45)))
    assert [step.phase == "tuning" for step in inversion_steps] == [False] * 30 + [True] * 15
    assert inversion_end.tuning is not None
    tuned = tuned_generator(generator, inversion_end.tuning)
    assert np.array_equal(inversion_end.image, generate_image(tuned, inversion_end.ws))
    assert inversion_end.psnr > inversion_steps[30].psnr + (4 if method == "hybrid" else 0.1)
    assert all(torch.equal(weights[name], parameter) for name, parameter in generator.named_parameters())
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert not any(name.endswith("noise_strength") for name in inversion_end.tuning.weight_changes)
    assert (inversion_end.tuning.blend is None) == (method == "pti")


def test_the_pivot_of_pti_has_one_w_and_that_of_hybrid_one_for_the_rows_that_drags_move(
    generator: Generator, target: NDArray[np.uint8], whole_run: tuple[list[InversionStep], InversionEnd]
) -> None:
    (w,) = run_to_end(StagedInversion(generator, target, settings("pti", steps=9)))[1].ws
    assert torch.equal(w, w[:1].expand_as(w))
    (ws,) = whole_run[1].ws
    assert torch.equal(ws[:4], ws[:1].expand(4, -1))
    assert len(torch.unique(ws, dim=0)) > 1


@pytest.mark.parametrize("method", ["pti", "hybrid"])
def test_the_size_of_a_models_weights_does_not_matter(
    generator: Generator, target: NDArray[np.uint8], method: InversionMethod
) -> None:
    small_generator = copy.deepcopy(generator)
    with torch.no_grad():
        for name, parameter in small_generator.synthesis.named_parameters():
            if name.endswith(("conv0.weight", "conv1.weight")):
                parameter *= 1e-3  # demodulation makes up for it: the images stay the same
    ends = [
        run_to_end(StagedInversion(some_generator, target, settings(method, steps=45)))[1]
        for some_generator in (generator, small_generator)
    ]
    assert ends[1].tuning is not None
    assert ends[1].psnr == pytest.approx(ends[0].psnr, abs=0.5)


def test_the_generators_own_features_are_in_use_in_the_middle_and_where_its_image_is_near() -> None:
    image = torch.zeros(1, 3, 64, 64)
    target = image.clone()
    target[..., :20] = 1.0  # a stripe at the left, which reaches into the disc in the middle
    area = in_domain_area(image, target)[0, 0]
    assert float(area.min()) >= 0 and float(area.max()) <= 1
    assert float(area[32, 32]) > 0.999
    assert float(area[5, 60]) > 0.99
    assert float(area[5, 5]) < 0.01
    assert float(area[32, 14]) > 0.9


def test_narrow_parts_count_with_what_surrounds_them() -> None:
    image = torch.zeros(1, 3, 256, 256)
    ear_tip_differs = image.clone()
    ear_tip_differs[..., 10:20, 60:70] = 1.0
    assert float(in_domain_area(image, ear_tip_differs).min()) > 0.99

    spot_of_a_backdrop_is_alike = image + 1.0
    spot_of_a_backdrop_is_alike[..., 10:20, 60:70] = 0.0
    area = in_domain_area(image, spot_of_a_backdrop_is_alike)[0, 0]
    assert float(area[:30, 50:80].max()) < 0.01
    assert float(area[128, 128]) > 0.99


def test_a_photograph_that_the_generator_can_show_needs_no_free_features(
    generator: Generator, target: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_domain, "MAX_ERROR", 2.0)
    _, inversion_end = run_to_end(StagedInversion(generator, target, settings(steps=9)))
    assert inversion_end.tuning is not None and inversion_end.tuning.blend is None


def test_large_images_that_are_rendered_twice_to_save_memory_are_tuned_alike(
    generator: Generator,
    target: NDArray[np.uint8],
    whole_run: tuple[list[InversionStep], InversionEnd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refinement, "LARGE_ROWS", 32)
    large_steps, large_end = run_to_end(StagedInversion(generator, target, settings()))
    whole_steps, whole_end = whole_run
    assert [step.loss for step in large_steps] == [step.loss for step in whole_steps]
    assert np.array_equal(large_end.image, whole_end.image)


@pytest.mark.parametrize("interrupted_after", [20, 23])
def test_a_resumed_inversion_gives_the_same_numbers(
    generator: Generator,
    target: NDArray[np.uint8],
    whole_run: tuple[list[InversionStep], InversionEnd],
    tmp_path: Path,
    interrupted_after: int,
) -> None:
    whole_steps, whole_end = whole_run
    interrupted = StagedInversion(generator, target, settings())
    make_steps(interrupted, interrupted_after)
    write_state(tmp_path / "state.safetensors", interrupted.state, "fingerprint")
    state = read_inversion_state(tmp_path / "state.safetensors", "fingerprint", CPU)
    assert state is not None
    assert isinstance(state, RefinementState) == (interrupted_after > 20)
    resumed_steps, resumed_end = run_to_end(StagedInversion(generator, target, settings(), state=state))
    assert [step.loss for step in resumed_steps] == [step.loss for step in whole_steps[interrupted_after:]]
    assert np.array_equal(resumed_end.image, whole_end.image)
    assert resumed_end.tuning is not None and whole_end.tuning is not None
    for name, change in whole_end.tuning.weight_changes.items():
        assert torch.equal(resumed_end.tuning.weight_changes[name], change)


@pytest.mark.parametrize(("stopped_after", "is_tuned"), [(12, False), (20, False), (25, True)])
def test_a_stopped_inversion_keeps_what_it_has(
    generator: Generator, target: NDArray[np.uint8], stopped_after: int, is_tuned: bool
) -> None:
    inversion = StagedInversion(generator, target, settings())
    inversion_steps = make_steps(inversion, stopped_after)
    inversion.control.stop()
    *_, inversion_end = inversion_steps
    assert isinstance(inversion_end, InversionEnd)
    assert (inversion_end.reason, inversion_end.step) == ("stopped", stopped_after)
    assert (inversion_end.tuning is not None) == is_tuned


def test_weights_that_are_not_finite_end_the_tuning_with_the_latent_alone(
    generator: Generator, target: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement, "WEIGHT_STEP_SHARE", float("inf"))
    _, inversion_end = run_to_end(StagedInversion(generator, target, settings()))
    assert inversion_end.reason == "diverged"
    assert inversion_end.tuning is None
    assert np.isfinite(inversion_end.loss)


def test_stylegan3_is_tuned_too() -> None:
    generator = random_stylegan3()
    target = np.full((32, 32, 3), 90, dtype=np.uint8)
    target[8:24, 8:24] = 160
    inversion_steps, inversion_end = run_to_end(StagedInversion(generator, target, settings(steps=9)))
    assert inversion_end.tuning is not None and inversion_end.tuning.blend is not None
    assert inversion_end.loss < inversion_steps[6].loss
