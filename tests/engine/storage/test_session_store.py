"""The session's directory: its content, that it is complete at any moment, and the errors of failed writes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.errors import EditError, InputError, OutputError, StorageError
from draggan_engine.core.geometry import Size
from draggan_engine.core.history import DraggedPair, DragRecord, Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.image_io import read_mask, write_image, write_mask
from draggan_engine.storage.output_paths import check_output_directory, next_output_directory, session_name
from draggan_engine.storage.session_lock import is_session_open
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.trajectory import TrajectoryRecorder

MASK = Mask.from_array(np.eye(16, dtype=np.uint8))
EDIT = Edit(model="toy", source=LatentRef(seed=7), pairs=(PointPair(handle=(1, 2), target=(3, 4)),), mask=MASK)
FIRST = Revision(id=0, edit=EDIT)
WS = np.arange(12, dtype=np.float32).reshape(1, 4, 3)


def record(drag_number: int) -> DragRecord:
    pair = DraggedPair(handle=(1, 2), target=(3, 4), final=(3, 3), distance=1)
    return DragRecord(
        number=drag_number, source=LatentRef(seed=7, psi=1), reason="reached", steps=2, seconds=0.1, pairs=(pair,), settings=DragSettings(), masked=True
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_session_can_be_resumed(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.set_model("toy", "ab" * 32, Path("/models/toy.pkl"))
    store.save((FIRST,), 0)
    drag_revision = Revision.of_drag(FIRST, record(1))
    store.add_drag(drag_revision, WS, WS + 1)
    store.write()
    store.close()
    after = drag_revision.edit
    resumed_store = SessionStore("toy", resume=tmp_path / "s")
    assert resumed_store.next_drag_number() == 2
    assert np.array_equal(resumed_store.latent(1), WS + 1)
    manifest = read_manifest(tmp_path / "s")
    assert manifest.model.sha256 == "ab" * 32
    assert (manifest.source.seed, manifest.source.drag, manifest.pairs) == (7, 1, after.pairs)
    assert manifest.drag_count == 1
    assert json.loads((tmp_path / "s/drag-001/drag.json").read_text()) == record(1).model_dump(mode="json")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "s" / "mask.png")) // 255, MASK.to_array())


def test_the_mask_file_exists_while_there_is_a_mask(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    revisions = [FIRST]
    for mask in (None, MASK, None):
        edit = EDIT.model_copy(update={"mask": mask})
        revisions.append(Revision(id=len(revisions), parent=len(revisions) - 1, edit=edit))
    for current_id, mask_exists in ((0, True), (1, False), (2, True), (3, False), (0, True)):
        store.save(revisions, current_id)
        revisions = []
        assert (tmp_path / "s" / "mask.png").exists() == mask_exists
        manifest = read_manifest(tmp_path / "s")
        assert (manifest.mask is not None) == mask_exists


def test_nothing_is_written_before_the_first_change(tmp_path: Path) -> None:
    SessionStore("toy")
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_default_directory() -> None:
    first, second = SessionStore("toy"), SessionStore("toy")
    directories = [store.save((FIRST,), 0) for store in (first, second)]
    assert directories[0].parent == Path("draggan-out")
    assert directories[0].name.endswith("-toy-seed7")
    assert directories[1].name == f"{directories[0].name}-2"


def test_a_models_name_cannot_lead_to_another_directory() -> None:
    assert session_name("../../up", EDIT).endswith("-.._.._up-seed7")


def test_a_session_starts_from_a_latent_file(tmp_path: Path) -> None:
    edit = EDIT.with_source(EDIT.source.model_copy(update={"from_file": True, "label": 3}))
    assert session_name("toy", edit).endswith("-toy-given")
    store = SessionStore("toy", tmp_path / "s")
    with pytest.raises(EditError, match="does not start from a latent file"):
        store.file_latent()
    store.set_file_latent(WS)
    store.save((Revision(id=0, edit=edit),), 0)
    store.close()
    resumed_store = SessionStore("toy", resume=tmp_path / "s")
    assert resumed_store.has_file_latent and np.array_equal(resumed_store.file_latent(), WS)
    manifest = read_manifest(tmp_path / "s")
    assert (manifest.source.from_file, manifest.source.label) == (True, 3)


def test_a_manifest_without_classes_is_read(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.merge((FIRST,), 0)
    store.add_drag(Revision.of_drag(FIRST, record(1)), WS, WS)
    store.write()
    path = tmp_path / "s" / "session.json"
    older_manifest = {**json.loads(path.read_text()), "schema_version": 2, "drags": [record(1).model_dump(mode="json")]}
    for part in (older_manifest, older_manifest["drags"][0]):
        del part["label"], part["given"]
    path.write_text(json.dumps(older_manifest))
    manifest = read_manifest(tmp_path / "s")
    assert (manifest.source.label, manifest.source.from_file, manifest.drags, manifest.drag_count) == (
        0,
        False,
        (record(1),),
        1,
    )


def test_disabled_pairs_are_kept_and_older_manifests_have_none(tmp_path: Path) -> None:
    pair = EDIT.pairs[0].model_copy(update={"enabled": False})
    edit = EDIT.model_copy(update={"pairs": (pair, *EDIT.pairs)})
    SessionStore("toy", tmp_path / "s").save((Revision(id=0, edit=edit),), 0)
    assert read_manifest(tmp_path / "s").pairs == (pair, *EDIT.pairs)
    path = tmp_path / "s" / "session.json"
    older_manifest = json.loads(path.read_text())
    for stored in older_manifest["pairs"]:
        del stored["enabled"]
    path.write_text(json.dumps(older_manifest))
    assert read_manifest(tmp_path / "s").pairs == (*EDIT.pairs, *EDIT.pairs)


def test_the_directory_of_a_further_session_is_next_to_the_first(tmp_path: Path) -> None:
    out = tmp_path / "s"
    assert next_output_directory(out) == out
    SessionStore("toy", out).save((FIRST,), 0)
    assert next_output_directory(out) == tmp_path / "s-2"
    (tmp_path / "s-2").mkdir()
    assert next_output_directory(out) == tmp_path / "s-3"
    assert next_output_directory(tmp_path / "s-3") == tmp_path / "s-3"


def test_an_output_path_that_cannot_hold_a_new_session_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file is a file"):
        check_output_directory(tmp_path / "file")
    with pytest.raises(OutputError, match=r"file is a file"):
        check_output_directory(tmp_path / "file" / "below")
    SessionStore("toy", tmp_path / "s").save((FIRST,), 0)
    with pytest.raises(OutputError, match="already holds a session"):
        SessionStore("toy", tmp_path / "s").save((FIRST,), 0)


def test_a_failed_write_leaves_only_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(StorageError, match=f"{path} could not be written"), atomic_write(path) as part:
        part.write_text("half")
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), atomic_write(path) as part:
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_session_is_flushed_together_with_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file survives a power cut if it was flushed, and its directory was flushed after the file was renamed."""
    synced: list[Path] = []
    sync = os.fsync

    def record_sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record_sync)
    directory = tmp_path / "new" / "s"
    SessionStore("toy", directory).save((FIRST,), 0)
    assert synced[:2] == [tmp_path / "new", tmp_path] or synced[:2] == [tmp_path, tmp_path / "new"]
    synced_names = [path.suffix if path.suffix == ".part" else path.name for path in synced[2:]]
    assert synced_names == ["history.jsonl", "s", ".part", "s", ".part", "s"]  # the mask, and session.json
    with atomic_write(directory / "f") as part:
        part.write_text("x")
    assert synced[-2:] == [part, directory]


