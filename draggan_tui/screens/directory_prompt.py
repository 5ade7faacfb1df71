"""Asks where to save a session that cannot be written where it is, and stays until the engine has moved it there."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Static

from draggan_engine.core.errors import InputError, StorageError
from draggan_engine.server.messages import Failed, MoveSession, SessionMoved
from draggan_engine.storage.output_paths import DEFAULT_OUTPUT_DIRECTORY, check_output_directory, next_output_directory
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.config.paths import short_path

from .key_names import with_keys
from .path_prompt import NO_ENGINE, PathPrompt


def suggested_directory(current: Path) -> str:
    """A directory of the same name in another place, which can be written to; empty where there is none."""
    places = [
        DEFAULT_OUTPUT_DIRECTORY.absolute(),
        Path("~").expanduser() / DEFAULT_OUTPUT_DIRECTORY,
        Path(tempfile.gettempdir()) / DEFAULT_OUTPUT_DIRECTORY,
    ]
    for place in places:
        if place in current.absolute().parents:
            continue
        directory = next_output_directory(place / current.name)
        with suppress(InputError, StorageError):
            check_output_directory(directory)
            return short_path(directory)
    return ""


class DirectoryPrompt(PathPrompt[str]):
    """Returns the directory that the session has moved to, or None if it stays where it is.

    Args:
        engine: moves the session.
        problem: why the session cannot be written where it is.
        suggestion: another directory.
    """

    PLACEHOLDER = "path of a directory"

    def __init__(self, engine: EngineClient, problem: str, suggestion: str) -> None:
        super().__init__("Save in another directory", "saves there", suggestion=suggestion)
        self._engine, self._problem = engine, problem
        self._target: str | None = None

    def about(self) -> ComposeResult:
        yield Static(f"This session cannot be saved: {self._problem}", markup=False)

    def chosen(self, path: Path) -> None:
        if not self._engine.alive:
            self.refuse(with_keys(self.app, NO_ENGINE))
            return
        if self._target is not None:  # Enter came twice: the engine has not answered yet
            return
        self._target = str(path.absolute())
        self._engine.send(MoveSession(directory=self._target))

    def answer(self, event: SessionMoved | Failed) -> None:
        """The engine has moved the session, or could not."""
        if isinstance(event, Failed):
            self._target = None
            self.refuse(event.message)
        elif event.directory == self._target:
            self.dismiss(event.directory)
