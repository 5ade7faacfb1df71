"""The editor with a fake engine."""

from __future__ import annotations

import pytest

from draggan_tui import app as app_module
from draggan_tui.app import DragganApp, Options
from draggan_tui.themes import load
from tests.ui.editing import FakeEngine


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> DragganApp:
    monkeypatch.setattr(app_module, "EngineClient", FakeEngine)
    options = Options(model="toy", seed=5, psi=None, label=0, latent=None, device="auto", out=None, theme=load("dark"))
    return DragganApp(options)
