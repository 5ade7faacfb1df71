"""history.jsonl: the history as lines that are only ever appended, each on the disk before it is acknowledged.

An entry is what differs from its parent: `{"entry": {"id": 4, "parent": 3, "set": {"pairs": […]}}}`, for a drag with its
`record`; `{"at": 4}` says where one stands from then on, with `"onward": {"3": 5}` for where redo leads otherwise than what
was gone through in the file. Reading stops at the first line that is not whole: a write
that a power cut interrupted was never acknowledged.
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

from .atomic import atomic_write, sync_directory

JOURNAL_FILE = "history.jsonl"


class Journal:
    """The file of one session, for the one process that writes it.

    Args:
        folder: of the session.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_FILE
        self._whole = 0  # bytes of it that are whole lines
        self._tree = _Tree()  # what they say
        self._damaged = b""  # the file, if there is a line in it that is whole and not ours

    def read(self) -> History | None:
        """What it holds; none if there is no such file, or not one whole line in it.

        Raises:
            InputError: it cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(
                f"{self.path}: it cannot be read ({error.strerror or error}); check the directory"
            ) from error
        tree = self._tree = _Tree()
        self._whole, self._damaged = 0, b""
        while (end := content.find(b"\n", self._whole)) >= 0:
            try:
                tree.take(json.loads(content[self._whole : end]))
            except (ValueError, KeyError, TypeError, AttributeError):  # pydantic's is a ValueError
                self._damaged = content
                break
            self._whole = end + 1
        return None if tree.at is None else History(dict(tree.entries), tree.at, dict(tree.onward))

    def append(self, history: History) -> None:
        """Writes what is new. After a failure the next call writes it all again, over what was left.

        Raises:
            StorageError: it cannot be written.
        """
        tree = self._tree.copy()
        new = history.missing_from(tree.entries)
        for entry in new:
            tree.add(entry)
        tree.stand(history.revisions[history.current])
        ways = {parent: child for parent, child in history.last_child.items() if tree.onward[parent] != child}
        if not new and not ways and history.current == self._tree.at:
            return
        lines = [_line(entry, history.revisions) for entry in new]
        lines.append({"at": history.current, "onward": ways} if ways else {"at": history.current})
        block = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines).encode()
        if self._damaged:  # a person may want to look at what is not understood
            with atomic_write(self.path.with_name(f"{JOURNAL_FILE}.damaged")) as part:
                part.write_bytes(self._damaged)
            self._damaged = b""
        self._write(block)
        tree.onward.update(ways)
        self._whole, self._tree = self._whole + len(block), tree

    def _write(self, block: bytes) -> None:
        try:
            created = not self.path.exists()
            with self.path.open("wb" if created else "r+b") as file:
                file.seek(self._whole)
                file.truncate()
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
            if created:
                sync_directory(self.path.parent)
        except OSError as error:
            raise StorageError.of(self.path, error) from error


class _Tree:
    """A history that grows line by line, in place."""

    def __init__(self) -> None:
        self.entries: dict[int, Revision] = {}
        self.onward: dict[int, int] = {}
        self.at: int | None = None

    def copy(self) -> _Tree:
        tree = _Tree()
        tree.entries, tree.onward, tree.at = dict(self.entries), dict(self.onward), self.at
        return tree

    def take(self, line: Mapping[str, Any]) -> None:
        """
        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is not one of ours; nothing of it is taken.
        """
        if "at" in line:
            ways = {self.entries[int(parent)].id: self.entries[id].id for parent, id in line.get("onward", {}).items()}
            self.stand(self.entries[line["at"]])
            self.onward.update(ways)
            return
        fields = line["entry"]
        id, parent, record = fields["id"], fields["parent"], fields.get("record")
        base = {} if parent is None else self.entries[parent].edit.model_dump(mode="json")
        edit = Edit.model_validate_json(json.dumps({**base, **fields["set"]}))
        record = None if record is None else DragRecord.model_validate(record)
        self.add(Revision(id=id, parent=parent, edit=edit, record=record))

    def add(self, entry: Revision) -> None:
        self.entries[entry.id] = entry
        if entry.parent is not None:
            self.onward.setdefault(entry.parent, entry.id)

    def stand(self, entry: Revision) -> None:
        before, self.at = self.at, entry.id
        while entry.parent is not None and entry.id != before:  # above that, the way is marked already
            self.onward[entry.parent] = entry.id
            entry = self.entries[entry.parent]


def _line(entry: Revision, entries: Mapping[int, Revision]) -> dict[str, object]:
    fields = entry.edit.model_dump(mode="json")
    if entry.parent is not None:
        base = entries[entry.parent].edit.model_dump(mode="json")
        fields = {name: value for name, value in fields.items() if value != base[name]}
    line: dict[str, object] = {"id": entry.id, "parent": entry.parent, "set": fields}
    if entry.record is not None:
        line["record"] = entry.record.model_dump(mode="json")
    return {"entry": line}
