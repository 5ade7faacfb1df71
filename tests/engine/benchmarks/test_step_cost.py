"""`bench drag` measures both drags, their memory and the arithmetic of a step."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from draggan_engine.benchmarks.step_cost import STEP_PHASES, BenchmarkCase, measure_step_cost
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_tui.benchmarks.drag import TABLE_HEADER, format_step_cost, select_precisions
from draggan_tui.cli.main import app

ONE_STEP = ("bench", "drag", "--size", "32", "--mask", "--steps", "1", "--device", "cpu")


def test_the_cost_of_a_step_of_the_bundled_model() -> None:
    case = BenchmarkCase("critters-128", 2, has_mask=False, precision="float32", device="cpu")
    cost = measure_step_cost(case, step_count=3)
    assert cost.speedup > 0 and cost.seconds > 0 and cost.reference_seconds > 0
    assert cost.arithmetic_seconds > 0
    assert set(cost.phase_shares) == set(STEP_PHASES)
    assert sum(cost.phase_shares.values()) == pytest.approx(1)
    assert all(share > 0 for share in cost.phase_shares.values())
    assert cost.reference_peak_bytes > 2**20  # the reference drag holds 64 channels at the image's size in float32
    assert cost.max_handle_difference is not None and cost.max_handle_difference <= 1
    table_row, phases = format_step_cost(cost).splitlines()
    assert table_row.startswith("critters-128         2 no   float32  ") and len(table_row) == len(TABLE_HEADER)
    assert "steps/s, threads: 1; synthesis " in phases


def test_the_table_has_a_row_for_each_case() -> None:
    precision = "bfloat16" if supports_bfloat16(torch.device("cpu")) else "float32"
    result = CliRunner().invoke(app, (*ONE_STEP, "--precision", precision))
    assert result.exit_code == 0, result.output
    assert TABLE_HEADER in result.output
    assert f"random 32 px         1 yes  {precision:<8} " in result.output


def test_bfloat16_is_skipped_with_a_reason_where_the_processor_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    cpu = torch.device("cpu")
    assert select_precisions(["float32", "bfloat16"], cpu, lambda _: False) == ["float32"]
    assert capsys.readouterr().out == "bfloat16 is skipped: cpu has no instructions for it\n"
    assert select_precisions(["float32", "bfloat16"], cpu, lambda _: True) == ["float32", "bfloat16"]
    assert select_precisions(["float32"], cpu, lambda _: False) == ["float32"]
    assert capsys.readouterr().out == ""


def test_a_size_that_stylegan2_does_not_have_is_refused() -> None:
    result = CliRunner().invoke(app, ("bench", "drag", "--size", "100"))
    assert result.exit_code == 2
    assert "--size 100: StyleGAN2 has 32, 64," in result.output
