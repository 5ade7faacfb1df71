"""What draggan-tui's own model files say of themselves: safetensors with what a model needs to be drawn and dragged.

Tensors: `G_ema.<NVIDIA's key>` and `D.<NVIDIA's key>`, float32, float16 or bfloat16. Metadata (strings):
`format` "draggan-tui", `format_version` "1", `config` (JSON: generator, discriminator or null) and
`info` (JSON: name, psi, settings or null: what the model is shown and dragged with by default; source or null: the
file that it was converted from; licence or null).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from safetensors import SafetensorError, safe_open

from draggan_engine.checkpoints.checkpoint_file import opened, printable_text
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import CheckpointError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.networks.config import DiscriminatorConfig, GeneratorConfig
from draggan_engine.storage.utf8_path import utf8_path

FORMAT = "draggan-tui"
FORMAT_VERSION = 1
_LONGEST_ENTRY = 100_000
_Parsed = TypeVar("_Parsed", bound=BaseModel)


class NativeConfig(FrozenModel):
    """The `config` entry."""

    generator: GeneratorConfig = Field(discriminator="family")
    discriminator: DiscriminatorConfig | None = None


def _shown(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has signs that cannot be shown")
    return text


class SourceFile(FrozenModel):
    """The file that a model was converted from."""

    format: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_shown)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NativeInfo(FrozenModel):
    """The `info` entry: the model's name, what it is shown and dragged with by default, and where it is from."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_shown)]
    psi: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
    settings: DragSettings | None = None
    source: SourceFile | None = None
    licence: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_shown)] | None = None


def read_native_info(path: Path) -> NativeInfo:
    """Only what the file says of the model.

    Raises:
        CheckpointError: as `read`.
    """
    with open_native(path) as file:
        return parse_entry(file, "info", NativeInfo, path)


@contextmanager
def open_native(path: Path, framework: Literal["np", "pt"] = "np") -> Iterator[Any]:
    """The open file, its format and version checked."""
    try:
        with opened(path), utf8_path(path) as readable, safe_open(readable, framework=framework) as file:
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
                    else f"{path}: format_version: {printable_text(version)!r} is not a version; the file is damaged: get it again"
                )
            yield file
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: it is not a whole safetensors file ({printable_text(str(error))}); it is damaged or cut short: get it again"
        ) from error


def parse_entry(file: Any, name: str, kind: type[_Parsed], path: Path) -> _Parsed:
    text = file.metadata().get(name, "")
    if len(text) > _LONGEST_ENTRY:
        raise CheckpointError(f"{path}: {name}: it is longer than any model's; the file is damaged: get it again")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join([name, *(printable_text(str(part)) for part in first["loc"])])
        problem = printable_text(first["msg"], 200)
        raise CheckpointError(f"{path}: {field}: {problem}; the file is damaged: get it again") from error
