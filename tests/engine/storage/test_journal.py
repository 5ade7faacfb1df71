"""history.jsonl: appended revisions are read back, even if the last write was interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.errors import InputError, StorageError
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import to_stored_id
from draggan_engine.storage.journal import JOURNAL_FILE, Journal
from tests.support.paths import ROOT

Change = Callable[[History], History]

coordinates = st.floats(-1e6, 1e6)
points = st.tuples(coordinates, coordinates)
masks = st.builds(
    lambda seed, share: Mask.from_array((np.random.default_rng(seed).random((24, 40)) < share).astype(np.uint8)),
    st.integers(0, 99),
    st.floats(0, 1),
)
edits = st.fixed_dictionaries(
    {},
    optional={
        "source": st.builds(LatentRef, seed=st.integers(0, 2**32 - 1)),
        "pairs": st.lists(st.builds(PointPair, handle=points, target=points | st.none()), max_size=3).map(tuple),
        "mask": masks | st.none(),
        "settings": st.builds(DragSettings, step_size=st.floats(1e-9, 10), space=st.sampled_from(["w", "w+"])),
    },
)
changes = edits.map(lambda update: lambda history: history.change(history.edit.model_copy(update=update)))
jumps = st.integers(0, 30).map(
    lambda index: (
        lambda history: history.jump_to(sorted(history.revisions, key=to_stored_id)[index % len(history.revisions)])
    )
)
drags = points.map(lambda final: lambda history: add_drag(history, final))
changes_of_history = st.one_of(changes, jumps, drags, st.just(History.undo), st.just(History.redo))


def add_drag(history: History, final: tuple[float, float]) -> History:
    edit, number = history.edit, 1 + len(history.drag_records)
    pairs = tuple(DraggedPair(handle=h, target=t, final=final, distance=1.5) for h, t in edit.active_pairs.values())
    record = DragRecord(
        number=number, source=edit.source, reason="reached", steps=7, seconds=0.1,
        pairs=pairs, settings=edit.settings, masked=edit.mask is not None,
    )  # fmt: skip
    revision = Revision.of_drag(history.current_revision, record)
    return history.merge([revision]).jump_to(revision.id)


@contextmanager
def temporary_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def write_journal(directory: Path, change_lists: list[list[Change]]) -> list[tuple[int, History]]:
    """Append to a new journal after each list of changes; return the file's size and the history after each append."""
    journal, history = Journal(directory), History.of(Edit(model="toy"))
    appends = []
    for change_list in [[], *change_lists]:
        for apply_change in change_list:
            history = apply_change(history)
        journal.append(history)
        appends.append(((directory / JOURNAL_FILE).stat().st_size, history))
    return appends


@settings(max_examples=60)
@given(st.lists(st.lists(changes_of_history, max_size=5), max_size=8))
def test_any_history_is_read_back(change_lists: list[list[Change]]) -> None:
    with temporary_directory() as directory:
        *_, (_, history) = write_journal(directory, change_lists)
        assert Journal(directory).read() == history  # revisions, the current one, and where redo leads


@settings(max_examples=40)
@given(
    st.lists(st.lists(changes_of_history, max_size=4), max_size=4),
    st.lists(st.lists(changes_of_history, max_size=4), max_size=4),
)
def test_another_process_continues_the_journal(before: list[list[Change]], after: list[list[Change]]) -> None:
    with temporary_directory() as directory:
        *_, (_, history) = write_journal(directory, before)
        journal = Journal(directory)
        journal.read()
        for change_list in after:
            for apply_change in change_list:
                history = apply_change(history)
            journal.append(history)
        assert Journal(directory).read() == history


