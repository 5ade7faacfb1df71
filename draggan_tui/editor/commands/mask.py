"""Commands for the mask and its brush."""

from __future__ import annotations

from dataclasses import replace

from draggan_engine.core import edit_ops
from draggan_engine.core.errors import EditError
from draggan_engine.core.mask_regions import percent
from draggan_engine.server.messages import MaskLoaded
from draggan_tui.editor.modes import Idle, Pen, ShapeMode
from draggan_tui.editor.state import EditorState

from .context import CommandContext

MAX_BRUSH = 32


def toggle_pen(context: CommandContext) -> None:
    """Lower the pen, so that the cursor paints where it moves, or lift it."""
    state = context.state
    if isinstance(state.mode, Pen):
        state.mode = Idle()
        report_mask(context, "pen up")
        return
    _paint(state, paint=True)
    state.mode = Pen()
    context.report("pen down: what the cursor passes may move")


def toggle_cell(context: CommandContext) -> None:
    """Toggle what the brush covers at the cursor."""
    _paint(context.state, paint=None)
    report_mask(context)


def _paint(state: EditorState, *, paint: bool | None) -> None:
    """Paint or erase what the brush covers at the cursor; None toggles it."""
    state.check_can_edit()
    grid = state.viewport.grid
    state.change(
        edit_ops.paint_brush(state.edit, state.placed_cursor, state.brush, grid, state.image_size, paint=paint)
    )


def report_mask(context: CommandContext, done_text: str = "") -> None:
    """Report what was done to the mask and how much may move now, and warn about the points that it blocks."""
    mask = context.state.edit.mask
    if mask is None:
        share_text = "there is no mask, so everything may move"
    else:
        share_text = f"{percent(mask.share)} of the image may move"
    context.report_or_warn(f"{done_text}: {share_text}" if done_text else share_text)


def resize_brush(context: CommandContext, direction: int) -> None:
    """Make the brush larger (1) or smaller (-1), as much as the count says."""
    brush_size = context.state.brush.size + direction * context.repeat
    context.state.brush = replace(context.state.brush, size=min(max(brush_size, 1), MAX_BRUSH))
    _report_brush(context)


def toggle_brush_shape(context: CommandContext) -> None:
    """Make a square brush round, and a round one square."""
    context.state.brush = replace(context.state.brush, round=not context.state.brush.round)
    _report_brush(context)


def _report_brush(context: CommandContext) -> None:
    brush = context.state.brush
    limit_text = {1: ", the smallest", MAX_BRUSH: ", the largest"}.get(brush.size, "")
    context.report(f"brush {brush.size}, {'round' if brush.round else 'square'}{limit_text}")


def next_shape(context: CommandContext) -> None:
    """Start a rectangle at the cursor; make the rectangle an ellipse; leave the ellipse."""
    state = context.state
    state.check_can_edit()
    if not isinstance(state.mode, ShapeMode):
        state.mode = ShapeMode("rectangle", state.placed_cursor)
    elif state.mode.kind == "rectangle":
        state.mode = replace(state.mode, kind="ellipse")
    else:
        state.mode = Idle()
        context.report("no shape")
        return
    context.report(f"{state.mode.kind}: it reaches from here to the cursor")


def finish_shape(context: CommandContext, *, paint: bool) -> None:
    """Paint or erase what the shape covers, and leave the shape."""
    state = context.state
    state.check_can_edit()
    shape_area = state.shape_area
    if shape_area is None:
        raise EditError("there is no shape: {shape} starts one at the cursor")
    change_region = edit_ops.paint_region if paint else edit_ops.erase_region
    state.change(change_region(state.edit, shape_area, state.image_size))
    state.mode = Idle()
    report_mask(context, "shape painted" if paint else "shape erased")


def erase_shape(context: CommandContext) -> None:
    """Erase what the shape covers."""
    finish_shape(context, paint=False)


def grow(context: CommandContext, direction: int) -> None:
    """Move the mask's edge outwards (1) or inwards (-1) by a screen pixel, times the count."""
    state = context.state
    state.check_can_edit()
    step_count = direction * context.repeat
    state.change(edit_ops.grow_mask(state.edit, step_count, state.viewport.grid, state.image_size))
    report_mask(context, "mask grown" if direction > 0 else "mask shrunk")


def invert(context: CommandContext) -> None:
    """Let move what may not, and hold what may move."""
    context.state.check_can_edit()
    context.state.change(edit_ops.invert_mask(context.state.edit))
    report_mask(context, "mask inverted")


def clear(context: CommandContext) -> None:
    """Remove the mask, so that everything may move."""
    context.state.check_can_edit()
    context.state.change(edit_ops.clear_mask(context.state.edit))
    report_mask(context)


def use_loaded(context: CommandContext, mask_loaded: MaskLoaded) -> None:
    """Replace the mask by one that the engine has read from a file."""
    context.state.check_can_edit()
    context.state.change(context.state.edit.model_copy(update={"mask": mask_loaded.mask}))
    size_text = f", resized to {mask_loaded.mask.width}×{mask_loaded.mask.height}" if mask_loaded.resized else ""
    report_mask(context, f"mask loaded{size_text}")
