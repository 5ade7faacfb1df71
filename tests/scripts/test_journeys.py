"""Journeys through the project's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import journeys
from scripts.journeys import Journey, Part, Workplace, count_table, file_lists, record_drag_key
from scripts.python_sources import PROJECT

EXAMPLE = Journey("A key to the screen", [Part("screen", ["draggan_tui/app.py"]), Part("engine", [])])


def test_the_report_is_markdown() -> None:
    assert count_table([EXAMPLE]).splitlines()[-1] == "| A key to the screen | screen 1, engine 0 |"
    assert file_lists(EXAMPLE).splitlines()[:3] == [
        "### A key to the screen",
        "",
        "Screen (1 files): `draggan_tui/app`",
    ]


def test_a_drag_passes_files_of_both_processes(tmp_path: Path) -> None:
    journey = record_drag_key(Workplace(tmp_path))
    screen, engine = (part.files for part in journey.parts)
    assert len(screen) > 10 and any(name.startswith("draggan_tui/screens/") for name in screen)
    assert len(engine) > 10 and all(name.startswith("engine/draggan_engine/") for name in engine)
    assert all((PROJECT / name).is_file() for name in (*screen, *engine))


def test_an_unknown_journey_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["journeys.py", "key", "nowhere"])
    with pytest.raises(SystemExit):
        journeys.main()
    assert "unknown journey: nowhere; there are key, load, drag, change, landmarks" in capsys.readouterr().err
