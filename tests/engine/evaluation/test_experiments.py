"""The experiments: cases that are the same for every method, the figures, and runs that are interrupted and continued."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragMethod, DragSettings
from draggan_engine.core.errors import EngineError, InputError
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.dragging.drag_task import DragTask, why_not_bfloat16
from draggan_engine.evaluation import metrics
from draggan_engine.evaluation.baselines.optical_flow import dis_flow
from draggan_engine.evaluation.cases import FIVE_LANDMARKS, head_mask, landmark_cases, paired_cases, tracking_cases
from draggan_engine.evaluation.edit_runs import EditFunction, EditResult, StepObserver
from draggan_engine.evaluation.experiments import run_task, tasks
from draggan_engine.evaluation.methods import METHODS as METHODS_BY_NAME
from draggan_engine.evaluation.metrics import change_by_mask, feature_distance, feature_function, mse, ssim
from draggan_engine.evaluation.run_directory import Request, Row, RunDirectory, read_images, read_request, read_rows
from draggan_engine.evaluation.runner import hold_signals, run_evaluation
from draggan_engine.evaluation.variants import BFLOAT16, Experiment, MaskUse, Method, SettingChange, Variant
from draggan_engine.networks.generate import generate_image
from draggan_engine.networks.generator import Generator
from tests.support.fake_lpips import installed_lpips
from tests.support.paths import FIXTURES

CHECKPOINTS = FIXTURES / "checkpoints"
METHODS = (Method.NO_EDIT, Method.DRAG, Method.NO_TRACKING, Method.OPTICAL_FLOW)


@pytest.fixture(scope="module")
def critters() -> Model:
    return load_model("critters-128", "cpu")


@pytest.fixture(scope="module")
def foreign() -> Model:
    """A checkpoint with a discriminator, the landmarks of whose images are not known."""
    return load_model(str(CHECKPOINTS / "sg2ada_32.pkl"), "cpu")


def make_request(
    model: Model, experiments: tuple[Experiment, ...], n: int = 2, methods: tuple[Method, ...] = METHODS
) -> Request:
    settings = model.info.settings.model_copy(update={"max_steps": 3})
    return Request(
        experiments=experiments, methods=methods, n=n, model=model.name, sha256=model.sha256, settings=settings
    )


def run_all(model: Model, request: Request) -> list[Row]:
    return [row for task in tasks(request, model.info) for row in run_task(model, task)[0]]


# Cases --------------------------------------------------------------------------------------------------


def test_handles_and_targets_are_the_seeds_landmarks(critters: Model) -> None:
    for points, names in ((1, ("nose_tip",)), (5, FIVE_LANDMARKS), (68, LANDMARKS)):
        for case in itertools.islice(landmark_cases(critters, points), 3):
            assert set(case.landmark_names) <= set(names) and (points == 68 or case.landmark_names == names)
            assert (
                points != 68 or 40 < len(case.landmark_names) < 68
            )  # those that are hidden in one of the images are left out
            distances = [np.hypot(a - c, b - d) for (a, b), (c, d) in case.drag.pairs]
            assert np.mean(distances) >= 4
    seeds = [int(np.random.default_rng([1, number]).integers(1000, 2**31, 2)[0]) for number in range(4)]
    handle = next(landmark_cases(critters, 1)).drag.pairs[0][
        0
    ]  # of the first case whose handle is far enough from its target
    assert any(landmarks_of_seed(seed, 128)["nose_tip"] == pytest.approx(handle) for seed in seeds)


def test_a_case_depends_only_on_its_number(critters: Model, foreign: Model) -> None:
    for make_cases in (paired_cases, tracking_cases):
        for model in (critters, foreign):
            a, b = (list(itertools.islice(make_cases(model), 2)) for _ in range(2))
            assert [case.drag.pairs for case in a] == [case.drag.pairs for case in b]
            assert torch.equal(a[1].drag.ws, b[1].drag.ws)


def test_the_mask_covers_both_heads(critters: Model) -> None:
    case = next(landmark_cases(critters, 68, masked=True))
    mask = case.drag.mask
    assert mask is not None and 0.15 < mask.mean() < 0.7
    for point in itertools.chain(*case.drag.pairs):
        assert mask[round(point[1]), round(point[0])] == 1
    assert head_mask(np.full((1, 68, 2), 64.0), 256).sum() == 17 * 17  # a point, and 4 px of 128 around it


def test_paired_images_differ_in_shape_only(critters: Model) -> None:
    for case in itertools.islice(paired_cases(critters), 3):
        assert len(case.drag.pairs) == 32 and case.goal is not None
        with torch.no_grad():
            before, goal = (critters.generator.synthesis(ws).image for ws in (case.drag.ws, case.goal))
        corner = (before - goal)[..., 110:, :10].abs().mean()  # the backdrop
        assert float(corner) < 0.3 * float((before - goal).abs().mean())


def test_paired_points_of_a_foreign_model_move_with_the_optical_flow(foreign: Model) -> None:
    case = next(paired_cases(foreign))
    assert len(case.drag.pairs) == 32
    assert case.goal is not None
    before, after = (generate_image(foreign.generator, ws) for ws in (case.drag.ws, case.goal))
    flow = dis_flow()(before, after)
    length = np.linalg.norm(flow, axis=2)
    for (a, b), (c, d) in case.drag.pairs:
        assert (c - a, d - b) == pytest.approx(tuple(flow[int(b), int(a)]), abs=1e-5)
        assert length[int(b), int(a)] > np.median(length)


# Figures ------------------------------------------------------------------------------------------------


def test_ssim_agrees_with_the_formula_of_wang() -> None:
    """The formula is written out for one window. Identical images give 1."""
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
    images = torch.rand(2, 3, 32, 32)
    assert ssim(images, images) == pytest.approx([1, 1])


def test_mse_change_and_feature_distance() -> None:
    a, b = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    b[1, :, :2] = 1
    mask = np.zeros((4, 4), np.uint8)
    mask[:2] = 1
    assert mse(a, b).tolist() == [0, 0.5]
    assert change_by_mask(a[1], b[1], mask) == (127.5, 0)
    assert feature_distance(np.array([[3.0, 4.0]]), np.array([[3.0, 4.0]])).tolist() == [0]
    assert feature_distance(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx([2**0.5])


def test_images_of_a_foreign_model_are_compared_by_discriminator_features(foreign: Model) -> None:
    features = feature_function(foreign)
    assert features is not None
    torch.manual_seed(0)
    images = F.interpolate(torch.rand(3, 3, 8, 8), size=(32, 32)) * 2 - 1
    vectors = features(images)
    assert vectors.shape[0] == 3
    assert np.allclose(vectors[1:2], features(images[1:2]), atol=1e-5)  # does not depend on the batch
    assert feature_distance(vectors[:1], vectors[1:2])[0] > 1e-3


def test_lpips_is_measured_if_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with installed_lpips(monkeypatch, tmp_path):
        distance = metrics.lpips()
        assert distance is not None
        assert distance(torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32)).tolist() == [1, 1]


def test_the_weights_of_lpips_are_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with installed_lpips(monkeypatch, tmp_path) as weights_path:
        weights_path.unlink()
        assert metrics.lpips() is None  # the package would download them when its network is made


# Experiments --------------------------------------------------------------------------------------------


def test_every_experiment_measures_its_figures(critters: Model) -> None:
    rows = run_all(critters, make_request(critters, ("landmarks", "paired", "tracking", "mask"), n=1))
    assert {row.experiment for row in rows} == {"landmarks", "paired", "tracking", "mask"}
    for row in rows:
        expected = {
            "landmarks": {"md", "md_start", "detector_error", "dai_1", "dai_20"},
            "paired": {"mse", "ssim", "features"},
            "tracking": {"error_mean", "error_end"},
            "mask": {"md", "md_start", "change_inside", "change_outside"},
        }[row.experiment]
        assert expected <= set(row.values), row
        if row.method is not Method.NO_EDIT:
            assert row.values["steps"] == 3 and row.values["seconds"] > 0 and row.values["sigma"] > 0
        else:
            assert row.values.get("md") == row.values.get("md_start")
        if row.experiment == "tracking":
            assert [step for step, _ in row.curve] == [0, 1, 2, 3]
            assert row.curve[0][1] < 2 and row.curve[-1][1] == row.values["error_end"]
    assert len({row.chunk for row in rows}) == len(rows)


def test_sigma_is_the_mahalanobis_length_of_the_change_of_w(critters: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for the drag moves the first six rows by one standard deviation along one direction of w."""
    with torch.no_grad():
        z = torch.from_numpy(np.random.default_rng(5).standard_normal((20_000, Z_DIM)).astype(np.float32))
        w = critters.generator.mapping(z)[:, 0]
    deviations, directions = torch.linalg.eigh(torch.cov(w.T))
    step = directions[:, -1] * deviations[-1].sqrt()

    def edit(
        generator: Generator,  # noqa: ARG001
        drags: Sequence[DragTask],
        settings: DragSettings,  # noqa: ARG001
        observer: StepObserver | None,  # noqa: ARG001
    ) -> list[EditResult]:
        results = []
        for drag in drags:
            ws = drag.ws.clone()
            ws[:, :6] += step
            results.append(EditResult(ws, torch.zeros(1, 2), 1, 0.0, None))
        return results

    monkeypatch.setitem(cast(dict[Method, EditFunction], METHODS_BY_NAME), Method.NO_TRACKING, edit)
    request = make_request(critters, ("landmarks",), n=1, methods=(Method.NO_EDIT, Method.NO_TRACKING))
    no_edit, moved = run_all(critters, request)[:2]
    assert "sigma" not in no_edit.values
    assert moved.values["sigma"] == pytest.approx(1, rel=0.05)


