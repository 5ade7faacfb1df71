"""The prompt for the file of a photograph, which the engine reads."""

from __future__ import annotations

from pathlib import Path

from draggan_engine.server.messages import Failed
from draggan_engine.server.photograph_messages import OpenPhotograph, PhotographOpened
from draggan_tui.client.engine_client import EngineClient

from .key_names import with_keys
from .path_prompt import NO_ENGINE_IN_PROMPT, PathPrompt


class PhotographPrompt(PathPrompt[PhotographOpened]):
    """Returns the photograph, or None. The prompt stays open until the engine has read the file.

    Args:
        suggestion: the first content of the field.
    """

    PLACEHOLDER = "path of a photograph"

    def __init__(self, engine: EngineClient, suggestion: str) -> None:
        super().__init__("Open a photograph", "opens", suggestion=suggestion)
        self._engine = engine
        self._requested_path: str | None = None

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
            self.dismiss(engine_answer)