def test_file_systems_may_be_unable_to_flush_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_for_directories(error_number: int, descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(error_number, os.strerror(error_number))

    monkeypatch.setattr(os, "fsync", lambda descriptor: fail_for_directories(errno.EINVAL, descriptor))
    SessionStore("toy", tmp_path / "s").save((FIRST,), 0)
    monkeypatch.setattr(os, "fsync", lambda descriptor: fail_for_directories(errno.EIO, descriptor))
    with pytest.raises(StorageError, match="Input/output error"):
        SessionStore("toy", tmp_path / "s2").save((FIRST,), 0)


def test_a_failed_save_keeps_the_state_for_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    store.add_drag(Revision.of_drag(FIRST, record(1)), WS, WS + 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StorageError, match=r"latents\.safetensors .*No space left"):
            store.write()
    assert read_manifest(tmp_path / "s").drag_count == 0
    assert np.array_equal(store.latent(1), WS + 1)
    store.write()
    assert read_manifest(tmp_path / "s").drag_count == 1


def test_the_directory_of_an_unfinished_drag_is_not_used_again(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    assert store.next_drag_number() == 1
    (tmp_path / "s" / "drag-001").mkdir()
    assert store.next_drag_number() == 2


def test_events_are_written_immediately_as_lines(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.merge((FIRST,), 0)
    with store.drag_directory(1) as directory:
        directory.append_event({"step": 1, "loss": 0.5})
        assert json.loads((directory.path / "events.jsonl").read_text()) == {"step": 1, "loss": 0.5}


def test_images_state_that_they_are_generated(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png", np.zeros((4, 5, 3), np.uint8), model="toy", edit=EDIT)
    with Image.open(tmp_path / "p.png") as image:
        image.load()
        assert image.size == (5, 4)
        assert (image.info["Software"], image.info["Model"], image.info["Seed"]) == ("draggan-tui", "toy", "7")
        assert "digitalsourcetype/trainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]
        assert "Class" not in image.info


def test_webp_images_are_lossless_and_state_the_same(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (33, 47, 3), np.uint8)
    write_image(tmp_path / "p.WebP", noise, model="toy", edit=EDIT)
    with Image.open(tmp_path / "p.WebP") as image:
        assert image.format == "WEBP"
        assert (np.asarray(image.convert("RGB")) == noise).all()
        assert b"digitalsourcetype/trainedAlgorithmicMedia" in image.info["xmp"]
        texts = image.getexif()
        assert (texts[0x0131], texts[0x010E]) == ("draggan-tui", "Software: draggan-tui; Model: toy; Seed: 7")


def test_images_with_other_suffixes_are_refused(tmp_path: Path) -> None:
    for name in ("p.jpg", "p"):
        with pytest.raises(OutputError, match=r"suffix decides what is written; give one of \.png, \.webp"):
            write_image(tmp_path / name, np.zeros((4, 5, 3), np.uint8), model="toy", edit=EDIT)
    assert list(tmp_path.iterdir()) == []


def test_images_state_their_seed_or_latent_file(tmp_path: Path) -> None:
    def text(**update: object) -> dict[str, str]:
        edit = EDIT.with_source(EDIT.source.model_copy(update=update))
        write_image(tmp_path / "p.png", np.zeros((4, 5, 3), np.uint8), model="toy", edit=edit)
        with Image.open(tmp_path / "p.png") as image:
            image.load()
            return {name: value for name, value in image.info.items() if name in ("Seed", "Class", "Latent")}

    assert text(label=3) == {"Seed": "7", "Class": "3"}
    assert text(label=3, from_file=True) == {"Latent": "given"}


def test_masks_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(path)
    mask, resized = read_mask(path, Size(16, 16))
    assert np.array_equal(mask.to_array(), np.eye(16))
    assert not resized
    Image.new("L", (32, 32), 255).save(path)
    assert read_mask(path, Size(16, 16))[1]
    for content, message in ((Image.new("L", (16, 8), 255), "16×8 pixels"), (Image.new("L", (16, 16), 0), "all zero")):
        content.save(path)
        with pytest.raises(EditError, match=message):
            read_mask(path, Size(16, 16))
    path.write_bytes(b"no image")
    with pytest.raises(EditError, match="is not an image file"):
        read_mask(path, Size(16, 16))
    with pytest.raises(EditError, match=r"none.png cannot be read as an image \(No such file or directory\)"):
        read_mask(tmp_path / "none.png", Size(16, 16))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):  # reading a pipe would never end
        with pytest.raises(EditError, match="is not a file"):
            read_mask(path, Size(16, 16))


def test_masks_are_written_to_files(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    path.write_text("an earlier file")
    write_mask(path, MASK)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (16, 16))
        assert np.array_equal(np.asarray(image), np.eye(16) * 255)
    assert read_mask(path, Size(16, 16)) == (MASK, False)
    with pytest.raises(StorageError, match=r"none/m\.png could not be written"):
        write_mask(tmp_path / "none" / "m.png", MASK)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "its schema version is 99"),
        ({"seed": "x"}, "seed: "),
        ({"pairs": [{"handle": [1]}]}, r"pairs\.0\.handle"),
    ],
)
def test_the_error_names_the_invalid_field_of_a_manifest(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    SessionStore("toy", tmp_path / "s").save((FIRST,), 0)
    path = tmp_path / "s" / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "s")


