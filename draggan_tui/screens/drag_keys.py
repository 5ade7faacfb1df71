"""Keys that start, lead and stop a drag, and set its numbers."""

from __future__ import annotations

from draggan_engine.core.edit import Edit
from draggan_engine.server.messages import PreviewSize, ReleaseLiveTarget, StartDrag, StopDrag

from .editor_session import SessionScreen
from .settings_dialog import SettingsDialog


class DragKeys(SessionScreen):
    """Drags, by themselves and by hand."""

    def action_drag(self) -> None:
        if self.state.dragging:
            self._stop_drag()
        else:
            self._start_drag(None)

    async def action_interrupt(self) -> None:
        """Ctrl-C stops the drag, or at rest quits."""
        if self.state.dragging:
            self._stop_drag()
        else:
            await self.action_leave()

    def _stop_drag(self) -> None:
        self.attempt(lambda: self.engine.send(StopDrag()), "stopping …")

    def action_one_step(self) -> None:
        """A drag of one step, or of as many as the count says."""
        self._start_drag(self.state.count or 1)

    def _start_drag(self, max_steps: int | None) -> None:
        def start() -> None:
            self.check_engine()
            self.state.begin_drag()
            self._send_drag(max_steps=max_steps)
            self.say_or_warn("")

        self.attempt(start)

    def action_lead(self) -> None:
        """Takes the selected handle in hand, or lets it go."""
        if self.state.lead is not None:
            self.let_go()
            return

        def start() -> None:
            self.check_engine()
            led = self.state.begin_leading()
            self._send_drag(live_pair=led)

        self.attempt(start, "move the cursor: the image follows it")

    def let_go(self) -> None:
        self.sync()
        self.state.let_go()
        self.engine.send(ReleaseLiveTarget())
        self.say("let go: the drag ends when the handle is at rest")
        self.show_state()

    def _send_drag(self, max_steps: int | None = None, live_pair: int | None = None) -> None:
        """Save the current revision and start a drag of it."""
        self._save()
        self._looked = size = self.preview_size()
        self.engine.send(
            StartDrag(
                revision=self.state.history.current,
                preview_size=PreviewSize.of(size),
                max_steps=max_steps,
                live_pair=live_pair,
            )
        )

    def action_toggle_space(self) -> None:
        if self.attempt(self.state.toggle_space):
            w_plus = self.state.edit.settings.space == "w+"
            self.say("W+: every layer moves by itself" if w_plus else "W: all layers move together")

    async def action_settings(self) -> None:
        work = self.state
        if self.attempt(work.at_rest) and work.info is not None:
            await self.app.push_screen(SettingsDialog(work.edit, work.info), self._settings_chosen)

    def _settings_chosen(self, edit: Edit | None) -> None:
        if edit is not None:
            self.attempt(lambda: self.state.change(edit), "settings changed")
