"""The dragging accuracy index, the FID where Inception v3 is on the machine, and drags there and back."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.evaluation import inception
from draggan_engine.evaluation.experiments import run_task, tasks
from draggan_engine.evaluation.metrics import dragging_accuracy
from draggan_engine.evaluation.report import write_report
from draggan_engine.evaluation.report_cells import three_digits
from draggan_engine.evaluation.run_data import RunData
from draggan_engine.evaluation.run_directory import Request, RunDirectory
from draggan_engine.evaluation.statistics import frechet_distance
from draggan_engine.evaluation.variants import DAI_RADII, Experiment, Method
from tests.support.photograph_model import photograph_model


def request_of(model: Model, experiment: Experiment, max_steps: int, n: int = 2) -> Request:
    return Request(
        experiments=(experiment,), methods=(Method.NO_EDIT, Method.DRAG), n=n, model=model.name, sha256=model.sha256,
        settings=model.info.settings.model_copy(update={"max_steps": max_steps}),
    )  # fmt: skip


# The dragging accuracy index ----------------------------------------------------------------------------


@pytest.mark.parametrize("radius", DAI_RADII)
def test_content_that_has_arrived_unchanged_has_an_index_of_0(radius: int) -> None:
    torch.manual_seed(0)
    before = torch.rand(3, 96, 128) * 2 - 1
    after = torch.roll(before, (-3, 5), dims=(1, 2))
    handles = np.array([[50.0, 40.0], [60.0, 50.0]])
    assert dragging_accuracy(before, after, handles, handles + np.array([5, -3]), radius) == pytest.approx(0, abs=1e-9)
    assert dragging_accuracy(before, after, handles, handles + np.array([4, -3]), radius) > 0.1


def test_the_index_is_the_formula_of_gooddrag() -> None:
    torch.manual_seed(1)
    before, after = torch.rand(2, 3, 32, 40) * 2 - 1
    handles, targets = np.array([[10, 12], [20, 15]]), np.array([[14, 9], [25, 20]])
    expected = 0.0
    for (handle_x, handle_y), (target_x, target_y) in zip(handles, targets, strict=True):
        for y in range(-5, 6):
            for x in range(-5, 6):
                color_before = (before[:, handle_y + y, handle_x + x].numpy() + 1) / 2
                color_after = (after[:, target_y + y, target_x + x].numpy() + 1) / 2
                expected += float(np.square(color_before - color_after).sum()) / 11**2 / 2
    assert dragging_accuracy(before, after, handles, targets, 5) == pytest.approx(expected)


def test_patches_are_sampled_between_pixels_and_continue_beyond_the_border() -> None:
    ramp = torch.linspace(-1, 1, 33).expand(3, 33, 33)  # red, green and blue grow by 1/32 of 0…1 for each pixel
    black = torch.full((3, 33, 33), -1.0)
    one_pixel = dragging_accuracy(ramp, black, np.array([[8.5, 16.0]]), np.array([[5.0, 5.0]]), 0)
    assert one_pixel == pytest.approx(3 * (8.5 / 32) ** 2)
    outside = dragging_accuracy(ramp, black, np.array([[-4.0, 40.0]]), np.array([[5.0, 5.0]]), 1)
    assert outside == pytest.approx(0, abs=1e-9)


# FID ----------------------------------------------------------------------------------------------------


class Extractor(torch.nn.Module):
    """Stands in for Inception v3: its features are the mean colours of an image, times a weight."""

    def __init__(self, name: str, features: list[str], feature_extractor_weights_path: str) -> None:
        super().__init__()
        assert name and features == ["2048"]
        self.weight = torch.load(feature_extractor_weights_path, weights_only=True)["weight"]

    def forward(self, images: Tensor) -> tuple[Tensor]:
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        return (images.double().mean(dim=(2, 3)) * self.weight,)


@pytest.fixture
def weights_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Install a stand-in for torch-fidelity, and return the path of its weights, which do not exist."""
    for module_name in ("torch_fidelity", "torch_fidelity.feature_extractor_inceptionv3"):
        module = types.ModuleType(module_name)
        module.__spec__ = ModuleSpec(module_name, None)
        module.FeatureExtractorInceptionV3 = Extractor  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module_name, module)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for cached_function in (inception.why_no_inception, inception.load_inception):
        cached_function.cache_clear()
    yield tmp_path / "torch" / "hub" / "checkpoints" / inception.WEIGHTS_NAME
    for cached_function in (inception.why_no_inception, inception.load_inception):
        cached_function.cache_clear()


