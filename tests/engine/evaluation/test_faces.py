"""The landmark experiment on a model of faces, with dlib's detector on copies of a photograph."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import InputError
from draggan_engine.evaluation import face_cases
from draggan_engine.evaluation.detectors import DETECTORS, Detector, check_face_detector
from draggan_engine.evaluation.experiments import run_task, tasks
from draggan_engine.evaluation.face_cases import face_case
from draggan_engine.evaluation.face_detector import (
    FACE_LANDMARKS,
    FIVE_FACE_LANDMARKS,
    ONE_FACE_LANDMARK,
    detect_faces,
)
from draggan_engine.evaluation.report import write_report
from draggan_engine.evaluation.run_directory import Request, RunDirectory, read_images, read_rows
from draggan_engine.evaluation.runner import run_evaluation
from draggan_engine.evaluation.variants import MaskUse, Method
from tests.support.dlib_packages import needs_dlib
from tests.support.photograph_model import photograph_model, read_photograph

METHODS = (Method.NO_EDIT, Method.DRAG)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return photograph_model(tmp_path_factory.mktemp("model"))


def request_of(model: Model, n: int, **changes: Any) -> Request:
    return Request(
        experiments=("landmarks",), methods=METHODS, n=n, model=model.name, sha256=model.sha256,
        settings=model.info.settings, detector="dlib",
    ).model_copy(update=changes)  # fmt: skip


# The detector -------------------------------------------------------------------------------------------


@needs_dlib
def test_dlib_finds_the_landmarks_of_a_photograph() -> None:
    photograph = read_photograph(256)
    (points,) = detect_faces(photograph)
    assert points.shape == (70, 2) and np.isfinite(points).all()
    positions = dict(zip(FACE_LANDMARKS, points, strict=True))
    # Read off the photograph, in pixels of its 256.
    for name, position in (("30", (129, 127)), ("eye_left", (102, 101)), ("eye_right", (157, 103)), ("48", (103, 142))):
        assert np.linalg.norm(positions[name] - position) < 8, name
    assert positions["48"][0] < positions["30"][0] < positions["54"][0]


@needs_dlib
def test_landmarks_are_in_pixels_of_images_of_any_size() -> None:
    (large,) = detect_faces(read_photograph(256))
    (small,) = detect_faces(read_photograph(128))
    (huge,) = detect_faces(torch.nn.functional.interpolate(read_photograph(256), size=1024, mode="bilinear"))
    assert np.abs((small + 0.5) * 2 - 0.5 - large).mean() < 1.5
    assert np.abs((huge + 0.5) / 4 - 0.5 - large).mean() < 1.5


@needs_dlib
def test_landmarks_move_with_the_face() -> None:
    photograph = read_photograph(256)
    before, after = detect_faces(torch.cat([photograph, torch.roll(photograph, (6, -9), dims=(2, 3))]))
    assert np.abs(np.median(after - before, axis=0) - (-9, 6)).max() < 1


@needs_dlib
def test_an_image_without_a_face_has_no_landmarks() -> None:
    images = torch.cat([torch.zeros(1, 3, 128, 128), read_photograph(128)])
    without_face, with_face = detect_faces(images)
    assert np.isnan(without_face).all() and np.isfinite(with_face).all()


# Cases --------------------------------------------------------------------------------------------------


@needs_dlib
def test_the_landmarks_of_one_face_are_dragged_to_those_of_another(faces: Model) -> None:
    one, five, all_points = (face_case(faces, points, 0) for points in (1, 5, 68))
    assert one.landmark_names == ONE_FACE_LANDMARK and five.landmark_names == FIVE_FACE_LANDMARKS
    assert all_points.landmark_names == FACE_LANDMARKS[:68]
    (image_points,) = detect_faces(faces.generator.synthesis(one.drag.ws).image.clamp(-1, 1))
    handles = [handle for handle, _ in all_points.drag.pairs]
    assert np.allclose(handles, image_points[:68], atol=1e-3)
    assert one.drag.pairs[0] == all_points.drag.pairs[30]
    assert torch.equal(one.drag.ws, five.drag.ws)
    assert not torch.equal(one.drag.ws, face_case(faces, 1, 1).drag.ws)


@needs_dlib
def test_images_without_a_face_are_skipped_and_counted(faces: Model) -> None:
    cases = [face_case(faces, 1, number) for number in range(4)]
    assert sum(case.skipped_images for case in cases) > 0
    for case in cases:
        assert np.isfinite(detect_faces(faces.generator.synthesis(case.drag.ws).image)).all()


@needs_dlib
def test_models_without_faces_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(face_cases, "MAX_IMAGES_WITHOUT_FACE", 3)
    grey_model = photograph_model(tmp_path, shown_below=-math.inf)
    with pytest.raises(InputError, match=r"'faces': no face was detected in 3 of its images; .* frontal faces"):
        check_face_detector(grey_model)
    with pytest.raises(InputError, match="the images of 'critters-128' show none; use the detector critters"):
        check_face_detector(load_model("critters-128", "cpu"))


# The experiment -----------------------------------------------------------------------------------------


@needs_dlib
def test_a_run_on_faces_repeats_the_protocol_of_table_1(faces: Model, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run", request_of(faces, 2))
    progress = list(run_evaluation(directory, faces, "cpu", process_count=1))
    assert progress[-1].done == progress[-1].total == 6
    rows = read_rows(directory.path)
    assert len(rows) == 12 and {row.variant.points for row in rows} == {1, 5, 68}
    drags = [row.values for row in rows if row.method is Method.DRAG]
    for row in rows:
        if row.method is Method.NO_EDIT:
            assert row.values["md"] == row.values["md_start"] > 0
    # The photograph can be moved to where another copy of it is, up to the accuracy of detector and drag.
    assert np.mean([values["md"] for values in drags]) < 0.5 * np.mean([values["md_start"] for values in drags])
    assert read_images(directory.path, rows[0].chunk).features_before is None  # the model has no discriminator

    write_report(directory.path, tmp_path / "report.md", "draggan-tui eval landmarks", "2026-11-30")
    report = (tmp_path / "report.md").read_text()
    skipped = sum(face_case(faces, 1, number).skipped_images for number in range(2))
    assert f"{skipped} images in which dlib detected no face were skipped" in report
    assert "| no edit" in report and "(12.93)" in report and "(2.44)" in report
    no_edit_line, drag_line = (
        line for line in report.splitlines() if line.startswith("| ") and ("(12.93)" in line or "(2.44)" in line)
    )
    mean_at_512 = 4 * np.mean(
        [row.values["md"] for row in rows if row.method is Method.NO_EDIT and row.variant.points == 1]
    )
    assert f"{mean_at_512:.2f} (12.93)" in no_edit_line and "drag" in drag_line


@needs_dlib
def test_an_edit_that_loses_the_face_has_no_distance(
    faces: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(faces, 1, methods=(Method.DRAG,))
    task = next(iter(tasks(request, faces.info)))
    no_face = np.full((1, 70, 2), np.nan, np.float32)
    detections = iter([detect_faces(faces.generator.synthesis(face_case(faces, 1, 0).drag.ws).image), no_face])
    forgetful_detector = replace(DETECTORS["dlib"], detect=lambda _: next(detections))
    monkeypatch.setitem(cast(dict[str, Detector], DETECTORS), "dlib", forgetful_detector)
    directory = RunDirectory(tmp_path / "run", request)
    (row,), chunk_images = run_task(faces, task)
    assert "md_start" in row.values and "md" not in row.values
    directory.add_chunk([row], chunk_images)
    write_report(directory.path, tmp_path / "report.md", "draggan-tui eval landmarks", "2026-11-30")
    assert "no face was detected in 1 edited image" in (tmp_path / "report.md").read_text()


def test_ablations_of_a_model_of_faces_have_no_masks(faces: Model) -> None:
    face_tasks = list(tasks(request_of(faces, 1, experiments=("ablation",)), faces.info))
    assert face_tasks and all(task.variant.mask is MaskUse.NONE and task.detector == "dlib" for task in face_tasks)
