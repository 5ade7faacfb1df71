"""A recorded step does what the step does; where none can be recorded, or it differs, steps run one by one."""

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
from draggan_engine.dragging import draggan_optimizer as optimizer_module
from draggan_engine.dragging.cuda_graph import on_side_stream, record_step
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import RECORD_AFTER_STEPS, DragganOptimizer
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, ExactMaskLoss
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=8)
MASK = np.zeros((32, 32), np.uint8)
MASK[8:24, 8:24] = 1


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


def two_tasks(generator: Generator, mask: np.ndarray | None = None) -> list[DragTask]:
    return [
        DragTask(latent_of_seed(generator, 1, 1.0), [((10, 10), (16, 14)), ((20, 12), (18, 20))], mask),
        DragTask(latent_of_seed(generator, 2, 1.0), [((15, 9), (9, 16))], mask),
    ]


def make_step_in_place(optimizer: DragganOptimizer) -> DragganOptimizer:
    """Make the optimizer step as on CUDA, except that the step is called instead of replayed."""
    optimizer.uses_whole_maps = True
    loss = torch.zeros(len(optimizer.ws))
    is_finite = torch.zeros(len(optimizer.ws), dtype=torch.bool)
    optimizer._recorded_step = optimizer_module._RecordedStep(
        lambda: optimizer.step_in_place(loss, is_finite), loss, is_finite
    )
    return optimizer


def assert_same_handles(optimizer: DragganOptimizer, expected: DragganOptimizer) -> None:
    exists = optimizer.pairs.exists
    assert torch.equal(optimizer.pairs.handles[exists], expected.pairs.handles[exists])


@pytest.mark.parametrize("space", ["w", "w+"])
@pytest.mark.parametrize("mask", [None, MASK])
def test_a_step_in_place_does_what_a_step_does(generator: Generator, space: str, mask: np.ndarray | None) -> None:
    settings = SETTINGS.model_copy(update={"space": space})
    in_place, expected = (DragganOptimizer(generator, settings, two_tasks(generator, mask)) for _ in range(2))
    make_step_in_place(in_place)

    def addresses() -> list[int]:
        return [t.data_ptr() for o in (in_place, expected) for t in (o.ws, o.pairs.handles)]

    addresses_before = addresses()
    for _ in range(6):
        (loss, is_finite), (expected_loss, _) = in_place.step(), expected.step()
        assert bool(is_finite.all())
        assert torch.allclose(loss, expected_loss, rtol=1e-4)
        assert_same_handles(in_place, expected)
        assert torch.allclose(in_place.ws, expected.ws, atol=1e-4)
        image = in_place.source.image_renderer()(32)
        assert torch.allclose(image, generator.synthesis(in_place.ws).image, atol=1e-3)
    assert addresses() == addresses_before


def test_a_diverged_drag_keeps_its_state_and_the_other_continues(generator: Generator) -> None:
    optimizer = make_step_in_place(DragganOptimizer(generator, SETTINGS, two_tasks(generator)))
    optimizer.step()
    ws_before, handles_before = optimizer.ws.clone(), optimizer.pairs.handles.clone()
    optimizer.pairs.targets[1] = torch.nan
    _, is_finite = optimizer.step()
    assert is_finite.tolist() == [True, False]
    assert torch.equal(optimizer.ws[1], ws_before[1])
    assert torch.equal(optimizer.pairs.handles[1], handles_before[1])
    assert not torch.equal(optimizer.ws[0], ws_before[0])


def return_step(step: Callable[[], None], state: Sequence[Tensor]) -> Callable[[], None]:  # noqa: ARG001
    """Stand in for `record_step`: the step itself is its own recording."""
    return step


