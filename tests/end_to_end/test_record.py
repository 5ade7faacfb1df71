"""The recorder drives the program as it is installed."""

from __future__ import annotations

from pathlib import Path

from docs.record import Step, frames, record, write_gif


def test_a_short_recording(tmp_path: Path) -> None:
    raw, looks, still = record(
        (Step(pause=0.3), Step("\r", 0.5, until="target?", still=True), Step("5l", 0.5)), tmp_path
    )
    shown = list(frames(raw, looks))
    assert len(shown) >= 3  # the picture, the handle, the cursor further on
    assert looks[0].time < still.time < looks[-1].time
    assert sum(seconds for _, seconds in shown) > 1.3
    assert len(shown[0][0].getcolors(100_000) or []) > 50
    write_gif(tmp_path / "a.gif", shown)
    assert 10_000 < (tmp_path / "a.gif").stat().st_size < 1_000_000
