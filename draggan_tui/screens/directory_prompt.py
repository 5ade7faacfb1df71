"""The prompt for another directory, for a session that cannot be written where it is."""

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
from .path_prompt import NO_ENGINE_IN_PROMPT, PathPrompt


def suggested_directory(current_directory: Path) -> str:
    """Return a writable directory of the same name in another place, or an empty text if there is none."""
    output_parents = [
        DEFAULT_OUTPUT_DIRECTORY.absolute(),
        Path("~").expanduser() / DEFAULT_OUTPUT_DIRECTORY,
        Path(tempfile.gettempdir()) / DEFAULT_OUTPUT_DIRECTORY,
    ]
    for output_parent in output_parents:
        if output_parent in current_directory.absolute().parents:
            continue
        directory = next_output_directory(output_parent / current_directory.name)
        with suppress(InputError, StorageError):
            check_output_directory(directory)
            return short_path(directory)
    return ""


class DirectoryPrompt(PathPrompt[str]):
    """Returns the directory to which the session was moved, or None if it was not moved.

    The prompt stays open until the engine has moved the session.

    Args:
        problem: why the session cannot be written where it is.
        suggestion: another directory.
    """

    PLACEHOLDER = "path of a directory"

    def __init__(self, engine: EngineClient, problem: str, suggestion: str) -> None:
        super().__init__("Save in another directory", "saves there", suggestion=suggestion)
        self._engine, self._save_problem = engine, problem
        self._requested_path: str | None = None

    def compose_below(self) -> ComposeResult:
        yield Static(f"This session cannot be saved: {self._save_problem}", markup=False)

    def accept_path(self, path: Path) -> None:
        if not self._engine.alive:
            self.refuse(with_keys(self.app, NO_ENGINE_IN_PROMPT))
            return
        if self._requested_path is not None:  # the engine has not answered yet
            return
        self._requested_path = str(path.absolute())
        self._engine.send(MoveSession(directory=self._requested_path))

    def answer(self, engine_event: SessionMoved | Failed) -> None:
        """Close the prompt if the session was moved, or say why it could not be."""
        if isinstance(engine_event, Failed):
            self._requested_path = None
            self.refuse(engine_event.message)
        elif engine_event.directory == self._requested_path:
            self.dismiss(engine_event.directory)
