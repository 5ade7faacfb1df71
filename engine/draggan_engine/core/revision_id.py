"""The ids of revisions.

The editor numbers its revisions from 0. The engine adds the results of drags at the same time, under the numbers of the drags,
so the two never choose the same id. On disk and on the wire the id of the result of drag n is −n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, NonNegativeInt, PlainSerializer


@dataclass(frozen=True)
class DragRevisionId:
    """The id of the revision that is the result of drag `number`."""

    number: int


RevisionId = int | DragRevisionId


def to_stored_id(revision_id: RevisionId) -> int:
    """Return the number under which an id is stored or sent."""
    return -revision_id.number if isinstance(revision_id, DragRevisionId) else revision_id


def from_stored_id(stored_id: Any) -> Any:
    """Return the id that a stored number stands for; any other value is returned as it is."""
    return DragRevisionId(-stored_id) if isinstance(stored_id, int) and stored_id < 0 else stored_id


StoredRevisionId = Annotated[
    NonNegativeInt | DragRevisionId,
    BeforeValidator(from_stored_id),
    PlainSerializer(to_stored_id, return_type=int),
]
"""The type of a pydantic field with a `RevisionId`."""
