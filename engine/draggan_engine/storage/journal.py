"""history.jsonl: the history as lines that are appended, each on the disk before it is acknowledged.

A revision is stored as what differs from its parent: `{"entry": {"id": 4, "parent": 3, "set": {"pairs": […]}}}`, that of a
drag with its `record`. `{"at": 4}` names the current revision from there on, with `"onward": {"3": 5}` where redo leads to
another child than the one that the file passed through last.

Reading stops at the first line that is not complete: a write that a power cut interrupted was never acknowledged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import InputError, StorageError
from draggan_engine.core.history import DragRecord, History, Revision
from draggan_engine.core.revision_id import RevisionId, from_stored_id, to_stored_id

from .atomic import atomic_write, sync_directory

JOURNAL_FILE = "history.jsonl"


class Journal:
    """The journal of one session, for the one process that writes it.

    Args:
        directory: the session's directory.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / JOURNAL_FILE
        self._valid_bytes = 0  # the length of the lines that were understood
        self._stored = _StoredHistory()  # what these lines say
        self._damaged_content = b""  # the whole file, if a complete line in it was not understood

    def read(self) -> History | None:
        """Return the stored history; None if there is no file, or not one complete line in it.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(
                f"{self.path}: it cannot be read ({error.strerror or error}); check the directory"
            ) from error
        stored = self._stored = _StoredHistory()
        self._valid_bytes, self._damaged_content = 0, b""
        while (end := content.find(b"\n", self._valid_bytes)) >= 0:
            try:
                stored.add_line(json.loads(content[self._valid_bytes : end]))
            except (ValueError, KeyError, TypeError, AttributeError):  # pydantic's error is a ValueError
                self._damaged_content = content
                break
            self._valid_bytes = end + 1
        if stored.current is None:
            return None
        return History(dict(stored.revisions), stored.current, dict(stored.last_child))

    def append(self, history: History) -> None:
        """Write what is new in the history. After a failure the next call writes it all again, over what was left.

        Raises:
            StorageError: it cannot be written.
        """
        stored = self._stored.copy()
        new_revisions = history.missing_from(stored.revisions)
        for revision in new_revisions:
            stored.add(revision)
        stored.jump_to(history.current_revision)
        redo_changes = {
            parent: child for parent, child in history.last_child.items() if stored.last_child[parent] != child
        }
        if not new_revisions and not redo_changes and history.current == self._stored.current:
            return
        lines = [_revision_line(revision, history.revisions) for revision in new_revisions]
        lines.append(_current_line(history.current, redo_changes))
        block = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines).encode()
        self._keep_damaged()
        self._write(block)
        stored.last_child.update(redo_changes)
        self._valid_bytes, self._stored = self._valid_bytes + len(block), stored

    def _keep_damaged(self) -> None:
        """Copy a file with a line that was not understood: a person may want to look at it."""
        if self._damaged_content:
            with atomic_write(self.path.with_name(f"{JOURNAL_FILE}.damaged")) as part:
                part.write_bytes(self._damaged_content)
            self._damaged_content = b""

    def _write(self, block: bytes) -> None:
        try:
            is_new = not self.path.exists()
            with self.path.open("wb" if is_new else "r+b") as file:
                file.seek(self._valid_bytes)
                file.truncate()
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                sync_directory(self.path.parent)
        except OSError as error:
            raise StorageError.of(self.path, error) from error


class _StoredHistory:
    """The history that the lines of a journal describe; it grows line by line, in place."""

    def __init__(self) -> None:
        self.revisions: dict[RevisionId, Revision] = {}
        self.last_child: dict[RevisionId, RevisionId] = {}
        self.current: RevisionId | None = None

    def copy(self) -> _StoredHistory:
        copy = _StoredHistory()
        copy.revisions, copy.last_child, copy.current = dict(self.revisions), dict(self.last_child), self.current
        return copy

    def add_line(self, line: Mapping[str, Any]) -> None:
        """Add what a line says.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: the line is not one of a journal; it changes nothing.
        """
        if "at" in line:
            redo_changes = {
                self._revision(int(parent)).id: self._revision(child).id
                for parent, child in line.get("onward", {}).items()
            }
            self.jump_to(self._revision(line["at"]))
            self.last_child.update(redo_changes)
            return
        fields = line["entry"]
        id, parent, record = fields["id"], fields["parent"], fields.get("record")
        base = {} if parent is None else self._revision(parent).edit.model_dump(mode="json")
        edit = Edit.model_validate_json(json.dumps({**base, **fields["set"]}))
        record = None if record is None else DragRecord.model_validate(record)
        self.add(Revision(id=id, parent=parent, edit=edit, record=record))

    def _revision(self, stored_id: Any) -> Revision:
        return self.revisions[from_stored_id(stored_id)]

    def add(self, revision: Revision) -> None:
        self.revisions[revision.id] = revision
        if revision.parent is not None:
            self.last_child.setdefault(revision.parent, revision.id)

    def jump_to(self, revision: Revision) -> None:
        """Make a revision the current one; redo then leads to it from each of its ancestors."""
        previous, self.current = self.current, revision.id
        while revision.parent is not None and revision.id != previous:  # above that, redo leads here already
            self.last_child[revision.parent] = revision.id
            revision = self.revisions[revision.parent]


def _revision_line(revision: Revision, revisions: Mapping[RevisionId, Revision]) -> dict[str, object]:
    fields = revision.edit.model_dump(mode="json")
    if revision.parent is not None:
        base = revisions[revision.parent].edit.model_dump(mode="json")
        fields = {name: value for name, value in fields.items() if value != base[name]}
    line: dict[str, object] = {**revision.model_dump(include={"id", "parent"}), "set": fields}
    if revision.record is not None:
        line["record"] = revision.record.model_dump(mode="json")
    return {"entry": line}


def _current_line(current: RevisionId, redo_changes: Mapping[RevisionId, RevisionId]) -> dict[str, object]:
    line: dict[str, object] = {"at": to_stored_id(current)}
    if redo_changes:
        line["onward"] = {to_stored_id(parent): to_stored_id(child) for parent, child in redo_changes.items()}
    return line
