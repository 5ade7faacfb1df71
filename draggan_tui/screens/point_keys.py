"""Keys for the pairs of points."""

from __future__ import annotations

from draggan_engine.core.edit_ops import PairPoint
from draggan_tui.editor.flatness import is_flat
from draggan_tui.editor.mask_reach import conflict_text, mask_conflicts

from .editor_session import SessionScreen


class PointKeys(SessionScreen):
    """Selecting, moving, copying, disabling, deleting."""

    def action_retarget(self) -> None:
        def retarget() -> None:
            self.state.retarget()
            self.say_target("has a new target")
            self.warn_about_pair(flat=False)

        self.attempt(retarget)

    @property
    def selected_number(self) -> int:
        """Of the selected pair, as people count."""
        return (self.state.selected or 0) + 1

    def say_target(self, done: str) -> None:
        """Say what was done to the selected pair, or that it is a pin now."""
        is_pin = self.state.edit.pairs[self.selected_number - 1].is_pin
        self.say(
            f"pair {self.selected_number} {'is a pin: it holds its place while other pairs move' if is_pin else done}"
        )

    def action_grab(self, part: PairPoint) -> None:
        """Takes a point of the selected pair into the hand; a second time leaves it where it is."""
        if self.state.grab is not None:
            self.drop()
        elif self.attempt(lambda: self.state.take(part)):
            self.say(f"{self.state.grab} is grabbed: it moves with the cursor")

    def drop(self) -> None:
        def drop() -> None:
            grab = self.state.drop()
            self.say(f"{grab} is dropped")
            self.warn_about_pair(flat=grab.part == "handle")

        self.attempt(drop)

    def action_nudge(self, dx: int, dy: int) -> None:
        def nudge() -> None:
            self.state.nudge(dx, dy)
            if self.state.grab is None:
                x, y = self.state.edit.pairs[self.selected_number - 1].handle
                self.say(f"handle {self.selected_number} is at {x:.1f}, {y:.1f}")
                self.warn_about_pair()

        self.attempt(nudge)

    def action_duplicate(self) -> None:
        def duplicate() -> None:
            original = self.selected_number
            self.state.duplicate(self.grid())
            self.say(f"pair {self.selected_number} is a copy of pair {original}")
            self.warn_about_pair()

        self.attempt(duplicate)

    def action_toggle_pair(self) -> None:
        def toggle() -> None:
            enabled = self.state.toggle_pair()
            does = "is enabled" if enabled else "is disabled: drags leave it out"
            self.say(f"pair {self.selected_number} {does}")
            self.warn_about_pair(flat=False)

        self.attempt(toggle)

    def warn_about_pair(self, *, flat: bool = True) -> None:
        """Say so if the mask keeps the selected pair from arriving, or if its handle is on a flat patch; the side panel marks
        the latter for as long as it is there.

        Args:
            flat: whether the handle is new where it is.
        """
        work = self.state
        image = self.pictures.get(work.edit.source)
        if work.selected is None:
            return
        handle = work.edit.pairs[work.selected].handle
        if flat and image is not None and is_flat(image, handle, work.edit.settings.r2, work.picture):
            self.flat.add(self.flat_key(handle))
            self.say(f"handle {self.selected_number} is on a flat patch and may drift", "warning")
        conflicts = mask_conflicts(work.edit, work.picture)
        if work.selected in conflicts:
            self.say(conflict_text({work.selected: conflicts[work.selected]}), "warning")

    def action_select(self, step: int) -> None:
        def select() -> None:
            self.state.select(step)
            self.say(f"pair {self.selected_number} of {len(self.state.edit.pairs)} is selected")

        self.go(select)

    def action_delete(self) -> None:
        first, before = self.selected_number, len(self.state.edit.pairs)
        if self.attempt(self.state.delete):
            deleted = before - len(self.state.edit.pairs)
            self.say(f"pair {first} is deleted" if deleted == 1 else f"{deleted} pairs are deleted")
