"""What a command may use, and how it reports what it has done.

A command changes the state and reports what it did, or raises `EditError` and changes nothing. Messages and errors name
keys by their binding, as `{drag}`; whoever shows them replaces that by the key in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from draggan_engine.core.errors import EditError
from draggan_tui.editor.displayed_images import DisplayedImages
from draggan_tui.editor.drag_controller import DragController
from draggan_tui.editor.flatness import is_flat
from draggan_tui.editor.inversion_controller import InversionController
from draggan_tui.editor.mask_reach import conflict_text, mask_conflicts
from draggan_tui.editor.photograph import PhotographStart
from draggan_tui.editor.session_sync import EngineConnection, SessionSync
from draggan_tui.editor.state import EditorState
from draggan_tui.editor.trajectory_reader import TrajectoryReader

ENGINE_MISSING = "no engine: {restart-engine} restarts it"
MessageKind = Literal["plain", "good", "warning", "bad"]


class UserInterface(Protocol):
    """The screen, as the commands see it."""

    def report(self, message: str, kind: MessageKind = "plain") -> None:
        """Show a message in place of the one before."""

    def attempt(self, command: Callable[[], object]) -> bool:
        """Run a command and show its error, if it raises one; return whether it succeeded."""

    def end_hints(self) -> None:
        """End the hints for newcomers."""

    def shows_whole_preview(self) -> bool:
        """Return whether every pixel of an image can be seen, for example in the loupe."""

    def invert_photograph(self, start: PhotographStart) -> None:
        """Have the engine invert a photograph, in another session if this one has no room for it."""


@dataclass
class CommandContext:
    """
    Attributes:
        count: the number typed before the command, 0 if there was none. Whoever runs a command moves it here.
    """

    state: EditorState
    engine: EngineConnection
    ui: UserInterface
    images: DisplayedImages
    sync: SessionSync
    drag: DragController
    inversion: InversionController
    trajectories: TrajectoryReader
    count: int = 0

    @classmethod
    def create(cls, state: EditorState, engine: EngineConnection, ui: UserInterface) -> CommandContext:
        """Return a context for a state and an engine, with nothing sent yet."""
        sync = SessionSync(state, engine)
        return cls(
            state=state,
            engine=engine,
            ui=ui,
            images=DisplayedImages(),
            sync=sync,
            drag=DragController(state, engine, sync, ui.shows_whole_preview),
            inversion=InversionController(state, engine, sync),
            trajectories=TrajectoryReader(state, engine),
        )

    def report(self, message: str, kind: MessageKind = "plain") -> None:
        """Show a message to the user, in place of the one before."""
        self.ui.report(message, kind)

    @property
    def repeat(self) -> int:
        """How often to do what the command does."""
        return self.count or 1

    @property
    def selected_number(self) -> int:
        """The number of the selected pair, from 1."""
        return (self.state.selected_pair or 0) + 1

    def check_engine(self) -> None:
        """
        Raises:
            EditError: there is no engine.
        """
        if not self.engine.alive:
            raise EditError(ENGINE_MISSING)

    def report_or_warn(self, message: str) -> None:
        """Report what a command did, and warn about all points that the mask blocks."""
        conflict_message = conflict_text(mask_conflicts(self.state.edit, self.state.image_size))
        if conflict_message:
            self.report(f"{message}; {conflict_message}" if message else conflict_message, "warning")
        else:
            self.report(message)

    def warn_about_pair(self, *, handle_is_new: bool = True) -> None:
        """Warn if the selected pair's handle is on a flat patch, and mark it then, or if the mask blocks one of its points.

        Args:
            handle_is_new: whether the handle was placed or moved, so that its patch has to be looked at.
        """
        state = self.state
        if state.selected_pair is None:
            return
        handle, image = state.edit.pairs[state.selected_pair].handle, self.images.cache.get(state.edit.source)
        if handle_is_new and image is not None and is_flat(image, handle, state.edit.settings.r2, state.image_size):
            state.mark_flat(handle)
            self.report(f"handle {self.selected_number} is on a flat patch and may drift", "warning")
        pair_conflicts = mask_conflicts(state.edit, state.image_size)
        if state.selected_pair in pair_conflicts:
            self.report(conflict_text({state.selected_pair: pair_conflicts[state.selected_pair]}), "warning")
