"""The editor with a fake engine."""

from __future__ import annotations

import pytest

from draggan_tui.app import DragganApp
from draggan_tui.client import engine_client
from tests.support.editing import FakeEngine, editor


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors are made with an engine that is a record of what it was told."""
    monkeypatch.setattr(engine_client, "EngineClient", FakeEngine)


@pytest.fixture
def app(fake_engine: None) -> DragganApp:  # noqa: ARG001 (a fixture)
    return editor()
