"""The event with the session's history, for a client that does not have it."""

from __future__ import annotations

from draggan_engine.storage.inversion_files import inverted_photograph, unfinished_photograph
from draggan_engine.storage.session_store import SessionStore

from .messages import Resumed


def resumed_event(store: SessionStore) -> Resumed | None:
    """Return the event with the session's history, or None if nothing has been saved yet."""
    if store.history is None:
        return None
    photograph = unfinished = None
    if store.directory is not None and store.starts_from_file:
        photograph = inverted_photograph(store.directory)
    elif store.directory is not None:
        unfinished = unfinished_photograph(store.directory)
    return Resumed.of(store.history, store.recovered_drags, photograph=photograph, unfinished_photograph=unfinished)
