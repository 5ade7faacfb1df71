"""The methods that the evaluation compares: how each of them tracks handles, and when it ends."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.evaluation.baselines import optical_flow
from draggan_engine.evaluation.baselines.untracked import FixedTracker
from draggan_engine.evaluation.edit_runs import run_drags
from draggan_engine.evaluation.methods import METHODS, Drag, select_methods
from draggan_engine.evaluation.variants import Method
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=6)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def drags(generator: Generator) -> list[DragTask]:
    pairs = [[((10, 10), (16, 14))], [((5, 5), (5.5, 5))], [((20, 20), (12, 9)), ((9, 20), (9, 26))]]
    return [DragTask(latent_of_seed(generator, seed, 1.0), pair) for seed, pair in enumerate(pairs)]


def test_the_drag_method_gives_the_result_of_the_drag_loop(generator: Generator, drags: list[DragTask]) -> None:
    results = METHODS[Method.DRAG](generator, drags, SETTINGS, None)
    for drag, result in zip(drags, results, strict=True):
        *_, end = DragLoop(generator, drag.ws, drag.pairs, None, SETTINGS).steps()
        assert isinstance(end, DragEnd)
        assert (result.steps, result.reached) == (end.step, end.reason == "reached")
        assert torch.allclose(result.ws, end.ws, atol=2e-3)
        assert np.allclose(result.handles, end.handles, atol=1e-3)
    assert results[1].steps == 0 and results[1].reached  # its handle is at the target from the start


def test_no_edit_returns_the_latents(generator: Generator, drags: list[DragTask]) -> None:
    for drag, result in zip(drags, METHODS[Method.NO_EDIT](generator, drags, SETTINGS, None), strict=True):
        assert torch.equal(result.ws, drag.ws) and (result.steps, result.reached) == (0, None)


def test_without_tracking_the_handles_stay_and_all_steps_are_made(generator: Generator, drags: list[DragTask]) -> None:
    for drag, result in zip(drags, METHODS[Method.NO_TRACKING](generator, drags, SETTINGS, None), strict=True):
        assert result.handles.tolist() == [list(handle) for handle, _ in drag.pairs]
        assert (result.steps, result.reached) == (6, None)


def test_a_settled_drag_ends(generator: Generator, drags: list[DragTask]) -> None:
    optimizer = DragganOptimizer(generator, SETTINGS.model_copy(update={"max_steps": 50}), drags[:1])
    optimizer.tracker = FixedTracker()
    optimizer.settles_after = 4
    (result,) = run_drags(optimizer)
    assert (result.steps, result.reached) == (4, False)


def test_a_drag_that_diverges_ends_and_the_others_continue(generator: Generator, drags: list[DragTask]) -> None:
    class DivergingOptimizer(DragganOptimizer):
        """Reports that the first of two drags is not finite."""

        def step(self) -> tuple[Tensor, Tensor]:
            loss, finite = super().step()
            return loss, finite & (torch.arange(len(finite)) > 0) if len(finite) == 2 else finite

    first, second = run_drags(DivergingOptimizer(generator, SETTINGS, [drags[0], drags[2]]))
    assert (first.steps, first.reached) == (1, False)
    assert second.steps == 6


def test_the_observer_is_called_with_the_active_drags_of_every_step(
    generator: Generator, drags: list[DragTask]
) -> None:
    calls: list[tuple[int, list[int]]] = []

    def observer(step: int, active: Tensor, ws: Tensor, handles: Tensor) -> None:
        assert len(active) == len(ws) == len(handles)
        calls.append((step, active.tolist()))

    METHODS[Method.DRAG](generator, drags, SETTINGS, observer)
    assert [step for step, _ in calls] == list(range(7))
    assert calls[0][1] == [0, 1, 2] and calls[1][1] == [0, 2]


def test_tracking_on_the_block_of_supervision_is_the_drag(generator: Generator, drags: list[DragTask]) -> None:
    same_block = Drag(tracking_block="b16")(generator, drags, SETTINGS, None)
    other_block = Drag(tracking_block="b32")(generator, drags, SETTINGS, None)
    plain = METHODS[Method.DRAG](generator, drags, SETTINGS, None)
    assert all(torch.equal(a.ws, b.ws) for a, b in zip(same_block, plain, strict=True))
    assert any(not torch.equal(a.handles, b.handles) for a, b in zip(other_block, plain, strict=True))


# Optical flow -------------------------------------------------------------------------------------------


def shifted_images(shift: tuple[int, int]) -> tuple[optical_flow.FlowImage, optical_flow.FlowImage]:
    """Return smooth noise, and the same noise shifted by (x, y) pixels."""
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    before = cv2.GaussianBlur(noise, (0, 0), 3)
    before = cv2.normalize(before, None, 0, 255, cv2.NORM_MINMAX)
    return before, np.roll(before, shift, axis=(1, 0))


def test_dis_measures_a_shift() -> None:
    flow = optical_flow.dis_flow()(*shifted_images((5, -3)))
    assert np.abs(np.median(flow[20:-20, 20:-20], axis=(0, 1)) - (5, -3)).max() < 0.3


def test_flow_is_sampled_bilinearly_and_clamped_at_the_border() -> None:
    flow = np.zeros((4, 6, 2), np.float32)
    flow[..., 0], flow[..., 1] = np.arange(6), 10 * np.arange(4)[:, None]
    points = np.array([[2.5, 1.25], [-3, 0], [9, 9]], np.float32)
    assert optical_flow.sample_flow(flow, points).tolist() == [[2.5, 12.5], [0, 0], [5, 30]]


def test_handles_move_with_the_flow(generator: Generator, drags: list[DragTask]) -> None:
    def flow(before: optical_flow.FlowImage, after: optical_flow.FlowImage) -> np.ndarray:
        assert before.shape == after.shape == (32, 32, 3)
        return np.broadcast_to(np.array([1.0, 0.5], np.float32), (32, 32, 2))

    results = optical_flow.drag_with_flow(lambda: flow)(generator, drags, SETTINGS, None)
    assert results[0].handles.tolist() == [[16, 13]] and results[0].steps == 6
    assert results[1].handles.tolist() == [[5, 5]]


def test_raft_runs_if_torchvision_is_installed() -> None:
    """The weights are random: this tests the adapter, not the network."""
    torchvision_flow = pytest.importorskip(
        "torchvision.models.optical_flow", reason="torchvision cannot be imported", exc_type=Exception
    )
    flow = optical_flow.flow_from_raft(torchvision_flow.raft_small(weights=None))(*shifted_images((3, 0)))
    assert flow.shape == (128, 128, 2) and np.isfinite(flow).all()


def test_the_raft_adapter_scales_the_flow_to_the_images() -> None:
    class Network(torch.nn.Module):
        def forward(self, before: Tensor, after: Tensor) -> list[Tensor]:
            assert before.shape == after.shape == (1, 3, 128, 128)
            assert float(before.min()) >= -1 and float(before.max()) <= 1
            return [torch.zeros(1, 2, 128, 128), torch.full((1, 2, 128, 128), 4.0)]

    image = np.zeros((32, 64, 3), np.uint8)
    flow = optical_flow.flow_from_raft(Network())(image, image)
    assert flow.shape == (32, 64, 2)
    assert np.allclose(flow, (2.0, 1.0))


# Selection ----------------------------------------------------------------------------------------------


@pytest.fixture
def _uncached_flows() -> Iterator[None]:
    for load_flow in (optical_flow.dis_flow, optical_flow.raft_flow):
        load_flow.cache_clear()
    yield
    for load_flow in (optical_flow.dis_flow, optical_flow.raft_flow):
        load_flow.cache_clear()


@pytest.mark.usefixtures("_uncached_flows")
def test_methods_whose_package_is_missing_are_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    methods, obstacles = select_methods(None, random_generator())
    assert methods == (Method.NO_EDIT, Method.DRAG, Method.LEAST_SQUARES, Method.FREEDRAG, Method.NO_TRACKING)
    message = "optical flow: OpenCV is not installed; run pip install 'draggan-tui[eval]'"
    assert obstacles[Method.OPTICAL_FLOW] == message
    assert obstacles[Method.RAFT] == "RAFT: torchvision is not installed"
    with pytest.raises(InputError, match="optical flow: OpenCV is not installed"):
        select_methods(["optical flow"], random_generator())


@pytest.mark.usefixtures("_uncached_flows")
def test_raft_weights_are_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("torchvision", "torchvision.models", "torchvision.models.optical_flow"):
        module = types.ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    weights = types.SimpleNamespace(DEFAULT=types.SimpleNamespace(url="https://example.org/raft.pth"))
    module.Raft_Small_Weights = weights  # type: ignore[attr-defined]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "raft.pth"
    assert optical_flow.why_no_raft() == f"its weights are not on this machine ({path})"


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="there is no method 'magic'; choose from no edit, drag"):
        select_methods(["magic"], random_generator())
