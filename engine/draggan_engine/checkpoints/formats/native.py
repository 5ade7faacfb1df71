"""Read and write draggan-tui's own model files; `native_header` describes them."""

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

from .native_header import FORMAT, FORMAT_VERSION, NativeConfig, NativeInfo, open_native, open_safetensors, parse_entry

_GENERATOR_PREFIX, _DISCRIMINATOR_PREFIX = "G_ema.", "D."
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def read_native(path: Path) -> tuple[ModelParts, NativeInfo]:
    """Read a model file of draggan-tui. Its tensors are mapped from the file.

    Raises:
        CheckpointError: the file is no model of draggan-tui, or is damaged; the message names the field or tensor.
    """
    file = open_native(path, "pt")
    config = parse_entry(file, "config", NativeConfig, path)
    info = parse_entry(file, "info", NativeInfo, path)
    generator = GeneratorPart(config.generator, _read_tensors(file, _GENERATOR_PREFIX, path))

    def read_discriminator() -> DiscriminatorPart | None:
        if config.discriminator is None:
            return None
        return DiscriminatorPart(config.discriminator, _read_tensors(file, _DISCRIMINATOR_PREFIX, path))

    return ModelParts("draggan-tui .safetensors", generator, read_discriminator), info


def read_foreign_safetensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file of another program by name. They are mapped from the file.

    Raises:
        CheckpointError: the file, or a tensor in it, cannot be read.
    """
    file = open_safetensors(path, "pt")
    return {key: _read_tensor(file, key, path) for key in file.keys()}  # noqa: SIM118 (not a dictionary)


def save_native(
    path: Path,
    generator: GeneratorPart,
    discriminator: DiscriminatorPart | None,
    info: NativeInfo,
    dtype: torch.dtype | None = torch.float32,
) -> None:
    """Write a model file completely, or leave everything as it was.

    Args:
        path: the file; an existing one is replaced.
        dtype: of the stored tensors: float32, float16 or bfloat16. None keeps the type of each tensor, which must be one of
            these.

    Raises:
        StorageError: the file cannot be written.
    """
    config = NativeConfig(generator=generator.config, discriminator=discriminator and discriminator.config)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": config.model_dump_json(),
        "info": info.model_dump_json(),
    }
    state = {_GENERATOR_PREFIX + key: tensor for key, tensor in generator.state.items()}
    if discriminator is not None:
        state |= {_DISCRIMINATOR_PREFIX + key: tensor for key, tensor in discriminator.state.items()}
    stored_addresses: set[int] = set()
    stored_tensors = {key: _prepare_tensor(tensor, dtype, stored_addresses) for key, tensor in state.items()}
    with atomic_write(path) as part_path:
        try:
            if is_utf8(part_path):
                save_file(stored_tensors, part_path, metadata)
            else:
                part_path.write_bytes(save(stored_tensors, metadata))
        except SafetensorError as error:
            raise _to_os_error(error) from error


def _to_os_error(error: SafetensorError) -> OSError:
    """Return the system's error behind an error of the safetensors library, which only mentions its number in its text."""
    number_match = re.search(r"os error (\d+)", str(error))
    if number_match is None:
        return OSError(str(error))
    error_number = int(number_match[1])
    return OSError(error_number, os.strerror(error_number))


def _prepare_tensor(tensor: Tensor, dtype: torch.dtype | None, stored_addresses: set[int]) -> Tensor:
    """Return a tensor in the form in which it is written: contiguous, and with memory that no other stored tensor uses.

    Args:
        stored_addresses: the memory addresses of the tensors prepared before; this one's is added.
    """
    tensor = tensor.detach().to("cpu", dtype or tensor.dtype).contiguous()
    if tensor.untyped_storage().nbytes() != tensor.nbytes or tensor.data_ptr() in stored_addresses:
        tensor = tensor.clone()
    stored_addresses.add(tensor.data_ptr())
    return tensor


def _read_tensors(file: Any, prefix: str, path: Path) -> dict[str, Tensor]:
    """Read the tensors whose keys have a prefix; the returned keys are without it.

    Raises:
        CheckpointError: a tensor of the file belongs to no network, or one of these cannot be read or has a wrong type.
    """
    state: dict[str, Tensor] = {}
    for key in file.keys():  # noqa: SIM118 (not a dictionary)
        if not key.startswith((_GENERATOR_PREFIX, _DISCRIMINATOR_PREFIX)):
            raise CheckpointError(
                f"{path}: {printable_text(key)} is not part of a model; the file is damaged: get it again"
            )
        if key.startswith(prefix):
            tensor = _read_tensor(file, key, path)
            if tensor.dtype not in _DTYPES:
                raise CheckpointError(
                    f"{path}: {printable_text(key)} holds {tensor.dtype} numbers, not floats; the file is damaged"
                )
            state[key.removeprefix(prefix)] = tensor
    return state


def _read_tensor(file: Any, key: str, path: Path) -> Tensor:
    try:
        tensor: Tensor = file.get_tensor(key)
    except (
        SafetensorError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:  # a shape or a type that torch does not have
        raise CheckpointError(
            f"{path}: {printable_text(key)} cannot be read as a tensor; the file is damaged: get it again"
        ) from error
    return tensor
