"""`bench drag` measures what it says: both drags, in both kinds of memory, and the arithmetic of a step."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from draggan_engine.benchmarks.step_cost import STEP_PHASES, BenchmarkCase, measure_step_cost
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_tui.benchmarks import drag as bench
from draggan_tui.benchmarks.drag import HEADER, row
from draggan_tui.cli.main import app


def test_a_case_of_the_bundled_model() -> None:
    measured = measure_step_cost(
        BenchmarkCase("critters-128", 2, masked=False, precision="float32", device="cpu"), steps=3
    )
    assert measured.speedup > 0 and measured.seconds > 0 and measured.reference_seconds > 0
    assert measured.arithmetic_seconds > 0
    assert set(measured.phase_shares) == set(STEP_PHASES) and sum(measured.phase_shares.values()) == pytest.approx(1)
    assert all(share > 0 for share in measured.phase_shares.values())
    assert (
        measured.reference_peak_bytes > 2**20
    )  # at least a map of all channels at the picture's size: 64 × 128 × 128 float32
    assert measured.max_handle_difference is not None and measured.max_handle_difference <= 1
    figures, parts = row(measured).splitlines()
    assert figures.startswith("critters-128         2 no   float32  ") and len(figures) == len(HEADER)
    assert "steps/s, threads: 1; synthesis " in parts


ONE_STEP = ("bench", "drag", "--size", "32", "--mask", "--steps", "1", "--device", "cpu")


def test_what_is_printed() -> None:
    precision = "bfloat16" if supports_bfloat16(torch.device("cpu")) else "float32"
    result = CliRunner().invoke(app, (*ONE_STEP, "--precision", precision))
    assert result.exit_code == 0, result.output
    assert HEADER in result.output
    assert f"random 32 px         1 yes  {precision:<8} " in result.output


def test_the_bfloat16_row_is_skipped_with_its_reason_where_the_processor_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[BenchmarkCase] = []
    monkeypatch.setattr(bench, "supports_bfloat16", lambda _: False)
    monkeypatch.setattr(bench, "measure_step_cost", lambda case, _: measured.append(case))
    monkeypatch.setattr(bench, "row", lambda _: "")
    result = CliRunner().invoke(app, (*ONE_STEP, "--precision", "float32", "--precision", "bfloat16"))
    assert result.exit_code == 0, result.output
    assert "bfloat16 is skipped: cpu has no instructions for it" in result.output
    assert [case.precision for case in measured] == ["float32"]


def test_a_size_that_there_is_not() -> None:
    result = CliRunner().invoke(app, ("bench", "drag", "--size", "100"))
    assert result.exit_code == 2
    assert "--size 100: StyleGAN2 has 32, 64," in result.output
