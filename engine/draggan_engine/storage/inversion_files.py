"""The files of an inversion in the directory of its session.

inversion.json             how it was made (`InversionRecord`)
inversion-photograph.png   the photograph as it was aligned, of the size of the model's images
inversion-compared.png     the same and, at its right, the image of the latent
inversion-original.*       a copy of the photograph's file, if it is not too large
inversion-tuning.safetensors  what the methods `pti` and `hybrid` change in the generator (`checkpoints.tuning_file`)

While it runs, there are only inversion-state.safetensors, which `inversion.state_file` writes, and inversion-alignment.json
(`RefinedAlignment`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, Field, FiniteFloat, ValidationError

from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import InputError
from draggan_engine.core.frozen_model import FrozenModel, first_problem
from draggan_engine.core.inversion_choices import InversionMethod

from .atomic import atomic_write
from .image_io import COMPOSITE_SOURCE_TYPE, write_image

RECORD_FILE = "inversion.json"
PHOTOGRAPH_FILE = "inversion-photograph.png"
COMPARED_FILE = "inversion-compared.png"
ALIGNMENT_FILE = "inversion-alignment.json"
INVERSION_STATE_FILE = "inversion-state.safetensors"
ORIGINAL_STEM = "inversion-original"

MAX_COPIED_BYTES = 32 << 20
"""A photograph whose file is larger is not copied: the session only knows its path."""

ComplexParts = tuple[FiniteFloat, FiniteFloat]


def _check_not_zero(parts: ComplexParts) -> ComplexParts:
    if parts == (0, 0):
        raise ValueError("must not be 0")
    return parts


class PhotographAlignment(FrozenModel):
    """Where the photograph is, and how it was moved: q = m·p + t in complex numbers, in pixels with the origin at the centre
    of the top-left pixel."""

    photograph: str = Field(description="the absolute path")
    photograph_sha256: str
    photograph_copy: str | None = Field(
        None, description="the name of its copy in the session's directory; none: it was too large to be copied"
    )
    photograph_size: tuple[int, int] = Field(description="width and height, in the orientation that the camera noted")
    multiplier: Annotated[ComplexParts, AfterValidator(_check_not_zero)] = Field(
        description="real and imaginary part of m"
    )
    offset: ComplexParts = Field(description="real and imaginary part of t")


class RefinedAlignment(FrozenModel):
    """The alignment that an inversion which has not ended continues with, and what it was made from."""

    model_sha256: str
    label: int = Field(description="the class of a conditional model")
    initial: PhotographAlignment
    refined: PhotographAlignment
    method: InversionMethod | None = Field(None, description="of the inversion; none: the search has not begun")
    steps: Annotated[int, Field(ge=1)] | None = Field(
        None, description="how many the inversion is to make; none: the search has not begun"
    )


class InversionRecord(FrozenModel):
    """What an inversion did."""

    alignment: PhotographAlignment
    method: InversionMethod
    reason: Literal["finished", "stopped", "diverged"]
    steps: Annotated[int, Field(ge=0)]
    seconds: float
    loss: float
    psnr: float = Field(description="in dB, of the image of the latent against the aligned photograph")
    tuned: bool = Field(False, description="whether the session has a tuning of the generator")


def copy_photograph(photograph_path: Path, directory: Path) -> str | None:
    """Copy the file of a photograph into the directory of a session; return the copy's name, None if it is too large.

    Raises:
        InputError: the photograph cannot be read any more.
        StorageError: the copy cannot be written.
    """
    try:
        if photograph_path.stat().st_size > MAX_COPIED_BYTES:
            return None
        photograph_bytes = photograph_path.read_bytes()
    except OSError as read_error:
        raise InputError(
            f"{photograph_path} cannot be read ({read_error.strerror or read_error}); give the photograph again"
        ) from read_error
    suffix = photograph_path.suffix.lower()
    copy_path = directory / (ORIGINAL_STEM + (suffix if suffix[1:].isalnum() and suffix.isascii() else ".image"))
    with atomic_write(copy_path) as temporary_path:
        temporary_path.write_bytes(photograph_bytes)
    return copy_path.name


def find_photograph(directory: Path, alignment: PhotographAlignment) -> Path:
    """Return where the photograph of a session is: the copy in its directory, or the file itself.

    Raises:
        InputError: it is at neither place, or has changed.
    """
    copy_name = alignment.photograph_copy
    copy_paths = [] if copy_name is None else [directory / Path(copy_name).name]
    file_paths = [path for path in (*copy_paths, Path(alignment.photograph)) if path.is_file()]
    for path in file_paths:
        if file_sha256(path) == alignment.photograph_sha256:
            return path
    if file_paths:
        raise InputError(f"{file_paths[-1]} has changed since it was inverted; put the photograph back as it was")
    raise InputError(f"the photograph {alignment.photograph} has moved or was removed; put it back there")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as read_error:
        raise InputError(
            f"{path} cannot be read ({read_error.strerror or read_error}); give another file"
        ) from read_error


def is_inversion(directory: Path) -> bool:
    """Return whether a session in this directory starts from a photograph."""
    return (directory / RECORD_FILE).is_file()


def read_inversion(directory: Path) -> InversionRecord | None:
    """Return how the inversion of a session was made; None if the session does not start from a photograph.

    Raises:
        InputError: the record cannot be read; the message names the field.
    """
    record_path = directory / RECORD_FILE
    try:
        return InversionRecord.model_validate_json(record_path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as read_error:
        raise InputError(
            f"{record_path} cannot be read ({read_error.strerror or read_error}); restore it"
        ) from read_error
    except ValidationError as read_error:
        raise InputError(f"{record_path}: {first_problem(read_error)}; restore the file") from read_error


def write_refined_alignment(directory: Path, alignment: RefinedAlignment) -> None:
    """Keep a refined alignment until the inversion ends.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(directory / ALIGNMENT_FILE) as temporary_path:
        temporary_path.write_text(alignment.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_refined_alignment(directory: Path) -> RefinedAlignment | None:
    """Return the alignment that an unfinished inversion left; None if there is none, or it cannot be read."""
    try:
        return RefinedAlignment.model_validate_json((directory / ALIGNMENT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def inverted_photograph(directory: Path) -> str | None:
    """Return the path of the photograph that a session starts from; None if there is none, or the record cannot be read."""
    try:
        record = read_inversion(directory)
    except InputError:  # who needs the record itself is told
        return None
    return None if record is None else record.alignment.photograph


def unfinished_photograph(directory: Path) -> str | None:
    """Return the path of the photograph whose inversion in this directory was interrupted and can be continued; None: there is none."""
    alignment = read_refined_alignment(directory)
    if alignment is None or not (directory / INVERSION_STATE_FILE).is_file():
        return None
    return alignment.refined.photograph


def write_inversion(
    directory: Path,
    record: InversionRecord,
    photograph: NDArray[np.uint8],
    inverted_image: NDArray[np.uint8],
    model: str,
    edit: Edit,
) -> None:
    """Write the files of an inversion that has ended.

    Args:
        photograph: aligned, `uint8 [H, W, 3]`, like `inverted_image`.

    Raises:
        StorageError: a file cannot be written.
    """
    with atomic_write(directory / PHOTOGRAPH_FILE) as temporary_path:
        Image.fromarray(photograph).save(temporary_path, format="PNG")
    compared = np.concatenate([photograph, inverted_image], axis=1)
    write_image(directory / COMPARED_FILE, compared, model=model, edit=edit, source_type=COMPOSITE_SOURCE_TYPE)
    with atomic_write(directory / RECORD_FILE) as temporary_path:
        temporary_path.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