def test_each_ablation_changes_one_setting(critters: Model) -> None:
    request = make_request(critters, ("ablation",))
    tasks_by_variant = {task.variant: task for task in tasks(request, critters.info)}
    own = request.settings

    def ablation(setting: str, value: str | float) -> Variant:
        return Variant(5, change=SettingChange(setting, value))

    assert tasks_by_variant[Variant(5)].settings == own
    assert tasks_by_variant[ablation("r1", 16.0)].settings == own.model_copy(update={"r1": 16.0})
    assert tasks_by_variant[ablation("space", "w+")].settings == own.model_copy(update={"space": "w+"})
    tracking_task = tasks_by_variant[ablation("tracking_block", "b32")]
    assert (tracking_task.settings, tracking_task.variant.tracking_block) == (own, "b32")
    assert tasks_by_variant[ablation("feature_block", "b32")].settings.feature_block == "b32"
    assert ablation("r1", own.r1) not in tasks_by_variant
    # Only λ is measured with a mask, so its own value has a row too.
    assert Variant(1, MaskUse.FEATURES, SettingChange("mask_weight", own.mask_weight)) in tasks_by_variant
    assert len({task.chunk for task in tasks_by_variant.values()}) == len(tasks_by_variant)


def test_ablations_change_only_settings_that_a_method_has(critters: Model) -> None:
    def settings_of(methods: tuple[Method, ...]) -> dict[Method, set[str | None]]:
        settings_by_method: dict[Method, set[str | None]] = {}
        for task in tasks(make_request(critters, ("ablation",), methods=methods), critters.info):
            change = task.variant.change
            settings_by_method.setdefault(task.method, set()).add(change and change.setting)
        return settings_by_method

    common = {None, "feature_block", "mask_weight", "layers", "space"}
    of_drag = common | {"r1", "r2", "tracking_norm", "precision", "step_size", "tracking_block"}
    of_least_squares = common | {"stay"}
    assert settings_of((Method.DRAG, Method.LEAST_SQUARES, Method.FREEDRAG)) == {
        Method.DRAG: of_drag,
        Method.LEAST_SQUARES: of_least_squares,
    }
    assert settings_of((Method.LEAST_SQUARES,)) == {Method.LEAST_SQUARES: of_least_squares}
    assert settings_of((Method.FREEDRAG,)) == {Method.DRAG: of_drag}


