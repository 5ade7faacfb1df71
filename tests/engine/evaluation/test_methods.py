"""The methods that are compared: what each of them tracks, and when it ends."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.optimizer import DragOptimizer
from draggan_engine.evaluation import methods
from draggan_engine.evaluation.baselines import optical_flow as flows
from draggan_engine.evaluation.methods import METHODS, Drag, run_drags, select_methods
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=6)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def starts(generator: Generator) -> list[DragTask]:
    pairs = [[((10, 10), (16, 14))], [((5, 5), (5.5, 5))], [((20, 20), (12, 9)), ((9, 20), (9, 26))]]
    return [DragTask(latent_of_seed(generator, seed, 1.0), pair) for seed, pair in enumerate(pairs)]


def test_the_drag_is_the_products(generator: Generator, starts: list[DragTask]) -> None:
    results = METHODS["drag"](generator, starts, SETTINGS, None)
    for start, result in zip(starts, results, strict=True):
        *_, end = DragLoop(generator, start.ws, start.pairs, None, SETTINGS).steps()
        assert isinstance(end, DragEnd)
        assert (result.steps, result.reached) == (end.step, end.reason == "reached")
        assert torch.allclose(result.ws, end.ws, atol=2e-3)
        assert np.allclose(result.handles, end.handles, atol=1e-3)
    assert results[1].steps == 0 and results[1].reached  # it was there


def test_no_edit_is_none(generator: Generator, starts: list[DragTask]) -> None:
    for start, result in zip(starts, METHODS["no edit"](generator, starts, SETTINGS, None), strict=True):
        assert torch.equal(result.ws, start.ws) and (result.steps, result.reached) == (0, None)


def test_without_tracking_the_handles_stay_and_nothing_ends_it(generator: Generator, starts: list[DragTask]) -> None:
    for start, result in zip(starts, METHODS["no tracking"](generator, starts, SETTINGS, None), strict=True):
        assert result.handles.tolist() == [list(handle) for handle, _ in start.pairs]
        assert (result.steps, result.reached) == (6, None)


def test_a_drag_that_has_settled_ends(
    generator: Generator, starts: list[DragTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "SETTLED_STEPS", 4)
    stepper = DragOptimizer(generator, SETTINGS.model_copy(update={"max_steps": 50}), starts[:1])
    stepper.tracker = methods.Untracked()
    (result,) = run_drags(stepper)
    assert (result.steps, result.reached) == (4, False)


def test_one_that_diverges_ends_alone(
    generator: Generator, starts: list[DragTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = DragOptimizer.step

    def broken(self: DragOptimizer) -> tuple[Tensor, Tensor]:
        loss, finite = step(self)
        return loss, finite & (torch.arange(len(finite)) > 0) if len(finite) == 2 else finite

    monkeypatch.setattr(DragOptimizer, "step", broken)
    first, second = METHODS["drag"](generator, [starts[0], starts[2]], SETTINGS, None)
    assert (first.steps, first.reached) == (1, False)
    assert second.steps == 6


def test_the_watch_sees_every_step_of_those_that_go_on(generator: Generator, starts: list[DragTask]) -> None:
    seen: list[tuple[int, list[int]]] = []

    def watch(step: int, alive: Tensor, ws: Tensor, handles: Tensor) -> None:
        assert len(alive) == len(ws) == len(handles)
        seen.append((step, alive.tolist()))

    METHODS["drag"](generator, starts, SETTINGS, watch)
    assert [step for step, _ in seen] == list(range(7))
    assert seen[0][1] == [0, 1, 2] and seen[1][1] == [0, 2]


def test_tracking_on_the_same_block_is_the_drag(generator: Generator, starts: list[DragTask]) -> None:
    same = Drag(tracking_block="b16")(generator, starts, SETTINGS, None)
    other = Drag(tracking_block="b32")(generator, starts, SETTINGS, None)
    plain = METHODS["drag"](generator, starts, SETTINGS, None)
    assert all(torch.equal(a.ws, b.ws) for a, b in zip(same, plain, strict=True))
    assert any(not torch.equal(a.handles, b.handles) for a, b in zip(other, plain, strict=True))


# Optical flow -------------------------------------------------------------------------------------------


def shifted(by: tuple[int, int]) -> tuple[flows.Picture, flows.Picture]:
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    before = cv2.GaussianBlur(noise, (0, 0), 3)
    before = cv2.normalize(before, None, 0, 255, cv2.NORM_MINMAX)
    return before, np.roll(before, by, axis=(1, 0))


def test_dis_finds_how_far_a_picture_has_gone() -> None:
    flow = flows.dis_flow()(*shifted((5, -3)))
    assert np.abs(np.median(flow[20:-20, 20:-20], axis=(0, 1)) - (5, -3)).max() < 0.3


def test_flow_at_points_is_bilinear() -> None:
    flow = np.zeros((4, 6, 2), np.float32)
    flow[..., 0], flow[..., 1] = np.arange(6), 10 * np.arange(4)[:, None]
    points = np.array([[2.5, 1.25], [-3, 0], [9, 9]], np.float32)
    assert flows.sample_flow(flow, points).tolist() == [[2.5, 12.5], [0, 0], [5, 30]]


def test_handles_go_along_with_the_flow(generator: Generator, starts: list[DragTask]) -> None:
    def flow(before: flows.Picture, after: flows.Picture) -> np.ndarray:
        assert before.shape == after.shape == (32, 32, 3)
        return np.broadcast_to(np.array([1.0, 0.5], np.float32), (32, 32, 2))

    results = methods.drag_with_flow(lambda: flow)(generator, starts, SETTINGS, None)
    assert results[0].handles.tolist() == [[16, 13]] and results[0].steps == 6
    assert results[1].handles.tolist() == [[5, 5]]


def test_raft_runs_where_torchvision_can_be_had() -> None:
    """With random weights: the adapter, not the network."""
    optical_flow = pytest.importorskip(
        "torchvision.models.optical_flow", reason="torchvision cannot be had", exc_type=Exception
    )
    flow = flows.flow_from_raft(optical_flow.raft_small(weights=None))(*shifted((3, 0)))
    assert flow.shape == (128, 128, 2) and np.isfinite(flow).all()


def test_rafts_adapter_scales_what_the_network_says() -> None:
    class Network(torch.nn.Module):
        def forward(self, before: Tensor, after: Tensor) -> list[Tensor]:
            assert before.shape == after.shape == (1, 3, 128, 128)
            assert float(before.min()) >= -1 and float(before.max()) <= 1
            return [torch.zeros(1, 2, 128, 128), torch.full((1, 2, 128, 128), 4.0)]

    picture = np.zeros((32, 64, 3), np.uint8)
    flow = flows.flow_from_raft(Network())(picture, picture)
    assert flow.shape == (32, 64, 2)
    assert np.allclose(flow, (2.0, 1.0))


# What there is ------------------------------------------------------------------------------------------


@pytest.fixture
def _fresh() -> Iterator[None]:
    for found in (flows.dis_flow, flows.raft_flow):
        found.cache_clear()
    yield
    for found in (flows.dis_flow, flows.raft_flow):
        found.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_what_cannot_be_had_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.importlib.util, "find_spec", lambda _: None)
    chosen, reasons = select_methods(None)
    assert chosen == ("no edit", "drag", "no tracking")
    assert reasons["optical flow"] == "optical flow: OpenCV is not there; pip install 'draggan-tui[eval]'"
    assert reasons["RAFT"] == "RAFT: torchvision is not installed"
    with pytest.raises(InputError, match="optical flow: OpenCV is not there"):
        select_methods(["optical flow"])


@pytest.mark.usefixtures("_fresh")
def test_raft_is_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    module = types.ModuleType("torchvision.models.optical_flow")
    weights = types.SimpleNamespace(DEFAULT=types.SimpleNamespace(url="https://example.org/raft.pth"))
    module.Raft_Small_Weights = weights  # type: ignore[attr-defined]
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "torchvision.models.optical_flow", module)
    monkeypatch.setattr(flows.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert flows.why_no_raft() == f"its weights are not on this machine ({tmp_path}/checkpoints/raft.pth)"


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="there is no method 'magic'; choose from no edit, drag"):
        select_methods(["magic"])
