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

from .latent_search import LatentSearchState
from .refinement import RefinementState

_SEARCH, _TUNING = "search", "tuning"
_SEARCH_NAMES = ("coordinates", "first_moment", "second_moment", "best_ws", "best_loss")
_TUNING_PREFIXES = ("variable.", "first_moment.", "second_moment.")


def write_state(path: Path, state: LatentSearchState | RefinementState, fingerprint: str) -> None:
    """Write the state of an inversion.

    Args:
        fingerprint: of all that the inversion depends on: the model, the aligned photograph and the settings.

    Raises:
        StorageError: the file cannot be written.
    """
    if isinstance(state, LatentSearchState):
        stage, tensors = _SEARCH, {name: getattr(state, name) for name in _SEARCH_NAMES}
    else:
        stage, tensors = _TUNING, {"ws": state.ws}
        groups = (state.variables, state.first_moments, state.second_moments)
        for prefix, group in zip(_TUNING_PREFIXES, groups, strict=True):
            tensors |= {prefix + name: tensor for name, tensor in group.items()}
    stored_tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(stored_tensors, {"fingerprint": fingerprint, "stage": stage, "step": str(state.step)})
    with atomic_write(path) as temporary_path:
        temporary_path.write_bytes(content)


def read_inversion_state(
    path: Path, fingerprint: str, device: torch.device
) -> LatentSearchState | RefinementState | None:
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
            tensors: dict[str, Tensor] = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
            step = int(metadata["step"])
            state = (_search_state if metadata.get("stage", _SEARCH) == _SEARCH else _tuning_state)(step, tensors)
    except (OSError, SafetensorError, KeyError, ValueError) as read_error:
        raise InputError(
            f"{path} cannot be read: the file is damaged; remove it to begin the inversion again"
        ) from read_error
    if state is None or step < 0:
        raise InputError(f"{path} holds no state of an inversion; remove it to begin the inversion again")
    return state


def unfinished_step(path: Path) -> int | None:
    """Return after which step the inversion was interrupted whose state a file holds; None: there is no such file."""
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            return int((file.metadata() or {})["step"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _search_state(step: int, tensors: dict[str, Tensor]) -> LatentSearchState | None:
    """
    Raises:
        KeyError: a tensor is missing.
    """
    shapes = {tensors[name].shape for name in _SEARCH_NAMES[:3]}
    if len(shapes) != 1 or tensors["coordinates"].ndim != 3:
        return None
    return LatentSearchState(step, **{name: tensors[name] for name in _SEARCH_NAMES})


def _tuning_state(step: int, tensors: dict[str, Tensor]) -> RefinementState | None:
    """
    Raises:
        KeyError: a tensor is missing.
    """
    variables, first_moments, second_moments = (
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        for prefix in _TUNING_PREFIXES
    )
    shapes = [{name: tensor.shape for name, tensor in group.items()} for group in (first_moments, second_moments)]
    if any({name: tensor.shape for name, tensor in variables.items()} != group for group in shapes):
        return None
    return RefinementState(step, tensors["ws"], variables, first_moments, second_moments)