def test_a_run_has_the_bfloat16_ablation_only_if_the_device_supports_it(critters: Model, tmp_path: Path) -> None:
    request = make_request(critters, ("ablation",), n=1)
    changes = {task.variant.change for task in tasks(request, critters.info)}
    without_bfloat16 = {task.variant.change for task in tasks(request, critters.info, bfloat16=False)}
    assert changes - without_bfloat16 == {BFLOAT16}
    steps = run_evaluation(RunDirectory(tmp_path, request), critters, "cpu")
    first = next(steps)
    steps.close()
    supported = why_not_bfloat16(critters.generator, "draggan") is None
    assert first.total == len(changes if supported else without_bfloat16)


def test_paired_and_tracking_run_without_known_landmarks(foreign: Model) -> None:
    rows = run_all(foreign, make_request(foreign, ("paired", "tracking"), n=2))
    assert {(row.experiment, row.method) for row in rows} == {
        *(("paired", method) for method in METHODS),
        *(("tracking", method) for method in METHODS[1:]),
    }
    assert all({"mse", "ssim", "features"} <= set(row.values) for row in rows if row.experiment == "paired")
    assert all(row.curve for row in rows if row.experiment == "tracking")


# Runs ---------------------------------------------------------------------------------------------------


def rows_without_seconds(rows: list[Row]) -> dict[tuple[str, int], Row]:
    return {
        (row.chunk, row.index): row.model_copy(
            update={"values": {name: value for name, value in row.values.items() if name != "seconds"}}
        )
        for row in rows
    }


