"""The history in words."""

from __future__ import annotations

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.history import Entry, History
from draggan_tui.timeline import Paths, Place, way


def change_text(history: History, entry: Entry) -> str:
    """What made an entry of its parent: `drag 2, 24 steps`, `pair 1`, `mask`, `seed 43`."""
    if entry.record is not None:
        by_hand = " by hand" if entry.record.live is not None else ""
        return f"drag {entry.record.number}{by_hand}, {counted(entry.record.steps, 'step')}"
    if entry.parent is None:
        return _start(entry.edit)
    before, after = history.entries[entry.parent].edit, entry.edit
    if after.step is not None and (after.latent, after.step) != (before.latent, before.step):
        return f"from step {after.step} of drag {after.latent}"
    if _origin(after) != _origin(before):
        return _start(after)
    if after.pairs != before.pairs:
        return _pairs_text(before, after)
    if after.mask != before.mask:
        return "no mask" if after.mask is None else "mask"
    return "settings"


def _origin(edit: Edit) -> tuple[object, ...]:
    return (edit.seed, edit.label, edit.given, edit.latent)


def _pairs_text(before: Edit, after: Edit) -> str:
    if len(after.pairs) < len(before.pairs):
        return "a pair deleted"
    changed = [i + 1 for i, pair in enumerate(after.pairs) if i >= len(before.pairs) or pair != before.pairs[i]]
    return f"pair {changed[0]}" if len(changed) == 1 else "pairs"


def _start(edit: Edit) -> str:
    return "a given latent" if edit.given else f"seed {edit.seed}" + (f", class {edit.label}" if edit.label else "")


def branch_text(history: History, tip: Entry) -> str:
    """A branch by what it ends with, by its drags, and where in one it begins: `pair 2; drags 1, 3`,
    `drag 2, 88 steps; from step 58 of drag 1`."""
    drags: list[str] = []
    begun: Entry | None = None  # where, within a drag, the branch begins
    entry = tip
    while entry.parent is not None:
        if entry.record is not None:
            drags.insert(0, str(entry.record.number))
        elif begun is None and way(history, entry) is not None:
            begun = entry
        entry = history.entries[entry.parent]
    parts = [change_text(history, tip)]
    if tip.record is None or len(drags) > 1:
        parts.append(f"drag{'' if len(drags) == 1 else 's'} {', '.join(drags)}" if drags else "no drag")
    if begun is not None and begun is not tip:
        parts.append(change_text(history, begun))
    return "; ".join(parts)


def place_text(place: Place, paths: Paths) -> str:
    """Where one is, for the end of the timeline: `drag 2 12/24`, `3 branches`."""
    present = place.history.present
    record = way(place.history, present)
    if record is not None and (place.inner is not None or present.record is None):
        step = present.edit.step if place.inner is None else paths[record.number].steps[place.inner]
        return f"drag {record.number} {step}/{record.steps}"
    tips = len(place.history.tips)
    return f"{tips} branches" if tips > 1 else ""


def counted(count: int, what: str) -> str:
    """`1 step`, `3 steps`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
