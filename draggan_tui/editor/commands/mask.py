"""The mask."""

from __future__ import annotations

from dataclasses import replace

from draggan_engine.core import edit_ops
from draggan_engine.core.edit import Mask
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.core.mask_regions import Region
from draggan_tui.editor.state import Shape, State

MAX_BRUSH = 32


class MaskTools(State):
    """Pen, brush, shapes, growing."""

    def toggle_pen(self, grid: Size) -> None:
        """Down: what the cursor passes may move."""
        if not self.pen:
            self.paint(True, grid)
        self.pen, self.shape = not self.pen, None

    def paint(self, value: bool | None, grid: Size) -> None:
        """Sets, erases or (None) toggles what the brush covers at the cursor."""
        self.at_rest()
        self.change(edit_ops.paint_brush(self.edit, self._cursor(), self.brush, grid, self.picture, paint=value))

    def resize_brush(self, step: int) -> None:
        size = self.brush.size + step * self._take_count()
        self.brush = replace(self.brush, size=min(max(size, 1), MAX_BRUSH))

    def reshape_brush(self) -> None:
        """Square ↔ round."""
        self.brush = replace(self.brush, round=not self.brush.round)

    def next_shape(self) -> None:
        """A rectangle from the cursor on; then an ellipse, from the same place; then none."""
        self.at_rest()
        if self.shape is None:
            self.pen, self.shape = False, Shape("rectangle", self._cursor())
        else:
            self.shape = replace(self.shape, form="ellipse") if self.shape.form == "rectangle" else None

    def shape_area(self, grid: Size) -> Region | None:
        """What the shape covers of the picture, if there is one."""
        if self.shape is None:
            return None
        return edit_ops.shape_region(self.shape.form, self.shape.start, self._cursor(), grid, self.picture)

    def finish_shape(self, value: bool, grid: Size) -> None:
        """Sets or erases what the shape covers, and leaves it."""
        self.at_rest()
        if (area := self.shape_area(grid)) is None:
            raise EditError("there is no shape: {shape} starts one at the cursor")
        change = edit_ops.paint_region if value else edit_ops.erase_region
        self.change(change(self.edit, area, self.picture))
        self.shape = None

    def grow_mask(self, step: int, grid: Size) -> None:
        """The mask's edge by a preview pixel out (1) or in (-1), times the count."""
        self.at_rest()
        self.change(edit_ops.grow_mask(self.edit, step * self._take_count(), grid, self.picture))

    def invert_mask(self) -> None:
        self.at_rest()
        self.change(edit_ops.invert_mask(self.edit))

    def use_mask(self, mask: Mask) -> None:
        """A mask of the picture's size in the place of the present one."""
        self.at_rest()
        self.change(self.edit.model_copy(update={"mask": mask}))

    def clear_mask(self) -> None:
        self.at_rest()
        self.change(edit_ops.clear_mask(self.edit))