def test_an_interrupted_run_is_continued_and_gives_the_same_rows(critters: Model, tmp_path: Path) -> None:
    request = make_request(critters, ("landmarks", "tracking"), n=18, methods=(Method.NO_EDIT, Method.DRAG))
    whole = RunDirectory(tmp_path / "whole", request)
    last = list(run_evaluation(whole, critters, "cpu"))[-1]
    assert (last.done, last.total) == (len(whole.finished_chunks),) * 2 == (16, 16)

    cut = RunDirectory(tmp_path / "cut", request)
    steps = run_evaluation(cut, critters, "cpu")
    for _ in range(6):
        next(steps)
    steps.close()
    with (tmp_path / "cut/rows.jsonl").open("r+") as lines:  # cuts the last row
        lines.truncate(len(lines.read()) - 40)
    again = RunDirectory(tmp_path / "cut", request)
    assert 3 <= len(again.finished_chunks) < 6 and len(read_rows(again.path)) < 18 * 6
    kept = (tmp_path / "cut/rows.jsonl").read_text()
    done = [step.finished_chunk for step in run_evaluation(again, critters, "cpu") if step.finished_chunk]
    assert (tmp_path / "cut/rows.jsonl").read_text().startswith(kept)
    assert len(done) == 16 - len({row.chunk for row in map(Row.model_validate_json, kept.splitlines())})
    assert rows_without_seconds(read_rows(cut.path)) == rows_without_seconds(read_rows(whole.path))
    for chunk in whole.finished_chunks:
        a, b = read_images(whole.path, chunk), read_images(cut.path, chunk)
        assert np.array_equal(a.after, b.after) and np.array_equal(a.handles, b.handles, equal_nan=True)


def test_a_run_is_continued_with_other_methods(critters: Model, tmp_path: Path) -> None:
    def chunks(*methods: Method) -> set[str | None]:
        request = make_request(critters, ("landmarks",), n=1, methods=methods)
        steps = list(run_evaluation(RunDirectory(tmp_path, request), critters, "cpu"))
        assert steps[-1].done == steps[-1].total == 3 * len(methods)  # of this request
        return {step.finished_chunk for step in steps} - {None}

    groups = ("1 point", "5 points", "68 points")
    assert chunks(Method.NO_EDIT) == {f"landmarks/{group}/no edit/00000" for group in groups}
    assert chunks(Method.DRAG) == {f"landmarks/{group}/drag/00000" for group in groups}
    assert chunks(Method.DRAG, Method.NO_EDIT) == set()
    assert read_request(tmp_path).methods == ("no edit", "drag")
    assert {row.method for row in read_rows(tmp_path)} == {"no edit", "drag"}


def test_a_killed_process_is_reported_without_a_traceback(critters: Model, tmp_path: Path) -> None:
    request = make_request(critters, ("landmarks",), n=16, methods=(Method.DRAG,))
    steps = run_evaluation(RunDirectory(tmp_path, request), critters, "cpu", process_count=2)
    next(steps)
    next(steps)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(EngineError, match="run the same command to continue"):
        list(steps)


def test_signals_are_delivered_after_processes_have_been_started() -> None:
    """A process that is interrupted while it starts would print a traceback."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous_handler = signal.signal(signal.SIGTERM, interrupt)
    reached_end = False
    try:
        with pytest.raises(KeyboardInterrupt), hold_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)  # ignored
            reached_end = True
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    assert reached_end


def test_the_method_in_the_settings_of_a_model_has_no_meaning_for_a_run(critters: Model, tmp_path: Path) -> None:
    """Each method of the evaluation uses its own optimiser; a run from the time of one method is continued."""
    requests = [
        Request.model_validate(
            make_request(critters, ("landmarks",)).model_dump()
            | {"settings": critters.info.settings.model_copy(update={"method": method})}
        )
        for method in get_args(DragMethod)
    ]
    assert len(set(requests)) == 1
    RunDirectory(tmp_path, requests[0])
    stored = json.loads((tmp_path / "run.json").read_text())
    assert stored["settings"].keys() == DragSettings.model_fields.keys() - {"method"}
    RunDirectory(tmp_path, requests[-1])
    assert read_request(tmp_path) == requests[0]


def test_a_directory_with_another_run_is_refused(critters: Model, tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run", make_request(critters, ("landmarks",)))
    with pytest.raises(InputError, match="this directory holds a run with other cases or another model"):
        RunDirectory(tmp_path / "run", make_request(critters, ("landmarks",), n=3))
    (tmp_path / "run/run.json").write_text("{}")
    with pytest.raises(InputError, match="this is not an evaluation run"):
        RunDirectory(tmp_path / "run", make_request(critters, ("landmarks",)))
