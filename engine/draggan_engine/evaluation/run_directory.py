"""The directory of an evaluation run: what was requested, one row for each finished case, and small images.

```
DIR/run.json         the request. A later run of the same cases may add methods
DIR/rows.jsonl       one line for each case, appended chunk by chunk
DIR/pictures/*.npz   the images of each chunk, no higher than `THUMBNAIL_SIZE`, and the features of some of them
```
A chunk is a few cases that advance together. Its images are written before its rows. A run that was killed continues
with the first chunk that is not complete. A chunk always holds the same cases, so a second attempt gives the same rows.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_serializer, field_validator

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError, StorageError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.storage.atomic import atomic_write

from .variant_names import variant_name, variant_named
from .variants import DetectorName, Experiment, Method, Variant

THUMBNAIL_SIZE = 128
Figure = Annotated[float, Field(allow_inf_nan=False)]


class Request(FrozenModel):
    """What a run computes, and with which model."""

    experiments: tuple[Experiment, ...]
    methods: tuple[Method, ...]
    n: int = Field(description="how many cases each experiment has")
    model: str
    sha256: str
    settings: DragSettings = Field(
        description="the model's own, from which the ablations depart; their method has no meaning here and is left out"
    )
    detector: DetectorName = Field("critters", description="finds the landmarks of images")

    @field_validator("settings")
    @classmethod
    def _leave_out_method(cls, settings: DragSettings) -> DragSettings:
        return settings.model_copy(update={"method": DragSettings.model_fields["method"].default})

    @field_serializer("settings")
    def _write_settings(self, settings: DragSettings) -> dict[str, Any]:
        return settings.model_dump(exclude={"method"})


class Row(FrozenModel):
    """The result of a method on a case.

    Lengths are in pixels of an image 128 px high, so that models of different sizes can be compared. Figures that could
    not be measured are missing in `values`.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    chunk: str
    size: int = Field(description="how many rows the chunk has")
    index: int = Field(description="position in the chunk")
    experiment: Experiment
    variant: Variant = Field(alias="group", description="stored as its name")
    method: Method
    case: int
    values: dict[str, Figure]
    curve: tuple[tuple[int, Figure], ...] = Field((), description="tracking: step, error in px")

    @field_validator("variant", mode="before")
    @classmethod
    def _read_variant(cls, stored_value: Any, info: ValidationInfo) -> Any:
        experiment = info.data.get("experiment")
        return (
            variant_named(experiment, stored_value)
            if isinstance(stored_value, str) and experiment is not None
            else stored_value
        )

    @field_serializer("variant")
    def _write_variant(self, variant: Variant) -> str:
        return variant_name(self.experiment, variant)


