"""history.jsonl: what was appended is read back, whatever became of the last write."""

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

Act = Callable[[History], History]

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
drags = points.map(lambda final: lambda history: dragged(history, final))
acts = st.one_of(changes, jumps, drags, st.just(History.undo), st.just(History.redo))


def dragged(history: History, final: tuple[float, float]) -> History:
    edit, number = history.edit, 1 + len(history.drag_records)
    pairs = tuple(DraggedPair(handle=h, target=t, final=final, distance=1.5) for h, t in edit.active_pairs.values())
    record = DragRecord(
        number=number, source=edit.source, reason="reached", steps=7, seconds=0.1,
        pairs=pairs, settings=edit.settings, masked=edit.mask is not None,
    )  # fmt: skip
    entry = Revision.of_drag(history.current_revision, record)
    return history.merge([entry]).jump_to(entry.id)


@contextmanager
def a_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def written(folder: Path, portions: list[list[Act]]) -> list[tuple[int, History]]:
    """Begins a history and appends to it after each portion; the file's size and the history after each append."""
    journal, history = Journal(folder), History.of(Edit(model="toy"))
    moments = []
    for portion in [[], *portions]:
        for act in portion:
            history = act(history)
        journal.append(history)
        moments.append(((folder / JOURNAL_FILE).stat().st_size, history))
    return moments


@settings(max_examples=60)
@given(st.lists(st.lists(acts, max_size=5), max_size=8))
def test_any_history_is_read_back(portions: list[list[Act]]) -> None:
    with a_folder() as folder:
        *_, (_, history) = written(folder, portions)
        assert Journal(folder).read() == history  # entries, the present one, and where redo leads


@settings(max_examples=40)
@given(st.lists(st.lists(acts, max_size=4), max_size=4), st.lists(st.lists(acts, max_size=4), max_size=4))
def test_it_goes_on_in_another_process(before: list[list[Act]], after: list[list[Act]]) -> None:
    with a_folder() as folder:
        *_, (_, history) = written(folder, before)
        journal = Journal(folder)
        journal.read()
        for portion in after:
            for act in portion:
                history = act(history)
            journal.append(history)
        assert Journal(folder).read() == history


@settings(max_examples=10)
@given(st.lists(st.lists(acts, min_size=1, max_size=3), min_size=1, max_size=3))
def test_cut_at_any_byte_it_holds_every_append_that_was_complete(portions: list[list[Act]]) -> None:
    with a_folder() as folder:
        moments = written(folder, portions)
        content = (folder / JOURNAL_FILE).read_bytes()
        last = moments[-1][1]
        for cut in range(len(content) + 1):
            (folder / JOURNAL_FILE).write_bytes(content[:cut])
            found = Journal(folder).read()
            complete = [history for size, history in moments if size <= cut]
            if found is None:
                assert not complete
                continue
            assert found.revisions.items() <= last.revisions.items()
            assert list(found.revisions) == list(last.revisions)[: len(found.revisions)]
            if complete:
                assert complete[-1].revisions.items() <= found.revisions.items()
                assert found.current == complete[-1].current or cut > moments[len(complete) - 1][0]


@settings(max_examples=30)
@given(st.lists(st.lists(acts, min_size=1, max_size=3), min_size=2, max_size=4), st.data())
def test_what_is_before_a_damaged_line_is_kept_and_the_file_put_aside(
    portions: list[list[Act]], data: st.DataObject
) -> None:
    with a_folder() as folder:
        moments = written(folder, portions)
        path = folder / JOURNAL_FILE
        lines = path.read_bytes().splitlines(keepends=True)
        index = data.draw(st.integers(0, len(lines) - 1))
        damage = data.draw(
            st.sampled_from([b"\0\0\0\n", b"{}\n", b'{"at":99999}\n', b"\xff\xfe\n", b"[1]\n", lines[index][4:]])
        )
        damaged = b"".join([*lines[:index], damage, *lines[index + 1 :]])
        path.write_bytes(damaged)

        journal = Journal(folder)
        found = journal.read()
        kept = sum(map(len, lines[:index]))
        complete = [history for size, history in moments if size <= kept]
        assert path.read_bytes() == damaged  # to look is not to change
        if complete:
            assert found is not None and complete[-1].revisions.items() <= found.revisions.items()
        history = (found or History.of(Edit(model="toy"))).change(Edit(model="toy", source=LatentRef(seed=123_456)))
        journal.append(history)
        assert (folder / f"{JOURNAL_FILE}.damaged").read_bytes() == damaged
        assert Journal(folder).read() == history


