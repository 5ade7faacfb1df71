"""Commands that go through the history, and compare images in it."""

from __future__ import annotations

from draggan_engine.core.errors import EditError
from draggan_engine.core.history import History
from draggan_engine.core.revision_id import RevisionId
from draggan_tui.editor.history_cursor import HistoryCursor, next_drag_end, unread_drags
from draggan_tui.editor.history_text import branch_text, change_text, place_text
from draggan_tui.editor.state import Comparison

from .context import CommandContext

COMPARISON_TEXT: dict[Comparison, str] = {
    "after": "the image as it is now",
    "before": "the image before",
    "split": "before is left of the cursor, after right of it",
    "difference": "the difference, amplified three times",
}


def undo(context: CommandContext) -> None:
    """Go back one change, or as many as the count says."""
    state = context.state
    state.check_can_edit()
    history_before = history = state.history
    if history.current_revision.parent is None:
        raise EditError("there is nothing to undo")
    for _ in range(context.repeat):
        history = history.undo()
    state.visit(HistoryCursor(history), keep=False)
    _report_changes(context, "undone", shorter_history=history, longer_history=history_before)


def redo(context: CommandContext) -> None:
    """Go forward one change, or as many as the count says; from within a drag, first to its end."""
    state = context.state
    state.check_can_edit()
    history_before = history = state.history
    is_within_drag = state.history_cursor.step_index is not None
    if not is_within_drag and history.current not in history.last_child:
        raise EditError("there is nothing to redo")
    for _ in range(context.repeat - is_within_drag):
        history = history.redo()
    state.visit(HistoryCursor(history), keep=False)
    _report_changes(context, "redone", shorter_history=history_before, longer_history=history)


def _report_changes(
    context: CommandContext, done_word: str, *, shorter_history: History, longer_history: History
) -> None:
    """Report which changes lie between two places of the history."""
    changed_revisions = longer_history.lineage[len(shorter_history.lineage) :]
    changes_text = (
        change_text(longer_history, changed_revisions[0], context.state.file_latent)
        if len(changed_revisions) == 1
        else f"{len(changed_revisions)} changes"
    )
    context.report(f"{done_word}: {changes_text}" if changed_revisions else "")


def scrub(context: CommandContext, direction: int) -> None:
    """Go a step forward (1) or back (-1), times the count: a step of a drag, or a change between drags. The trajectories
    of the drags are read first."""
    state, repeat_count = context.state, context.repeat
    state.check_can_edit()
    unread_numbers = unread_drags(state.history, state.trajectories)
    if unread_numbers and context.engine.alive:
        context.trajectories.read_then(
            unread_numbers, lambda: context.ui.attempt(lambda: _scrub(context, direction, repeat_count))
        )
    else:
        _scrub(context, direction, repeat_count)


def _scrub(context: CommandContext, direction: int, repeat_count: int) -> None:
    state = context.state
    state.check_can_edit()
    history_cursor = state.history_cursor
    for _ in range(repeat_count):
        move = history_cursor.forward if direction > 0 else history_cursor.back
        history_cursor = move(state.trajectories)
    end_message = "this is the end of the history" if direction > 0 else "this is where the history begins"
    _arrive(context, history_cursor, end_message)


def skip(context: CommandContext, direction: int) -> None:
    """Go forward (1) or back (-1) to where a drag begins or ends, times the count."""
    context.state.check_can_edit()
    history_cursor = context.state.history_cursor
    for _ in range(context.repeat):
        history_cursor = next_drag_end(history_cursor, direction)
    end_message = "there is no drag further on" if direction > 0 else "there is no drag further back"
    _arrive(context, history_cursor, end_message)


def _arrive(context: CommandContext, history_cursor: HistoryCursor, end_message: str) -> None:
    """Go to a place in the history, or raise an error that says `end_message` if that is the present place."""
    if history_cursor == context.state.history_cursor:
        raise EditError(end_message)
    context.state.visit(history_cursor, keep=False)
    _report_place(context)


def go_to_revision(context: CommandContext, id: RevisionId) -> None:
    """Go to a revision anywhere in the history."""
    context.state.check_can_edit()
    context.state.visit(HistoryCursor(context.state.history.jump_to(id)), keep=False)
    _report_place(context)


def _report_place(context: CommandContext) -> None:
    state = context.state
    if state.history_cursor.step_index is None:
        place = change_text(state.history, state.history.current_revision, state.file_latent)
        context.report(f"now at: {place}")
    else:
        context.report(f"now within: {place_text(state.history_cursor, state.trajectories)}")


def compare(context: CommandContext, comparison: Comparison) -> None:
    """Compare the image with the one before; or stop that, if it is compared in this way already."""
    _ = context.state.model
    context.state.comparison = "after" if context.state.comparison == comparison else comparison
    _report_comparison(context)


def compare_with(context: CommandContext, id: RevisionId | None) -> None:
    """Compare with a revision; None: with the image that the drags started from."""
    context.state.reference_id, context.state.comparison = id, "split"
    _report_comparison(context)


def _report_comparison(context: CommandContext) -> None:
    state, reference_text = context.state, ""
    if state.comparison != "after" and state.reference_id is not None:
        reference = state.history.revisions[state.reference_id]
        reference_text = f" (against {branch_text(state.history, reference, state.file_latent)})"
    context.report(COMPARISON_TEXT[state.comparison] + reference_text)
