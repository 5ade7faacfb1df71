"""The adapters of PIPs and CoTracker, with networks that stand in for both, and the window of images that they track in."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.evaluation.baselines import point_trackers
from draggan_engine.evaluation.baselines.point_trackers import WINDOW_FRAMES, drag_with_point_tracker
from draggan_engine.evaluation.methods import METHODS, select_methods
from draggan_engine.evaluation.variants import Method
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=9)
PIPS_SOURCE = """
import torch

class Pips(torch.nn.Module):
    def __init__(self, stride):
        super().__init__()
        assert stride == 4
        self.shift = torch.nn.Parameter(torch.zeros(2))

    def forward(self, xys, rgbs, iters):
        assert xys.shape[0] == 1 and rgbs.shape == (1, 8, 3, 128, 128) and iters == 6
        assert 0 <= float(rgbs.min()) and 1 < float(rgbs.max()) <= 255
        times = torch.arange(8.0)[:, None, None] / 7
        return [torch.zeros(1, 8, xys.shape[1], 2), (xys + times * self.shift)[None]], [], None, None
"""


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


@pytest.fixture(autouse=True)
def _uncached_trackers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    trackers = (point_trackers.pips_tracker, point_trackers.cotracker_tracker)
    for load_tracker in trackers:
        load_tracker.cache_clear()
    yield
    for load_tracker in trackers:
        load_tracker.cache_clear()
    for module_name in ("nets", "nets.pips"):
        sys.modules.pop(module_name, None)


def drag_of(generator: Generator) -> DragTask:
    return DragTask(latent_of_seed(generator, 0, 1.0), [((10, 10), (16, 14)), ((20, 20), (12, 9))])


def install_cotracker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package `cotracker` whose predictor moves every point by a weight of its network."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.zeros(2))

    class CoTrackerPredictor(torch.nn.Module):
        def __init__(self, checkpoint: None, window_len: int, v2: bool) -> None:
            super().__init__()
            assert checkpoint is None and (window_len, v2) == (60, False)
            self.model = Network()

        def forward(self, video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
            assert video.shape == (1, WINDOW_FRAMES, 3, 32, 32) and queries.shape == (1, 2, 3)
            assert queries[..., 0].eq(0).all()
            tracks = queries[:, None, :, 1:] + torch.linspace(0, 1, WINDOW_FRAMES)[:, None, None] * self.model.shift
            return tracks, torch.ones(tracks.shape[:3], dtype=torch.bool)

    for module_name in ("cotracker", "cotracker.predictor"):
        module = types.ModuleType(module_name)
        module.__spec__ = ModuleSpec(module_name, None)
        module.CoTrackerPredictor = CoTrackerPredictor  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module_name, module)


def install_pips(monkeypatch: pytest.MonkeyPatch, clone_directory: Path) -> Path:
    """Make a clone of PIPs' repository with a stand-in for its network. Return the path of its weights, which do not exist."""
    (clone_directory / "nets").mkdir(parents=True)
    (clone_directory / "nets" / "pips.py").write_text(PIPS_SOURCE)
    (clone_directory / "reference_model").mkdir()
    monkeypatch.syspath_prepend(clone_directory)
    return clone_directory / "reference_model" / "model-000200000.pth"


# The window ---------------------------------------------------------------------------------------------


def test_handles_are_followed_from_the_first_to_the_last_image_of_a_window(generator: Generator) -> None:
    windows: list[Tensor] = []

    def track(frames: Tensor, points: Tensor) -> Tensor:
        assert frames.shape == (WINDOW_FRAMES, 3, 32, 32) and 0 <= float(frames.min()) <= float(frames.max()) <= 255
        windows.append(frames)
        return points + torch.tensor([1.0, 0.5])

    drag = drag_of(generator)
    (result,) = drag_with_point_tracker(lambda: track)(generator, [drag], SETTINGS, None)
    assert result.steps == len(windows) == 9
    # The first seven windows begin with the first image, so their handles are one move away from its handles. The
    # windows of steps 8 and 9 begin with the images of steps 1 and 2.
    assert result.handles.tolist() == [[12, 11], [22, 21]]
    assert torch.equal(windows[0][0], windows[0][6]) and not torch.equal(windows[0][6], windows[0][7])
    assert torch.equal(windows[8][:7], windows[7][1:])
    with torch.no_grad():
        image_after = generator.synthesis(result.ws).image[0]
    assert torch.allclose(windows[8][7], (image_after.clamp(-1, 1) + 1) * 127.5, atol=1e-2)


