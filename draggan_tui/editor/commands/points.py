"""Commands for the pairs of points."""

from __future__ import annotations

from draggan_engine.core import edit_ops
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import clamp
from draggan_tui.editor.modes import (
    AligningPhotograph,
    Grab,
    Idle,
    Inverting,
    Labels,
    LiveDrag,
    LoadingModel,
    Pen,
    ShapeMode,
    ViewingPhotograph,
    check_hands_free,
)
from draggan_tui.editor.viewport import SCROLL_MARGIN

from . import drag, mask, photograph
from .context import CommandContext

COPY_SCREEN_PIXELS, COPY_IMAGE_PIXELS = 3, 3
"""How far a copy is from its original, so that both can be seen: in screen pixels, and at least in image pixels."""


def place(context: CommandContext) -> None:
    """Place a handle at the cursor, or the target of a handle that waits for one; or finish the present mode: release the
    live target, paint the shape, drop the grabbed point, set a point of the photograph."""
    state = context.state
    if isinstance(state.mode, LiveDrag):
        drag.release_live_target(context)
    elif isinstance(state.mode, ShapeMode):
        mask.finish_shape(context, paint=True)
    elif isinstance(state.mode, Grab):
        drop(context)
    elif isinstance(state.mode, AligningPhotograph):
        photograph.set_alignment_point(context, state.mode)
    else:
        _place_point(context)


def _place_point(context: CommandContext) -> None:
    state = context.state
    state.check_can_edit()
    edit, pair_index = edit_ops.place_point(state.edit, state.placed_cursor, state.image_size)
    state.selected_pair = pair_index
    state.change(edit)
    waits_for_target = edit.pairs[pair_index].target is None
    if waits_for_target:
        context.report(f"handle {context.selected_number} is set: move to its target")
    else:
        _report_target(context, "is set")
    context.warn_about_pair(handle_is_new=waits_for_target)


def move_target(context: CommandContext) -> None:
    """Move the selected pair's target to the cursor."""
    state = context.state
    state.check_can_edit()
    state.change(edit_ops.retarget(state.edit, state.selected_index, state.placed_cursor, state.image_size))
    _report_target(context, "has a new target")
    context.warn_about_pair(handle_is_new=False)


def _report_target(context: CommandContext, done_text: str) -> None:
    """Report what was done to the selected pair, or that it is a pin now."""
    pair = context.state.edit.pairs[context.state.selected_index]
    outcome_text = "is a pin: it holds its place while other pairs move" if pair.is_pin else done_text
    context.report(f"pair {context.selected_number} {outcome_text}")


def toggle_grab(context: CommandContext, part: PairPoint) -> None:
    """Grab a point of the selected pair, so that it moves with the cursor; or drop the point that is grabbed."""
    state = context.state
    if isinstance(state.mode, Grab):
        drop(context)
        return
    state.check_can_edit()
    grab = Grab(state.selected_index, part)
    origin = grab.origin(state.edit)
    state.mode = grab
    state.place_cursor(origin)
    context.report(f"{grab} is grabbed: it moves with the cursor")


def drop(context: CommandContext) -> None:
    """Leave the grabbed point at the cursor."""
    state, grab = context.state, context.state.mode
    if not isinstance(grab, Grab):
        raise EditError("nothing is grabbed: {grab} grabs the selected handle, {grab-target} its target")
    state.change(grab.dropped(state.edit, state.placed_cursor, state.image_size))
    state.mode = Idle()
    context.report(f"{grab} is dropped")
    context.warn_about_pair(handle_is_new=grab.part == "handle")


def nudge(context: CommandContext, dx: int, dy: int) -> None:
    """Move the grabbed point, or else the selected handle, by image pixels, times the count. The cursor goes there."""
    state, distance_x, distance_y = context.state, dx * context.repeat, dy * context.repeat
    if isinstance(state.mode, Grab):
        x, y = state.placed_cursor
        state.place_cursor(clamp((x + distance_x, y + distance_y), state.image_size))
        return
    state.check_can_edit()
    pair_index = state.selected_index
    x, y = state.edit.pairs[pair_index].handle
    state.change(
        edit_ops.move_point(state.edit, pair_index, "handle", (x + distance_x, y + distance_y), state.image_size)
    )
    handle = state.edit.pairs[pair_index].handle
    state.place_cursor(handle)
    context.report(f"handle {pair_index + 1} is at {handle[0]:.1f}, {handle[1]:.1f}")
    context.warn_about_pair()


