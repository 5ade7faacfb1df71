"""Keys for the mask."""

from __future__ import annotations

from draggan_engine.protocol.messages import LoadMask, MaskLoaded, MaskSaved, SaveMask
from draggan_tui.renderables.facts import percent

from .mask_files import MaskPrompt
from .session import SessionScreen


class MaskKeys(SessionScreen):
    """Painting, shapes, growing, files."""

    def action_pen(self) -> None:
        down = "pen down: what the cursor passes may move"
        self.attempt(lambda: self.workspace.toggle_pen(self.grid()), "pen up" if self.workspace.pen else down)

    def action_toggle_cell(self) -> None:
        self.attempt(lambda: self.workspace.paint(None, self.grid()))

    def action_brush(self, step: int) -> None:
        self.attempt(lambda: self.workspace.resize_brush(step))

    def action_reshape_brush(self) -> None:
        self.attempt(self.workspace.reshape_brush)

    def action_shape(self) -> None:
        if self.attempt(self.workspace.next_shape):
            shape = self.workspace.shape
            self.say("no shape" if shape is None else f"{shape.form}: it reaches from here to the cursor")

    def action_erase_shape(self) -> None:
        self.finish_shape(False)

    def finish_shape(self, value: bool) -> None:
        if self.attempt(lambda: self.workspace.finish_shape(value, self.grid())):
            done = "shape painted" if value else "shape erased"
            self.say(done if self.workspace.edit.mask is not None else "no mask is left: everything may move")

    def action_grow_mask(self, step: int) -> None:
        self.attempt(lambda: self.workspace.grow_mask(step, self.grid()), "mask grown" if step > 0 else "mask shrunk")

    def action_invert_mask(self) -> None:
        self.attempt(self.workspace.invert_mask, "mask inverted")

    def action_clear_mask(self) -> None:
        self.attempt(self.workspace.clear_mask, "no mask: everything may move")

    async def action_load_mask(self) -> None:
        if self.attempt(self.workspace.at_rest):
            prompt = MaskPrompt("Load a mask (bright may move)", "loads", self.engine, lambda path: LoadMask(path=path))
            await self.app.push_screen(prompt, self._mask_loaded)

    def _mask_loaded(self, event: MaskLoaded | MaskSaved | None) -> None:
        if isinstance(event, MaskLoaded):
            size = f", resized to {event.mask.width}×{event.mask.height}" if event.resized else ""
            share = percent(event.mask.share)
            self.attempt(lambda: self.workspace.use_mask(event.mask), f"mask loaded{size}: {share} may move")

    async def action_save_mask(self) -> None:
        mask = self.workspace.edit.mask
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
