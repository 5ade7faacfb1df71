"""The log, and what happens where there can be none."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_tui import paths


def test_tracebacks_are_appended_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for word in ("first", "second"):
        try:
            raise ValueError(word)
        except ValueError:
            where = Path(paths.log_traceback())
    assert where.is_relative_to(tmp_path)
    assert [word in where.read_text() for word in ("first", "second")] == [True, True]


def test_no_log_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert paths.log_traceback() == "/dev/null"
