"""The covariance of w of each model. It is estimated once and then read from a file named after the model's SHA-256: beside
the bundled models for these, beside the converted copies for all others.

    python -m draggan_engine.checkpoints.w_covariance

writes the files of the bundled models. Run it after a bundled model has changed.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from draggan_engine.core.errors import CheckpointError, StorageError
from draggan_engine.networks.mapping import MappingNetwork
from draggan_engine.networks.w_statistics import estimate_w_covariance, set_covariance_source
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.utf8_path import utf8_path

from .registry import bundled_models, bundled_w_covariance, cached_w_covariance

log = logging.getLogger("draggan_engine")
_TENSOR_NAME = "covariance"


def attach_w_covariance(mapping: MappingNetwork, sha256: str) -> None:
    """Let the statistics of w of a model be read from its file when they are first needed, or estimated and kept in the cache.

    Args:
        sha256: of the file that the model was loaded from.
    """
    set_covariance_source(mapping, partial(_find_w_covariance, sha256=sha256))


def _find_w_covariance(mapping: MappingNetwork, sha256: str) -> Tensor:
    w_dim = mapping.w_avg.shape[-1]
    for path in (bundled_w_covariance(sha256), cached_w_covariance(sha256)):
        try:
            if path.exists():
                return read_w_covariance(path, w_dim).to(mapping.w_avg)
        except (OSError, CheckpointError) as error:
            log.warning("the covariance of w is computed again: %s", error)
    covariance = estimate_w_covariance(mapping)
    cache_path = cached_w_covariance(sha256)
    try:
        cache_path.parent.mkdir(parents=True, exist_ok=True)
        write_w_covariance(cache_path, covariance)
    except (OSError, StorageError) as error:
        log.warning("the covariance of w is not kept for the next start: %s", error)
    return covariance


def read_w_covariance(path: Path, w_dim: int) -> Tensor:
    """Return the covariance `[w_dim, w_dim]`, float32, that a file holds.

    Raises:
        CheckpointError: the file cannot be read, or holds no covariance of this size.
    """
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            if file.get_slice(_TENSOR_NAME).get_shape() != [w_dim, w_dim]:
                raise CheckpointError(f"{path} holds no matrix of {w_dim}×{w_dim} numbers")
            covariance: Tensor = file.get_tensor(_TENSOR_NAME)
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: the file is damaged") from error
    is_covariance = (
        covariance.dtype == torch.float32
        and bool(torch.isfinite(covariance).all())
        and torch.equal(covariance, covariance.T)
        and bool((covariance.diagonal() >= 0).all())
    )
    if not is_covariance:
        raise CheckpointError(f"{path} holds no covariance: it must be float32, finite and symmetric")
    return covariance


def write_w_covariance(path: Path, covariance: Tensor) -> None:
    """Write a covariance `[w_dim, w_dim]` as a safetensors file.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(path) as temporary_path:
        temporary_path.write_bytes(save({_TENSOR_NAME: covariance.float().cpu().contiguous()}))


def write_bundled_covariances() -> None:
    """Write the covariances of all bundled models, and delete those of models that are not bundled any more.

    Raises:
        StorageError: a file cannot be written.
    """
    from .loader import load_model  # imports this module

    directory = bundled_w_covariance("").parent
    directory.mkdir(exist_ok=True)
    earlier_paths = set(directory.iterdir())
    for name in bundled_models():
        model = load_model(name, "cpu")
        path = bundled_w_covariance(model.sha256)
        write_w_covariance(path, estimate_w_covariance(model.generator.mapping))
        earlier_paths.discard(path)
        print(f"{name}: {path}")
    for path in earlier_paths:
        path.unlink()


if __name__ == "__main__":
    write_bundled_covariances()
