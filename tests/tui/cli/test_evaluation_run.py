"""`draggan-tui eval --detector dlib`, with a model that stands in for one of faces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draggan_engine.core.errors import InputError
from draggan_engine.evaluation import runner
from draggan_tui.cli import evaluation_run
from draggan_tui.cli.evaluation_run import run_experiments
from tests.support.dlib_packages import needs_dlib
from tests.support.photograph_model import photograph_model


def evaluate_faces(experiment: str, out_directory: Path, *, accepts_licence: bool = True) -> None:
    run_experiments(
        experiment,
        case_count=1,
        methods=["no edit"],
        detector_name="dlib",
        accepts_licence=accepts_licence,
        model_spec="faces",
        device_name="cpu",
        out_directory=out_directory,
    )


@pytest.fixture(autouse=True)
def _faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = photograph_model(tmp_path)
    monkeypatch.setattr(evaluation_run, "load_model", lambda spec, device: model)  # noqa: ARG005
    monkeypatch.setattr(runner, "MAX_THREADS", 1)  # other processes would load the stand-in's file


@needs_dlib
def test_a_run_on_faces_states_the_command_that_repeats_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_faces("landmarks", tmp_path / "run")
    assert capsys.readouterr().out == f"{tmp_path / 'run'}/report.md\n"
    request = json.loads((tmp_path / "run/run.json").read_text())
    assert (request["detector"], request["experiments"]) == ("dlib", ["landmarks"])
    report = (tmp_path / "run/report.md").read_text()
    assert "--methods 'no edit' --detector dlib --accept-licence --model" in report
    assert "(12.93)" in report
    with pytest.raises(
        InputError, match="the experiment mask cannot be run with the detector dlib; choose from landmarks"
    ):
        evaluate_faces("mask", tmp_path / "masks")
    assert not (tmp_path / "masks").exists()


def test_nothing_is_run_before_the_licence_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"iBUG 300-W, whose licence excludes commercial use; .* --accept-licence"
    ) as error:
        evaluate_faces("landmarks", tmp_path / "run", accepts_licence=False)
    assert error.value.exit_code == 2
    assert not (tmp_path / "run").exists()
