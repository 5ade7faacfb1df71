"""What is kept on disk: the folder of an editing session and the pictures in it. No torch.

session.json             what the user built and what the drags did (`SessionFile`)
latents.safetensors      ws before and after each drag: `drag-001.before`, `drag-001.after`; the one started from: `given`
initial.png, final.png   the picture started from and the present one, full resolution
mask.png                 255 = may move
drag-001/                final.png and events.jsonl (a line for each step, written while it runs)
"""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from .images import write_picture
from .protocol.atomic import atomic_write
from .protocol.edit import Document, DragSettings, Edit, Mask, PointPair
from .protocol.errors import EditError, InputError, StorageError
from .protocol.messages import DragRecord
from .protocol.output import check_output
from .recent import remember

SCHEMA_VERSION = 1  # of `SessionFile`
GIVEN = "given"


class ModelReference(Document):
    """Which model a session was made with; the hash is null until the engine has read the file."""

    name: str
    sha256: str | None
    path: str | None = Field(None, description="the absolute path that it was read from")


class Result(Document):
    """The present picture: which file shows it, and the drag that it came from (0: none)."""

    file: str
    latent: int


class SessionFile(Document):
    """session.json."""

    schema_version: Literal[1] = 1
    created: datetime.datetime
    model: ModelReference
    seed: int
    psi: float
    label: int = 0
    given: bool = False
    latent: int
    settings: DragSettings
    pairs: tuple[PointPair, ...]
    mask: Literal["mask.png"] | None
    drags: tuple[DragRecord, ...] = ()
    result: Result | None = Field(None, description="null until a picture has been written")


def new_folder(out: Path | None, model: str, edit: Edit) -> Path:
    """Makes the folder of a new session: `out`, or `draggan-out/<date>-<model>-seed<N>` (`-given` for a latent that was
    given) with a number where taken.

    Raises:
        OutputError: the path is a file, or holds a session already.
        StorageError: it cannot be made.
    """
    if out is not None:
        check_output(out)
        return _make(out)
    start = GIVEN if edit.given else f"seed{edit.seed}"
    name = model.replace("/", "_")  # a file may call itself anything
    base = Path("draggan-out") / f"{datetime.date.today().isoformat()}-{name}-{start}"
    for number in range(1, 10_000):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        if not folder.exists():
            return _make(folder)
    raise StorageError(f"cannot make {base}: 9999 sessions of that name exist; give another folder with --out")


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {folder}: {error.strerror or error}; choose another with --out"
        ) from error
    return folder