def test_the_error_says_that_a_directory_holds_no_session(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"there is no session in {tmp_path}"):
        read_manifest(tmp_path)
    (tmp_path / "session.json").mkdir()
    with pytest.raises(InputError, match=r"session\.json cannot be read \(Is a directory\)"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b'{"mask": "\xff"}', b'{"mask": "\\ud800"}']
)
def test_the_error_says_that_a_manifest_is_not_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "session.json").write_bytes(content)
    with pytest.raises(InputError, match=r"session\.json is not JSON .*; restore it or begin a new session"):
        read_manifest(tmp_path)


def test_saving_a_drag_writes_as_much_after_many_drags_as_after_one(tmp_path: Path) -> None:
    """It counts the bytes of new files and the growth of the others."""
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    costs, revision = [], FIRST
    for drag_number in range(1, 41):
        before = {path: path.stat() for path in (tmp_path / "s").rglob("*") if path.is_file()}
        revision = Revision.of_drag(revision, record(drag_number))
        store.add_drag(revision, WS, WS + drag_number)
        store.write()
        written = 0
        for path in (tmp_path / "s").rglob("*"):
            if path.is_file():
                was, now = before.get(path), path.stat()
                rewritten = was is None or was.st_ino != now.st_ino
                written += now.st_size - (0 if was is None or rewritten else was.st_size)
                assert rewritten or now.st_size == was.st_size or path.name == "history.jsonl"
        costs.append(written)
    assert max(costs) - min(costs) < 100  # digits
    assert [np.array_equal(store.latent(drag_number), WS + drag_number) for drag_number in (1, 20, 40)] == 3 * [True]


