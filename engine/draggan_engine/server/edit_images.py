"""The latent and the image of an edit, and how far its drags have moved the latent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit, check_label
from draggan_engine.core.errors import InputError
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.w_statistics import edit_length
from draggan_engine.storage.session_store import SessionStore


def latent_of(model: Model, store: SessionStore, edit: Edit) -> Tensor:
    """Return the latent of the edit's image: ws `[1, num_ws, w_dim]`, on the generator's device.

    Raises:
        EditError: the model has no such class, or the session has no such latent.
        InputError: the latent's file cannot be read, or its latent is not one of this model.
    """
    source = edit.source
    if source.drag is not None:
        stored_ws = store.latent(source.drag, source.step)
    elif source.from_file:
        stored_ws = store.file_latent()
    else:
        check_label(source.label, model.info.classes, model.name)
        return latent_of_seed(model.generator, source.seed, source.psi, source.label)
    expected_shape = (1, model.info.num_ws, model.info.w_dim)
    if stored_ws.shape != expected_shape:
        raise InputError(
            f"a latent of this session has the shape {list(stored_ws.shape)}, and {model.name} takes {list(expected_shape)}; "
            "open the session with the model that it was made with"
        )
    return torch.from_numpy(stored_ws.copy()).to(model.generator.device)


def image_of(model: Model, store: SessionStore, edit: Edit) -> NDArray[np.uint8]:
    """Return the edit's image at full resolution, `uint8 [H, W, 3]`. It is cached: do not change it.

    Raises:
        EditError, InputError: see `latent_of`.
    """
    return store.images.get(
        edit.source, lambda: generate_image(model.generator_of(edit.source), latent_of(model, store, edit))
    )


def sigma_of(model: Model, store: SessionStore, edit: Edit) -> float:
    """Return the Mahalanobis length of the change of w since the image before all drags.

    Raises:
        EditError, InputError: see `latent_of`.
    """
    original_ws = latent_of(model, store, edit.before_drags)
    return edit_length(model.generator.mapping, original_ws, latent_of(model, store, edit))


def write_result(model: Model, store: SessionStore, edit: Edit) -> tuple[Path, ...]:
    """Write initial.png and final.png of the edit and return their paths.

    Raises:
        OutputError, StorageError: a file cannot be written.
    """
    return store.write_result_images(edit, image_of(model, store, edit.before_drags), image_of(model, store, edit))
