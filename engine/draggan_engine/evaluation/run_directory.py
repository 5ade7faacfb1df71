"""What a run of the evaluation leaves on the disk, while it runs: rows, pictures, and what was asked for.

```
DIR/run.json         what was asked for; of the same cases more methods may be, those of others are another run
DIR/rows.jsonl       a line for each case, appended chunk by chunk
DIR/pictures/*.npz   the pictures of each chunk, small, and the features of some
```
A chunk is a few cases that advance together. It is written whole, pictures before rows, so that a run that was killed
goes on with the next chunk; a chunk always holds the same cases, so that it then gives the same rows.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError, StorageError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.storage.atomic import atomic_write

Experiment = Literal["landmarks", "paired", "ablation", "tracking", "mask"]
EXPERIMENTS: tuple[Experiment, ...] = ("landmarks", "paired", "ablation", "tracking", "mask")
Figure = Annotated[float, Field(allow_inf_nan=False)]


class Request(FrozenModel):
    """What a run was asked for, and on what it ran."""

    experiments: tuple[Experiment, ...]
    methods: tuple[str, ...]
    n: int
    model: str
    sha256: str
    settings: DragSettings = Field(description="the model's own, from which the ablations depart")


class Row(FrozenModel):
    """A method's result on a case. Figures that could not be had are left out of `values`; lengths are in px of a picture
    128 px high, so that models of different sizes compare."""

    chunk: str
    size: int = Field(description="how many rows the chunk has")
    index: int = Field(description="place in the chunk")
    experiment: Experiment
    group: str = Field(description="how many points, which setting, with or without a mask")
    method: str
    case: int
    values: dict[str, Figure]
    curve: tuple[tuple[int, Figure], ...] = Field((), description="tracking: step, error in px")


@dataclass(frozen=True)
class ChunkImages:
    """Of the N cases of a chunk.

    Attributes:
        before, after: `uint8 [N, h, w, 3]`, no higher than `THUMBNAIL`.
        goal: the same of the picture that was to be reached, if there is one.
        handles, targets: `float32 [N, P, 2]` in pixels of these pictures; NaN where there is no pair.
        features_before, features_after: `float32 [N, F]` the detector's, if the model's pictures are critters.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    handles: NDArray[np.float32]
    targets: NDArray[np.float32]
    goal: NDArray[np.uint8] | None = None
    features_before: NDArray[np.float32] | None = None
    features_after: NDArray[np.float32] | None = None


THUMBNAIL_SIZE = 128
OWN = "the model's own settings"
"""The group of the ablations from which all others depart."""


def shown(value: object) -> str:
    """A setting's value, as groups are called by it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


class RunDirectory:
    """The folder of a run, new or continued, perhaps with other methods: `run.json` names those of all times, and
    `request` those of this one.

    Raises:
        InputError: the folder holds another run, or its files are not those of a run.
        StorageError: it cannot be written.
    """

    def __init__(self, folder: Path, request: Request) -> None:
        self.folder, self.request = folder, request
        try:
            (folder / "pictures").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.of(folder / "pictures", error) from error
        methods = request.methods
        if (folder / "run.json").exists():
            before = read_request(folder)
            if before != request.model_copy(update={"methods": before.methods}):
                raise InputError(
                    f"{folder}: it holds a run with other cases, model or settings; give another directory"
                )
            methods = tuple(dict.fromkeys((*before.methods, *methods)))
        with atomic_write(folder / "run.json") as part:
            part.write_text(
                request.model_copy(update={"methods": methods}).model_dump_json(indent=1) + "\n", encoding="utf-8"
            )
        rows, broken = _read(folder / "rows.jsonl")
        if broken:  # the end of a run that was killed
            with atomic_write(folder / "rows.jsonl") as part:
                part.write_text("".join(map(_line, rows)), encoding="utf-8")
        self.done = {row.chunk for row in rows}

    def add(self, rows: Sequence[Row], pictures: ChunkImages) -> None:
        """Writes a chunk.

        Raises:
            StorageError: it cannot be written; the chunk does not count then.
        """
        chunk = rows[0].chunk
        arrays = {f.name: value for f in fields(pictures) if (value := getattr(pictures, f.name)) is not None}
        with atomic_write(_pictures_path(self.folder, chunk)) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        try:
            with (self.folder / "rows.jsonl").open("a", encoding="utf-8") as lines:
                lines.write("".join(map(_line, rows)))
                lines.flush()
                os.fsync(lines.fileno())
        except OSError as error:
            raise StorageError.of(self.folder / "rows.jsonl", error) from error
        self.done.add(chunk)


def read_request(folder: Path) -> Request:
    """
    Raises:
        InputError: there is none, or it is broken.
    """
    path = folder / "run.json"
    try:
        return Request.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: this is not an evaluation run; give the directory of one") from error


def read_rows(folder: Path) -> list[Row]:
    """Those of whole chunks, in the order in which they were written."""
    return _read(folder / "rows.jsonl")[0]


def read_images(folder: Path, chunk: str) -> ChunkImages:
    """
    Raises:
        InputError: the file is missing or broken.
    """
    path = _pictures_path(folder, chunk)
    try:
        with np.load(path, allow_pickle=False) as file:
            return ChunkImages(**{name: file[name] for name in file.files})
    except (OSError, EOFError, ValueError, TypeError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: the images of a chunk cannot be read; run it again in another directory") from error


def _read(path: Path) -> tuple[list[Row], bool]:
    """The rows of whole chunks, and whether there was anything else."""
    rows, broken = [], False
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else ():
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError:
            broken = True
        broken = broken or not line.endswith("\n")
    counts = Counter(row.chunk for row in rows)
    whole = [row for row in rows if counts[row.chunk] == row.size]
    return whole, broken or len(whole) < len(rows)


def _line(row: Row) -> str:
    return row.model_dump_json(exclude_defaults=True) + "\n"


def _pictures_path(folder: Path, chunk: str) -> Path:
    return folder / "pictures" / f"{re.sub('[^a-z0-9.]+', '-', chunk.lower())}.npz"
