"""Controls a running inversion from the editor's side: starts it, takes its progress over, and ends it."""

from __future__ import annotations

from dataclasses import replace

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.messages import StopDrag
from draggan_engine.server.photograph_messages import InversionProgress, InvertPhotograph

from .history_cursor import HistoryCursor
from .modes import Idle, Inverting
from .photograph import PhotographStart
from .session_sync import EngineConnection, SessionSync
from .state import EditorState


class InversionController:
    """Has the engine invert a photograph, whose latent becomes a new revision after the present one."""

    def __init__(self, state: EditorState, engine: EngineConnection, sync: SessionSync) -> None:
        self._state, self._engine, self._sync = state, engine, sync

    def start(self, start: PhotographStart) -> None:
        """Save what is shown, and invert a photograph.

        Raises:
            EditError: the edit cannot be changed now.
        """
        state = self._state
        state.check_can_edit()
        state.keep_present_edit()
        self._sync.save_changes()
        state.mode, state.gesture = Inverting(start.path), None
        self._engine.send(
            InvertPhotograph(
                path=str(start.path),
                alignment=start.alignment,
                revision=self._new_revision(),
                method=start.search.method,
                steps=start.search.steps,
            )
        )

    def _new_revision(self) -> Revision:
        """Return the revision that starts from the photograph's latent: with the present settings, and without points."""
        state, edit = self._state, self._state.edit
        source = LatentRef(psi=state.model.psi, label=edit.source.label, from_file=True)
        return state.history.change(Edit(model=edit.model, source=source, settings=edit.settings)).current_revision

    def take_progress(self, progress: InversionProgress) -> None:
        """Take over how far the inversion is."""
        if isinstance(self._state.mode, Inverting):
            self._state.mode = replace(self._state.mode, progress=progress)

    def stop(self) -> None:
        """Ask the engine to end the inversion within a step, and to keep what there is."""
        if isinstance(self._state.mode, Inverting):
            self._state.mode = replace(self._state.mode, is_stopping=True)
            self._engine.send(StopDrag())

    def end(self, revision: Revision | None) -> None:
        """End the inversion and go to the revision that it has made, if any."""
        if isinstance(self._state.mode, Inverting):
            self._state.mode = Idle()
        if revision is not None:
            self._sync.mark_sent([revision.id])
            merged_history = self._state.history.merge([revision]).jump_to(revision.id)
            self._state.visit(HistoryCursor(merged_history), keep=True)
