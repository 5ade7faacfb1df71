"""Controls a running drag from the editor's side: starts it, tells the engine what changes meanwhile, and ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.history import Revision
from draggan_engine.server.messages import (
    MoveLiveTarget,
    PreviewSize,
    ReleaseLiveTarget,
    SetPreviewSize,
    StartDrag,
    StopDrag,
)

from .history_cursor import HistoryCursor
from .modes import Dragging, Idle, LiveDrag, ReleasedDrag, RunningDrag
from .session_sync import EngineConnection, SessionSync
from .state import EditorState


class DragController:
    """Sends the engine the preview size and the live target only when they change.

    Args:
        shows_whole_preview: returns whether every pixel of a preview can be seen.
    """

    def __init__(
        self, state: EditorState, engine: EngineConnection, sync: SessionSync, shows_whole_preview: Callable[[], bool]
    ) -> None:
        self._state, self._engine, self._sync = state, engine, sync
        self._shows_whole_preview = shows_whole_preview
        self._preview_size: Size | None = None
        self._live_target: Point | None = None

    def preview_size(self) -> Size:
        """Return the size up to which more pixels of a drag's previews can be seen."""
        image_size, grid = self._state.image_size, self._state.viewport.grid
        if self._state.comparison != "after" or self._shows_whole_preview():
            return image_size
        return Size(min(grid.width, image_size.width), min(grid.height, image_size.height))

    def start(self, max_steps: int | None = None, live_pair: int | None = None) -> None:
        """Save what is shown and drag it.

        Args:
            max_steps: replaces the step limit of the settings.
            live_pair: index of the pair whose target follows the cursor.
        """
        state = self._state
        state.keep_present_edit()
        pair_indices = tuple(state.edit.dragged_pairs(live_pair))
        state.mode = Dragging(pair_indices) if live_pair is None else LiveDrag(pair_indices, live_pair)
        state.gesture = None
        self._preview_size, self._live_target = self.preview_size(), None
        self._sync.save_changes()
        self._engine.send(
            StartDrag(
                revision=state.history.current,
                preview_size=PreviewSize.of(self._preview_size),
                max_steps=max_steps,
                live_pair=live_pair,
            )
        )

    def follow(self) -> None:
        """Tell the engine about a new preview size, and about a live target that has moved."""
        if not self._state.is_dragging:
            return
        preview_size = self.preview_size()
        if preview_size != self._preview_size:
            self._preview_size = preview_size
            self._engine.send(SetPreviewSize(preview_size=PreviewSize.of(preview_size)))
        target = self._state.cursor
        if isinstance(self._state.mode, LiveDrag) and target is not None and target != self._live_target:
            self._live_target = target
            self._engine.send(MoveLiveTarget(target=target))

    def take_step(self, handles: tuple[Point, ...], sigma: float | None) -> None:
        """Take over where the handles are after a step, and how far the latent has moved."""
        if isinstance(self._state.mode, RunningDrag):
            self._state.mode = replace(self._state.mode, handles=handles, sigma=sigma)

    def release(self) -> None:
        """Leave the target of a live drag where the cursor is."""
        live_drag = self._state.mode
        if isinstance(live_drag, LiveDrag):
            self.follow()
            target = self._state.placed_cursor
            self._state.mode = ReleasedDrag(live_drag.pair_indices, live_drag.live_pair, target, live_drag.handles)
            self._engine.send(ReleaseLiveTarget())

    def stop(self) -> None:
        """Ask the engine to end the drag within a step."""
        self._engine.send(StopDrag())

    def end(self, revision: Revision | None) -> None:
        """End the drag and go to the revision that it has made, if any."""
        if self._state.is_dragging:
            self._state.mode = Idle()
        self._preview_size = self._live_target = None
        if revision is not None:
            merged_history = self._state.history.merge([revision]).jump_to(revision.id)
            self._state.visit(HistoryCursor(merged_history), keep=True)
