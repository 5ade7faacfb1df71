"""The prompt for the file of a photograph, which the engine reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from draggan_engine.core.inversion_choices import INVERSION_METHODS, InversionMethod
from draggan_engine.server.messages import Failed
from draggan_engine.server.photograph_messages import OpenPhotograph, PhotographOpened
from draggan_tui import DEFAULT_INVERSION_METHOD
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.editor.photograph import SearchOptions

from .key_names import with_keys
from .path_prompt import NO_ENGINE_IN_PROMPT, PathPrompt

METHOD_TEXTS: dict[InversionMethod, str] = {
    "hybrid": "a copy of the model is tuned where it can show the photograph;\nwhat it cannot show is kept, and drags do not move it",
    "w+": "only the latent is found; the model stays as it is",
    "pti": "a copy of the model is tuned to the whole photograph",
    "w": "one w for the whole latent: the most willing to be dragged,\nthe least like the photograph",
}


@dataclass(frozen=True)
class PhotographChoice:
    """A photograph that the engine has opened, and how it is to be inverted."""

    opened: PhotographOpened
    search: SearchOptions


class PhotographPrompt(PathPrompt[PhotographChoice]):
    """Returns the photograph, or None. The prompt stays open until the engine has read the file.

    Args:
        suggestion: the first content of the field.
    """

    # Shift-Tab, because terminals send few keys that a text field does not use.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("shift+tab", "next_method", show=False, priority=True)]
    PLACEHOLDER = "path of a photograph"

    def __init__(self, engine: EngineClient, suggestion: str) -> None:
        super().__init__("Open a photograph", "opens", suggestion=suggestion)
        self._engine = engine
        self._requested_path: str | None = None
        self._method: InversionMethod = DEFAULT_INVERSION_METHOD

    def compose_below(self) -> ComposeResult:
        yield Static("")
        yield Static(self._methods_text(), id="methods")
        yield Static(METHOD_TEXTS[self._method], id="method", classes="muted", markup=False)

    def _methods_text(self) -> Content:
        check_boxes = [f" [{'x' if name == self._method else ' '}] {name}" for name in INVERSION_METHODS]
        return Content.assemble(("Shift-Tab", "bold $accent"), *check_boxes)

    def action_next_method(self) -> None:
        """Choose the next method, and after the last one the first."""
        position = INVERSION_METHODS.index(self._method)
        self._method = INVERSION_METHODS[(position + 1) % len(INVERSION_METHODS)]
        self.query_one("#methods", Static).update(self._methods_text())
        self.query_one("#method", Static).update(METHOD_TEXTS[self._method])

    def accept_path(self, path: Path) -> None:
        if not self._engine.alive:
            self.refuse(with_keys(self.app, NO_ENGINE_IN_PROMPT))
            return
        self._requested_path = str(path)
        self._engine.send(OpenPhotograph(path=self._requested_path))

    def answer(self, engine_answer: PhotographOpened | Failed) -> None:
        """Close the prompt with the photograph, or say why the engine could not read it."""
        if isinstance(engine_answer, Failed):
            self.refuse(engine_answer.message)
        elif engine_answer.path == self._requested_path:  # not the answer to an earlier prompt
            self.dismiss(PhotographChoice(engine_answer, SearchOptions(self._method)))
