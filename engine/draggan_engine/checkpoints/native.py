"""draggan-tui's own model files: safetensors with what a model needs to be drawn and dragged.

Tensors: `G_ema.<NVIDIA's key>` and `D.<NVIDIA's key>`, float32, float16 or bfloat16. Metadata (strings):
`format` "draggan-tui", `format_version` "1", `config` (JSON: generator, const_size, discriminator or null) and
`info` (JSON: name, psi, settings or null: what the model is shown and dragged with by default).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..networks.config import DiscriminatorConfig, GeneratorConfig
from ..networks.discriminator import Discriminator
from ..networks.stylegan2 import Generator
from ..protocol.atomic import atomic_write
from ..protocol.edit import Document, DragSettings
from ..protocol.errors import CheckpointError, StorageError
from .parts import DiscriminatorPart, GeneratorPart
from .reading import opened
from .stand_ins import printable

FORMAT = "draggan-tui"
FORMAT_VERSION = 1
_GENERATOR, _DISCRIMINATOR = "G_ema.", "D."
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_Parsed = TypeVar("_Parsed", bound=BaseModel)


class NativeConfig(Document):
    """The `config` entry."""

    generator: GeneratorConfig
    const_size: tuple[Annotated[int, Field(ge=4, le=4)], Annotated[int, Field(ge=1, le=16)]]
    discriminator: DiscriminatorConfig | None = None


class NativeInfo(Document):
    """The `info` entry: the model's name, and what it is shown and dragged with by default."""

    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
    psi: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
    settings: DragSettings | None = None


def save_native(
    path: Path,
    *,
    generator: Generator,
    discriminator: Discriminator | None = None,
    name: str,
    psi: float,
    settings: DragSettings | None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes a model file; whole or not at all.

    Args:
        path: the file; one that is there is replaced.
        name, psi, settings: what `NativeInfo` holds.
        dtype: number type of the stored tensors: float32, float16 or bfloat16.

    Raises:
        StorageError: it cannot be written.
    """
    config = NativeConfig(
        generator=generator.config,
        const_size=generator.const_size,
        discriminator=None if discriminator is None else discriminator.config,
    )
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": config.model_dump_json(),
        "info": NativeInfo(name=name, psi=psi, settings=settings).model_dump_json(),
    }
    tensors = _named(generator, _GENERATOR, dtype)
    if discriminator is not None:
        tensors |= _named(discriminator, _DISCRIMINATOR, dtype)
    with atomic_write(path) as part:
        try:
            save_file(tensors, part, metadata)
        except SafetensorError as error:
            raise StorageError(
                f"{path}: it could not be written ({error}); free some space or choose another folder"
            ) from error


def _named(network: nn.Module, prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        prefix + key: tensor.detach().to("cpu", dtype, copy=True, memory_format=torch.contiguous_format)
        for key, tensor in network.state_dict().items()
    }


def read_info(path: Path) -> NativeInfo:
    """
    Raises:
        CheckpointError: not a model file of ours, or a damaged one; it names the field.
    """
    with _checked(path) as file:
        return _entry(file, "info", NativeInfo, path)


def read_generator(path: Path) -> GeneratorPart:
    """
    Raises:
        CheckpointError: as `read_info`.
    """
    with _checked(path) as file:
        config = _entry(file, "config", NativeConfig, path)
        return GeneratorPart(config.generator, config.const_size, _tensors(file, _GENERATOR, path))


def read_discriminator(path: Path) -> DiscriminatorPart | None:
    """None where the file has no discriminator.

    Raises:
        CheckpointError: as `read_info`.
    """
    with _checked(path) as file:
        config = _entry(file, "config", NativeConfig, path).discriminator
        return None if config is None else DiscriminatorPart(config, _tensors(file, _DISCRIMINATOR, path))


@contextmanager
def _checked(path: Path) -> Iterator[Any]:
    """The open file, its format and version checked."""
    try:
        with opened(path), safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise CheckpointError(
                    f"{path}: it is a safetensors file, but not a model of {FORMAT}; choose another file"
                )
            version = metadata.get("format_version", "")
            if version != str(FORMAT_VERSION):
                newer = version.isdecimal() and len(version) < 10 and int(version) > FORMAT_VERSION
                raise CheckpointError(
                    f"{path}: it has format {version}, and this version reads up to {FORMAT_VERSION}; update {FORMAT}"
                    if newer
                    else f"{path}: format_version: {printable(version)!r} is not a version; the file is damaged: get it again"
                )
            yield file
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: it is not a whole safetensors file ({printable(str(error))}); it is damaged or cut short: get it again"
        ) from error


def _entry(file: Any, name: str, kind: type[_Parsed], path: Path) -> _Parsed:
    try:
        return kind.model_validate_json(file.metadata().get(name, ""))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join([name, *(printable(str(part)) for part in first["loc"])])
        raise CheckpointError(f"{path}: {field}: {first['msg']}; the file is damaged: get it again") from error


def _tensors(file: Any, prefix: str, path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for key in file.keys():  # noqa: SIM118 (not a dictionary)
        if not key.startswith((_GENERATOR, _DISCRIMINATOR)):
            raise CheckpointError(f"{path}: {printable(key)} is no part of a model; the file is damaged: get it again")
        if key.startswith(prefix):
            tensor = file.get_tensor(key)
            if tensor.dtype not in _DTYPES:
                raise CheckpointError(
                    f"{path}: {printable(key)} holds {tensor.dtype} numbers, not floats; the file is damaged"
                )
            state[key.removeprefix(prefix)] = tensor
    return state
