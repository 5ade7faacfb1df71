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

from pydantic_core import from_json

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
        self._stored_history = _StoredHistory()  # what these lines say
        self._damaged_content = b""  # the whole file, if a complete line in it was not understood

    def read(self) -> History | None:
        """Return the stored history; None if there is no file, or not one complete line in it.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            journal_bytes = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as read_error:
            raise InputError(
                f"{self.path} cannot be read ({read_error.strerror or read_error}); check the directory"
            ) from read_error
        stored_history = self._stored_history = _StoredHistory()
        self._valid_bytes, self._damaged_content = 0, b""
        while (line_end := journal_bytes.find(b"\n", self._valid_bytes)) >= 0:
            try:
                stored_history.add_line(from_json(journal_bytes[self._valid_bytes : line_end]))
            except (ValueError, KeyError, TypeError, AttributeError):  # pydantic's error is a ValueError
                self._damaged_content = journal_bytes
                break
            self._valid_bytes = line_end + 1
        if stored_history.current is None:
            return None
        return History(dict(stored_history.revisions), stored_history.current, dict(stored_history.last_child))

    def append(self, history: History) -> None:
        """Write what is new in the history. After a failure the next call writes it all again, over what was left.

        Raises:
            StorageError: it cannot be written.
        """
        stored_history = self._stored_history.copy()
        new_revisions = history.missing_from(stored_history.revisions)
        for revision in new_revisions:
            stored_history.add(revision)
        stored_history.jump_to(history.current_revision)
        redo_changes = {
            parent_id: child_id
            for parent_id, child_id in history.last_child.items()
            if stored_history.last_child[parent_id] != child_id
        }
        if not new_revisions and not redo_changes and history.current == self._stored_history.current:
            return
        journal_lines = [_revision_line(revision, history.revisions) for revision in new_revisions]
        journal_lines.append(_current_line(history.current, redo_changes))
        new_bytes = "".join(
            json.dumps(journal_line, ensure_ascii=False, separators=(",", ":")) + "\n" for journal_line in journal_lines
        ).encode()
        self._keep_damaged()
        self._write(new_bytes)
        stored_history.last_child.update(redo_changes)
        self._valid_bytes, self._stored_history = self._valid_bytes + len(new_bytes), stored_history

    def _keep_damaged(self) -> None:
        """Copy a file with a line that was not understood: a person may want to look at it."""
        if self._damaged_content:
            with atomic_write(self.path.with_name(f"{JOURNAL_FILE}.damaged")) as temporary_path:
                temporary_path.write_bytes(self._damaged_content)
            self._damaged_content = b""

    def _write(self, new_bytes: bytes) -> None:
        try:
            is_new = not self.path.exists()
            with self.path.open("wb" if is_new else "r+b") as journal_file:
                journal_file.seek(self._valid_bytes)
                journal_file.truncate()
                journal_file.write(new_bytes)
                journal_file.flush()
                os.fsync(journal_file.fileno())
            if is_new:
                sync_directory(self.path.parent)
        except OSError as write_error:
            raise StorageError.of(self.path, write_error) from write_error


class _StoredHistory:
    """The history that the lines of a journal describe; it grows line by line, in place."""

    def __init__(self) -> None:
        self.revisions: dict[RevisionId, Revision] = {}
        self.last_child: dict[RevisionId, RevisionId] = {}
        self.current: RevisionId | None = None

    def copy(self) -> _StoredHistory:
        copied_history = _StoredHistory()
        copied_history.revisions, copied_history.last_child = dict(self.revisions), dict(self.last_child)
        copied_history.current = self.current
        return copied_history

    def add_line(self, line_fields: Mapping[str, Any]) -> None:
        """Add what a line says.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: the line is not one of a journal; it changes nothing.
        """
        if "at" in line_fields:
            redo_changes = {
                self._revision(int(parent_id)).id: self._revision(child_id).id
                for parent_id, child_id in line_fields.get("onward", {}).items()
            }
            self.jump_to(self._revision(line_fields["at"]))
            self.last_child.update(redo_changes)
            return
        revision_fields = line_fields["entry"]
        id, parent_id, drag_record = revision_fields["id"], revision_fields["parent"], revision_fields.get("record")
        parent_fields = {} if parent_id is None else self._revision(parent_id).edit.model_dump(mode="json")
        edit = Edit.model_validate_json(json.dumps({**parent_fields, **revision_fields["set"]}))
        drag_record = None if drag_record is None else DragRecord.model_validate(drag_record)
        self.add(Revision(id=id, parent=parent_id, edit=edit, record=drag_record))

    def _revision(self, stored_id: Any) -> Revision:
        return self.revisions[from_stored_id(stored_id)]

    def add(self, revision: Revision) -> None:
        self.revisions[revision.id] = revision
        if revision.parent is not None:
            self.last_child.setdefault(revision.parent, revision.id)

    def jump_to(self, revision: Revision) -> None:
        """Make a revision the current one; redo then leads to it from each of its ancestors."""
        previous_id, self.current = self.current, revision.id
        while revision.parent is not None and revision.id != previous_id:  # above that, redo leads here already
            self.last_child[revision.parent] = revision.id
            revision = self.revisions[revision.parent]


def _revision_line(revision: Revision, revisions: Mapping[RevisionId, Revision]) -> dict[str, object]:
    changed_fields = revision.edit.model_dump(mode="json")
    if revision.parent is not None:
        parent_fields = revisions[revision.parent].edit.model_dump(mode="json")
        changed_fields = {
            field_name: field_value
            for field_name, field_value in changed_fields.items()
            if field_value != parent_fields[field_name]
        }
    line_fields: dict[str, object] = {**revision.model_dump(include={"id", "parent"}), "set": changed_fields}
    if revision.record is not None:
        line_fields["record"] = revision.record.model_dump(mode="json")
    return {"entry": line_fields}


def _current_line(current_id: RevisionId, redo_changes: Mapping[RevisionId, RevisionId]) -> dict[str, object]:
    line_fields: dict[str, object] = {"at": to_stored_id(current_id)}
    if redo_changes:
        line_fields["onward"] = {
            to_stored_id(parent_id): to_stored_id(child_id) for parent_id, child_id in redo_changes.items()
        }
    return line_fields
