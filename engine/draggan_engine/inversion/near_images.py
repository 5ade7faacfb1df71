"""Latents whose images resemble a photograph, for the start of its inversion: those that the model's encoder guesses, and
the nearest seeds of its index."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.registry import cached_seed_index
from draggan_engine.core.errors import CheckpointError
from draggan_engine.storage.seed_index_file import IndexedModel, read_index_of_model

from .encoder import encoder_of_model, guess_z
from .latents import z_of_seeds
from .losses import image_tensor
from .seed_thumbnails import nearest_seeds

GUESS_COUNT = 8  # of the encoder
NEAR_SEED_COUNT = 8  # of the index


def find_near_z(model: Model, label: int, image: NDArray[np.uint8], report: Callable[[str], object]) -> Tensor:
    """Return the z of images that resemble an image, `[N, z_dim]`, on the generator's device; N is 0 for a model that has
    neither an encoder nor an index.

    Args:
        label: class of a conditional model.
        image: `uint8 [H, W, 3]`.
        report: is called with what a person should know, in one line: that a file cannot be used.
    """
    target = image_tensor(image)
    near_z = torch.empty(0, model.generator.config.z_dim, device=model.generator.device)
    try:
        encoder = encoder_of_model(model.sha256)
    except CheckpointError as read_error:
        report(f"{read_error}; the search starts without its guess; install draggan-tui again")
    else:
        if encoder is not None:
            near_z = guess_z(encoder, target, GUESS_COUNT).to(near_z)
    seeds = _find_near_seeds(model, label, target, report)
    return torch.cat([near_z, z_of_seeds(model.generator, seeds)]) if seeds else near_z


def _find_near_seeds(model: Model, label: int, target: Tensor, report: Callable[[str], object]) -> list[int]:
    """Return the seeds of the model's index that are nearest to an image; none, with a message if the index cannot be used."""
    path = cached_seed_index(model.sha256, label)
    try:
        index = read_index_of_model(path, IndexedModel(model.name, model.sha256, label))
    except CheckpointError as read_error:
        report(f"{read_error}; the search starts without the index until it is made again")
        return []
    return nearest_seeds(index, target, NEAR_SEED_COUNT) if index and index.is_complete else []
