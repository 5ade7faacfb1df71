"""The photograph of a session with its edit pasted back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import EditError, InputError
from draggan_engine.core.history import History
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.inversion.aligned_photograph import similarity_of
from draggan_engine.inversion.pasting import paste_change, paste_crop
from draggan_engine.storage.image_io import (
    COMPOSITE_SOURCE_TYPE,
    IMAGE_ERRORS,
    read_icc_profile,
    read_photograph,
    write_image,
)
from draggan_engine.storage.inversion_files import PhotographAlignment, find_photograph, read_inversion
from draggan_engine.storage.session_store import SessionStore

from .edit_images import image_of


def write_pasted_photograph(model: Model, store: SessionStore, edit: Edit, path: Path, paste_mode: PasteMode) -> None:
    """Write the photograph of a session, upright and at full size, with an edit pasted back, as a PNG or a lossless WebP.

    The colour profile of the photograph is kept, its other metadata is not.

    Args:
        paste_mode: `delta` to paste what the drags have changed, `crop` to paste the whole image of the edit.

    Raises:
        EditError: the edit's image does not come from a photograph.
        InputError: the photograph has moved or changed.
        OutputError, StorageError: the file cannot be written.
    """
    photograph, photograph_path = paste_into_photograph(model, store, edit, paste_mode)
    try:
        icc_profile = read_icc_profile(photograph_path)
    except IMAGE_ERRORS:  # it has been read already, so only its profile can be at fault
        icc_profile = None
    write_image(
        path, photograph, model=model.name, edit=edit, source_type=COMPOSITE_SOURCE_TYPE, icc_profile=icc_profile
    )


def paste_into_photograph(
    model: Model, store: SessionStore, edit: Edit, paste_mode: PasteMode
) -> tuple[NDArray[np.uint8], Path]:
    """Return the photograph of a session with an edit pasted back, `uint8 [height, width, 3]`, and the photograph's path.

    Raises:
        EditError: the edit's image does not come from a photograph.
        InputError: the photograph has moved or changed.
    """
    alignment = alignment_of(store, edit)
    assert store.directory is not None and store.history is not None, "a session with an alignment is on the disk"
    photograph_path = find_photograph(store.directory, alignment)
    photograph = read_photograph(photograph_path)
    if photograph.shape[1::-1] != alignment.photograph_size:
        raise InputError(
            f"{photograph_path} is {photograph.shape[1]}×{photograph.shape[0]} pixels, and the session was made with "
            f"{alignment.photograph_size[0]}×{alignment.photograph_size[1]}; its record inversion.json is damaged"
        )
    similarity = similarity_of(alignment)
    after = image_of(model, store, edit)
    if paste_mode == "crop":
        paste_crop(photograph, similarity, after)
    else:
        before = image_of(model, store, edit.before_drags)
        paste_change(photograph, similarity, before, after, mask_of_drags(store.history, edit))
    return photograph, photograph_path


def alignment_of(store: SessionStore, edit: Edit) -> PhotographAlignment:
    """Return where in its photograph the edit's image lies.

    Raises:
        EditError: the edit's image does not come from a photograph.
        InputError: the record of the inversion cannot be read.
    """
    inversion_record = None if store.directory is None else read_inversion(store.directory)
    if inversion_record is None or not edit.source.from_file:
        raise EditError("this image does not come from a photograph, so it cannot be pasted into one; invert one first")
    return inversion_record.alignment


def mask_of_drags(history: History, edit: Edit) -> NDArray[np.uint8] | None:
    """Return where the drags that led to an edit's image could change it, `uint8 [H, W]`; None: everywhere.

    This is the union of the masks with which they started. The mask that is painted for the next drag does not count.
    """
    union: NDArray[np.uint8] | None = None
    drag_number = edit.source.drag
    while drag_number is not None:
        result = history.drag_result(drag_number)
        if result is None or result.record is None or result.parent is None:
            return None
        mask = history.revisions[result.parent].edit.mask
        if mask is None:
            return None
        union = mask.to_array() if union is None else union | mask.to_array()
        drag_number = result.record.source.drag
    return union