def test_the_error_names_damaged_latents_of_a_drag(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    store.add_drag(Revision.of_drag(FIRST, record(1)), WS, WS + 1)
    store.write()
    store.close()
    (tmp_path / "s/drag-001/latents.safetensors").write_bytes(b"no latents")
    resumed_store = SessionStore("toy", resume=tmp_path / "s")
    with pytest.raises(InputError, match=r"drag-001/latents\.safetensors cannot be read .* earlier image"):
        resumed_store.latent(1)


# Moving a session ---------------------------------------------------------------------------------------


def test_a_session_moves_completely(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.set_file_latent(WS)
    store.save((FIRST,), 0)
    drag_revision = Revision.of_drag(FIRST, record(1))
    with store.drag_directory(1) as directory:
        directory.append_event({"step": 1})
    store.add_drag(drag_revision, WS, WS + 1)
    store.write()
    second = Revision.of_drag(drag_revision, record(2))
    store.add_drag(second, WS, WS + 2)  # not written yet

    store.move_to(tmp_path / "elsewhere" / "t")
    assert (
        store.directory == tmp_path / "elsewhere" / "t"
        and is_session_open(store.directory)
        and not is_session_open(tmp_path / "s")
    )
    assert read_history(store.directory, read_manifest(store.directory)) == store.history
    store.close()
    resumed_store = SessionStore("toy", resume=tmp_path / "elsewhere" / "t")
    assert np.array_equal(resumed_store.file_latent(), WS)
    assert [np.array_equal(resumed_store.latent(drag_number), WS + drag_number) for drag_number in (1, 2)] == [
        True,
        True,
    ]
    names = {path.name for path in (tmp_path / "elsewhere/t/drag-001").iterdir()}
    assert names == {"drag.json", "events.jsonl", "latents.safetensors"}
    resumed_store.close()
    left_behind = SessionStore("toy", resume=tmp_path / "s")  # as it was
    assert left_behind.history is not None and left_behind.history.current == DragRevisionId(1)


def test_a_move_to_an_unusable_directory_changes_nothing(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    SessionStore("toy", tmp_path / "other").save((FIRST,), 0)
    (tmp_path / "file").touch()
    for place in (tmp_path / "other", tmp_path / "file" / "t", Path("/sys/draggan"), tmp_path / ("n" * 300)):
        with pytest.raises((OutputError, StorageError)):
            store.move_to(place)
        assert store.directory == tmp_path / "s"
    later = (
        store.history.change(EDIT.with_source(EDIT.source.model_copy(update={"seed": 8}))) if store.history else None
    )
    assert later is not None
    store.save(later.missing_from([0]), later.current)
    assert read_history(tmp_path / "s", read_manifest(tmp_path / "s")) == later


def test_a_session_moves_from_a_full_disk_with_the_steps_of_a_drag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    steps = TrajectoryRecorder(WS, 2, [(1, 2)], [(3, 4)])
    steps.record(1, WS + 1, [(3, 3)], [(3, 4)])
    store.add_drag(Revision.of_drag(FIRST, record(1)), WS, WS + 1, steps)
    replace = Path.replace

    def fail_in_directory(path: Path, target: Path) -> Path:
        if target.is_relative_to(tmp_path / "s"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_in_directory)
    with pytest.raises(StorageError, match="free some space"):
        store.write()
    store.move_to(tmp_path / "t")
    assert store.stored_trajectory(1).steps.tolist() == [0, 1]
    assert read_history(tmp_path / "t", read_manifest(tmp_path / "t")) == store.history


@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_move_loses_no_steps_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    if exists:
        (tmp_path / "t").mkdir()
    store = SessionStore("toy", tmp_path / "s")
    store.save((FIRST,), 0)
    parent = FIRST
    for drag_number in (1, 2):
        steps = TrajectoryRecorder(WS, 2, [(1, 2)], [(3, 4)])
        steps.record(1, WS + drag_number, [(3, 3)], [(3, 4)])
        drag_revision = Revision.of_drag(parent, record(drag_number))
        store.add_drag(drag_revision, WS, WS + drag_number, steps)
        parent = drag_revision
    replace = Path.replace

    def fail_in_directory(path: Path, target: Path) -> Path:
        if target == tmp_path / "t" / "drag-002" / "drag.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_in_directory)
        with pytest.raises(StorageError, match="free some space"):
            store.move_to(tmp_path / "t")
    assert (tmp_path / "t").exists() == exists
    store.write()
    for drag_number in (1, 2):
        assert store.stored_trajectory(drag_number).steps.tolist() == [0, 1]
        assert (tmp_path / "s" / f"drag-00{drag_number}" / "drag.json").exists()
    store.move_to(tmp_path / "t")
    assert read_history(tmp_path / "t", read_manifest(tmp_path / "t")) == store.history


def test_moving_an_unsaved_session_writes_nothing(tmp_path: Path) -> None:
    store = SessionStore("toy")
    store.move_to(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
    assert store.save((FIRST,), 0) == tmp_path / "t"
