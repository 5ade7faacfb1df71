"""Commands that start and stop drags, release a live target, and change the settings."""

from __future__ import annotations

from draggan_engine.core import edit_ops
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import distance
from draggan_tui.editor.modes import LiveDrag

from .context import CommandContext


def toggle_drag(context: CommandContext) -> None:
    """Start a drag, or stop the one that runs, or the inversion of a photograph."""
    if context.state.is_inverting:
        context.inversion.stop()
    elif context.state.is_dragging:
        stop(context)
    else:
        _start(context, max_steps=None)


def drag_steps(context: CommandContext) -> None:
    """Drag one step, or as many as the count says."""
    _start(context, max_steps=context.repeat)


def _start(context: CommandContext, max_steps: int | None) -> None:
    context.check_engine()
    state = context.state
    state.check_can_edit()
    pairs = state.edit.check_drag(state.image_size)
    stop_distance = state.edit.settings.stop_distance_for(len(pairs))
    if all(distance(handle, target) <= stop_distance for handle, target in pairs):
        raise EditError(
            f"nothing to drag: every handle is within {stop_distance:g} px of its target; {{retarget}} sets a new one"
        )
    context.drag.start(max_steps=max_steps)
    context.report_or_warn("")


def stop(context: CommandContext) -> None:
    """Ask the engine to end the drag within a step."""
    context.drag.stop()
    context.report("stopping …")


def toggle_live_drag(context: CommandContext) -> None:
    """Drag the selected pair with its target at the cursor; or release the target."""
    state = context.state
    if isinstance(state.mode, LiveDrag):
        release_live_target(context)
        return
    context.check_engine()
    state.check_can_edit()
    live_pair = state.selected_index
    state.edit.check_drag(state.image_size, live_pair)
    state.place_cursor(state.edit.pairs[live_pair].handle)
    context.drag.start(live_pair=live_pair)
    context.report("move the cursor: the image follows it")


def release_live_target(context: CommandContext) -> None:
    """Leave the live target where the cursor is; the drag ends when its handle has come to rest."""
    context.drag.release()
    context.report("let go: the drag ends when the handle is at rest")


def switch_space(context: CommandContext) -> None:
    """Switch between the latent spaces W+ and W."""
    state = context.state
    state.check_can_edit()
    state.change(edit_ops.toggle_space(state.edit))
    is_w_plus = state.edit.settings.space == "w+"
    context.report("W+: every layer moves by itself" if is_w_plus else "W: all layers move together")


def change_settings(context: CommandContext, edit: Edit) -> None:
    """Use the settings, and the ψ, of an edit."""
    context.state.check_can_edit()
    context.state.change(edit)
    context.report("settings changed")
