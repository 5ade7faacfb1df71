"""Inversions side by side: that each goes its own way, as it would alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from draggan_engine.inversion.inversion import InversionEnd, InversionSettings, InversionStep
from draggan_engine.inversion.inversion_batch import invert_together
from draggan_engine.inversion.latent_search import LatentSearchState
from draggan_engine.inversion.losses import image_tensor, peak_signal_to_noise, rgb_images
from draggan_engine.inversion.staged_inversion import StagedInversion
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import tuned_generator
from tests.support.inversions import make_steps, run_to_end

pytestmark = pytest.mark.usefixtures("few_random_images")

SETTINGS = InversionSettings("w+", 20, shared_rows=4)
SEARCH_TOLERANCE = 0.5
"""How much rounding changes where a search ends, dB: Adam makes a whole step of it where a gradient is nearly zero."""


@pytest.fixture(scope="module")
def targets(generator: Generator) -> list[NDArray[np.uint8]]:
    return [generate_image(generator, latent_of_seed(generator, seed, psi=1.0)) for seed in (5000, 5001, 5002)]


@pytest.fixture(scope="module")
def lone_runs(generator: Generator, targets: list[NDArray[np.uint8]]) -> list[tuple[list[InversionStep], InversionEnd]]:
    return [run_to_end(StagedInversion(generator, target, SETTINGS)) for target in targets]


def test_each_goes_the_way_that_it_goes_alone(
    generator: Generator,
    targets: list[NDArray[np.uint8]],
    lone_runs: list[tuple[list[InversionStep], InversionEnd]],
) -> None:
    steps, ends = run_together([StagedInversion(generator, target, SETTINGS) for target in targets])
    for index, (lone_steps, lone_end) in enumerate(lone_runs):
        assert [(x.step, x.phase) for x in steps[index]] == [(x.step, x.phase) for x in lone_steps]
        assert [x.step for x in steps[index] if x.image is not None] == [10, 20]
        losses, lone_losses = ([x.loss for x in events] for events in (steps[index], lone_steps))
        assert losses[:7] == pytest.approx(lone_losses[:7], rel=1e-4)
        # Where a gradient is nearly zero, Adam makes a whole step of how a processor rounds.
        assert losses == pytest.approx(lone_losses, rel=0.05)
        assert ends[index].reason == "finished"
        assert ends[index].psnr == pytest.approx(lone_end.psnr, abs=SEARCH_TOLERANCE)


def test_the_generator_renders_all_images_in_one_pass(
    generator: Generator, targets: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = invert_together([StagedInversion(generator, target, SETTINGS) for target in targets])
    for _ in range(3 * 4):
        next(events)  # three steps with several starts each, and the first with one
    rendered_counts = []
    synthesize = generator.synthesis.forward

    def count(ws: torch.Tensor, *arguments: object, **options: object) -> object:
        rendered_counts.append(len(ws))
        return synthesize(ws, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(generator.synthesis, "forward", count)
    for _ in range(3):
        next(events)
    assert rendered_counts == [3]


def test_one_that_is_stopped_ends_and_the_others_go_on(
    generator: Generator,
    targets: list[NDArray[np.uint8]],
    lone_runs: list[tuple[list[InversionStep], InversionEnd]],
) -> None:
    inversions = [StagedInversion(generator, target, SETTINGS) for target in targets]
    steps: list[list[int]] = [[], [], []]
    ends = {}
    for index, event in invert_together(inversions):
        if isinstance(event, InversionEnd):
            ends[index] = event
        else:
            steps[index].append(event.step)
            if (index, event.step) == (1, 7):
                inversions[1].control.stop()
    assert [len(x) for x in steps] == [20, 7, 20]
    assert [(ends[i].reason, ends[i].step) for i in range(3)] == [("finished", 20), ("stopped", 7), ("finished", 20)]
    assert ends[2].psnr == pytest.approx(lone_runs[2][1].psnr, abs=SEARCH_TOLERANCE)


def test_one_that_diverges_ends_and_the_others_go_on(generator: Generator, targets: list[NDArray[np.uint8]]) -> None:
    broken = StagedInversion(generator, targets[0], SETTINGS)
    make_steps(broken, 6)
    state = broken.state
    assert isinstance(state, LatentSearchState)
    broken_state = replace(state, coordinates=torch.full_like(state.coordinates, torch.nan))
    broken = StagedInversion(generator, targets[0], SETTINGS, state=broken_state)
    steps, ends = run_together([broken, StagedInversion(generator, targets[1], SETTINGS)])
    assert [len(x) for x in steps] == [0, 20]
    assert [(ends[i].reason, ends[i].step) for i in range(2)] == [("diverged", 6), ("finished", 20)]


def test_one_that_was_interrupted_continues_among_others_that_begin(
    generator: Generator,
    targets: list[NDArray[np.uint8]],
    lone_runs: list[tuple[list[InversionStep], InversionEnd]],
) -> None:
    interrupted = StagedInversion(generator, targets[0], SETTINGS)
    make_steps(interrupted, 8)
    continued = StagedInversion(generator, targets[0], SETTINGS, state=interrupted.state)
    steps, ends = run_together([continued, StagedInversion(generator, targets[1], SETTINGS)])
    assert [len(x) for x in steps] == [12, 20]
    for index in range(2):
        assert ends[index].psnr == pytest.approx(lone_runs[index][1].psnr, abs=SEARCH_TOLERANCE)


def test_each_has_a_tuning_of_its_own(generator: Generator, targets: list[NDArray[np.uint8]]) -> None:
    tuned_settings = replace(SETTINGS, method="hybrid", steps=30)
    steps, ends = run_together([StagedInversion(generator, target, tuned_settings) for target in targets[:2]])
    tunings = [end.tuning for _, end in sorted(ends.items())]
    for index, target in enumerate(targets[:2]):
        assert [x.step for x in steps[index]] == list(range(1, 31))
        ws, own_tuning, other_tuning = ends[index].ws, tunings[index], tunings[1 - index]
        assert own_tuning is not None and other_tuning is not None
        own_psnr = psnr_of(tuned_generator(generator, own_tuning), ws, target)
        assert own_psnr == pytest.approx(ends[index].psnr, abs=0.01)
        assert own_psnr > psnr_of(generator, ws, target)
        assert own_psnr > psnr_of(tuned_generator(generator, other_tuning), ws, target)
    assert ends[0].seconds < ends[1].seconds  # since all began


def psnr_of(generator: Generator, ws: torch.Tensor, target: NDArray[np.uint8]) -> float:
    """Return how near the image of a latent is to a target, in dB."""
    return float(peak_signal_to_noise(rgb_images(generator.synthesis(ws).image), image_tensor(target)))


def run_together(inversions: list[StagedInversion]) -> tuple[list[list[InversionStep]], dict[int, InversionEnd]]:
    """Run inversions side by side; return the steps of each, and its end."""
    steps: list[list[InversionStep]] = [[] for _ in inversions]
    ends = {}
    for index, event in invert_together(inversions):
        if isinstance(event, InversionEnd):
            ends[index] = event
        else:
            steps[index].append(event)
    return steps, ends
