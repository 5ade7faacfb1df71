"""The log, and what happens where there can be none."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_tui.config import paths


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


def test_a_path_is_shown_from_here_where_that_is_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    assert paths.short_path(tmp_path / "a" / "b") == "b"
    assert paths.short_path(tmp_path / "c") == "../c"
    assert paths.short_path(Path("/s")) == "/s"
    assert paths.short_path(Path("-s")) == "./-s"
    gone = tmp_path / "a" / "b"
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert paths.short_path(tmp_path) == str(tmp_path)


def test_the_command_that_opens_a_session_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.open_command(tmp_path / "s") == "draggan-tui open s"
    assert paths.open_command(tmp_path / "my s") == "draggan-tui open 'my s'"
    assert "\n" not in paths.open_command(tmp_path / "a\nb") and "\x1b" not in paths.open_command(Path("\x1b[31m"))
