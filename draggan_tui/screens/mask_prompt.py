"""Asks for a mask's file and stays until the engine has read or written it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from draggan_engine.server.messages import Failed, LoadMask, MaskLoaded, MaskSaved, SaveMask
from draggan_tui.client.engine_client import EngineClient

from .key_names import with_keys
from .path_prompt import NO_ENGINE, PathPrompt


class MaskPrompt(PathPrompt[MaskLoaded | MaskSaved]):
    """Returns what the engine has answered, or None.

    Args:
        enter: what Enter does.
        command: what is asked of the engine, given the path.
    """

    def __init__(
        self,
        title: str,
        enter: str,
        engine: EngineClient,
        command: Callable[[str], LoadMask | SaveMask],
        endings: Sequence[str] = (),
    ) -> None:
        super().__init__(title, enter, endings)
        self._engine, self._command = engine, command
        self._asked: str | None = None

    def chosen(self, path: Path) -> None:
        if not self._engine.alive:
            self.refuse(with_keys(self.app, NO_ENGINE))
            return
        self._asked = str(path)
        self._engine.send(self._command(self._asked))

    def answer(self, event: MaskLoaded | MaskSaved | Failed) -> None:
        """The engine has done it, or could not."""
        if isinstance(event, Failed):
            self.refuse(event.message)
        elif event.path == self._asked:  # and not to an earlier prompt
            self.dismiss(event)
