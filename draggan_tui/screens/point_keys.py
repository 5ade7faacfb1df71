"""Keys for the pairs of points."""

from __future__ import annotations

from draggan_tui.document import Part
from draggan_tui.texture import is_flat

from .session import SessionScreen


class PointKeys(SessionScreen):
    """Selecting, moving, copying, disabling, deleting."""

    def action_retarget(self) -> None:
        if self.attempt(self.workspace.retarget):
            self.say(f"pair {(self.workspace.selected or 0) + 1} has a new target")

    def action_grab(self, part: Part) -> None:
        """Takes a point of the selected pair into the hand; a second time leaves it where it is."""
        if self.workspace.grab is not None:
            self.drop()
        elif self.attempt(lambda: self.workspace.take(part)):
            self.say(f"{self.workspace.grab} is grabbed: it moves with the cursor")

    def drop(self) -> None:
        def drop() -> None:
            grab = self.workspace.drop()
            self.say(f"{grab} is dropped")
            if grab.part == "handle":
                self.warn_if_flat()

        self.attempt(drop)

    def action_nudge(self, dx: int, dy: int) -> None:
        def nudge() -> None:
            self.workspace.nudge(dx, dy)
            if self.workspace.grab is None:
                self.say("handle nudged")
                self.warn_if_flat()

        self.attempt(nudge)

    def action_duplicate(self) -> None:
        def duplicate() -> None:
            number = (self.workspace.selected or 0) + 1
            self.workspace.duplicate(self.grid())
            copy = len(self.workspace.edit.pairs)
            self.say(f"pair {copy} is a copy of pair {number}")
            self.warn_if_flat()

        self.attempt(duplicate)

    def action_toggle_pair(self) -> None:
        def toggle() -> None:
            enabled = self.workspace.toggle_pair()
            number = (self.workspace.selected or 0) + 1
            self.say(f"pair {number} is enabled" if enabled else f"pair {number} is disabled: drags leave it out")

        self.attempt(toggle)

    def warn_if_flat(self) -> None:
        """Says so if the selected handle is on a flat patch; the inspector marks it as long as it is there."""
        work = self.workspace
        picture = self.pictures.get(work.edit.source)
        if picture is None or work.selected is None:
            return
        handle = work.edit.pairs[work.selected].handle
        if is_flat(picture, handle, work.edit.settings.r2, work.picture):
            self.flat.add(self.flat_key(handle))
            number = work.selected + 1
            self.say(f"handle {number} is on a flat patch and may drift", "warning")

    def action_select(self, step: int) -> None:
        self.go(lambda: self.workspace.select(step))

    def action_delete(self) -> None:
        before = len(self.workspace.edit.pairs)
        if self.attempt(self.workspace.delete):
            gone = before - len(self.workspace.edit.pairs)
            self.say("pair deleted" if gone == 1 else f"{gone} pairs deleted")