class DragFolder:
    """`drag-NNN/`; a context manager whose `line` appends one step to events.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events: IO[str] | None = None

    def __enter__(self) -> DragFolder:
        _make(self.path)
        with self._named():
            self._events = (self.path / "events.jsonl").open("w", encoding="utf-8")
        return self

    def line(self, fields: dict[str, object]) -> None:
        """
        Raises:
            StorageError: it cannot be written.
        """
        assert self._events is not None, "lines are written inside the context"
        with self._named():
            self._events.write(json.dumps(fields) + "\n")
            self._events.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._events is not None
        with self._named():
            self._events.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path = self.path / "events.jsonl"
            raise StorageError(f"cannot write {path}: {error.strerror or error}; free some space") from error


class SessionStore:
    """The session's state and its folder, which is made by the first write. Safe to use from two threads.

    A failed write leaves the files as they were and the state in memory, so a later write makes up for it.

    Args:
        model: the name that the user gave, until `know_model` says better.
        out: the folder asked for, or None for the default.
        resume: a folder that an earlier engine of the same session made.
    """

    def __init__(self, model: str, out: Path | None = None, resume: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._model = ModelReference(name=model, sha256=None)
        self._out = out
        self._created = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self._written_mask: Mask | None = None
        self.folder: Path | None = None
        self.edit: Edit | None = None
        self.result: Result | None = None
        self.drags: list[DragRecord] = []
        self._latents: dict[str, NDArray[np.float32]] = {}
        self._latents_written = True
        self._remembered = False
        if resume is not None:
            self._resume(resume)

    def know_model(self, name: str, sha256: str, path: Path) -> None:
        """
        Args:
            path: the file that it was read from.
        """
        with self._lock:
            self._model = ModelReference(name=name, sha256=sha256, path=str(path.resolve()))

    @property
    def model(self) -> str:
        return self._model.name

    def give(self, latent: NDArray[np.float32]) -> None:
        """Takes `[1, num_ws, w_dim]` to start from into the state; the next write puts it on disk."""
        with self._lock:
            self._latents[GIVEN] = latent
            self._latents_written = False

    @property
    def has_given(self) -> bool:
        """Whether there is a latent to start from, from `give` or from a session that was taken up."""
        with self._lock:
            return GIVEN in self._latents

    def given_latent(self) -> NDArray[np.float32]:
        """The latent to start from, `[1, num_ws, w_dim]`.

        Raises:
            EditError: there is none.
        """
        with self._lock:
            try:
                return self._latents[GIVEN]
            except KeyError:
                raise EditError("this session was given no latent to start from; go on from a seed (n)") from None

    def latent(self, number: int) -> NDArray[np.float32]:
        """What drag `number` ended with, `[1, num_ws, w_dim]`.

        Raises:
            EditError: there is no such drag.
        """
        with self._lock:
            try:
                return self._latents[f"drag-{number:03d}.after"]
            except KeyError:
                raise EditError(
                    f"the result of drag {number} is not in this session; undo to an earlier picture"
                ) from None

    def save(self, edit: Edit) -> Path:
        """Writes the edit; returns the folder.

        Raises:
            OutputError, StorageError: it cannot be written; the state in memory is the new one.
        """
        with self._lock:
            self.edit = edit
            folder = self._ensure_folder(edit)
            if edit.mask is not None and edit.mask != self._written_mask:
                with atomic_write(folder / "mask.png") as part:
                    Image.fromarray(edit.mask.to_array() * np.uint8(255)).save(part, format="PNG")
                self._written_mask = edit.mask
            self._write_session(folder, edit)
            return folder

    def next_drag(self) -> int:
        """The number of the next drag; that of one that a dying engine left half-done is not used again."""
        with self._lock:
            number = 1 + max((drag.number for drag in self.drags), default=0)
            while self.folder is not None and (self.folder / f"drag-{number:03d}").exists():
                number += 1
            return number

    def drag_folder(self, number: int, edit: Edit) -> DragFolder:
        """
        Raises:
            OutputError, StorageError: the session's folder cannot be made.
        """
        with self._lock:
            return DragFolder(self._ensure_folder(edit) / f"drag-{number:03d}")

    def keep_drag(self, record: DragRecord, before: NDArray[np.float32], after: NDArray[np.float32]) -> None:
        """Takes a finished drag into the state, in memory; `write_drags` puts it on disk."""
        with self._lock:
            self.drags.append(record)
            self._latents[f"drag-{record.number:03d}.before"] = before
            self._latents[f"drag-{record.number:03d}.after"] = after
            self._latents_written = False

    def write_drags(self, edit: Edit) -> None:
        """Writes latents and session.json.

        Raises:
            OutputError, StorageError: it cannot be written; the state in memory is kept.
        """
        with self._lock:
            self._write_session(self._ensure_folder(edit), self.edit or edit)

    def write_result(self, edit: Edit, initial: NDArray[np.uint8], final: NDArray[np.uint8]) -> tuple[Path, ...]:
        """Writes initial.png, final.png and session.json; returns the paths.

        Args:
            edit: whose picture `final` is.
            initial, final: `uint8 [H, W, 3]`, the seed's own picture and the present one.

        Raises:
            OutputError, StorageError: it cannot be written.
        """
        with self._lock:
            folder = self._ensure_folder(edit)
            for name, rgb in (("initial.png", initial), ("final.png", final)):
                write_picture(folder / name, rgb, model=self.model, edit=edit)
            self.result = Result(file="final.png", latent=edit.latent)
            self._write_session(folder, self.edit or edit)
            return folder / "initial.png", folder / "final.png", folder / "session.json"

    def _ensure_folder(self, edit: Edit) -> Path:
        if self.folder is None:
            self.folder = new_folder(self._out, self.model, edit)
        if not self._remembered:
            remember(self.folder)
            self._remembered = True
        return _make(self.folder)

    def _write_session(self, folder: Path, edit: Edit) -> None:
        if not self._latents_written:  # first, because session.json names them
            with atomic_write(folder / "latents.safetensors") as part:
                part.write_bytes(save(self._latents))
            self._latents_written = True
        document = SessionFile(
            created=self._created,
            model=self._model,
            seed=edit.seed,
            psi=edit.psi,
            label=edit.label,
            given=edit.given,
            latent=edit.latent,
            settings=edit.settings,
            pairs=edit.pairs,
            mask=None if edit.mask is None else "mask.png",
            drags=tuple(self.drags),
            result=self.result,
        )
        with atomic_write(folder / "session.json") as part:
            part.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _resume(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "session.json").exists():
            return
        document = read_session(folder)
        self._created, self.result = document.created, document.result
        self.drags = list(document.drags)
        if (folder / "latents.safetensors").exists():
            try:
                self._latents = load_file(folder / "latents.safetensors")
            except (OSError, SafetensorError) as error:
                raise InputError(
                    f"{folder / 'latents.safetensors'}: it cannot be read ({error}); its drags are lost"
                ) from error


def read_session(folder: Path) -> SessionFile:
    """
    Raises:
        InputError: session.json is missing, malformed (the field is named), or of a newer version.
    """
    path = folder / "session.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give the folder of a session") from error
    except ValueError as error:
        raise InputError(f"{path}: it is not JSON ({error}); restore it or start anew") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: its schema version is {version}, this draggan-tui reads up to {SCHEMA_VERSION}; update it"
        )
    try:
        return SessionFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; mend the field or start anew"
        ) from error
