"""The prompt for the file of a mask, which the engine reads or writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from draggan_engine.server.messages import Failed, LoadMask, MaskLoaded, MaskSaved, SaveMask
from draggan_tui.client.engine_client import EngineClient

from .key_names import with_keys
from .path_prompt import NO_ENGINE_IN_PROMPT, PathPrompt


class MaskPrompt(PathPrompt[MaskLoaded | MaskSaved]):
    """Returns the engine's answer, or None. The prompt stays open until the engine has read or written the file.

    Args:
        enter_hint: what Enter does, as `loads`.
        make_command: makes the command to the engine from a path.
    """

    def __init__(
        self,
        title: str,
        enter_hint: str,
        engine: EngineClient,
        make_command: Callable[[str], LoadMask | SaveMask],
        endings: Sequence[str] = (),
    ) -> None:
        super().__init__(title, enter_hint, endings)
        self._engine, self._make_command = engine, make_command
        self._requested_path: str | None = None

    def accept_path(self, path: Path) -> None:
        if not self._engine.alive:
            self.refuse(with_keys(self.app, NO_ENGINE_IN_PROMPT))
            return
        self._requested_path = str(path)
        self._engine.send(self._make_command(self._requested_path))

    def answer(self, engine_answer: MaskLoaded | MaskSaved | Failed) -> None:
        """Close the prompt with the engine's answer, or say why the engine could not do it."""
        if isinstance(engine_answer, Failed):
            self.refuse(engine_answer.message)
        elif engine_answer.path == self._requested_path:  # not the answer to an earlier prompt
            self.dismiss(engine_answer)