def test_the_reason_why_there_is_no_fid_is_stated(monkeypatch: pytest.MonkeyPatch, weights_path: Path) -> None:
    assert inception.why_no_inception() == f"the weights of Inception v3 are not on this machine ({weights_path})"
    inception.why_no_inception.cache_clear()
    weights_path.parent.mkdir(parents=True)
    torch.save({"weight": Path("not a tensor")}, weights_path)
    assert (inception.why_no_inception() or "").startswith("Inception v3 cannot be loaded (")
    inception.why_no_inception.cache_clear()
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    assert inception.why_no_inception() == "the package torch-fidelity is not installed"


def test_the_fid_is_the_distance_of_inception_features(weights_path: Path, tmp_path: Path) -> None:
    weights_path.parent.mkdir(parents=True)
    torch.save({"weight": torch.tensor([1.0, 2.0, 3.0])}, weights_path)
    model = load_model("critters-128", "cpu")
    directory = RunDirectory(tmp_path / "run", request_of(model, "landmarks", 2, n=3))
    for task in tasks(directory.request, model.info):
        if task.variant.points == 1:
            rows, chunk_images = run_task(model, task)
            directory.add_chunk(rows, chunk_images)
    assert chunk_images.inception_before is not None and chunk_images.inception_after is not None
    expected = frechet_distance(chunk_images.inception_before, chunk_images.inception_after)  # of the drags
    run_data = RunData.read(directory.path)
    drag_rows = [row for row in run_data.rows if row.method is Method.DRAG]
    fid = run_data.fid_of_edits(drag_rows)
    assert fid is not None and fid.distance == pytest.approx(expected) and fid.counts == (3, 3)
    write_report(directory.path, tmp_path / "report.md", "", "")
    report = (tmp_path / "report.md").read_text()
    assert " FID |" in report and f"{three_digits(expected)} (n 3) |" in report and "Left out" not in report


# There and back -----------------------------------------------------------------------------------------


def test_a_cycle_drags_back_and_compares_with_the_first_image(tmp_path: Path) -> None:
    """The stand-in model can undo its drags, because w only moves a photograph. It has no discriminator."""
    model = photograph_model(tmp_path, shown_below=math.inf)
    (task,) = tasks(request_of(model, "cycle", 40), model.info)
    assert task.method is Method.DRAG  # there is nothing to measure without an edit
    rows, chunk_images = run_task(model, task)
    assert chunk_images.goal is not None
    for i, row in enumerate(rows):
        assert {"mse", "ssim", "steps", "seconds", "reached"} <= set(row.values) and "features" not in row.values
        there = np.square(chunk_images.after[i] / 127.5 - chunk_images.before[i] / 127.5).mean()
        assert row.values["mse"] < 0.5 * there
        assert row.values["steps"] > 4


def test_a_cycle_of_critters_is_measured_in_features_and_reported(tmp_path: Path) -> None:
    model = load_model("critters-128", "cpu")
    directory = RunDirectory(tmp_path / "run", request_of(model, "cycle", 2))
    (task,) = tasks(directory.request, model.info)
    rows, chunk_images = run_task(model, task)
    assert all(row.values["steps"] == 4 and row.values["features"] > 0 for row in rows)
    directory.add_chunk(rows, chunk_images)
    write_report(directory.path, tmp_path / "report.md", "", "", ["FID: the weights are missing"])
    report = (tmp_path / "report.md").read_text()
    assert "\n\nLeft out on this machine:\n\n- FID: the weights are missing\n\n" in report
    assert "## There and back" in report and "| drag   |" in report
    features = 10 * np.mean([row.values["features"] for row in rows])
    assert f"| {features:.2f} [" in report
    assert "report-images/cycle.png" in report
