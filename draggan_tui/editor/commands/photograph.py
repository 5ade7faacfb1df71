"""Commands that align a photograph by two points, which are set with the cursor, and that show it beside its edit."""

from __future__ import annotations

from dataclasses import replace

from draggan_engine.core.edit import Mask
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import distance
from draggan_engine.core.inversion_choices import MIN_POINT_DISTANCE, AlignmentChoice
from draggan_engine.server.photograph_messages import ReadInversionMask, ViewPhotograph
from draggan_tui.editor.modes import AligningPhotograph, ViewingPhotograph
from draggan_tui.editor.photograph import Photograph, PhotographStart, PhotographViews

from .context import CommandContext
from .mask import report_mask


def align(context: CommandContext, photograph: Photograph) -> None:
    """Show a photograph, so that two points can be set in it."""
    context.state.show_photograph(photograph)


def set_alignment_point(context: CommandContext, aligning: AligningPhotograph) -> None:
    """Set a point of the photograph at the cursor. After the second one, the photograph is aligned by both and inverted.

    Either of the two may be set first: the one further left belongs to the eye at the left.
    """
    state, first_point, point = context.state, aligning.first_point, context.state.placed_cursor
    if first_point is None:
        state.mode = replace(aligning, first_point=point)
        return
    if distance(first_point, point) < MIN_POINT_DISTANCE:
        raise EditError(f"the two points must be at least {MIN_POINT_DISTANCE:g} pixels apart: move on, then {{place}}")
    state.hide_photograph()
    left_point, right_point = sorted((first_point, point))
    choice = AlignmentChoice(how="points", points=(left_point, right_point))
    context.ui.invert_photograph(PhotographStart(aligning.photograph.path, choice, aligning.photograph.search))


def view_next(context: CommandContext) -> None:
    """Show the photograph of the edit; then its inversion, the photograph with the edit pasted back, and the edit again."""
    state = context.state
    if isinstance(state.mode, ViewingPhotograph):
        state.view_next(state.mode)
        return
    state.check_can_edit()
    context.check_engine()
    _check_comes_from_photograph(context)
    context.engine.send(ViewPhotograph(edit=state.edit))
    context.report("reading the photograph …")


def show(context: CommandContext, views: PhotographViews) -> None:
    """Show the photograph that the engine has read."""
    context.state.view_photograph(views)
    context.report("")


def _check_comes_from_photograph(context: CommandContext) -> None:
    if not context.state.edit.source.from_file:
        raise EditError("this image does not come from a photograph: {photograph} opens one")


def request_mask(context: CommandContext) -> None:
    """Ask the engine for the area of the photograph that the model can show, which becomes the mask."""
    context.state.check_can_edit()
    context.check_engine()
    _check_comes_from_photograph(context)
    context.engine.send(ReadInversionMask())


def use_mask(context: CommandContext, mask: Mask) -> None:
    """Replace the mask by the area of the photograph that the model can show."""
    state = context.state
    state.check_can_edit()
    _check_comes_from_photograph(context)
    state.change(state.edit.model_copy(update={"mask": mask}))
    report_mask(context, "the mask is what the model can show of the photograph")


def leave_photograph(context: CommandContext, aligning: AligningPhotograph) -> None:
    """Take back the first point, or leave the photograph if none is set."""
    state = context.state
    if aligning.first_point is not None:
        state.place_cursor(aligning.first_point)
        state.mode = replace(aligning, first_point=None)
        context.report("the first point is taken back")
    else:
        state.hide_photograph()
        context.report("the photograph is left; nothing has changed")
