"""The first frame, before the editor is imported."""

from __future__ import annotations

from textual.widgets import Static

from draggan_tui.rendering.loading_text import SPINNER


class Splash(Static):
    """The name of the model, at the same place as the placeholder of the editor's canvas."""

    DEFAULT_CSS = """
    Splash { width: 1fr; height: 1fr; margin: 0 32 3 0; content-align: center middle; text-align: center; }
    """

    def __init__(self, model_name: str) -> None:
        super().__init__(f"{SPINNER[0]} {model_name}", markup=False)