def test_a_line_that_was_cut_short_is_not_damage(tmp_path: Path) -> None:
    journal, history = Journal(tmp_path), History.of(Edit(model="toy"))
    journal.append(history)
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"entry":{"id":1,"par')
    journal = Journal(tmp_path)
    assert journal.read() == history
    journal.append(history.change(Edit(model="toy", source=LatentRef(seed=1))))
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL_FILE]
    assert Journal(tmp_path).read() == history.change(Edit(model="toy", source=LatentRef(seed=1)))


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_append_that_fails_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, first = Journal(tmp_path), History.of(Edit(model="toy"))
    journal.append(first)
    second = (
        first.change(Edit(model="toy", source=LatentRef(seed=1)))
        .undo()
        .change(Edit(model="toy", source=LatentRef(seed=2), mask=Mask.from_array(np.ones((64, 64), np.uint8))))
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"history\.jsonl: it could not be written \(No space left"):
            journal.append(second)
    third = second.undo().undo().change(Edit(model="toy", source=LatentRef(seed=3))).undo()
    journal.append(third)
    assert Journal(tmp_path).read() == third
    lines = (tmp_path / JOURNAL_FILE).read_bytes().splitlines()
    assert len(lines) == len(third.revisions) + 2  # each entry once, and where one stood after each of the good appends


def test_what_a_full_disk_took_half_of_is_written_over(tmp_path: Path) -> None:
    """In a process of its own: the limit on a file's size cuts a write short."""
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from draggan_engine.storage.journal import JOURNAL_FILE, Journal
from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.errors import StorageError
from draggan_engine.core.history import History
folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal, first = Journal(folder), History.of(Edit(model="toy"))
journal.append(first)
size = (folder / JOURNAL_FILE).stat().st_size
noise = np.random.default_rng(0).integers(0, 2, (200, 200), np.uint8)
second = first.change(Edit(model="toy", mask=Mask.from_array(noise)))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
try:
    journal.append(second)
    raise SystemExit("it should have failed")
except StorageError:
    pass
assert (folder / JOURNAL_FILE).stat().st_size == size + 1000
assert Journal(folder).read() == first
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(second.undo())
assert Journal(folder).read() == second.undo()
assert [path.name for path in folder.iterdir()] == [JOURNAL_FILE]
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


def test_masks_survive_to_the_bit(tmp_path: Path) -> None:
    array = np.random.default_rng(3).integers(0, 2, (1024, 1024), np.uint8)
    history = History.of(Edit(model="toy", mask=Mask.from_array(array)))
    Journal(tmp_path).append(history)
    found = Journal(tmp_path).read()
    assert found is not None and found.edit.mask is not None
    assert found.edit.mask == history.edit.mask
    assert np.array_equal(found.edit.mask.to_array(), array)


def test_an_append_writes_what_is_new_and_no_more(tmp_path: Path) -> None:
    """With a mask of 100 kB in the history, a change of the points takes some hundred bytes, the last like the first."""
    noise = np.random.default_rng(0).integers(0, 2, (1024, 1024), np.uint8)
    journal, history = Journal(tmp_path), History.of(Edit(model="toy", mask=Mask.from_array(noise)))
    journal.append(history)
    grown = []
    for step in range(200):
        size, inode = (tmp_path / JOURNAL_FILE).stat().st_size, (tmp_path / JOURNAL_FILE).stat().st_ino
        history = history.change(history.edit.model_copy(update={"pairs": (PointPair(handle=(100 + step, 5)),)}))
        journal.append(history)
        assert (tmp_path / JOURNAL_FILE).stat().st_ino == inode
        grown.append((tmp_path / JOURNAL_FILE).stat().st_size - size)
    assert max(grown) < 200 and max(grown) - min(grown) < 10
    size = (tmp_path / JOURNAL_FILE).stat().st_size
    journal.append(history)
    assert (tmp_path / JOURNAL_FILE).stat().st_size == size


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert Journal(tmp_path).read() is None
    (tmp_path / JOURNAL_FILE).mkdir()
    with pytest.raises(InputError, match=r"history\.jsonl: it cannot be read \(Is a directory\)"):
        Journal(tmp_path).read()
