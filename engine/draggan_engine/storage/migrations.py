"""Sessions that an earlier draggan-tui has written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.history import DragRecord, History, Revision

SCHEMA_VERSION = 3  # of session.json, as it is written now


def migrate_manifest(raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of session.json of any earlier version as they would be written now.

    Version 1 kept no history: `history_of` makes one. Until version 2 what the drags did was in session.json, and their
    latents were in one file, which `SessionLatents` reads.
    """
    version, drags = raw.get("schema_version"), raw.get("drags")
    if version in (1, 2):
        return {**raw, "schema_version": SCHEMA_VERSION, "drag_count": len(drags) if isinstance(drags, list) else 0}
    return raw


def history_from_drags(edit: Edit, drags: Sequence[DragRecord], mask: Mask | None) -> History:
    """The history of a session that kept none: its drags, each on the result of the one that it started from, and the
    edit that it was left with.

    Args:
        mask: the present one; what was painted at the time of a masked drag is not known.
    """
    history: History | None = None
    for record in sorted(drags, key=lambda record: record.number):
        before = edit.model_copy(
            update={
                "source": record.source,
                "pairs": tuple(PointPair(handle=pair.handle, target=pair.target) for pair in record.pairs),
                "mask": mask if record.masked else None,
                "settings": record.settings,
            }
        )
        history = History.of(before) if history is None else _on(history, record.source.drag).change(before)
        entry = Revision.of_drag(history.current_revision, record)
        history = history.merge([entry]).jump_to(entry.id)
    return History.of(edit) if history is None else _on(history, edit.source.drag).change(edit)


def _on(history: History, drag: int | None) -> History:
    """Jump to the result of a drag, or to the first revision without a drag or if its result is missing."""
    return history.jump_to(-drag if drag is not None and -drag in history.revisions else 0)
