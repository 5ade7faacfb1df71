"""The promises of a drag: how it moves, why it ends, and what its events contain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.edit import DragMethod, DragSettings
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop, DragStep
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.freedrag_optimizer import FreeDragOptimizer
from draggan_engine.dragging.least_squares_optimizer import LeastSquaresOptimizer
from draggan_engine.dragging.optimizer import make_optimizer
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=8)
LEAST_SQUARES = SETTINGS.model_copy(update={"method": "least-squares", "max_steps": 80})
FAR_PAIR = ((10.0, 10.0), (25.0, 25.0))
CONTRADICTION = (((10.0, 10.0), (16.0, 10.0)), ((10.0, 10.0), (4.0, 10.0)))
"""Wherever these handles go together, their mean distance from the targets is no less than at the start."""


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


def start_drag(
    generator: Generator,
    settings: DragSettings = SETTINGS,
    pairs: tuple[tuple[Point, Point], ...] = (((10, 10), (16, 14)),),
    mask: NDArray[np.uint8] | None = None,
    live_pair: int | None = None,
) -> DragLoop:
    return DragLoop(generator, latent_of_seed(generator, 1, 1.0), pairs, mask, settings, live_pair)


class FinishedDrag(NamedTuple):
    start_ws: Tensor
    steps: list[DragStep]
    end: DragEnd


def finish(drag: DragLoop) -> FinishedDrag:
    *steps, end = drag.steps()
    assert isinstance(end, DragEnd)
    return FinishedDrag(drag.start_ws, [step for step in steps if isinstance(step, DragStep)], end)


def test_a_drag_moves_only_the_first_rows_of_the_latent(generator: Generator) -> None:
    start_ws, steps, end = finish(start_drag(generator))
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert end.step == len(steps)
    assert not torch.equal(end.ws[:, :6], start_ws[:, :6])
    assert torch.equal(end.ws[:, 6:], start_ws[:, 6:])
    assert torch.equal(end.ws, steps[-1].ws)


def test_in_w_all_optimized_rows_move_alike(generator: Generator) -> None:
    start_ws, _, end = finish(start_drag(generator, SETTINGS.model_copy(update={"space": "w"})))
    movement = (end.ws - start_ws)[0, :6]
    assert movement.abs().max() > 0
    assert torch.allclose(movement, movement[:1].expand(6, -1), atol=1e-6)


def test_a_drag_repeats_exactly(generator: Generator) -> None:
    first, second = (finish(start_drag(generator)).end for _ in range(2))
    assert torch.equal(first.ws, second.ws)
    assert first.handles == second.handles


def test_a_drag_ends_when_its_handle_has_arrived(generator: Generator) -> None:
    assert finish(start_drag(generator, pairs=(((10, 10), (10.5, 10)),))).end.reason == "reached"


def test_a_drag_ends_after_the_most_steps_that_its_settings_allow(generator: Generator) -> None:
    end = finish(start_drag(generator, SETTINGS.model_copy(update={"max_steps": 1}), (FAR_PAIR,))).end
    assert (end.reason, end.step) == ("max_steps", 1)


@pytest.mark.parametrize(
    ("method", "optimizer_type"),
    [("draggan", DragganOptimizer), ("freedrag", FreeDragOptimizer), ("least-squares", LeastSquaresOptimizer)],
)
def test_the_settings_choose_the_method(generator: Generator, method: DragMethod, optimizer_type: type) -> None:
    task = DragTask(latent_of_seed(generator, 1, 1.0), [FAR_PAIR])
    settings = SETTINGS.model_copy(update={"method": method})
    assert type(make_optimizer(generator, settings, [task])) is optimizer_type


def test_least_squares_needs_few_steps(generator: Generator) -> None:
    pairs = (((10, 10), (20, 10)),)
    _, steps, end = finish(start_drag(generator, LEAST_SQUARES, pairs))
    assert end.reason == "reached"
    assert len(steps) < len(finish(start_drag(generator, SETTINGS.model_copy(update={"max_steps": 80}), pairs)).steps)


def test_least_squares_ends_when_the_handles_come_no_nearer(generator: Generator) -> None:
    end = finish(start_drag(generator, LEAST_SQUARES, CONTRADICTION)).end
    assert end.reason == "settled"
    assert end.step < LEAST_SQUARES.max_steps


def test_the_papers_method_goes_on_to_the_step_limit(generator: Generator) -> None:
    settings = SETTINGS.model_copy(update={"max_steps": 60})
    end = finish(start_drag(generator, settings, CONTRADICTION)).end
    assert (end.reason, end.step) == ("max_steps", 60)


def test_the_steps_after_least_squares_has_failed_say_so(generator: Generator) -> None:
    _, steps, _ = finish(start_drag(generator, LEAST_SQUARES, CONTRADICTION))
    fallbacks = [step.is_fallback for step in steps]
    assert not fallbacks[0] and fallbacks[-1]
    assert fallbacks == sorted(fallbacks), "the paper's method continues to the end"


def test_a_drag_can_be_stopped_between_two_steps(generator: Generator) -> None:
    drag = start_drag(generator, pairs=(FAR_PAIR,))
    events = drag.steps()
    next(events)
    drag.control.stop()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("stopped", 1)


def test_a_drag_that_diverges_ends_with_its_last_finite_latent(generator: Generator) -> None:
    drag = start_drag(generator, pairs=(FAR_PAIR,), live_pair=0)
    events = drag.steps()
    first_step = next(events)
    drag.control.move_target((float("nan"), float("nan")))
    end = next(events)
    assert isinstance(first_step, DragStep)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step, end.handles) == ("diverged", 1, first_step.handles)
    assert torch.equal(end.ws, first_step.ws)
    assert torch.isfinite(end.ws).all()


def test_a_mask_keeps_the_rest_of_the_image_from_changing(generator: Generator) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:20] = 1

    def change_outside(drag_mask: NDArray[np.uint8] | None) -> float:
        settings = SETTINGS.model_copy(update={"max_steps": 30, "mask_weight": 100.0})
        start_ws, _, end = finish(start_drag(generator, settings, (((10, 10), (25, 10)),), drag_mask))
        with torch.no_grad():
            difference = generator.synthesis(end.ws).image - generator.synthesis(start_ws).image
        return float(difference.abs().mean(dim=1)[0][torch.from_numpy(mask) == 0].mean())

    assert change_outside(mask) < 0.7 * change_outside(None)


def test_a_step_needs_one_forward_pass(generator: Generator) -> None:
    calls = {"first layer": 0, "whole network": 0}

    def count(name: str) -> None:
        calls[name] += 1

    synthesis = generator.synthesis
    hooks = [
        synthesis.get_submodule("b4.conv1").register_forward_pre_hook(lambda *_: count("first layer")),
        synthesis.register_forward_pre_hook(lambda *_: count("whole network")),
    ]
    _, steps, _ = finish(start_drag(generator))
    for hook in hooks:
        hook.remove()
    assert calls == {"first layer": len(steps) + 1, "whole network": 0}


@pytest.mark.parametrize("block", ["b4", "b8", "b16", "b32"])
def test_at_each_step_the_rendered_image_is_that_of_the_latent(generator: Generator, block: str) -> None:
    drag = start_drag(generator, SETTINGS.model_copy(update={"feature_block": block, "max_steps": 2}))
    for event in drag.steps():
        assert isinstance(event, DragStep | DragEnd)
        for height in (16, 32):
            rendered = drag.image_renderer(height)().astype(int)
            assert abs(rendered - generate_image(generator, event.ws, height)).max() <= 1  # rounding


def test_a_feature_block_that_the_model_does_not_have_is_refused(generator: Generator) -> None:
    with pytest.raises(EditError, match="b4, b8, b16, b32"):
        start_drag(generator, SETTINGS.model_copy(update={"feature_block": "b64"}))


def test_a_drag_without_pairs_is_refused(generator: Generator) -> None:
    with pytest.raises(EditError, match="nothing to drag"):
        start_drag(generator, pairs=())


def test_a_mask_of_another_size_is_refused(generator: Generator) -> None:
    with pytest.raises(EditError, match="16×16"):
        start_drag(generator, mask=np.ones((16, 16), np.uint8))
