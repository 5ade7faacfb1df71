"""Revisions, branches and places of the history in words."""

from __future__ import annotations

from collections.abc import Sequence

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import History, Revision
from draggan_tui.editor.file_latent import UNKNOWN_LATENT, FileLatent
from draggan_tui.editor.history_cursor import HistoryCursor, Trajectories, drag_leading_to


def change_text(history: History, revision: Revision, file_latent: FileLatent = UNKNOWN_LATENT) -> str:
    """Return what made a revision of its parent: `drag 2, 24 steps`, `pair 1`, `mask changed`, `seed 43`.

    Args:
        file_latent: the latent that the session starts from instead of a seed, if there is one.
    """
    if revision.record is not None:
        live_prefix = "live " if revision.record.live is not None else ""
        return f"{live_prefix}drag {revision.record.number}, {counted(revision.record.steps, 'step')}"
    if revision.parent is None:
        return _source_text(revision.edit, file_latent)
    edit_before, edit_after = history.revisions[revision.parent].edit, revision.edit
    old_source, new_source = edit_before.source, edit_after.source
    if new_source.step is not None and (new_source.drag, new_source.step) != (old_source.drag, old_source.step):
        return f"from step {new_source.step} of drag {new_source.drag}"
    if _image_origin(edit_after) != _image_origin(edit_before):
        return _source_text(edit_after, file_latent)
    if edit_after.pairs != edit_before.pairs:
        return _pairs_text(edit_before, edit_after)
    if edit_after.mask != edit_before.mask:
        return "mask cleared" if edit_after.mask is None else "mask changed"
    return "settings changed"


def _image_origin(edit: Edit) -> tuple[object, ...]:
    return (edit.source.seed, edit.source.label, edit.source.from_file, edit.source.drag)


def _pairs_text(edit_before: Edit, edit_after: Edit) -> str:
    if len(edit_after.pairs) < len(edit_before.pairs):
        return "pair deleted"
    changed_numbers = [
        pair_index + 1
        for pair_index, pair in enumerate(edit_after.pairs)
        if pair_index >= len(edit_before.pairs) or pair != edit_before.pairs[pair_index]
    ]
    return f"pair {changed_numbers[0]}" if len(changed_numbers) == 1 else "several pairs"


def _source_text(edit: Edit, file_latent: FileLatent) -> str:
    """Return `seed 42`, `seed 42, class 3`, or the text of the latent that is no seed's."""
    if edit.source.from_file:
        return str(file_latent)
    class_text = f", class {edit.source.label}" if edit.source.label else ""
    return f"seed {edit.source.seed}{class_text}"


def branch_text(history: History, leaf: Revision, file_latent: FileLatent = UNKNOWN_LATENT) -> str:
    """Return a branch in one line: `pair 2, after drags 1 and 3`, `drag 2, 88 steps, from step 58 of drag 1`."""
    return ", ".join(branch_parts(history, leaf, file_latent))


def branch_parts(history: History, leaf: Revision, file_latent: FileLatent = UNKNOWN_LATENT) -> list[str]:
    """Return what the branch ends with, the drags before that, and where within a drag it begins.

    Args:
        leaf: the revision at the branch's end.
        file_latent: the latent that the session starts from instead of a seed, if there is one.
    """
    drag_numbers: list[int] = []
    first_within_drag: Revision | None = None
    revision = leaf
    while revision.parent is not None:
        if revision.record is not None:
            drag_numbers.insert(0, revision.record.number)
        elif first_within_drag is None and drag_leading_to(history, revision) is not None:
            first_within_drag = revision
        revision = history.revisions[revision.parent]
    earlier_drags = drag_numbers if leaf.record is None else drag_numbers[:-1]
    text_parts = [change_text(history, leaf, file_latent)]
    if earlier_drags:
        text_parts.append(f"after drag{'' if len(earlier_drags) == 1 else 's'} {_listed(earlier_drags)}")
    elif leaf.record is None and first_within_drag is None:
        text_parts.append("before any drag")
    if first_within_drag is not None and first_within_drag is not leaf:
        text_parts.append(change_text(history, first_within_drag))
    return text_parts


def _listed(drag_numbers: Sequence[int]) -> str:
    """Return `1`, `1 and 2` or `1, 2 and 3`."""
    *earlier_numbers, last_number = map(str, drag_numbers)
    return f"{', '.join(earlier_numbers)} and {last_number}" if earlier_numbers else last_number


def place_text(history_cursor: HistoryCursor, trajectories: Trajectories) -> str:
    """Return the place in the history, for the end of the timeline: `drag 2 12/24`, `3 branches`."""
    history, step_index = history_cursor.history, history_cursor.step_index
    revision = history.current_revision
    drag_record = drag_leading_to(history, revision)
    if drag_record is not None and (step_index is not None or revision.record is None):
        step_number = revision.edit.source.step
        if step_index is not None:
            step_number = trajectories[drag_record.number].steps[step_index]
        return f"drag {drag_record.number} {step_number}/{drag_record.steps}"
    branch_count = len(history.leaves)
    return f"{branch_count} branches" if branch_count > 1 else ""


def counted(count: int, noun: str) -> str:
    """Return `1 step` or `3 steps`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
