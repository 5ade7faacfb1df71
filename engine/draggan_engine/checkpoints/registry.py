"""Find models on this machine: the bundled ones, the user's own (in the XDG data directory), and converted copies of files
that were opened before (in the XDG cache directory); models of the Hugging Face hub; and the covariances of w of all these."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from draggan_engine.checkpoints.formats.native_header import read_native_info
from draggan_engine.core.errors import CheckpointError, Remedy, StorageError
from draggan_engine.core.model_info import ModelEntry, PublicModel
from draggan_engine.storage.user_directories import cache_directory, data_directory

from .checkpoint_file import printable_text
from .hub.hub_address import is_hub_address, parse_hub_address
from .hub.hub_files import downloaded_hub_models, find_hub_file
from .hub.hub_settings import read_hub_settings
from .model_zoo import find_public_checkpoint, public_checkpoints

AUTO_MODEL = "auto"
"""The name that stands for the bundled model that suits the machine."""
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MODEL_SUFFIXES = (".safetensors", ".pkl", ".pt", ".pth")


def bundled_models() -> dict[str, Path]:
    """Return the names and files of the models that come with the program."""
    return {path.stem: path for path in sorted(_bundled_directory().glob("*.safetensors"))}


def bundled_w_covariance(sha256: str) -> Path:
    """Return the path for the covariance of w of a bundled model with that checksum. It exists for these models only."""
    return _bundled_directory() / "w-covariance" / f"{sha256}.safetensors"


def bundled_encoders() -> list[Path]:
    """Return the files of the encoders that come with the program; each names the models that it belongs to."""
    return sorted((_bundled_directory() / "encoders").glob("*.safetensors"))


def _bundled_directory() -> Path:
    return Path(str(resources.files(__package__) / "bundled"))


def user_models_directory() -> Path:
    """Return the directory for the user's own models. It need not exist."""
    return data_directory() / "models"


def user_models() -> dict[str, Path]:
    """Return the names and files of the models that the user has imported or downloaded."""
    return {path.stem: path for path in _list_files(user_models_directory()) if path.suffix in MODEL_SUFFIXES}


def download_checksums_path() -> Path:
    """Return the path for the checksums of all downloads, by URL. It need not exist."""
    return user_models_directory() / "checksums.json"


def cached_copy(sha256: str) -> Path:
    """Return the path for the converted copy of a file with that checksum. It need not exist."""
    return cache_directory() / "models" / f"{sha256}.safetensors"


def cached_w_covariance(sha256: str) -> Path:
    """Return the path for the covariance of w of a model whose file has that checksum. It need not exist."""
    return cached_copy(sha256).parent / "w-covariance" / f"{sha256}.safetensors"


def cached_seed_index(sha256: str, label: int = 0) -> Path:
    """Return the path for the seed index of a model whose file has that checksum, and of a class. It need not exist."""
    suffix = f"-{label}" if label else ""
    return _seed_index_directory() / f"{sha256}{suffix}.safetensors"


def cached_seed_indexes(sha256: str = "") -> list[Path]:
    """Return the seed indexes of a model, one for each class that has one; without a checksum, those of all models."""
    return [path for path in _list_files(_seed_index_directory()) if path.name.startswith(sha256)]


def _seed_index_directory() -> Path:
    return cached_copy("").parent / "seed-index"


def list_models() -> tuple[ModelEntry, ...]:
    """Return the models on this machine: the bundled ones, the user's own, those downloaded from the hub, whose names are
    their addresses, then the copies of files that were opened by path."""
    bundled = bundled_models()
    entries = [_describe_file(name, "bundled", path) for name, path in bundled.items()]
    entries += [_describe_file(name, "own", path) for name, path in user_models().items() if name not in bundled]
    entries += [_describe_file(address, "own", path) for address, path in downloaded_hub_models().items()]
    for path in _list_files(cached_copy("").parent):
        try:
            info = read_native_info(path)
        except CheckpointError:
            continue
        entries.append(_describe_file(info.name, "cached", path, info.source.format if info.source else None))
    return tuple(entries)


def list_downloadable_models() -> tuple[PublicModel, ...]:
    """Return the public checkpoints that can be downloaded and are not on this machine under their own names."""
    own_names = user_models()
    return tuple(
        PublicModel(
            name=checkpoint.name,
            family=checkpoint.family,
            shows=checkpoint.shows,
            width=checkpoint.width,
            height=checkpoint.height,
            bytes=checkpoint.bytes or (checkpoint.about_mb * 10**6 if checkpoint.about_mb else None),
            licence=checkpoint.licence,
            home=checkpoint.home,
        )
        for checkpoint in public_checkpoints()
        if checkpoint.is_downloadable and checkpoint.name not in own_names
    )


def _describe_file(name: str, origin: str, path: Path, source_format: str | None = None) -> ModelEntry:
    values = {"name": name, "origin": origin, "format": source_format, "path": str(path), "bytes": path.stat().st_size}
    return ModelEntry.model_validate(values)


def find_model_file(spec: str) -> Path:
    """Return the file that a user means.

    Args:
        spec: the name of a bundled model or of one of the user's; the path of a file; the name of a file that was opened
            before and has a converted copy; or the address of a file on the hub that is on this machine.

    Raises:
        CheckpointError: there is no such file, or it is empty.
    """
    if not spec:
        raise CheckpointError("the model's name is empty", Remedy.choose_model)
    if is_hub_address(spec):
        return _find_hub_model(spec)
    named_models = user_models() | bundled_models()
    if spec in named_models:
        return named_models[spec]
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
        raise CheckpointError(f"{path} is not a file", Remedy.choose_model)
    if size == 0:
        raise CheckpointError(f"{path} is empty; get it again")
    return path


def _find_hub_model(spec: str) -> Path:
    path = find_hub_file(parse_hub_address(spec), read_hub_settings())
    if path is None:
        raise CheckpointError(f"{spec} is not on this machine", Remedy.download_model)
    return path


def new_model_path(name: str) -> Path:
    """Return the path for a new model of the user.

    Raises:
        CheckpointError: the name is invalid, or belongs to another model.
    """
    _check_name(name)
    _check_free(name, None)
    if find_public_checkpoint(name) is not None:
        raise CheckpointError(f"{name} is the name of a public checkpoint", Remedy.choose_model_name)
    return user_models_directory() / f"{name}.safetensors"


def download_path(name: str, suffix: str) -> Path:
    """Return the path for a download. The file may exist from an earlier download of the same name.

    Args:
        suffix: of the file, with its dot.

    Raises:
        CheckpointError: the name is invalid, or belongs to another file.
    """
    _check_name(name)
    path = user_models_directory() / f"{name}{suffix}"
    _check_free(name, path)
    return path


def create_user_models_directory() -> None:
    """
    Raises:
        StorageError: the directory cannot be created.
    """
    directory = user_models_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.of(directory, error) from error


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


def _check_free(name: str, new_path: Path | None) -> None:
    """
    Raises:
        CheckpointError: another file than `new_path` has the name.
    """
    existing_path = (user_models() | bundled_models()).get(name)
    if existing_path not in (None, new_path):
        raise CheckpointError(f"there is a model {name} already ({existing_path})", Remedy.choose_model_name)


def _list_files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError:
        return []
