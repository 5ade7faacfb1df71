"""session.json: what a session is about, for people and other programs. The editor itself goes on from the history."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import ConfigDict, Field, ValidationError

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.errors import InputError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.core.history import DragRecord, History
from draggan_engine.core.latent_ref import LatentRef, StoredDrag, WithLatentRef

from .journal import Journal
from .migrations import SCHEMA_VERSION, history_from_drags, migrate_manifest

MANIFEST_FILE = "session.json"
MASK_FILE = "mask.png"


class ModelReference(FrozenModel):
    """Which model a session was made with; the hash is null until the engine has read the file."""

    name: str
    sha256: str | None
    path: str | None = Field(None, description="the absolute path that it was read from")


class ResultImage(FrozenModel):
    """The image file of the current edit, and the drag that made the image (none: it was generated)."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    file: str
    drag: StoredDrag = Field(alias="latent")


class SessionManifest(WithLatentRef):
    """session.json."""

    required_names = ("seed", "psi", "latent")

    schema_version: Literal[3] = 3
    created: datetime.datetime
    model: ModelReference
    source: LatentRef
    settings: DragSettings
    pairs: tuple[PointPair, ...]
    mask: Literal["mask.png"] | None
    drag_count: int = 0
    drags: tuple[DragRecord, ...] = Field(
        (), exclude=True, description="of a session of version 1 or 2; since then each has a file of its own"
    )
    result: ResultImage | None = Field(None, description="null until a picture has been written")


def read_manifest(folder: Path) -> SessionManifest:
    """
    Raises:
        InputError: session.json is missing, malformed (the field is named), or of a newer version.
    """
    path = folder / MANIFEST_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give the directory of a session") from error
    except ValueError as error:
        raise InputError(f"{path}: it is not JSON ({error}); restore it or start anew") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: its schema version is {version}, this draggan-tui reads up to {SCHEMA_VERSION}; update it"
        )
    try:
        return SessionManifest.model_validate(migrate_manifest(raw) if isinstance(raw, dict) else raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; mend the field or start anew"
        ) from error


def read_history(folder: Path, session: SessionManifest) -> History:
    """Everything that was acknowledged in a session, and where in it one stood.

    Raises:
        InputError: a file of it cannot be read.
    """
    found = Journal(folder).read()
    if found is not None:
        return found
    mask = _read_mask(folder / session.mask) if session.mask is not None else None
    edit = Edit(
        model=session.model.name, source=session.source, pairs=session.pairs, mask=mask, settings=session.settings,
    )  # fmt: skip
    return history_from_drags(edit, session.drags, mask)


def _read_mask(path: Path) -> Mask:
    try:
        with Image.open(path) as image:
            return Mask.from_array((np.asarray(image.convert("L")) >= 128).astype(np.uint8))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: the mask cannot be read; restore it, or start anew") from error
