"""The header of draggan-tui's own model files, which are safetensors files.

Tensors: `G_ema.<NVIDIA's key>` and `D.<NVIDIA's key>`, as float32, float16 or bfloat16. Metadata, as strings:

- `format`: "draggan-tui"; `format_version`: "1".
- `config`: JSON with `generator` and `discriminator` (null if there is none).
- `info`: JSON with `name`; `psi` and `settings`, the defaults for showing and dragging the model (`settings` may be null);
  `source`, the file that the model was converted from, or null; `licence`, or null. Settings that name no `method` leave it
  to the program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_serializer
from safetensors import SafetensorError, safe_open

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import CheckpointError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.networks.config import DiscriminatorConfig, GeneratorConfig
from draggan_engine.storage.utf8_path import utf8_path

FORMAT = "draggan-tui"
FORMAT_VERSION = 1
_MAX_ENTRY_LENGTH = 100_000
_Entry = TypeVar("_Entry", bound=BaseModel)


class NativeConfig(FrozenModel):
    """The `config` entry."""

    generator: GeneratorConfig = Field(discriminator="family")
    discriminator: DiscriminatorConfig | None = None


def _require_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that cannot be shown")
    return text


class SourceFile(FrozenModel):
    """The file that a model was converted from."""

    format: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_require_printable)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NativeInfo(FrozenModel):
    """The `info` entry: the name of the model, its defaults for showing and dragging, its source and its licence."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_require_printable)]
    psi: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
    settings: DragSettings | None = None
    source: SourceFile | None = None
    licence: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_require_printable)] | None = None

    @field_serializer("settings")
    def _write_settings(self, settings: DragSettings | None) -> dict[str, Any] | None:
        if settings is None:
            return None
        return settings.model_dump(exclude=set() if "method" in settings.model_fields_set else {"method"})


def read_native_info(path: Path) -> NativeInfo:
    """Read the `info` entry of a model file, without its tensors.

    Raises:
        CheckpointError: see `open_native` and `parse_entry`.
    """
    return parse_entry(open_native(path), "info", NativeInfo, path)


def is_native_file(path: Path) -> bool:
    """Return whether a safetensors file says that it is a model file of draggan-tui.

    Raises:
        CheckpointError: the file cannot be read.
    """
    return _read_metadata(open_safetensors(path)).get("format") == FORMAT


def open_native(path: Path, framework: Literal["np", "pt"] = "np") -> Any:
    """Open a model file of draggan-tui, and check its format and version.

    Returns:
        As `open_safetensors`.

    Raises:
        CheckpointError: the file cannot be read, is no model of draggan-tui, or is of a newer version.
    """
    file = open_safetensors(path, framework)
    _check_version(_read_metadata(file), path)
    return file


def open_safetensors(path: Path, framework: Literal["np", "pt"] = "np") -> Any:
    """Open a safetensors file of any program.

    Returns:
        The file as `safetensors.safe_open` gives it. It maps the file until it is garbage.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        with utf8_path(path) as readable_path:
            return safe_open(readable_path, framework=framework)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({printable_text(str(error))}); it is damaged or cut short: get it again"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or 'it could not be opened'}); check the path and its permissions"
        ) from error


def _read_metadata(file: Any) -> dict[str, str]:
    return file.metadata() or {}


def _check_version(metadata: dict[str, str], path: Path) -> None:
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but not a model of {FORMAT}; choose another file")
    version = metadata.get("format_version", "")
    if version == str(FORMAT_VERSION):
        return
    if version.isdecimal() and len(version) < 10 and int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {version}, and this version reads up to {FORMAT_VERSION}; update {FORMAT}"
        )
    raise CheckpointError(
        f"{path}: format_version: {printable_text(version)!r} is not a version; the file is damaged: get it again"
    )


def parse_entry(file: Any, entry_name: str, entry_type: type[_Entry], path: Path) -> _Entry:
    """Parse an entry of the metadata.

    Args:
        file: as `open_native` returns it.
        path: of the file, for messages.

    Raises:
        CheckpointError: the entry is missing, too long or invalid; the message names its field.
    """
    entry_json = file.metadata().get(entry_name, "")
    if len(entry_json) > _MAX_ENTRY_LENGTH:
        raise CheckpointError(f"{path}: {entry_name} is longer than any model's; the file is damaged: get it again")
    try:
        return entry_type.model_validate_json(entry_json)
    except ValidationError as error:
        first_error = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join([entry_name, *(printable_text(str(part)) for part in first_error["loc"])])
        problem_text = printable_text(first_error["msg"], 200)
        raise CheckpointError(f"{path}: {field}: {problem_text}; the file is damaged: get it again") from error
