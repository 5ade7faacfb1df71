"""A recorded step is the step; where there is no recording, or another result, steps are launched one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.dragging import cuda_graph
from draggan_engine.dragging import optimizer as stepping
from draggan_engine.dragging.cuda_graph import on_side_stream, record_step
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, ExactMaskLoss
from draggan_engine.dragging.optimizer import RECORD_AFTER_STEPS, DragOptimizer
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=8)
MASK = np.zeros((32, 32), np.uint8)
MASK[8:24, 8:24] = 1


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


def starts(generator: Generator, mask: np.ndarray | None = None) -> list[DragTask]:
    return [
        DragTask(latent_of_seed(generator, 1, 1.0), [((10, 10), (16, 14)), ((20, 12), (18, 20))], mask),
        DragTask(latent_of_seed(generator, 2, 1.0), [((15, 9), (9, 16))], mask),
    ]


def replaying(stepper: DragOptimizer) -> DragOptimizer:
    """As on CUDA, but for the recording."""
    stepper.uses_whole_maps = True
    loss = torch.zeros(len(stepper.ws))
    finite = torch.zeros(len(stepper.ws), dtype=torch.bool)
    stepper._recorded_step = stepping._RecordedStep(lambda: stepper.step_in_place(loss, finite), loss, finite)
    return stepper


@pytest.mark.parametrize("space", ["w", "w+"])
@pytest.mark.parametrize("mask", [None, MASK])
def test_a_step_in_place_is_the_step(generator: Generator, space: str, mask: np.ndarray | None) -> None:
    settings = SETTINGS.model_copy(update={"space": space})
    ours, theirs = (DragOptimizer(generator, settings, starts(generator, mask)) for _ in range(2))
    replaying(ours)
    places = [(stepper.ws.data_ptr(), stepper.pairs.handles.data_ptr()) for stepper in (ours, theirs)]
    for _ in range(6):
        (loss, finite), (expected, _) = ours.step(), theirs.step()
        assert bool(finite.all())
        assert torch.allclose(loss, expected, rtol=1e-4)
        assert torch.equal(ours.pairs.handles[ours.pairs.exists], theirs.pairs.handles[theirs.pairs.exists])
        assert torch.allclose(ours.ws, theirs.ws, atol=1e-4)
        assert torch.allclose(ours.source.image_renderer()(32), generator.synthesis(ours.ws).image, atol=1e-3)
    assert places == [(stepper.ws.data_ptr(), stepper.pairs.handles.data_ptr()) for stepper in (ours, theirs)]


def test_a_diverged_drag_keeps_what_it_had_and_the_other_goes_on(generator: Generator) -> None:
    stepper = replaying(DragOptimizer(generator, SETTINGS, starts(generator)))
    stepper.step()
    before, handles = stepper.ws.clone(), stepper.pairs.handles.clone()
    stepper.pairs.targets[1] = torch.nan
    _, finite = stepper.step()
    assert finite.tolist() == [True, False]
    assert torch.equal(stepper.ws[1], before[1]) and torch.equal(stepper.pairs.handles[1], handles[1])
    assert not torch.equal(stepper.ws[0], before[0])


def same(step: Callable[[], None], state: Sequence[Tensor]) -> Callable[[], None]:  # noqa: ARG001
    """As `recorded`, but for the recording."""
    return step


def test_after_some_steps_it_is_recorded_and_with_fewer_drags_again(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Mock(side_effect=same)
    monkeypatch.setattr(stepping, "record_step", record)
    ours, theirs = (DragOptimizer(generator, SETTINGS, starts(generator)) for _ in range(2))
    assert not ours.records_steps
    ours.records_steps = ours.uses_whole_maps = True
    for step in range(RECORD_AFTER_STEPS + 3):
        ours.step()
        theirs.step()
        assert record.call_count == (step >= RECORD_AFTER_STEPS)
    assert torch.equal(ours.pairs.handles[ours.pairs.exists], theirs.pairs.handles[theirs.pairs.exists])
    assert torch.allclose(ours.ws, theirs.ws, atol=2e-3)
    for stepper in (ours, theirs):
        stepper.select(torch.tensor([True, False]))
    for _ in range(RECORD_AFTER_STEPS + 1):
        ours.step()
        theirs.step()
    assert record.call_count == 2
    assert torch.allclose(ours.ws, theirs.ws, atol=5e-3)


def test_where_it_cannot_be_recorded_steps_go_on(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Mock(return_value=None)
    monkeypatch.setattr(stepping, "record_step", record)
    ours, theirs = (DragOptimizer(generator, SETTINGS, starts(generator)) for _ in range(2))
    ours.records_steps = True
    for _ in range(RECORD_AFTER_STEPS + 3):
        ours.step()
        theirs.step()
    record.assert_called_once()
    assert torch.equal(ours.ws, theirs.ws)


def test_no_graph_of_the_offset_is_alive_when_a_step_is_recorded(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be of another stream, and end the recording."""
    stepper = DragOptimizer(generator, SETTINGS, starts(generator))
    stepper.step()

    def record(step: Callable[[], None], state: Sequence[Tensor]) -> None:  # noqa: ARG001
        assert stepper.features.pixels.grad_fn is None

    monkeypatch.setattr(stepping, "record_step", record)
    assert stepper._record() is None
    assert stepper.features.pixels.grad_fn is not None


