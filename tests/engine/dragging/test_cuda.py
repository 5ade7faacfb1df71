"""Drags and images on a CUDA device; without one, these tests are deselected."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragMethod, DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.dragging.drag_loop import DragAtRest, DragEnd, DragLoop, DragStep
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.optimizer import make_optimizer
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator, random_stylegan3

pytestmark = pytest.mark.cuda
CUDA = "cuda"
METHODS: tuple[DragMethod, ...] = ("least-squares", "draggan", "freedrag")
SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, stop_distance=0.5)
PAIRS = [((10.0, 10.0), (16.0, 14.0)), ((22.0, 20.0), (22.0, 17.0))]
UPPER_HALF = np.concatenate([np.ones((16, 32), np.uint8), np.zeros((16, 32), np.uint8)])


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("critters-128", CUDA)


def nose_drag(model: Model, seed: int, settings: DragSettings, shift: float = 10) -> tuple[DragLoop, list[DragStep]]:
    x, y = map(float, landmarks_of_seed(seed, 128)["nose_tip"])
    drag = DragLoop(
        model.generator, latent_of_seed(model.generator, seed, 1.0), [((x, y), (x + shift, y))], None, settings
    )
    return drag, [event for event in drag.steps() if isinstance(event, DragStep)]


@pytest.mark.parametrize("make_generator", [random_generator, random_stylegan3])
def test_images_are_those_of_the_processor(make_generator: type[Generator]) -> None:
    images, generator = [], make_generator()
    for device in ("cpu", CUDA):
        generator.to(device)
        images.append(generate_image(generator, latent_of_seed(generator, 3, 0.7)).astype(int))
    assert np.abs(images[0] - images[1]).max() <= 2


@pytest.mark.parametrize("mask", [None, UPPER_HALF], ids=["no mask", "mask"])
@pytest.mark.parametrize("method", METHODS)
def test_steps_are_those_of_the_processor(method: DragMethod, mask: np.ndarray | None) -> None:
    settings = SETTINGS.model_copy(update={"method": method})
    losses, latents, handles = [], [], []
    for device in ("cpu", CUDA):
        generator = random_generator().to(device)
        optimizer = make_optimizer(generator, settings, [DragTask(latent_of_seed(generator, 1, 1.0), PAIRS, mask)])
        loss, is_finite = optimizer.step()
        assert bool(is_finite)
        losses.append(float(loss))
        latents.append(optimizer.ws.cpu())
        handles.append(optimizer.pairs.handles.cpu())
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert torch.allclose(latents[0], latents[1], atol=0.02)
    assert (handles[0] - handles[1]).norm(dim=2).max() <= 1


def test_a_recorded_step_is_the_step() -> None:
    generator = random_generator().to(CUDA)
    task = DragTask(latent_of_seed(generator, 1, 1.0), PAIRS, UPPER_HALF)
    recorded, plain = (
        DragganOptimizer(generator, SETTINGS.model_copy(update={"method": "draggan"}), [task]) for _ in range(2)
    )
    plain.records_steps = False
    for _ in range(12):
        recorded.step()
        plain.step()
    assert torch.allclose(recorded.ws, plain.ws, atol=0.02)
    assert (recorded.pairs.handles - plain.pairs.handles).norm(dim=2).max() <= 1
    images = [optimizer.source.image_renderer()(32) for optimizer in (recorded, plain)]
    assert (images[0] - images[1]).abs().max() < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_noses_arrive(model: Model, method: DragMethod) -> None:
    settings = model.info.settings.model_copy(update={"method": method})
    arrivals = 0
    for seed in range(4):
        drag, steps = nose_drag(model, seed, settings)
        assert drag.notice is None
        arrivals += steps[-1].mean_distance <= 1
    assert arrivals >= 2


def test_a_drag_in_bfloat16_arrives(model: Model) -> None:
    settings = model.info.settings.model_copy(update={"method": "draggan", "precision": "bfloat16"})
    drag, steps = nose_drag(model, 1, settings)
    assert drag.settings.precision == "bfloat16" and steps[-1].mean_distance <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_live_drag_follows_its_target_and_ends(model: Model, method: DragMethod) -> None:
    x, y = map(float, landmarks_of_seed(2, 128)["nose_tip"])
    settings = model.info.settings.model_copy(update={"method": method})
    drag = DragLoop(
        model.generator, latent_of_seed(model.generator, 2, 1.0), [((x, y), (x, y))], None, settings, live_pair=0
    )
    events = drag.steps()
    assert isinstance(next(events), DragAtRest)
    path: list[Point] = [(x + 3, y), (x + 6, y - 2), (x + 9, y - 2)]
    for target in path:
        drag.control.move_target(target)
        while isinstance(event := next(events), DragStep):
            pass
        assert isinstance(event, DragAtRest)
    drag.control.release_target()
    *_, end = events
    assert isinstance(end, DragEnd)
    assert np.hypot(end.handles[0][0] - path[-1][0], end.handles[0][1] - path[-1][1]) < 3


@pytest.mark.parametrize("method", METHODS)
def test_the_image_of_a_step_shows_the_latent_of_that_step(model: Model, method: DragMethod) -> None:
    x, y = map(float, landmarks_of_seed(1, 128)["nose_tip"])
    settings = model.info.settings.model_copy(update={"method": method, "max_steps": 9})
    start_ws = latent_of_seed(model.generator, 1, 1.0)
    drag = DragLoop(model.generator, start_ws, [((x, y), (x + 30, y))], None, settings)
    for event in drag.steps():
        if isinstance(event, DragStep):
            difference = drag.image_renderer(128)().astype(int) - generate_image(model.generator, event.ws)
            assert np.abs(difference).mean() < 1
