"""Commands that label points which are worth dragging, and jump to one of them."""

from __future__ import annotations

from string import ascii_lowercase

from draggan_engine.core.errors import EditError
from draggan_tui.editor.handle_proposals import propose_handles
from draggan_tui.editor.modes import Idle, Labels, Pen, ShapeMode
from draggan_tui.editor.viewport import SCROLL_MARGIN

from .context import CommandContext


def label_points(context: CommandContext) -> None:
    """Show letters at the landmarks of the image, if they are known, and at points that have texture, as far as the view
    shows them."""
    state = context.state
    state.check_can_edit()
    if isinstance(state.mode, Pen):
        raise EditError("the pen is down: {pen} lifts it")
    if isinstance(state.mode, ShapeMode):
        raise EditError(f"the {state.mode.kind} is not painted yet: {{place}} paints it, {{cancel}} leaves it")
    image = context.images.cache.get(state.edit.source)
    if image is None:
        raise EditError("the image is not there yet: wait until it is shown")
    landmarks = state.landmarks.get(state.edit.source, ())
    points = propose_handles(image, state.viewport, state.edit.settings.r2, landmarks)
    if not points:
        raise EditError("no point that is shown has enough texture to hold on to")
    state.gesture = None
    state.mode = Labels(dict(zip(ascii_lowercase, points, strict=False)))
    context.report("type the letter of a point")


def jump_to_label(context: CommandContext, letter: str) -> None:
    """Move the cursor to the point with a letter, and remove the labels."""
    state = context.state
    if not isinstance(state.mode, Labels):
        raise EditError("no points are labelled: {labels} labels some")
    if letter not in state.mode.points:
        raise EditError(f"no point has the letter {letter}: {{cancel}} removes the letters")
    point = state.mode.points[letter]
    state.mode = Idle()
    state.place_cursor(point, SCROLL_MARGIN)