@settings(max_examples=10)
@given(st.lists(st.lists(changes_of_history, min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_journal_cut_at_any_byte_keeps_every_complete_append(change_lists: list[list[Change]]) -> None:
    with temporary_directory() as directory:
        appends = write_journal(directory, change_lists)
        content = (directory / JOURNAL_FILE).read_bytes()
        last = appends[-1][1]
        for cut in range(len(content) + 1):
            (directory / JOURNAL_FILE).write_bytes(content[:cut])
            read_history = Journal(directory).read()
            complete = [history for size, history in appends if size <= cut]
            if read_history is None:
                assert not complete
                continue
            assert read_history.revisions.items() <= last.revisions.items()
            assert list(read_history.revisions) == list(last.revisions)[: len(read_history.revisions)]
            if complete:
                assert complete[-1].revisions.items() <= read_history.revisions.items()
                assert read_history.current == complete[-1].current or cut > appends[len(complete) - 1][0]


@settings(max_examples=30)
@given(st.lists(st.lists(changes_of_history, min_size=1, max_size=3), min_size=2, max_size=4), st.data())
def test_the_lines_before_a_damaged_line_are_kept_and_the_file_is_copied(
    change_lists: list[list[Change]], data: st.DataObject
) -> None:
    with temporary_directory() as directory:
        appends = write_journal(directory, change_lists)
        path = directory / JOURNAL_FILE
        lines = path.read_bytes().splitlines(keepends=True)
        index = data.draw(st.integers(0, len(lines) - 1))
        damage = data.draw(
            st.sampled_from(
                [
                    b"\0\0\0\n",
                    b"{}\n",
                    b'{"at":99999}\n',
                    b"\xff\xfe\n",
                    b"[1]\n",
                    b"[" * 9999 + b"\n",
                    lines[index][4:],
                ]
            )
        )
        damaged = b"".join([*lines[:index], damage, *lines[index + 1 :]])
        path.write_bytes(damaged)

        journal = Journal(directory)
        read_history = journal.read()
        intact_bytes = sum(map(len, lines[:index]))
        complete = [history for size, history in appends if size <= intact_bytes]
        assert path.read_bytes() == damaged  # reading changes nothing
        if complete:
            assert read_history is not None and complete[-1].revisions.items() <= read_history.revisions.items()
        history = (read_history or History.of(Edit(model="toy"))).change(
            Edit(model="toy", source=LatentRef(seed=123_456))
        )
        journal.append(history)
        assert (directory / f"{JOURNAL_FILE}.damaged").read_bytes() == damaged
        assert Journal(directory).read() == history


def test_an_incomplete_last_line_is_not_damage(tmp_path: Path) -> None:
    journal, history = Journal(tmp_path), History.of(Edit(model="toy"))
    journal.append(history)
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"entry":{"id":1,"par')
    journal = Journal(tmp_path)
    assert journal.read() == history
    journal.append(history.change(Edit(model="toy", source=LatentRef(seed=1))))
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL_FILE]
    assert Journal(tmp_path).read() == history.change(Edit(model="toy", source=LatentRef(seed=1)))


def fail_as_full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_the_next_append_makes_up_for_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, first = Journal(tmp_path), History.of(Edit(model="toy"))
    journal.append(first)
    second = (
        first.change(Edit(model="toy", source=LatentRef(seed=1)))
        .undo()
        .change(Edit(model="toy", source=LatentRef(seed=2), mask=Mask.from_array(np.ones((64, 64), np.uint8))))
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_as_full_disk)
        with pytest.raises(StorageError, match=r"history\.jsonl could not be written \(No space left"):
            journal.append(second)
    third = second.undo().undo().change(Edit(model="toy", source=LatentRef(seed=3))).undo()
    journal.append(third)
    assert Journal(tmp_path).read() == third
    lines = (tmp_path / JOURNAL_FILE).read_bytes().splitlines()
    # Each revision once, and the current one after each append that succeeded.
    assert len(lines) == len(third.revisions) + 2


def test_a_partial_write_to_a_full_disk_is_overwritten(tmp_path: Path) -> None:
    """A limit on the size of files cuts a write short; it needs a process of its own."""
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from draggan_engine.storage.journal import JOURNAL_FILE, Journal
from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.errors import StorageError
from draggan_engine.core.history import History
directory = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal, first = Journal(directory), History.of(Edit(model="toy"))
journal.append(first)
size = (directory / JOURNAL_FILE).stat().st_size
noise = np.random.default_rng(0).integers(0, 2, (200, 200), np.uint8)
second = first.change(Edit(model="toy", mask=Mask.from_array(noise)))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
try:
    journal.append(second)
    raise SystemExit("it should have failed")
except StorageError:
    pass
assert (directory / JOURNAL_FILE).stat().st_size == size + 1000
assert Journal(directory).read() == first
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(second.undo())
assert Journal(directory).read() == second.undo()
assert [path.name for path in directory.iterdir()] == [JOURNAL_FILE]
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


def test_masks_keep_every_bit(tmp_path: Path) -> None:
    array = np.random.default_rng(3).integers(0, 2, (1024, 1024), np.uint8)
    history = History.of(Edit(model="toy", mask=Mask.from_array(array)))
    Journal(tmp_path).append(history)
    read_history = Journal(tmp_path).read()
    assert read_history is not None and read_history.edit.mask is not None
    assert read_history.edit.mask == history.edit.mask
    assert np.array_equal(read_history.edit.mask.to_array(), array)


def test_an_append_writes_only_the_changes(tmp_path: Path) -> None:
    """With a mask of 100 kB in the history, every change of the points takes some hundred bytes."""
    noise = np.random.default_rng(0).integers(0, 2, (1024, 1024), np.uint8)
    journal, history = Journal(tmp_path), History.of(Edit(model="toy", mask=Mask.from_array(noise)))
    journal.append(history)
    growths = []
    for step in range(200):
        size, inode = (tmp_path / JOURNAL_FILE).stat().st_size, (tmp_path / JOURNAL_FILE).stat().st_ino
        history = history.change(history.edit.model_copy(update={"pairs": (PointPair(handle=(100 + step, 5)),)}))
        journal.append(history)
        assert (tmp_path / JOURNAL_FILE).stat().st_ino == inode
        growths.append((tmp_path / JOURNAL_FILE).stat().st_size - size)
    assert max(growths) < 200 and max(growths) - min(growths) < 10
    size = (tmp_path / JOURNAL_FILE).stat().st_size
    journal.append(history)
    assert (tmp_path / JOURNAL_FILE).stat().st_size == size


def test_the_error_names_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    assert Journal(tmp_path).read() is None
    (tmp_path / JOURNAL_FILE).mkdir()
    with pytest.raises(InputError, match=r"history\.jsonl cannot be read \(Is a directory\)"):
        Journal(tmp_path).read()
