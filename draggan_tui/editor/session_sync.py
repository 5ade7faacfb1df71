"""Keeps the engine informed: sends it the changes that it does not have yet, and requests images."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Protocol

from draggan_engine.core.edit import Edit
from draggan_engine.core.revision_id import RevisionId
from draggan_engine.server.messages import Command, Render, Save

from .state import EditorState


class EngineConnection(Protocol):
    """What the editor needs of the engine's client."""

    @property
    def alive(self) -> bool: ...

    def send(self, command: Command) -> None: ...


class SessionSync:
    """
    Attributes:
        directory: that of the session. None: nothing has been saved yet.
        saved_directory: the directory to which this run has last saved changes.
        save_problem: why the session cannot be written to its directory; empty if it can.
        keeps_directory: whether the user declined to choose another directory.
    """

    def __init__(self, state: EditorState, engine: EngineConnection) -> None:
        self._state, self._engine = state, engine
        self.directory: Path | None = None
        self.saved_directory: Path | None = None
        self.save_problem = ""
        self.keeps_directory = False
        self._sent_change_count = 0
        self._sent_ids: set[RevisionId] = set()
        self._request_id = 0
        self._requested_source: Hashable = None  # None: no image is on its way

    def save_changes(self) -> None:
        """Send the engine the changes that it does not have yet."""
        state = self._state
        if state.change_count <= self._sent_change_count:
            return
        missing_revisions = state.history.missing_from(self._sent_ids)
        self.mark_sent(revision.id for revision in missing_revisions)
        self._sent_change_count = state.change_count
        self._engine.send(
            Save(change_count=state.change_count, revisions=missing_revisions, current=state.history.current)
        )

    def mark_sent(self, revision_ids: Iterable[RevisionId]) -> None:
        """Remember that the engine has these revisions."""
        self._sent_ids.update(revision_ids)

    def send_all_again(self) -> None:
        """Send the whole history with the next save: the engine is another one, or has failed to write."""
        self._sent_change_count = 0
        self._sent_ids.clear()

    def request_image(self, edit: Edit) -> None:
        """Request an edit's image, unless it is on its way."""
        if self._requested_source != edit.source:
            self._requested_source = edit.source
            self._request_id += 1
            self._engine.send(Render(request_id=self._request_id, edit=edit))

    def take_requested_source(self, request_id: int) -> Hashable:
        """Return the source of the image that answers a request; None if that request is not the last one."""
        if request_id != self._request_id:
            return None
        requested_source, self._requested_source = self._requested_source, None
        return requested_source

    def forget_request(self) -> None:
        """Request the image again: the engine that was asked for it is gone."""
        self._requested_source = None
