"""Sessions that earlier versions of draggan-tui wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.history import DragRecord, History, Revision

SCHEMA_VERSION = 4
"""Of session.json, as it is written now."""


def migrate_manifest(manifest_fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a session.json of any earlier version as the present version would write them.

    Version 1 kept no history; `history_from_drags` makes one. Until version 2 the records of the drags were in session.json,
    and their latents in one file, which `SessionLatents` reads. Until version 3 settings named no method: all drags were the
    paper's, which is the default of the field.
    """
    schema_version, drag_records = manifest_fields.get("schema_version"), manifest_fields.get("drags")
    if schema_version in (1, 2):
        drag_count = len(drag_records) if isinstance(drag_records, list) else 0
        return {**manifest_fields, "schema_version": SCHEMA_VERSION, "drag_count": drag_count}
    if schema_version == 3:
        return {**manifest_fields, "schema_version": SCHEMA_VERSION}
    return manifest_fields


def history_from_drags(edit: Edit, drag_records: Sequence[DragRecord], mask: Mask | None) -> History:
    """Make the history of a session that kept none.

    Each drag follows the result of the drag that it started from, and the session's last edit comes at the end.

    Args:
        edit: the last edit.
        mask: its mask. It stands in for the masks of earlier drags, which were not kept.
    """
    history: History | None = None
    for record in sorted(drag_records, key=lambda record: record.number):
        dragged_edit = edit.model_copy(
            update={
                "source": record.source,
                "pairs": tuple(PointPair(handle=pair.handle, target=pair.target) for pair in record.pairs),
                "mask": mask if record.masked else None,
                "settings": record.settings,
            }
        )
        if history is None:
            history = History.of(dragged_edit)
        else:
            history = _at_result(history, record.source.drag).change(dragged_edit)
        revision = Revision.of_drag(history.current_revision, record)
        history = history.merge([revision]).jump_to(revision.id)
    return History.of(edit) if history is None else _at_result(history, edit.source.drag).change(edit)


def _at_result(history: History, drag_number: int | None) -> History:
    """Jump to the result of a drag; without a drag, or if its result is missing, jump to the first revision."""
    drag_result = None if drag_number is None else history.drag_result(drag_number)
    return history.jump_to(next(iter(history.revisions)) if drag_result is None else drag_result.id)