def test_a_drag_that_ends_early_leaves_the_windows_of_the_others_alone(generator: Generator) -> None:
    def track(frames: Tensor, points: Tensor) -> Tensor:  # noqa: ARG001
        return points + torch.tensor([1.0, 0.0])

    arriving = DragTask(latent_of_seed(generator, 1, 1.0), [((5, 5), (6.5, 5))])
    run = drag_with_point_tracker(lambda: track)
    together = run(generator, [arriving, drag_of(generator)], SETTINGS, None)
    (alone,) = run(generator, [drag_of(generator)], SETTINGS, None)
    assert together[0].reached and together[0].steps == 1
    assert torch.equal(together[1].handles, alone.handles)
    assert torch.allclose(together[1].ws, alone.ws, atol=1e-4)


# PIPs ---------------------------------------------------------------------------------------------------


def test_pips_is_loaded_from_a_clone_of_its_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, generator: Generator
) -> None:
    weights_path = install_pips(monkeypatch, tmp_path / "pips")
    with pytest.raises(InputError, match=r"PIPs: its weights are not on this machine; run get_reference_model\.sh"):
        point_trackers.pips_tracker()
    torch.save({"model_state_dict": {"shift": torch.tensor([8.0, -4.0])}, "optimizer_state_dict": {}}, weights_path)
    settings = SETTINGS.model_copy(update={"max_steps": 1})
    (result,) = METHODS[Method.PIPS](generator, [drag_of(generator)], settings, None)
    # The images are enlarged from 32 to 128 pixels, so eight pixels of the network are two of the image.
    assert result.handles.numpy() == pytest.approx(torch.tensor([[12.0, 9.0], [22.0, 19.0]]).numpy(), abs=1e-4)


def test_weights_that_hold_anything_but_tensors_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights_path = install_pips(monkeypatch, tmp_path / "pips")
    torch.save({"model_state_dict": Path("x")}, weights_path)
    with pytest.raises(InputError, match="holds no weights that can be read"):
        point_trackers.pips_tracker()


def test_a_clone_that_cannot_be_imported_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights_path = install_pips(monkeypatch, tmp_path / "pips")
    torch.save({}, weights_path)
    (tmp_path / "pips" / "nets" / "pips.py").write_text("import a_package_that_is_missing\n")
    with pytest.raises(InputError, match=r"PIPs: its code cannot be imported .*a_package_that_is_missing"):
        point_trackers.pips_tracker()


# CoTracker ----------------------------------------------------------------------------------------------


def test_cotracker_gets_queries_of_the_first_frame(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, generator: Generator
) -> None:
    install_cotracker(monkeypatch)
    weights_path = tmp_path / "torch" / "hub" / "checkpoints" / "scaled_offline.pth"
    with pytest.raises(InputError, match="CoTracker: its weights are not on this machine") as error:
        point_trackers.cotracker_tracker()
    assert str(weights_path) in str(error.value)
    weights_path.parent.mkdir(parents=True)
    torch.save({"shift": torch.tensor([2.0, -1.0])}, weights_path)
    settings = SETTINGS.model_copy(update={"max_steps": 1})
    (result,) = METHODS[Method.COTRACKER](generator, [drag_of(generator)], settings, None)
    assert result.handles.tolist() == [[12, 9], [22, 19]]


def test_missing_trackers_are_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nets", None)
    monkeypatch.setitem(sys.modules, "cotracker", None)
    methods, obstacles = select_methods(None, random_generator())
    assert not {Method.PIPS, Method.COTRACKER} & set(methods)
    assert obstacles[Method.PIPS].startswith("PIPs: its code is not installed; clone github.com/aharley/pips")
    assert obstacles[Method.COTRACKER].startswith("CoTracker: the package cotracker is not installed")
    with pytest.raises(InputError, match="PIPs: its code is not installed"):
        select_methods(["PIPs"], random_generator())
