"""The download of a model, as the screen knows it: it may go on while no dialog shows it."""

from __future__ import annotations

from collections.abc import Callable

from draggan_engine.server.messages import Command
from draggan_engine.server.pull_messages import PullModel, PullProgress, StopPull
from draggan_tui.rendering.model_list_text import pull_text


class ModelPulls:
    """
    Args:
        send: sends a command to the engine.

    Attributes:
        source: what is being downloaded; None: nothing.
        progress_text: how far that is.
    """

    def __init__(self, send: Callable[[Command], object]) -> None:
        self._send = send
        self.source: str | None = None
        self.progress_text = ""
        self._is_stopping = False

    def start(self, source: str) -> None:
        self._is_stopping = False
        self.source, self.progress_text = source, f"downloading {source} … · x stops it"
        self._send(PullModel(source=source))

    def stop(self) -> None:
        self._is_stopping = True
        self.progress_text = f"stopping the download of {self.source} …"
        self._send(StopPull())

    def receive(self, pull_progress: PullProgress) -> None:
        if not self._is_stopping:
            self.progress_text = pull_text(pull_progress.source, pull_progress.done, pull_progress.total)

    def end(self) -> None:
        """Forget the download, which has ended."""
        self.source, self.progress_text = None, ""
