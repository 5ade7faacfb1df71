"""The seed index of a model on disk: small copies of the images of its first seeds, as a safetensors file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from draggan_engine.core.errors import CheckpointError

from .atomic import atomic_write
from .utf8_path import utf8_path

SEED_COUNT = 4096
SEED_THUMBNAIL_SIZE = 16
_TENSOR_NAME = "thumbnails"


@dataclass(frozen=True)
class IndexedModel:
    """Whose images an index has.

    Attributes:
        name: of the model.
        sha256: of its file.
        label: the class of a conditional model.
    """

    name: str
    sha256: str
    label: int = 0


@dataclass(frozen=True, eq=False)
class SeedIndex:
    """Small copies of the images of the seeds from 0 on, at ψ = 1.

    Attributes:
        thumbnails: `uint8 [N, 16, 16, 3]`; N is less than `SEED_COUNT` while the index is being made.
    """

    model: IndexedModel
    thumbnails: NDArray[np.uint8]

    @property
    def is_complete(self) -> bool:
        return len(self.thumbnails) == SEED_COUNT


def write_seed_index(path: Path, index: SeedIndex) -> None:
    """
    Raises:
        StorageError: the file cannot be written.
    """
    metadata = {"model": index.model.name, "sha256": index.model.sha256, "class": str(index.model.label)}
    content = save({_TENSOR_NAME: np.ascontiguousarray(index.thumbnails)}, metadata)
    with atomic_write(path) as temporary_path:
        temporary_path.write_bytes(content)


def read_seed_index(path: Path) -> SeedIndex | None:
    """Return the index that a file has; None if there is no file.

    Raises:
        CheckpointError: the file cannot be read, or is no index.
    """
    if not path.exists():
        return None
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "np") as file:
            metadata = file.metadata() or {}
            shape = file.get_slice(_TENSOR_NAME).get_shape()
            if shape[1:] != [SEED_THUMBNAIL_SIZE, SEED_THUMBNAIL_SIZE, 3] or not 0 < shape[0] <= SEED_COUNT:
                raise CheckpointError(f"{path} holds no index of seeds")
            thumbnails: NDArray[np.uint8] = file.get_tensor(_TENSOR_NAME)
        model = IndexedModel(metadata["model"], metadata["sha256"], int(metadata["class"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: the file is damaged") from error
    if thumbnails.dtype != np.uint8:
        raise CheckpointError(f"{path} holds no index of seeds")
    return SeedIndex(model, thumbnails)


def read_index_of_model(path: Path, model: IndexedModel) -> SeedIndex | None:
    """Return the index that a file has; None if there is no file.

    Raises:
        CheckpointError: the file cannot be read, or is of another model or class.
    """
    index = read_seed_index(path)
    if index is not None and (index.model.sha256, index.model.label) != (model.sha256, model.label):
        raise CheckpointError(f"{path} is the index of another model, {index.model.name}")
    return index