def test_what_no_graph_can_hold_is_not_recorded(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "record_step", same)
    stepper = DragOptimizer(generator, SETTINGS, starts(generator))
    assert stepper._record() is not None
    stepper.tracker = Mock(reach=1.0)
    assert stepper._record() is None
    assert (
        DragOptimizer(generator, SETTINGS, starts(generator, MASK), mask_loss_type=AveragedMaskLoss)._record()
        is not None
    )
    assert DragOptimizer(generator, SETTINGS, starts(generator, MASK), mask_loss_type=ExactMaskLoss)._record() is None


# The recording, with a CUDA that only pretends ------------------------------------------------------------


class Cuda:
    """Records by remembering the function; `wrong` changes what a replay does, `failing` refuses to record."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, wrong: bool = False, failing: bool = False) -> None:
        self.value, self.result = torch.zeros(3), torch.zeros(3)  # both are the state
        self.wrong, self.failing, self.calls = wrong, failing, 0
        monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "Stream", Mock())
        monkeypatch.setattr(torch.cuda, "current_stream", Mock())
        monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Mock(replay=self.replay))
        monkeypatch.setattr(torch.cuda, "graph", self.capture)

    def step(self) -> None:
        self.calls += 1
        self.value += 1
        self.result.copy_(self.value * 2)

    def replay(self) -> None:
        self.step()
        self.result += 5 * self.wrong  # half of the state alone

    @contextlib.contextmanager
    def capture(self, _graph: object, *, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local", "another thread may draw"
        if self.failing:
            raise RuntimeError("operation not permitted when stream is capturing")
        yield

    def record(self) -> Callable[[], None] | None:
        return record_step(self.step, [self.value, self.result])


def test_a_recording_starts_from_the_state_that_was(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    cuda.value += 7
    replay = cuda.record()
    assert replay is not None
    assert cuda.value.tolist() == [7, 7, 7]
    replay()
    assert cuda.result.tolist() == [16, 16, 16]


@pytest.mark.parametrize("how", ["wrong", "failing"])
def test_no_recording(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str) -> None:
    cuda = Cuda(monkeypatch, wrong=how == "wrong", failing=how == "failing")
    assert cuda.record() is None
    assert cuda.value.tolist() == cuda.result.tolist() == [0, 0, 0]
    assert "kernel by kernel" in caplog.text
    assert (": operation not permitted" in caplog.text) == (how == "failing")


def test_on_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it waits for is what had been launched when it was asked for."""
    said: list[str] = []

    @contextlib.contextmanager
    def using(what: str) -> Iterator[None]:
        said.append(what)
        yield
        said.append(f"not {what}")

    event = Mock(record=lambda stream: said.append(f"recorded on {stream}"))
    side = Mock(wait_event=lambda waited: said.append("waits") if waited is event else None)
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _, priority: side if priority < 0 else None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"that of {device}")
    cuda_graph._side.cache_clear()
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: using("the side" if stream is side else "another"))
    work = on_side_stream(torch.device("cuda:1"), lambda: said.append("works"))
    assert said == ["recorded on that of cuda:1"]
    work()
    assert said[1:] == ["waits", "the side", "works", "not the side"]
    cuda_graph._side.cache_clear()


def test_on_a_cpu_it_is_the_work_itself() -> None:
    def work() -> None: ...

    assert on_side_stream(torch.device("cpu"), work) is work
