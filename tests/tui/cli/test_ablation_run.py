"""`draggan-tui eval ablation`: what it says about ablations that the machine cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_engine.evaluation import runner
from draggan_tui.cli import evaluation_run


@pytest.mark.parametrize(("method", "is_told"), [("drag", True), ("least-squares", False)])
def test_a_precision_is_left_out_only_where_it_would_be_measured(
    method: str, is_told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation_run, "why_not_bfloat16", lambda *_: "there are no instructions for it")
    monkeypatch.setattr(runner, "run_evaluation", lambda *_: (progress for progress in ()))
    evaluation_run.run_experiments(
        "ablation",
        case_count=1,
        methods=[method],
        detector_name="critters",
        accepts_licence=False,
        model_spec="critters-128",
        device_name="cpu",
        out_directory=tmp_path / "run",
    )
    assert ("left out: precision: bfloat16: there are no" in capsys.readouterr().err) == is_told
