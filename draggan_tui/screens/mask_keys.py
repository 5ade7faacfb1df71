"""Keys for the mask."""

from __future__ import annotations

from draggan_engine.core.mask_regions import percent
from draggan_engine.server.messages import LoadMask, MaskLoaded, MaskSaved, SaveMask
from draggan_tui.editor.commands.mask import MAX_BRUSH

from .editor_session import SessionScreen
from .mask_prompt import MaskPrompt


class MaskKeys(SessionScreen):
    """Painting, shapes, growing, files."""

    def action_pen(self) -> None:
        if self.attempt(lambda: self.state.toggle_pen(self.grid())):
            if self.state.pen:
                self.say("pen down: what the cursor passes may move")
            else:
                self._say_mask("pen up")

    def _say_mask(self, done: str = "") -> None:
        """Say what was done to the mask, how much may move now, and which points it keeps from moving."""
        mask = self.state.edit.mask
        share = (
            "there is no mask, so everything may move"
            if mask is None
            else f"{percent(mask.share)} of the image may move"
        )
        self.say_or_warn(f"{done}: {share}" if done else share)

    def action_toggle_cell(self) -> None:
        if self.attempt(lambda: self.state.paint(None, self.grid())):
            self._say_mask()

    def action_brush(self, step: int) -> None:
        if self.attempt(lambda: self.state.resize_brush(step)):
            self._say_brush()

    def action_reshape_brush(self) -> None:
        if self.attempt(self.state.reshape_brush):
            self._say_brush()

    def _say_brush(self) -> None:
        brush = self.state.brush
        limit = {1: ", the smallest", MAX_BRUSH: ", the largest"}.get(brush.size, "")
        self.say(f"brush {brush.size}, {'round' if brush.round else 'square'}{limit}")

    def action_shape(self) -> None:
        if self.attempt(self.state.next_shape):
            shape = self.state.shape
            self.say("no shape" if shape is None else f"{shape.form}: it reaches from here to the cursor")

    def action_erase_shape(self) -> None:
        self.finish_shape(False)

    def finish_shape(self, value: bool) -> None:
        if self.attempt(lambda: self.state.finish_shape(value, self.grid())):
            self._say_mask("shape painted" if value else "shape erased")

    def action_grow_mask(self, step: int) -> None:
        if self.attempt(lambda: self.state.grow_mask(step, self.grid())):
            self._say_mask("mask grown" if step > 0 else "mask shrunk")

    def action_invert_mask(self) -> None:
        if self.attempt(self.state.invert_mask):
            self._say_mask("mask inverted")

    def action_clear_mask(self) -> None:
        if self.attempt(self.state.clear_mask):
            self._say_mask()

    async def action_load_mask(self) -> None:
        if self.attempt(self.state.at_rest):
            prompt = MaskPrompt("Load a mask (bright may move)", "loads", self.engine, lambda path: LoadMask(path=path))
            await self.app.push_screen(prompt, self._mask_loaded)

    def _mask_loaded(self, event: MaskLoaded | MaskSaved | None) -> None:
        if isinstance(event, MaskLoaded):
            size = f", resized to {event.mask.width}×{event.mask.height}" if event.resized else ""
            if self.attempt(lambda: self.state.use_mask(event.mask)):
                self._say_mask(f"mask loaded{size}")

    async def action_save_mask(self) -> None:
        mask = self.state.edit.mask
        if mask is None:
            self.say("no mask to save: paint one first ({pen}, or {toggle-cell})", "bad")
            return
        prompt = MaskPrompt(
            "Save the mask", "saves", self.engine, lambda path: SaveMask(path=path, mask=mask), (".png",)
        )
        await self.app.push_screen(prompt, self._mask_saved)

    def _mask_saved(self, event: MaskLoaded | MaskSaved | None) -> None:
        if event is not None:
            self.say(f"mask saved: {event.path}", "good")
