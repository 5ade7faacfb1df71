"""The state of a running inversion on disk, so that one that was interrupted can be continued."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from draggan_engine.core.errors import InputError
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.utf8_path import utf8_path

from .inversion import InversionState

_TENSOR_NAMES = ("coordinates", "first_moment", "second_moment", "best_ws", "best_loss")


def write_state(path: Path, state: InversionState, fingerprint: str) -> None:
    """Write the state of an inversion.

    Args:
        fingerprint: of all that the inversion depends on: the model, the aligned photograph and the settings.

    Raises:
        StorageError: the file cannot be written.
    """
    tensors = {name: getattr(state, name).detach().cpu().contiguous() for name in _TENSOR_NAMES}
    content = save(tensors, {"fingerprint": fingerprint, "step": str(state.step)})
    with atomic_write(path) as temporary_path:
        temporary_path.write_bytes(content)


def read_inversion_state(path: Path, fingerprint: str, device: torch.device) -> InversionState | None:
    """Return the state that `write_state` wrote; None if there is no file.

    Raises:
        InputError: the file cannot be read, or is of another inversion.
    """
    if not path.exists():
        return None
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("fingerprint") != fingerprint:
                raise InputError(
                    f"{path.parent} holds an unfinished inversion of another photograph, or with other options; "
                    "give another directory, or remove the file inversion-state.safetensors in it"
                )
            tensors: dict[str, Tensor] = {name: file.get_tensor(name).to(device) for name in _TENSOR_NAMES}
            step = int(metadata["step"])
    except (OSError, SafetensorError, KeyError, ValueError) as read_error:
        raise InputError(
            f"{path} cannot be read: the file is damaged; remove it to begin the inversion again"
        ) from read_error
    shapes = {tensors[name].shape for name in _TENSOR_NAMES[:3]}
    if len(shapes) != 1 or len(tensors["coordinates"].shape) != 3 or step < 0:
        raise InputError(f"{path} holds no state of an inversion; remove it to begin the inversion again")
    return InversionState(step, **tensors)
