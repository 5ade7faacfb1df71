"""The log, and paths as they are printed."""

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
            log_path = Path(paths.log_traceback())
    assert log_path.is_relative_to(tmp_path)
    assert [word in log_path.read_text() for word in ("first", "second")] == [True, True]


def test_a_log_that_cannot_be_written_is_the_null_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert paths.log_traceback() == "/dev/null"


def test_a_path_is_relative_if_that_is_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    assert paths.short_path(tmp_path / "a" / "b") == "b"
    assert paths.short_path(tmp_path / "c") == "../c"
    assert paths.short_path(Path("/s")) == "/s"
    assert paths.short_path(Path("-s")) == "./-s"
    deleted_directory = tmp_path / "a" / "b"
    monkeypatch.chdir(deleted_directory)
    deleted_directory.rmdir()
    assert paths.short_path(tmp_path) == str(tmp_path)


def test_the_command_that_opens_a_session_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.open_command(tmp_path / "s") == "draggan-tui open s"
    assert paths.open_command(tmp_path / "my s") == "draggan-tui open 'my s'"
    assert "\n" not in paths.open_command(tmp_path / "a\nb") and "\x1b" not in paths.open_command(Path("\x1b[31m"))
