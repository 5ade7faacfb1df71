"""The files of an inversion in the directory of its session.

inversion.json             how it was made (`InversionRecord`)
inversion-photograph.png   the photograph as it was aligned, of the size of the model's images
inversion-compared.png     the same and, at its right, the image of the latent

While it runs, there is only inversion-state.safetensors, which `inversion.state_file` writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from draggan_engine.core.edit import Edit
from draggan_engine.core.frozen_model import FrozenModel

from .atomic import atomic_write
from .image_io import COMPOSITE_SOURCE_TYPE, write_image

RECORD_FILE = "inversion.json"
PHOTOGRAPH_FILE = "inversion-photograph.png"
COMPARED_FILE = "inversion-compared.png"
INVERSION_STATE_FILE = "inversion-state.safetensors"

ComplexParts = tuple[float, float]


class PhotographAlignment(FrozenModel):
    """Where the photograph is, and how it was moved: q = m·p + t in complex numbers, in pixels with the origin at the centre
    of the top-left pixel."""

    photograph: str = Field(description="the absolute path")
    photograph_sha256: str
    photograph_size: tuple[int, int] = Field(description="width and height, in the orientation that the camera noted")
    multiplier: ComplexParts = Field(description="real and imaginary part of m")
    offset: ComplexParts = Field(description="real and imaginary part of t")


class InversionRecord(FrozenModel):
    """What an inversion did."""

    alignment: PhotographAlignment
    method: Literal["w", "w+"]
    reason: Literal["finished", "stopped", "diverged"]
    steps: Annotated[int, Field(ge=0)]
    seconds: float
    loss: float
    psnr: float = Field(description="in dB, of the image of the latent against the aligned photograph")


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