def duplicate(context: CommandContext) -> None:
    """Copy the selected pair, and select the copy."""
    state = context.state
    state.check_can_edit()
    original_index = state.selected_index
    screen_pixel = state.image_size.width / state.viewport.grid.width
    copy_offset = max(COPY_SCREEN_PIXELS * screen_pixel, COPY_IMAGE_PIXELS)
    state.change(edit_ops.duplicate_pair(state.edit, original_index, copy_offset, state.image_size))
    state.selected_pair = len(state.edit.pairs) - 1
    state.place_cursor(state.edit.pairs[-1].handle)
    context.report(f"pair {context.selected_number} is a copy of pair {original_index + 1}")
    context.warn_about_pair()


def toggle_enabled(context: CommandContext) -> None:
    """Disable the selected pair, so that drags leave it out, or enable it."""
    state = context.state
    state.check_can_edit()
    pair_index = state.selected_index
    state.change(edit_ops.toggle_pair(state.edit, pair_index))
    is_enabled = state.edit.pairs[pair_index].enabled
    context.report(f"pair {pair_index + 1} {'is enabled' if is_enabled else 'is disabled: drags leave it out'}")
    context.warn_about_pair(handle_is_new=False)


def select(context: CommandContext, direction: int) -> None:
    """Select the next (1) or previous (-1) pair, as often as the count says, and move the cursor to its handle."""
    state = context.state
    check_hands_free(state.mode)
    pair_count = len(state.edit.pairs)
    if pair_count == 0:
        raise EditError("there is no pair to select: {place} places a handle")
    previous_index = -1 if state.selected_pair is None else state.selected_pair
    state.selected_pair = (previous_index + direction * context.repeat) % pair_count
    state.place_cursor(state.drawn_edit.pairs[state.selected_pair].handle, SCROLL_MARGIN)
    context.report(f"pair {context.selected_number} of {pair_count} is selected")


def delete(context: CommandContext) -> None:
    """Delete the selected pair, and those after it up to the count, as one change."""
    state = context.state
    state.check_can_edit()
    first_index, edit = state.selected_index, state.edit
    deleted_count = len(edit.pairs[first_index : first_index + context.repeat])
    for _ in range(deleted_count):
        edit = edit_ops.remove_pair(edit, first_index)
    state.change(edit)
    context.report(f"pair {first_index + 1} is deleted" if deleted_count == 1 else f"{deleted_count} pairs are deleted")


def cancel(context: CommandContext) -> None:
    """Undo what was begun and not finished: release the live target, leave what the mouse began, put back the grabbed
    point, leave the shape, remove the letters, lift the pen, leave the photograph, stop its inversion, or delete a handle that waits for its
    target."""
    state, mode = context.state, context.state.mode
    if isinstance(mode, LiveDrag):
        drag.release_live_target(context)
    elif state.gesture is not None:
        state.gesture = None
    elif isinstance(mode, Grab):
        state.mode = Idle()
        state.place_cursor(mode.origin(state.edit))
        context.report(f"{mode} is back where it was")
    elif isinstance(mode, ShapeMode):
        state.mode = Idle()
        context.report(f"no {mode.kind} is painted")
    elif isinstance(mode, Labels):
        state.mode = Idle()
    elif isinstance(mode, AligningPhotograph):
        photograph.leave_photograph(context, mode)
    elif isinstance(mode, ViewingPhotograph):
        state.hide_photograph()
    elif isinstance(mode, Inverting):
        context.inversion.stop()
    else:
        _cancel_pen_and_pair(context)


def _cancel_pen_and_pair(context: CommandContext) -> None:
    state, had_pen = context.state, isinstance(context.state.mode, Pen)
    if had_pen:
        state.mode = Idle()
    unfinished_index = next((i for i, pair in enumerate(state.edit.pairs) if pair.target is None), None)
    if unfinished_index is not None and not state.is_dragging and not isinstance(state.mode, LoadingModel):
        state.change(edit_ops.remove_pair(state.edit, unfinished_index))
        context.report(f"handle {unfinished_index + 1} is deleted")
    elif had_pen:
        context.report("pen up")
    elif context.count:
        context.report("no count")
    else:
        context.ui.end_hints()
