"""The loop of a live drag: it follows its target, rests, continues, and ends when the target is released."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.dragging.drag_loop import DragAtRest, DragEnd, DragLoop, DragStep
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.least_squares_optimizer import SETTLES_AFTER_STEPS
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.patience import PATIENCE
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=4, stop_distance=0.5)
HANDLE = (10.0, 10.0)
Events = Iterator[DragStep | DragAtRest | DragEnd]


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


def live_drag(
    generator: Generator, settings: DragSettings = SETTINGS, others: tuple[tuple[Point, Point], ...] = ()
) -> tuple[DragLoop, Events]:
    """Return a drag whose last pair is live, with its target on its handle, and the events of the drag."""
    pairs = [*others, (HANDLE, HANDLE)]
    session = DragLoop(generator, latent_of_seed(generator, 1, 1.0), pairs, None, settings, live_pair=len(others))
    return session, session.steps()


def steps_until_rest(events: Events) -> list[DragStep]:
    steps: list[DragStep] = []
    while isinstance(event := next(events), DragStep):
        steps.append(event)
    assert isinstance(event, DragAtRest)
    return steps


def latents_after_steps(
    generator: Generator, pairs: list[tuple[Point, Point]], step_targets: list[list[Point]]
) -> list[Tensor]:
    """Return the latents of an optimizer whose targets are set before each step."""
    optimizer = DragganOptimizer(generator, SETTINGS, [DragTask(latent_of_seed(generator, 1, 1.0), pairs, None)])
    latents = []
    for targets in step_targets:
        optimizer.pairs.targets[0] = torch.tensor(targets)
        optimizer.step()
        latents.append(optimizer.ws.clone())
    return latents


def assert_same_latents(steps: list[DragStep], expected_latents: list[Tensor]) -> None:
    assert len(steps) == len(expected_latents)
    assert all(torch.equal(step.ws, expected) for step, expected in zip(steps, expected_latents, strict=True))


def test_a_live_drag_rests_follows_its_target_and_ends_when_it_is_released(generator: Generator) -> None:
    session, events = live_drag(generator)
    assert steps_until_rest(events) == [], "the target has not moved"
    session.control.move_target((25, 10))
    first = steps_until_rest(events)
    assert [step.step for step in first] == [1, 2, 3, 4], "as many as max_steps says"
    session.control.move_target((10, 25))
    second = steps_until_rest(events)
    assert [step.step for step in second] == [5, 6, 7, 8], "counted from the last move"
    step_targets: list[list[Point]] = [[(25.0, 10.0)]] * 4 + [[(10.0, 25.0)]] * 4
    assert_same_latents([*first, *second], latents_after_steps(generator, [(HANDLE, HANDLE)], step_targets))
    session.control.release_target()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step, end.handles) == ("max_steps", 8, second[-1].handles)
    assert session.targets == ((10, 25),)
    assert next(events, None) is None


def test_a_live_drag_follows_a_target_that_moves_during_the_steps(generator: Generator) -> None:
    session, events = live_drag(generator)
    steps_until_rest(events)
    steps = []
    for x in range(12, 22):
        session.control.move_target((x - 0.5, 10))  # overtaken before the next step
        session.control.move_target((x, 10))
        step = next(events)
        assert isinstance(step, DragStep)
        steps.append(step)
        handle = step.handles[0]
        assert step.mean_distance == pytest.approx(((handle[0] - x) ** 2 + (handle[1] - 10) ** 2) ** 0.5, abs=1e-4)
    step_targets: list[list[Point]] = [[(x, 10)] for x in range(12, 22)]
    assert_same_latents(steps, latents_after_steps(generator, [(HANDLE, HANDLE)], step_targets))
    session.control.move_target((21, 10))  # where it is: no move
    assert len(steps_until_rest(events)) == 3


def test_a_live_drag_rests_at_its_target(generator: Generator) -> None:
    session, events = live_drag(generator, SETTINGS.model_copy(update={"stop_distance": 6.0, "max_steps": 100}))
    steps_until_rest(events)
    session.control.move_target((14, 10))
    assert steps_until_rest(events) == [], "within the stopping distance"
    session.control.release_target()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("reached", 0)


def test_a_live_drag_that_is_released_while_it_runs_ends_when_it_comes_to_rest(generator: Generator) -> None:
    session, events = live_drag(generator)
    steps_until_rest(events)
    session.control.move_target((25, 10))
    next(events)
    session.control.release_target()
    *steps, end = events
    assert isinstance(end, DragEnd)
    assert (len(steps), end.reason, end.step) == (3, "max_steps", 4)


def test_a_live_drag_that_is_released_at_once_makes_no_step(generator: Generator) -> None:
    session, events = live_drag(generator)
    session.control.release_target()
    (end,) = events
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("reached", 0)


def test_a_live_drag_rests_when_its_handles_come_no_nearer_and_continues_when_the_target_moves(
    generator: Generator,
) -> None:
    """A pin holds what the hand pulls, so their mean distance cannot decrease."""
    settings = SETTINGS.model_copy(update={"method": "least-squares", "max_steps": 100})
    session, events = live_drag(generator, settings, others=((HANDLE, HANDLE),))
    steps_until_rest(events)
    for target in ((22.0, 10.0), (24.0, 10.0)):
        session.control.move_target(target)
        step_count = len(steps_until_rest(events))
        assert SETTLES_AFTER_STEPS <= step_count < settings.max_steps, "counted from the last move"
    session.control.wake()
    assert isinstance(next(events), DragAtRest), "a drag that is woken does not continue by itself"
    session.control.release_target()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert end.reason == "settled"


def test_the_other_pairs_of_a_live_drag_keep_their_targets(generator: Generator) -> None:
    session, events = live_drag(generator, others=(((20, 20), (26, 26)),))
    steps = steps_until_rest(events)
    assert len(steps) == 4, "they are dragged before the hand has moved"
    session.control.move_target((12, 12))
    steps += steps_until_rest(events)
    step_targets: list[list[Point]] = [[(26.0, 26.0), (10.0, 10.0)]] * 4 + [[(26.0, 26.0), (12.0, 12.0)]] * 4
    pairs = [((20.0, 20.0), (26.0, 26.0)), (HANDLE, HANDLE)]
    assert_same_latents(steps, latents_after_steps(generator, pairs, step_targets))


def test_a_drag_that_is_not_live_ignores_moves_of_a_target(generator: Generator) -> None:
    pairs = [(HANDLE, (25.0, 10.0))]
    session = DragLoop(generator, latent_of_seed(generator, 1, 1.0), pairs, None, SETTINGS)
    session.control.move_target((1, 1))
    *steps, end = session.steps()
    assert isinstance(end, DragEnd)
    assert_same_latents(
        [step for step in steps if isinstance(step, DragStep)], latents_after_steps(generator, pairs, [[(25, 10)]] * 4)
    )


def drain_in_thread(events: Events) -> tuple[threading.Thread, queue.Queue[object]]:
    drained: queue.Queue[object] = queue.Queue()

    def drain() -> None:
        for event in events:
            drained.put(event)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    return thread, drained


def test_another_thread_moves_wakes_and_stops_a_resting_drag(generator: Generator) -> None:
    session, events = live_drag(generator)
    thread, drained = drain_in_thread(events)
    assert isinstance(drained.get(timeout=PATIENCE), DragAtRest)
    with pytest.raises(queue.Empty):
        drained.get(timeout=0.7)  # a resting drag sends nothing
    session.control.wake()
    assert isinstance(drained.get(timeout=PATIENCE), DragAtRest)
    session.control.move_target((25, 10))
    for _ in range(4):
        assert isinstance(drained.get(timeout=PATIENCE), DragStep)
    assert isinstance(drained.get(timeout=PATIENCE), DragAtRest)
    session.control.stop()
    end = drained.get(timeout=PATIENCE)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("max_steps", 4), "it had come to rest by itself"
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()


def test_a_live_drag_is_stopped_while_it_runs(generator: Generator) -> None:
    session, events = live_drag(generator)
    steps_until_rest(events)
    session.control.move_target((25, 10))
    next(events)
    session.control.stop()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("stopped", 1)
