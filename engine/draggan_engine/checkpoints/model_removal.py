"""Remove the models that the program has downloaded or converted."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from draggan_engine.core.errors import CheckpointError, Remedy, StorageError

from . import registry
from .checkpoint_file import printable_text
from .download.download_file import read_checksums
from .download.partial_download import lock_partial_download
from .formats.native_header import read_native_info
from .hub.hub_address import is_hub_address, parse_hub_address
from .hub.hub_files import downloaded_hub_models, find_in_hub_cache, hub_download_path, remove_empty_hub_directories
from .hub.hub_settings import read_hub_settings
from .model_zoo import find_public_checkpoint


@dataclass(frozen=True)
class RemovedFile:
    path: Path
    size: int


def remove_model(name: str) -> tuple[RemovedFile, ...]:
    """Remove a model, its converted copy, the covariance of its w, its seed indexes, and what an interrupted download of it
    has left. Of a bundled model and of a file elsewhere, only the seed indexes are removed.

    Args:
        name: of a model of the user's, of an interrupted download, of a converted copy or of a bundled model; the path of
            such a copy or of another file; or the address of a model that was downloaded from the hub.

    Raises:
        CheckpointError: there is no such model, or nothing of it that the program has made.
        DownloadError: another process is downloading it.
        StorageError: a file cannot be removed.
    """
    if name in registry.bundled_models():
        index_paths = _seed_indexes_of_file(registry.bundled_models()[name])
        if not index_paths:
            raise CheckpointError(f"{name} comes with draggan-tui and cannot be removed")
        return tuple(map(_remove_file, index_paths))
    own_path = (registry.user_models() | downloaded_hub_models()).get(name)
    own_files = [] if own_path is None else [own_path, *_derived_files(_check_origin(own_path))]
    removed_parts = _remove_parts(name)  # first, because it fails while the download goes on
    paths = own_files or ([] if removed_parts else _cached_files(name) or _seed_indexes_of_file(Path(name)))
    if not paths and not removed_parts:
        raise _missing_model(name)
    removed_files = (*map(_remove_file, paths), *removed_parts)
    if is_hub_address(name):
        remove_empty_hub_directories(hub_download_path(parse_hub_address(name)))
    return removed_files


def _check_origin(model_path: Path) -> str:
    """Return the checksum of a file.

    Raises:
        CheckpointError: the file was not downloaded or converted by the program.
    """
    advice = f"{model_path} was not downloaded or converted by draggan-tui; if you do not need it any more, delete it"
    if model_path.is_symlink():
        raise CheckpointError(advice)
    sha256 = _file_sha256(model_path)
    if sha256 in read_checksums(registry.download_checksums_path()).values():
        return sha256
    try:
        read_native_info(model_path)
    except CheckpointError:
        raise CheckpointError(advice) from None
    return sha256


def _remove_parts(name: str) -> list[RemovedFile]:
    """Remove what an interrupted download has left.

    Raises:
        DownloadError: another process is downloading the model.
        StorageError: a file cannot be removed.
    """
    removed_parts = []
    for target in _download_targets(name):
        part_path = target.with_name(f"{target.name}.part")
        if part_path.exists():
            with lock_partial_download(target) as part:
                removed_parts.append(RemovedFile(part.path, part.path.stat().st_size))
                part.remove()
    return removed_parts


def _download_targets(name: str) -> list[Path]:
    """Return the files that a download with that name may have."""
    if is_hub_address(name):
        return [hub_download_path(parse_hub_address(name))]
    if not registry.MODEL_NAME.fullmatch(name):
        return []
    return [registry.user_models_directory() / f"{name}{suffix}" for suffix in registry.MODEL_SUFFIXES]


def _cached_files(name: str) -> list[Path]:
    """Return the files of a converted copy.

    Raises:
        CheckpointError: several copies have the name.
    """
    copies = [
        entry for entry in registry.list_models() if entry.origin == "cached" and name in (entry.name, entry.path)
    ]
    if len(copies) > 1:
        raise CheckpointError(
            f"{printable_text(name)}: {len(copies)} converted copies have this name; give the path of one of them: "
            + ", ".join(entry.path for entry in copies)
        )
    return [path for entry in copies for path in _derived_files(Path(entry.path).stem)]


def _derived_files(sha256: str) -> list[Path]:
    """Return what the cache holds of a file with that checksum."""
    paths = (registry.cached_copy(sha256), registry.cached_w_covariance(sha256))
    return [*(path for path in paths if path.exists()), *registry.cached_seed_indexes(sha256)]


def _seed_indexes_of_file(path: Path) -> list[Path]:
    """Return the seed indexes of a model's file; none if there is no such file."""
    try:
        if not registry.cached_seed_indexes() or not path.expanduser().is_file():
            return []
        return registry.cached_seed_indexes(_file_sha256(path.expanduser()))
    except (OSError, ValueError, RuntimeError):
        return []


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing_model(name: str) -> CheckpointError:
    printable_name = printable_text(name)
    if is_hub_address(name):
        hub_path = find_in_hub_cache(parse_hub_address(name), read_hub_settings())
        if hub_path is not None:
            return CheckpointError(
                f"{name} is in the cache of the hub's own tools ({hub_path}), which draggan-tui only reads; "
                "remove it with these tools"
            )
        return CheckpointError(f"{name} is not on this machine, so there is nothing to remove")
    if find_public_checkpoint(name) is not None:
        return CheckpointError(f"{name} is not on this machine, so there is nothing to remove")
    with suppress(OSError, RuntimeError):
        if Path(name).expanduser().exists():
            return CheckpointError(
                f"{printable_name} is a file of yours; only what draggan-tui has downloaded or converted can be removed",
                Remedy.choose_own_model,
            )
    return CheckpointError(f"{printable_name!r}: there is no such model", Remedy.choose_own_model)


def _remove_file(path: Path) -> RemovedFile:
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError as error:
        raise StorageError(
            f"{path} could not be removed ({error.strerror}); check the permissions of its directory"
        ) from error
    return RemovedFile(path, size)