@dataclass(frozen=True)
class ChunkImages:
    """The images of the N cases of a chunk.

    Attributes:
        before, after: `uint8 [N, h, w, 3]`, no higher than `THUMBNAIL_SIZE`.
        goal: the same for the images that were to be reached, or, in the experiment cycle, those after the way back;
            None: the cases have no goal.
        handles, targets: `float32 [N, P, 2]` in pixels of these images; NaN where a case has fewer pairs.
        features_before, features_after: `float32 [N, F]` in which images of the model are compared; None: there are none.
        inception_before, inception_after: `float32 [N, 2048]` of Inception v3; None: it is not on the machine.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    handles: NDArray[np.float32]
    targets: NDArray[np.float32]
    goal: NDArray[np.uint8] | None = None
    features_before: NDArray[np.float32] | None = None
    features_after: NDArray[np.float32] | None = None
    inception_before: NDArray[np.float32] | None = None
    inception_after: NDArray[np.float32] | None = None


class RunDirectory:
    """The directory of a new or continued run.

    `run.json` names the methods of all runs in the directory; `request` has those of this run. A continued run keeps its
    settings, because the model's own may have changed with the version of the program.

    Raises:
        InputError: the directory holds another run, or its files are not those of a run.
        StorageError: a file cannot be written.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self.path = path
        try:
            (path / "pictures").mkdir(parents=True, exist_ok=True)
        except OSError as os_error:
            raise StorageError.of(path / "pictures", os_error) from os_error
        all_methods = request.methods
        if (path / "run.json").exists():
            earlier_request = read_request(path)
            request = request.model_copy(update={"settings": earlier_request.settings})
            if earlier_request != request.model_copy(update={"methods": earlier_request.methods}):
                raise InputError(
                    f"{path}: this directory holds a run with other cases or another model; choose another directory"
                )
            all_methods = tuple(dict.fromkeys((*earlier_request.methods, *all_methods)))
        self.request = request
        with atomic_write(path / "run.json") as part_path:
            stored_request = request.model_copy(update={"methods": all_methods})
            part_path.write_text(stored_request.model_dump_json(indent=1) + "\n", encoding="utf-8")
        case_rows, has_other_lines = _read_complete_chunks(path / "rows.jsonl")
        if has_other_lines:  # the end of a run that was killed
            with atomic_write(path / "rows.jsonl") as part_path:
                part_path.write_text("".join(map(_row_line, case_rows)), encoding="utf-8")
        self.finished_chunks = {case_row.chunk for case_row in case_rows}

    def add_chunk(self, case_rows: Sequence[Row], chunk_images: ChunkImages) -> None:
        """Write the rows and images of a chunk.

        Raises:
            StorageError: a file cannot be written; the chunk does not count as finished.
        """
        chunk_name = case_rows[0].chunk
        arrays_by_name = {
            f.name: stored_value
            for f in fields(chunk_images)
            if (stored_value := getattr(chunk_images, f.name)) is not None
        }
        with atomic_write(_images_path(self.path, chunk_name)) as part_path, part_path.open("wb") as open_file:
            np.savez_compressed(open_file, **arrays_by_name)
        try:
            with (self.path / "rows.jsonl").open("a", encoding="utf-8") as open_file:
                open_file.write("".join(map(_row_line, case_rows)))
                open_file.flush()
                os.fsync(open_file.fileno())
        except OSError as os_error:
            raise StorageError.of(self.path / "rows.jsonl", os_error) from os_error
        self.finished_chunks.add(chunk_name)


def read_request(run_directory: Path) -> Request:
    """Return the request of the run in a directory.

    Raises:
        InputError: `run.json` is missing or damaged.
    """
    request_path = run_directory / "run.json"
    try:
        return Request.model_validate_json(request_path.read_bytes())
    except (OSError, ValidationError) as read_error:
        raise InputError(
            f"{request_path}: this is not an evaluation run; choose the directory of a run, or an empty one"
        ) from read_error


def read_rows(run_directory: Path) -> list[Row]:
    """Return the rows of all complete chunks, in the order in which they were written."""
    return _read_complete_chunks(run_directory / "rows.jsonl")[0]


def read_images(run_directory: Path, chunk_name: str) -> ChunkImages:
    """Return the images of a chunk.

    Raises:
        InputError: the file is missing or damaged.
    """
    images_path = _images_path(run_directory, chunk_name)
    try:
        with np.load(images_path, allow_pickle=False) as open_file:
            return ChunkImages(**{array_name: open_file[array_name] for array_name in open_file.files})
    except (OSError, EOFError, ValueError, TypeError, BadZipFile, zlib.error) as read_error:
        raise InputError(
            f"{images_path}: the images of a chunk cannot be read; run it again in another directory"
        ) from read_error


def _read_complete_chunks(rows_path: Path) -> tuple[list[Row], bool]:
    """Return the rows of complete chunks, and whether the file has any other lines."""
    case_rows, has_other_lines = [], False
    for row_line in rows_path.read_text(encoding="utf-8").splitlines(keepends=True) if rows_path.exists() else ():
        try:
            case_rows.append(Row.model_validate_json(row_line))
        except ValidationError:
            has_other_lines = True
        has_other_lines = has_other_lines or not row_line.endswith("\n")
    row_counts = Counter(case_row.chunk for case_row in case_rows)
    complete_rows = [case_row for case_row in case_rows if row_counts[case_row.chunk] == case_row.size]
    return complete_rows, has_other_lines or len(complete_rows) < len(case_rows)


def _row_line(case_row: Row) -> str:
    return case_row.model_dump_json(exclude_defaults=True, by_alias=True) + "\n"


def _images_path(run_directory: Path, chunk_name: str) -> Path:
    return run_directory / "pictures" / f"{re.sub('[^a-z0-9.]+', '-', chunk_name.lower())}.npz"
