"""session.json, which describes a session for people and other programs. The editor itself resumes from the history."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import from_json

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.errors import InputError, Remedy
from draggan_engine.core.frozen_model import FrozenModel, first_problem
from draggan_engine.core.history import DragRecord, History
from draggan_engine.core.latent_ref import LatentRef, StoredDrag, WithLatentRef

from .atomic import atomic_write
from .image_io import IMAGE_ERRORS, open_image
from .journal import Journal
from .migrations import SCHEMA_VERSION, history_from_drags, migrate_manifest
from .output_paths import MANIFEST_FILE
from .utf8_path import is_utf8

MASK_FILE = "mask.png"


class ModelReference(FrozenModel):
    """The model that a session was made with. The checksum is null until the engine has read the model's file."""

    name: str
    sha256: str | None
    path: str | None = Field(None, description="the absolute path that it was read from")

    @classmethod
    def of_file(cls, name: str, sha256: str, path: Path) -> ModelReference:
        """Return the reference of a model that was read from a file; JSON cannot hold a path that is not UTF-8."""
        resolved_path = path.resolve()
        return cls(name=name, sha256=sha256, path=str(resolved_path) if is_utf8(resolved_path) else None)


class ResultImage(FrozenModel):
    """The image file of the current edit, and the drag that made the image (none: it was generated)."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    file: str
    drag: StoredDrag = Field(alias="latent")


class SessionManifest(WithLatentRef):
    """The content of session.json."""

    required_names = ("seed", "psi", "latent")

    schema_version: Literal[4] = 4
    created: datetime.datetime
    model: ModelReference
    source: LatentRef
    settings: DragSettings
    pairs: tuple[PointPair, ...]
    mask: Literal["mask.png"] | None
    drag_count: int = 0
    drags: tuple[DragRecord, ...] = Field(
        (), exclude=True, description="in versions 1 and 2; since then each drag has a file of its own"
    )
    result: ResultImage | None = Field(None, description="null until an image has been written")

    @classmethod
    def of_history(
        cls, history: History, created: datetime.datetime, model: ModelReference, result: ResultImage | None
    ) -> SessionManifest:
        """Return the manifest of a session with this history."""
        edit = history.edit
        return cls(
            created=created,
            model=model,
            source=edit.source,
            settings=edit.settings,
            pairs=edit.pairs,
            mask=None if edit.mask is None else MASK_FILE,
            drag_count=len(history.drag_records),
            result=result,
        )

    def edit(self, mask: Mask | None = None) -> Edit:
        """Return the current edit.

        Args:
            mask: the content of the file that the manifest names.
        """
        return Edit(model=self.model.name, source=self.source, pairs=self.pairs, mask=mask, settings=self.settings)


def write_manifest(directory: Path, manifest: SessionManifest) -> None:
    """Write session.json.

    Raises:
        StorageError: it cannot be written.
    """
    with atomic_write(directory / MANIFEST_FILE) as temporary_path:
        temporary_path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> SessionManifest:
    """Read session.json of this version or of an earlier one.

    Raises:
        InputError: the file is missing, malformed (the message names the field), or of a newer version.
    """
    manifest_path = directory / MANIFEST_FILE
    try:
        manifest_fields = from_json(manifest_path.read_bytes())
    except FileNotFoundError as read_error:
        raise InputError(f"there is no session in {directory}", Remedy.choose_session) from read_error
    except OSError as read_error:
        raise InputError(
            f"{manifest_path} cannot be read ({read_error.strerror or read_error}); give the directory of a session"
        ) from read_error
    except ValueError as read_error:
        raise InputError(
            f"{manifest_path} is not JSON ({read_error}); restore it or begin a new session"
        ) from read_error
    schema_version = manifest_fields.get("schema_version") if isinstance(manifest_fields, dict) else None
    if isinstance(schema_version, int) and schema_version > SCHEMA_VERSION:
        raise InputError(
            f"{manifest_path}: its schema version is {schema_version}, and this draggan-tui reads up to {SCHEMA_VERSION}; "
            "update it"
        )
    try:
        return SessionManifest.model_validate(
            migrate_manifest(manifest_fields) if isinstance(manifest_fields, dict) else manifest_fields
        )
    except ValidationError as read_error:
        raise InputError(
            f"{manifest_path}: {first_problem(read_error)}; correct the field or begin a new session"
        ) from read_error


def read_history(directory: Path, manifest: SessionManifest) -> History:
    """Read the history of a session, or make one for a session of version 1, which has none.

    Raises:
        InputError: a file of the session cannot be read.
    """
    history = Journal(directory).read()
    if history is not None:
        return history
    mask = None if manifest.mask is None else _read_mask(directory / manifest.mask)
    return history_from_drags(manifest.edit(mask), manifest.drags, mask)


def _read_mask(mask_path: Path) -> Mask:
    try:
        with open_image(mask_path) as mask_image:
            return Mask.from_array((np.asarray(mask_image.convert("L")) >= 128).astype(np.uint8))
    except IMAGE_ERRORS as read_error:
        raise InputError(f"{mask_path}: the mask cannot be read; restore it, or begin a new session") from read_error
