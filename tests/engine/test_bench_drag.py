"""`bench drag` measures what it says: both drags, in both kinds of memory, and the arithmetic of a step."""

from __future__ import annotations

import pytest

from draggan_engine.benchmarks.drag import PARTS, Case, measure
from draggan_tui.benchmarks.drag import HEADER, bench_drag, row


def test_a_case_of_the_bundled_model() -> None:
    measured = measure(Case("critters-128", 2, masked=False, precision="float32", device="cpu"), steps=3)
    assert measured.ratio > 0 and measured.seconds > 0 and measured.plain_seconds > 0
    assert 0 < measured.floor < measured.seconds
    assert set(measured.parts) == set(PARTS) and sum(measured.parts.values()) == pytest.approx(1)
    assert all(share > 0 for share in measured.parts.values())
    assert measured.plain_peak > 2**20  # at least a map of all channels at the picture's size: 64 × 128 × 128 float32
    assert measured.apart is not None and measured.apart <= 1
    figures, parts = row(measured).splitlines()
    assert figures.startswith("critters-128         2 no   float32  ") and len(figures) == len(HEADER)
    assert "steps/s: synthesis " in parts


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    bench_drag([], [32], [1], [True], ["bfloat16"], 1, "cpu")
    text = capsys.readouterr().out
    assert "random 32 px         1 yes  bfloat16 " in text
    assert HEADER in text
