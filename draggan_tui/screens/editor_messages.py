"""The messages that the application and the editor's screen post to each other."""

from __future__ import annotations

from textual.message import Message

from draggan_engine.server.messages import Event
from draggan_tui.config.themes import EditorTheme


class EngineEvent(Message):
    """Posted by the application for each event of the engine, in order."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class EngineLost(Message):
    """Posted by the application when the engine process has ended without being asked to."""


class LeaveEditor(Message):
    """Posted when the user leaves the editor: nothing would be lost, or the user agreed to lose it, or there is no model."""

    def __init__(self, return_code: int = 0, message: str | None = None) -> None:
        super().__init__()
        self.return_code, self.message = return_code, message


class ThemeChosen(Message):
    """Posted when the user has chosen another theme for this run."""

    def __init__(self, theme: EditorTheme) -> None:
        super().__init__()
        self.theme = theme