def test_a_step_is_recorded_after_some_steps_and_again_with_fewer_drags(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Mock(side_effect=return_step)
    monkeypatch.setattr(optimizer_module, "record_step", record)
    recorded, expected = (DragganOptimizer(generator, SETTINGS, two_tasks(generator)) for _ in range(2))
    assert not recorded.records_steps
    recorded.records_steps = recorded.uses_whole_maps = True
    for step in range(RECORD_AFTER_STEPS + 3):
        recorded.step()
        expected.step()
        assert record.call_count == (step >= RECORD_AFTER_STEPS)
    assert_same_handles(recorded, expected)
    assert torch.allclose(recorded.ws, expected.ws, atol=2e-3)
    for optimizer in (recorded, expected):
        optimizer.select(torch.tensor([True, False]))
    for _ in range(RECORD_AFTER_STEPS + 1):
        recorded.step()
        expected.step()
    assert record.call_count == 2
    assert torch.allclose(recorded.ws, expected.ws, atol=5e-3)


def test_where_no_step_can_be_recorded_the_drag_continues(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Mock(return_value=None)
    monkeypatch.setattr(optimizer_module, "record_step", record)
    unrecorded, expected = (DragganOptimizer(generator, SETTINGS, two_tasks(generator)) for _ in range(2))
    unrecorded.records_steps = True
    for _ in range(RECORD_AFTER_STEPS + 3):
        unrecorded.step()
        expected.step()
    record.assert_called_once()
    assert torch.equal(unrecorded.ws, expected.ws)


def test_no_autograd_graph_of_the_offset_is_alive_while_a_step_is_recorded(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a graph would belong to another stream and end the recording."""
    optimizer = DragganOptimizer(generator, SETTINGS, two_tasks(generator))
    optimizer.step()

    def record(step: Callable[[], None], state: Sequence[Tensor]) -> None:  # noqa: ARG001
        assert optimizer.features.pixels.grad_fn is None

    monkeypatch.setattr(optimizer_module, "record_step", record)
    assert optimizer._record() is None
    assert optimizer.features.pixels.grad_fn is not None


def test_only_the_papers_tracker_and_the_averaged_mask_loss_are_recorded(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer_module, "record_step", return_step)
    optimizer = DragganOptimizer(generator, SETTINGS, two_tasks(generator))
    assert optimizer._record() is not None
    optimizer.tracker = Mock(search_radius=1.0)
    assert optimizer._record() is None
    for mask_loss_type, is_recorded in ((AveragedMaskLoss, True), (ExactMaskLoss, False)):
        tasks = two_tasks(generator, MASK)
        masked = DragganOptimizer(generator, SETTINGS, tasks, mask_loss_type=mask_loss_type)
        assert (masked._record() is not None) == is_recorded


# Recording, on a simulated CUDA ---------------------------------------------------------------------------


class SimulatedCuda:
    """Records a step by remembering it.

    Args:
        replays_wrongly: a replay changes the state differently from the step.
        refuses_to_record: recording raises an error.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, replays_wrongly: bool = False, refuses_to_record: bool = False
    ) -> None:
        self.value, self.result = torch.zeros(3), torch.zeros(3)  # together they are the state
        self.replays_wrongly, self.refuses_to_record = replays_wrongly, refuses_to_record
        monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "Stream", Mock())
        monkeypatch.setattr(torch.cuda, "current_stream", Mock())
        monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Mock(replay=self.replay))
        monkeypatch.setattr(torch.cuda, "graph", self.capture)

    def step(self) -> None:
        self.value += 1
        self.result.copy_(self.value * 2)

    def replay(self) -> None:
        self.step()
        self.result += 5 * self.replays_wrongly  # only one half of the state is wrong

    @contextlib.contextmanager
    def capture(self, _graph: object, *, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local", "another thread may render meanwhile"
        if self.refuses_to_record:
            raise RuntimeError("operation not permitted when stream is capturing")
        yield

    def record(self) -> Callable[[], None] | None:
        return record_step(self.step, [self.value, self.result])


def test_a_recording_leaves_the_state_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimulatedCuda(monkeypatch)
    cuda.value += 7
    replay = cuda.record()
    assert replay is not None
    assert cuda.value.tolist() == [7, 7, 7]
    replay()
    assert cuda.result.tolist() == [16, 16, 16]


@pytest.mark.parametrize("refuses_to_record", [False, True])
def test_a_recording_that_fails_or_differs_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refuses_to_record: bool
) -> None:
    cuda = SimulatedCuda(monkeypatch, replays_wrongly=not refuses_to_record, refuses_to_record=refuses_to_record)
    assert cuda.record() is None
    assert cuda.value.tolist() == cuda.result.tolist() == [0, 0, 0]
    assert "launched one by one" in caplog.text
    assert (": operation not permitted" in caplog.text) == refuses_to_record


def test_on_a_side_stream_work_waits_only_for_what_was_launched_before(monkeypatch: pytest.MonkeyPatch) -> None:
    actions: list[str] = []

    @contextlib.contextmanager
    def use(stream_name: str) -> Iterator[None]:
        actions.append(f"enter {stream_name}")
        yield
        actions.append(f"leave {stream_name}")

    event = Mock(record=lambda stream: actions.append(f"record on {stream}"))
    side_stream = Mock(wait_event=lambda waited: actions.append("wait") if waited is event else None)
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _, priority: side_stream if priority < 0 else None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    monkeypatch.setattr(
        torch.cuda, "stream", lambda stream: use("the side stream" if stream is side_stream else "another stream")
    )
    cuda_graph.side_stream.cache_clear()
    work = on_side_stream(torch.device("cuda:1"), lambda: actions.append("work"))
    assert actions == ["record on the stream of cuda:1"]
    work()
    assert actions[1:] == ["wait", "enter the side stream", "work", "leave the side stream"]
    cuda_graph.side_stream.cache_clear()


def test_on_a_cpu_the_work_stays_as_it_is() -> None:
    def work() -> None: ...

    assert on_side_stream(torch.device("cpu"), work) is work
