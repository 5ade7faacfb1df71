"""Which models are on this machine, and where: bundled, the user's own (XDG data folder), converted copies (XDG cache)."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from draggan_engine.checkpoints.formats.native_header import read_native_info
from draggan_engine.core.errors import CheckpointError, Remedy, StorageError
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.storage.user_directories import cache_directory, data_directory

from .checkpoint_file import printable_text
from .model_zoo import find_public_checkpoint

AUTO_MODEL = "auto"
"""Asks for the bundled model that suits the machine."""
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MODEL_SUFFIXES = (".safetensors", ".pkl", ".pt", ".pth")


def bundled_models() -> dict[str, Path]:
    """Names and files of the models that come with the program."""
    folder = Path(str(resources.files(__package__) / "bundled"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def user_models_directory() -> Path:
    """Where imported and pulled models are; it need not exist."""
    return data_directory() / "models"


def user_models() -> dict[str, Path]:
    """Names and files of the models that the user has imported or pulled."""
    return {path.stem: path for path in _files(user_models_directory()) if path.suffix in MODEL_SUFFIXES}


def cached_copy(sha256: str) -> Path:
    """Where the converted copy of a file with that hash is, once there is one."""
    return cache_directory() / "models" / f"{sha256}.safetensors"


def list_models() -> tuple[ModelEntry, ...]:
    """The models on this machine: the bundled ones, the user's own, then copies of files that were opened by path."""
    own = {name: path for name, path in user_models().items() if name not in bundled_models()}
    named = [("bundled", bundled_models()), ("own", own)]
    listed = [_entry(name, origin, path) for origin, models in named for name, path in models.items()]
    for path in _files(cached_copy("").parent):
        try:
            info = read_native_info(path)
        except CheckpointError:
            continue
        listed.append(_entry(info.name, "cached", path, info.source.format if info.source else None))
    return tuple(listed)


def _entry(name: str, origin: str, path: Path, format: str | None = None) -> ModelEntry:
    values = {"name": name, "origin": origin, "format": format, "path": str(path), "bytes": path.stat().st_size}
    return ModelEntry.model_validate(values)


def find_model_file(spec: str) -> Path:
    """The file that a user means: a bundled model's name, one of their own, a path, or the name of a file that was
    opened before and has a converted copy. It is there and not empty.

    Raises:
        CheckpointError: it is not.
    """
    if not spec:
        raise CheckpointError("the model's name is empty", Remedy.choose_model)
    named = user_models() | bundled_models()
    if spec in named:
        return named[spec]
    try:
        path = Path(spec).expanduser()
        size = path.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:
        copies = [entry.path for entry in list_models() if entry.origin == "cached" and entry.name == spec]
        if len(copies) == 1:
            return Path(copies[0])
        is_downloadable = find_public_checkpoint(spec) is not None or "://" in spec
        remedy = Remedy.download_model if is_downloadable else Remedy.choose_model
        raise CheckpointError(f"{printable_text(spec)!r}: there is no such model or file", remedy) from error
    if not path.is_file():
        raise CheckpointError(f"{path}: it is not a file", Remedy.choose_model)
    if size == 0:
        raise CheckpointError(f"{path}: it is empty; get it again")
    return path


def new_model_path(name: str) -> Path:
    """Where a new model of that name goes.

    Raises:
        CheckpointError: the name cannot be one, or is taken.
    """
    _check_name(name)
    _check_free(name, None)
    if find_public_checkpoint(name) is not None:
        raise CheckpointError(f"{name} is the name of a public checkpoint", Remedy.choose_model_name)
    return user_models_directory() / f"{name}.safetensors"


def download_path(name: str, suffix: str) -> Path:
    """Where a download of that name goes; it may be there from an earlier one.

    Raises:
        CheckpointError: the name cannot be one, or is that of another file.
    """
    _check_name(name)
    path = user_models_directory() / f"{name}{suffix}"
    _check_free(name, path)
    return path


def create_user_models_directory() -> None:
    """
    Raises:
        StorageError: it cannot be made.
    """
    folder = user_models_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.of(folder, error) from error


def _check_name(name: str) -> None:
    if not MODEL_NAME.fullmatch(name):
        raise CheckpointError(
            f"{name!r}: not a name for a model; it must have 1 to 100 letters, digits, '.', '_' and '-', "
            "and begin with a letter or digit",
            Remedy.choose_model_name,
        )
    if name == AUTO_MODEL:
        raise CheckpointError(
            f"{AUTO_MODEL} stands for the bundled model that suits the machine", Remedy.choose_model_name
        )


def _check_free(name: str, path: Path | None) -> None:
    taken = (user_models() | bundled_models()).get(name)
    if taken not in (None, path):
        raise CheckpointError(f"there is a model {name} already ({taken})", Remedy.choose_model_name)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError:
        return []
