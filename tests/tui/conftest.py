"""The editor with a fake engine, and a configuration directory of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_tui.app import DragganApp
from draggan_tui.client import engine_client
from tests.support.editing import FakeEngine, editor


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make editors with an engine that records the commands it receives."""
    monkeypatch.setattr(engine_client, "EngineClient", FakeEngine)


@pytest.fixture
def app(fake_engine: None) -> DragganApp:  # noqa: ARG001 (a fixture)
    return editor()


@pytest.fixture
def truecolor_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apps that are made after this run in a terminal with RGB colours, whatever terminal the tests run in."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def config_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration directory, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    directory = tmp_path / "draggan-tui"
    directory.mkdir()
    return directory
