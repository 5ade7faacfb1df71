"""Keys that lead through the history, and compare what is in it."""

from __future__ import annotations

from collections.abc import Callable

from draggan_engine.core.history import Trajectory
from draggan_engine.server.messages import ReadTrajectory
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.editor.history_text import branch_text, change_text, place_text
from draggan_tui.editor.state import Comparison
from draggan_tui.editor.workspace import EditorState
from draggan_tui.rendering.dithering import ColorDepth

from .branch_list import BranchChoice, BranchList
from .editor_session import SessionScreen

SHOWS: dict[Comparison, str] = {
    "after": "the image as it is now",
    "before": "the image before",
    "split": "before is left of the cursor, after right of it",
    "difference": "the difference, amplified three times",
}


class HistoryKeys(SessionScreen):
    """Undo and redo, scrubbing, branches, before and after."""

    def __init__(self, state: EditorState, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__(state, engine, depth)
        self._awaited: set[int] = set()  # drags whose ways are being read
        self._waiting: list[Callable[[], object]] = []  # what is done then

    def action_undo(self) -> None:
        self._travel(self.state.undo, "undone")

    def action_redo(self) -> None:
        self._travel(self.state.redo, "redone")

    def _travel(self, move: Callable[[], object], done: str) -> None:
        """Along the line of the history; says what that has changed."""
        before = self.state.history
        if self.attempt(move):
            after = self.state.history
            longer, shorter = sorted((before, after), key=lambda history: len(history.lineage), reverse=True)
            passed = longer.lineage[len(shorter.lineage) :]
            what = change_text(longer, passed[0]) if len(passed) == 1 else f"{len(passed)} changes"
            self.say(f"{done}: {what}" if passed else "")

    def action_skip(self, direction: int) -> None:
        if self.attempt(lambda: self.state.skip(direction)):
            self._say_place()

    def _say_place(self) -> None:
        """Say where in the history the editor is now."""
        work = self.state
        if work.history_cursor.step_index is None:
            self.say(f"now at: {change_text(work.history, work.history.current_revision)}")
        else:
            self.say(f"now within: {place_text(work.history_cursor, work.trajectories)}")

    def action_scrub(self, direction: int) -> None:
        """A step back or on; the ways of the drags are read first, if need be."""
        work, count = self.state, self.state.count

        def scrub() -> None:
            work.count = count
            if self.attempt(lambda: work.scrub(direction)):
                self._say_place()

        if not self.attempt(work.at_rest):
            return
        unread = set(work.unread())
        if not unread or not self.engine.alive:
            scrub()
            return
        self._waiting.append(scrub)
        for number in sorted(unread - self._awaited):
            self._awaited.add(number)
            self.engine.send(ReadTrajectory(drag_number=number))

    def drag_read(self, path: Trajectory) -> None:
        super().drag_read(path)
        self._awaited.discard(path.number)
        if not self._awaited:
            self._do_what_waits()

    def on_engine_lost(self) -> None:
        self._awaited.clear()
        self._waiting.clear()

    def _do_what_waits(self) -> None:
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()

    # Comparing ----------------------------------------------------------------------------------------

    def action_compare(self, shows: Comparison) -> None:
        """That comparison, or if it is the present one, the picture as it is."""

        def compare() -> None:
            self.state.need_picture()
            self.comparison = "after" if self.comparison == shows else shows

        if self.attempt(compare):
            self.say(SHOWS[self.comparison] + self._compared())

    def _compared(self) -> str:
        reference, history = self.state.reference, self.state.history
        if self.comparison == "after" or reference is None:
            return ""
        return f" (against {branch_text(history, history.revisions[reference])})"

    async def action_branches(self) -> None:
        if self.attempt(self.state.at_rest):
            work = self.state
            dialog = BranchList(work.history, work.reference, self.pictures, self.depth)
            await self.app.push_screen(dialog, self._branch_chosen)
            self.sync()

    def _branch_chosen(self, chosen: BranchChoice | None) -> None:
        work = self.state
        if chosen is None:
            return
        if not chosen.compare and chosen.revision_id is not None:
            id = chosen.revision_id
            if self.attempt(lambda: work.go(id)):
                self._say_place()
        else:
            work.compare_with(chosen.revision_id)
            self.comparison = "split"
            self.say(SHOWS[self.comparison] + self._compared())
            self.sync()
