"""The experiments: cases that are the same for every method, figures that are what they are called, runs that go on."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import types
from concurrent.futures import Future
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import EngineError, InputError
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.dragging import drag_task
from draggan_engine.evaluation import metrics, runner
from draggan_engine.evaluation.baselines.optical_flow import dis_flow
from draggan_engine.evaluation.cases import FIVE_LANDMARKS, head_mask, landmark_cases, paired_cases, tracking_cases
from draggan_engine.evaluation.experiments import run_task, tasks
from draggan_engine.evaluation.methods import Drag
from draggan_engine.evaluation.metrics import change_by_mask, feature_distance, feature_function, mse, ssim
from draggan_engine.evaluation.run_directory import (
    OWN,
    Experiment,
    Request,
    Row,
    RunDirectory,
    read_images,
    read_request,
    read_rows,
)
from draggan_engine.evaluation.runner import run_evaluation
from draggan_engine.networks.generate import generate_image
from tests.support.paths import FIXTURES

CHECKPOINTS = FIXTURES / "checkpoints"
METHODS = ("no edit", "drag", "no tracking", "optical flow")


@pytest.fixture(scope="module")
def critters() -> Model:
    return load_model("critters-128", "cpu")


@pytest.fixture(scope="module")
def foreign() -> Model:
    """A checkpoint without a scene, with a discriminator."""
    return load_model(str(CHECKPOINTS / "sg2ada_32.pkl"), "cpu")


def request(
    model: Model, experiments: tuple[Experiment, ...], n: int = 2, methods: tuple[str, ...] = METHODS
) -> Request:
    settings = model.info.settings.model_copy(update={"max_steps": 3})
    return Request(
        experiments=experiments, methods=methods, n=n, model=model.name, sha256=model.sha256, settings=settings
    )


def rows_of(model: Model, asked: Request) -> list[Row]:
    return [row for task in tasks(asked, model.info) for row in run_task(model, task)[0]]


# Cases --------------------------------------------------------------------------------------------------


def test_handles_and_targets_are_the_seeds_landmarks(critters: Model) -> None:
    for points, names in ((1, ("nose_tip",)), (5, FIVE_LANDMARKS), (68, LANDMARKS)):
        for case in itertools.islice(landmark_cases(critters, points), 3):
            assert set(case.names) <= set(names) and (points == 68 or case.names == names)
            assert points != 68 or 40 < len(case.names) < 68  # what one of both hides is left out
            distances = [np.hypot(a - c, b - d) for (a, b), (c, d) in case.start.pairs]
            assert np.mean(distances) >= 4
    seeds = [int(np.random.default_rng([1, number]).integers(1000, 2**31, 2)[0]) for number in range(4)]
    handle = next(landmark_cases(critters, 1)).start.pairs[0][0]  # of the first that is far enough from its target
    assert any(landmarks_of_seed(seed, 128)["nose_tip"] == pytest.approx(handle) for seed in seeds)


def test_a_case_is_a_function_of_its_number(critters: Model, foreign: Model) -> None:
    for make in (paired_cases, tracking_cases):
        for model in (critters, foreign):
            a, b = (list(itertools.islice(make(model), 2)) for _ in range(2))
            assert [case.start.pairs for case in a] == [case.start.pairs for case in b]
            assert torch.equal(a[1].start.ws, b[1].start.ws)


def test_the_mask_holds_both_heads(critters: Model) -> None:
    case = next(landmark_cases(critters, 68, masked=True))
    mask = case.start.mask
    assert mask is not None and 0.15 < mask.mean() < 0.7
    for point in itertools.chain(*case.start.pairs):
        assert mask[round(point[1]), round(point[0])] == 1
    assert head_mask(np.full((1, 68, 2), 64.0), 256).sum() == 17 * 17  # a point, and 4 px of 128 round it


def test_paired_pictures_differ_in_shape_alone(critters: Model) -> None:
    for case in itertools.islice(paired_cases(critters), 3):
        assert len(case.start.pairs) == 32 and case.goal is not None
        with torch.no_grad():
            before, goal = (critters.generator.synthesis(ws).image for ws in (case.start.ws, case.goal))
        corner = (before - goal)[..., 110:, :10].abs().mean()  # the backdrop
        assert float(corner) < 0.3 * float((before - goal).abs().mean())


def test_paired_points_of_a_foreign_model_are_where_the_flow_says(foreign: Model) -> None:
    case = next(paired_cases(foreign))
    assert len(case.start.pairs) == 32
    assert case.goal is not None
    before, after = (generate_image(foreign.generator, ws) for ws in (case.start.ws, case.goal))
    flow = dis_flow()(before, after)
    length = np.linalg.norm(flow, axis=2)
    for (a, b), (c, d) in case.start.pairs:
        assert (c - a, d - b) == pytest.approx(tuple(flow[int(b), int(a)]), abs=1e-5)
        assert length[int(b), int(a)] > np.median(length)


# Figures ------------------------------------------------------------------------------------------------


def test_ssim_is_wangs() -> None:
    """Against the formula, written out for one window; 1 for the same picture."""
    torch.manual_seed(0)
    a, b = torch.rand(1, 1, 11, 11).double() * 2 - 1, torch.rand(1, 1, 11, 11).double() * 2 - 1
    axis = np.arange(11) - 5
    weights = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    x, y = a.numpy()[0, 0], b.numpy()[0, 0]
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy, both = (
        (weights * (p - mp) * (q - mq)).sum() for p, mp, q, mq in ((x, mx, x, mx), (y, my, y, my), (x, mx, y, my))
    )
    expected = (2 * mx * my + 0.0004) * (2 * both + 0.0036) / ((mx**2 + my**2 + 0.0004) * (vx + vy + 0.0036))
    assert ssim(a, b)[0] == pytest.approx(expected)
    pictures = torch.rand(2, 3, 32, 32)
    assert ssim(pictures, pictures) == pytest.approx([1, 1])


def test_mse_change_and_feature_distance() -> None:
    a, b = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    b[1, :, :2] = 1
    mask = np.zeros((4, 4), np.uint8)
    mask[:2] = 1
    assert mse(a, b).tolist() == [0, 0.5]
    assert change_by_mask(a[1], b[1], mask) == (127.5, 0)
    assert feature_distance(np.array([[3.0, 4.0]]), np.array([[3.0, 4.0]])).tolist() == [0]
    assert feature_distance(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx([2**0.5])


def test_a_foreign_model_is_compared_in_its_discriminators_features(foreign: Model) -> None:
    features = feature_function(foreign)
    assert features is not None
    torch.manual_seed(0)
    pictures = F.interpolate(torch.rand(3, 3, 8, 8), size=(32, 32)) * 2 - 1
    found = features(pictures)
    assert found.shape[0] == 3
    assert np.allclose(found[1:2], features(pictures[1:2]), atol=1e-5)  # whatever else is in the batch
    assert feature_distance(found[:1], found[1:2])[0] > 1e-3


def test_lpips_is_asked_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake(torch.nn.Module):
        def __init__(self, net: str, verbose: bool) -> None:
            super().__init__()
            assert (net, verbose) == ("alex", False)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            assert a.shape == b.shape == (2, 3, 64, 64)
            return (a - b).abs().mean(dim=(1, 2, 3), keepdim=True)

    module = types.ModuleType("lpips")
    module.LPIPS = Fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lpips", module)
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: object() if name == "lpips" else None)
    metrics.lpips.cache_clear()
    try:
        distance = metrics.lpips()
        assert distance is not None
        assert distance(torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32)).tolist() == [1, 1]
    finally:
        metrics.lpips.cache_clear()


# Experiments --------------------------------------------------------------------------------------------


def test_every_experiment_gives_its_figures(critters: Model) -> None:
    rows = rows_of(critters, request(critters, ("landmarks", "paired", "tracking", "mask"), n=1))
    assert {row.experiment for row in rows} == {"landmarks", "paired", "tracking", "mask"}
    for row in rows:
        wanted = {
            "landmarks": {"md", "md_start"},
            "paired": {"mse", "ssim", "features"},
            "tracking": {"error_mean", "error_end"},
            "mask": {"md", "md_start", "change_inside", "change_outside"},
        }[row.experiment]
        assert wanted <= set(row.values), row
        if row.method != "no edit":
            assert row.values["steps"] == 3 and row.values["seconds"] > 0
        else:
            assert row.values.get("md") == row.values.get("md_start")
        if row.experiment == "tracking":
            assert [step for step, _ in row.curve] == [0, 1, 2, 3]
            assert row.curve[0][1] < 2 and row.curve[-1][1] == row.values["error_end"]
    assert len({row.chunk for row in rows}) == len(rows)


def test_the_ablations_depart_from_the_models_own(critters: Model) -> None:
    found = {task.group: task for task in tasks(request(critters, ("ablation",)), critters.info)}
    base = found[OWN].settings
    assert found["r1: 16"].settings == base.model_copy(update={"r1": 16.0})
    assert found["space: w+"].settings == base.model_copy(update={"space": "w+"})
    assert found["tracking block: b64"].settings == base and found["tracking block: b64"].variant == Drag(
        tracking_block="b64"
    )
    assert found["supervision and tracking block: b64"].settings.feature_block == "b64"
    assert f"r1: {base.r1:g}" not in found and f"λ: {base.mask_weight:g}" in found  # that one has masks
    assert len({(t.settings, t.variant, t.group[0] == "λ") for t in found.values()}) == len(found)


@pytest.mark.parametrize("supported", [True, False])
def test_a_run_leaves_bfloat16_out_where_it_would_be_float32(
    critters: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supported: bool
) -> None:
    monkeypatch.setattr(drag_task, "supports_bfloat16", lambda _: supported)
    steps = run_evaluation(
        RunDirectory(tmp_path, request(critters, ("ablation",), n=1, methods=("drag",))), critters, "cpu"
    )
    first = next(steps)
    steps.close()
    groups = {task.group for task in tasks(request(critters, ("ablation",), n=1), critters.info)}
    assert "precision: bfloat16" in groups
    assert first.total == len(groups) - (not supported)


def test_a_checkpoint_without_a_scene(foreign: Model) -> None:
    rows = rows_of(foreign, request(foreign, ("paired", "tracking"), n=2))
    assert {(row.experiment, row.method) for row in rows} == {
        *(("paired", method) for method in METHODS),
        *(("tracking", method) for method in METHODS[1:]),
    }
    assert all({"mse", "ssim", "features"} <= set(row.values) for row in rows if row.experiment == "paired")
    assert all(row.curve for row in rows if row.experiment == "tracking")


# Runs ---------------------------------------------------------------------------------------------------


def told(rows: list[Row]) -> dict[tuple[str, int], Row]:
    """Without the times."""
    return {
        (row.chunk, row.index): row.model_copy(
            update={"values": {k: v for k, v in row.values.items() if k != "seconds"}}
        )
        for row in rows
    }


def test_a_run_that_was_cut_off_goes_on_and_gives_the_same_rows(critters: Model, tmp_path: Path) -> None:
    asked = request(critters, ("landmarks", "tracking"), n=18, methods=("no edit", "drag"))
    whole = RunDirectory(tmp_path / "whole", asked)
    last = list(run_evaluation(whole, critters, "cpu"))[-1]
    assert (last.done, last.total) == (len(whole.done),) * 2 == (16, 16)

    cut = RunDirectory(tmp_path / "cut", asked)
    steps = run_evaluation(cut, critters, "cpu")
    for _ in range(6):
        next(steps)
    steps.close()
    with (tmp_path / "cut/rows.jsonl").open("r+") as lines:  # in the middle of a row
        lines.truncate(len(lines.read()) - 40)
    again = RunDirectory(tmp_path / "cut", asked)
    assert 3 <= len(again.done) < 6 and len(read_rows(again.folder)) < 18 * 6
    kept = (tmp_path / "cut/rows.jsonl").read_text()
    done = [step.finished_chunk for step in run_evaluation(again, critters, "cpu") if step.finished_chunk]
    assert (tmp_path / "cut/rows.jsonl").read_text().startswith(kept)
    assert len(done) == 16 - len({row.chunk for row in map(Row.model_validate_json, kept.splitlines())})
    assert told(read_rows(cut.folder)) == told(read_rows(whole.folder))
    for chunk in whole.done:
        a, b = read_images(whole.folder, chunk), read_images(cut.folder, chunk)
        assert np.array_equal(a.after, b.after) and np.array_equal(a.handles, b.handles, equal_nan=True)


def test_a_run_goes_on_with_other_methods(critters: Model, tmp_path: Path) -> None:
    def chunks(*methods: str) -> set[str | None]:
        asked = request(critters, ("landmarks",), n=1, methods=methods)
        steps = list(run_evaluation(RunDirectory(tmp_path, asked), critters, "cpu"))
        assert steps[-1].done == steps[-1].total == 3 * len(methods)  # of what was asked for
        return {step.finished_chunk for step in steps} - {None}

    groups = ("1 point", "5 points", "68 points")
    assert chunks("no edit") == {f"landmarks/{group}/no edit/00000" for group in groups}
    assert chunks("drag") == {f"landmarks/{group}/drag/00000" for group in groups}
    assert chunks("drag", "no edit") == set()
    assert read_request(tmp_path).methods == ("no edit", "drag")
    assert {row.method for row in read_rows(tmp_path)} == {"no edit", "drag"}


def test_a_process_that_is_ended_is_no_traceback(
    critters: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MAX_THREADS", 2)  # of one core no more than one process is made
    steps = run_evaluation(
        RunDirectory(tmp_path, request(critters, ("landmarks",), n=16, methods=("drag",))), critters, "cpu"
    )
    next(steps)
    next(steps)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(EngineError, match="run the command again to go on"):
        list(steps)


def test_a_signal_waits_until_the_processes_have_been_started(critters: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the half-started process would print a traceback."""
    started: list[object] = []

    def submit(_work: object, task: object) -> Future[object]:
        os.kill(os.getpid(), signal.SIGTERM)
        started.append(task)
        return Future()

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "ProcessPoolExecutor", lambda *_, **__: Mock(submit=submit, _processes={}))
    previous = signal.signal(signal.SIGTERM, leave)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(
                runner._together(
                    "critters-128", "cpu", list(tasks(request(critters, ("landmarks",)), critters.info)), 2
                )
            )
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert len(started) == 4


def test_another_run_is_not_mixed_in(critters: Model, tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run", request(critters, ("landmarks",)))
    with pytest.raises(InputError, match="it holds a run with other cases, model or settings"):
        RunDirectory(tmp_path / "run", request(critters, ("landmarks",), n=3))
    (tmp_path / "run/run.json").write_text("{}")
    with pytest.raises(InputError, match="no run of `draggan-tui eval`"):
        RunDirectory(tmp_path / "run", request(critters, ("landmarks",)))
