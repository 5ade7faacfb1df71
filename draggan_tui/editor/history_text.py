"""The history in words."""

from __future__ import annotations

from collections.abc import Sequence

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import History, Revision
from draggan_tui.editor.history_cursor import HistoryCursor, Trajectories, drag_leading_to


def change_text(history: History, entry: Revision) -> str:
    """What made an entry of its parent: `drag 2, 24 steps`, `pair 1`, `mask changed`, `seed 43`."""
    if entry.record is not None:
        live = "live " if entry.record.live is not None else ""
        return f"{live}drag {entry.record.number}, {counted(entry.record.steps, 'step')}"
    if entry.parent is None:
        return _start(entry.edit)
    before, after = history.revisions[entry.parent].edit, entry.edit
    if after.source.step is not None and (after.source.drag, after.source.step) != (
        before.source.drag,
        before.source.step,
    ):
        return f"from step {after.source.step} of drag {after.source.drag}"
    if _origin(after) != _origin(before):
        return _start(after)
    if after.pairs != before.pairs:
        return _pairs_text(before, after)
    if after.mask != before.mask:
        return "mask cleared" if after.mask is None else "mask changed"
    return "settings changed"


def _origin(edit: Edit) -> tuple[object, ...]:
    return (edit.source.seed, edit.source.label, edit.source.from_file, edit.source.drag)


def _pairs_text(before: Edit, after: Edit) -> str:
    if len(after.pairs) < len(before.pairs):
        return "pair deleted"
    changed = [i + 1 for i, pair in enumerate(after.pairs) if i >= len(before.pairs) or pair != before.pairs[i]]
    return f"pair {changed[0]}" if len(changed) == 1 else "several pairs"


def _start(edit: Edit) -> str:
    return (
        "latent from a file"
        if edit.source.from_file
        else f"seed {edit.source.seed}" + (f", class {edit.source.label}" if edit.source.label else "")
    )


def branch_text(history: History, tip: Revision) -> str:
    """A branch in one line: `pair 2, after drags 1 and 3`, `drag 2, 88 steps, from step 58 of drag 1`."""
    return ", ".join(branch_parts(history, tip))


def branch_parts(history: History, tip: Revision) -> list[str]:
    """A branch by what it ends with, by the drags before that, and by where in a drag it begins."""
    drags: list[int] = []
    beginning: Revision | None = None  # where, within a drag, the branch begins
    entry = tip
    while entry.parent is not None:
        if entry.record is not None:
            drags.insert(0, entry.record.number)
        elif beginning is None and drag_leading_to(history, entry) is not None:
            beginning = entry
        entry = history.revisions[entry.parent]
    earlier = drags if tip.record is None else drags[:-1]
    parts = [change_text(history, tip)]
    if earlier:
        parts.append(f"after drag{'' if len(earlier) == 1 else 's'} {_listed(earlier)}")
    elif tip.record is None and beginning is None:
        parts.append("before any drag")
    if beginning is not None and beginning is not tip:
        parts.append(change_text(history, beginning))
    return parts


def _listed(numbers: Sequence[int]) -> str:
    """`1`, `1 and 2`, `1, 2 and 3`."""
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last


def place_text(place: HistoryCursor, paths: Trajectories) -> str:
    """Where one is, for the end of the timeline: `drag 2 12/24`, `3 branches`."""
    present = place.history.current_revision
    record = drag_leading_to(place.history, present)
    if record is not None and (place.step_index is not None or present.record is None):
        step = present.edit.source.step if place.step_index is None else paths[record.number].steps[place.step_index]
        return f"drag {record.number} {step}/{record.steps}"
    tips = len(place.history.leaves)
    return f"{tips} branches" if tips > 1 else ""


def counted(count: int, what: str) -> str:
    """`1 step`, `3 steps`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
