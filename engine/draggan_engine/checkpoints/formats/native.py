"""Writes and reads the tensors of draggan-tui's own model files (see `native_header`)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save, save_file
from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart, ModelParts
from draggan_engine.core.errors import CheckpointError
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.utf8_path import is_utf8

from .native_header import FORMAT, FORMAT_VERSION, NativeConfig, NativeInfo, open_native, parse_entry

_GENERATOR, _DISCRIMINATOR = "G_ema.", "D."
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def save_native(
    path: Path,
    generator: GeneratorPart,
    discriminator: DiscriminatorPart | None,
    info: NativeInfo,
    dtype: torch.dtype | None = torch.float32,
) -> None:
    """Writes a model file; whole or not at all.

    Args:
        path: the file; one that is there is replaced.
        dtype: number type of the stored tensors: float32, float16 or bfloat16; None: each tensor's own, which is one of these.

    Raises:
        StorageError: it cannot be written.
    """
    config = NativeConfig(generator=generator.config, discriminator=discriminator and discriminator.config)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": config.model_dump_json(),
        "info": info.model_dump_json(),
    }
    seen: set[int] = set()
    tensors = {_GENERATOR + key: _stored(tensor, dtype, seen) for key, tensor in generator.state.items()}
    if discriminator is not None:
        tensors |= {_DISCRIMINATOR + key: _stored(tensor, dtype, seen) for key, tensor in discriminator.state.items()}
    with atomic_write(path) as part:
        try:
            if is_utf8(part):
                save_file(tensors, part, metadata)
            else:
                part.write_bytes(save(tensors, metadata))
        except SafetensorError as error:
            raise _os_error(error) from error


def _os_error(error: SafetensorError) -> OSError:
    """The system's error behind one of the safetensors library, which keeps its number in the text only."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(str(error)) if number is None else OSError(int(number[1]), os.strerror(int(number[1])))


def _stored(tensor: Tensor, dtype: torch.dtype | None, seen: set[int]) -> Tensor:
    """The tensor as it is written; a copy only where it has no memory of its own in that form."""
    tensor = tensor.detach().to("cpu", dtype or tensor.dtype).contiguous()
    if tensor.untyped_storage().nbytes() != tensor.nbytes or tensor.data_ptr() in seen:
        tensor = tensor.clone()
    seen.add(tensor.data_ptr())
    return tensor


def read_native(path: Path) -> tuple[ModelParts, NativeInfo]:
    """The model, its tensors mapped from the file, and what the file says of it.

    Raises:
        CheckpointError: not a model file of ours, or a damaged one; it names the field.
    """
    with open_native(path, "pt") as file:
        config = parse_entry(file, "config", NativeConfig, path)
        info = parse_entry(file, "info", NativeInfo, path)
        generator = GeneratorPart(config.generator, _tensors(file, _GENERATOR, path))

    def discriminator() -> DiscriminatorPart | None:
        if config.discriminator is None:
            return None
        with open_native(path, "pt") as file:
            return DiscriminatorPart(config.discriminator, _tensors(file, _DISCRIMINATOR, path))

    return ModelParts("draggan-tui .safetensors", generator, discriminator), info


def _tensor(file: Any, key: str, path: Path) -> Tensor:
    try:
        tensor: Tensor = file.get_tensor(key)
    except (RuntimeError, TypeError, ValueError) as error:  # a shape or a number type that torch does not have
        raise CheckpointError(
            f"{path}: {printable_text(key)} is no tensor; the file is damaged: get it again"
        ) from error
    return tensor


def _tensors(file: Any, prefix: str, path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for key in file.keys():  # noqa: SIM118 (not a dictionary)
        if not key.startswith((_GENERATOR, _DISCRIMINATOR)):
            raise CheckpointError(
                f"{path}: {printable_text(key)} is no part of a model; the file is damaged: get it again"
            )
        if key.startswith(prefix):
            tensor = _tensor(file, key, path)
            if tensor.dtype not in _DTYPES:
                raise CheckpointError(
                    f"{path}: {printable_text(key)} holds {tensor.dtype} numbers, not floats; the file is damaged"
                )
            state[key.removeprefix(prefix)] = tensor
    return state
