"""Files of the Hugging Face hub that are on this machine: in the cache of the hub's own tools, which is only read, and in
draggan-tui's data directory, where its own downloads are."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote

from draggan_engine.storage.user_directories import data_directory

from .hub_address import HubAddress, is_commit
from .hub_settings import HubSettings


def find_hub_file(address: HubAddress, settings: HubSettings) -> Path | None:
    """Return the file on this machine, or None. The cache of the hub's own tools comes first."""
    if (cached_path := find_in_hub_cache(address, settings)) is not None:
        return cached_path
    downloaded_path = hub_download_path(address)
    return downloaded_path if downloaded_path.is_file() else None


def find_in_hub_cache(address: HubAddress, settings: HubSettings) -> Path | None:
    """Return a file in the cache of the hub's own tools: `models--ORG--REPO/snapshots/COMMIT/PATH`, where `refs/REVISION`
    names the commit of a branch or a tag."""
    repository = settings.cache_directory / f"models--{address.organisation}--{address.repository}"
    try:
        commit = address.revision
        if not is_commit(commit):
            commit = (repository / "refs" / commit).read_text(encoding="ascii").strip()
        path = repository / "snapshots" / commit / address.path
        return path if is_commit(commit) and path.is_file() else None
    except (OSError, ValueError):
        return None


def hub_download_path(address: HubAddress) -> Path:
    """Return the path for draggan-tui's own download. It need not exist."""
    revision = quote(address.revision, safe="")
    return hub_downloads_directory() / address.organisation / address.repository / revision / address.path


def hub_downloads_directory() -> Path:
    """Return the directory of draggan-tui's own downloads from the hub. It need not exist."""
    return data_directory() / "hub"


def downloaded_hub_models() -> dict[str, Path]:
    """Return the addresses and files of draggan-tui's own downloads from the hub."""
    directory = hub_downloads_directory()
    models = {}
    files = (
        Path(root) / name for root, _, names in os.walk(directory) for name in names
    )  # leaves out what is unreadable
    for path in sorted(files):
        parts = path.relative_to(directory).parts
        if len(parts) >= 4 and not path.name.endswith((".part", ".part.json")):
            organisation, repository, revision, *names = parts
            models[str(HubAddress(organisation, repository, unquote(revision), "/".join(names)))] = path
    return models


def remove_empty_hub_directories(path: Path) -> None:
    """Remove the directories that a removed download from the hub has left empty."""
    directory = path.parent
    while directory != hub_downloads_directory():
        try:
            directory.rmdir()
        except OSError:  # it holds other files
            return
        directory = directory.parent
