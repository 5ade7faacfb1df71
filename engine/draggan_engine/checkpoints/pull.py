"""Download a public checkpoint by its name, from its publisher or from another copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from draggan_engine.core.errors import CheckpointError, DownloadError, Remedy
from draggan_engine.storage.output_paths import check_writable

from . import registry
from .checkpoint_file import DOWNLOADING, ReadProgress
from .download.download_file import DownloadedFile, download_file
from .download.http_download import DEFAULT_HTTP_LIMITS, HttpLimits
from .model_zoo import PublicCheckpoint, find_public_checkpoint


@dataclass(frozen=True)
class PulledCheckpoint:
    """A checkpoint that has been downloaded now or before, and the address that it came from."""

    file: DownloadedFile
    url: str


def new_download_path(model_name: str, suffix: str, checkpoint: PublicCheckpoint | None) -> Path:
    """Return the path for a download among the user's models, whose directory is created.

    Args:
        checkpoint: the public checkpoint that is downloaded, if it is one.

    Raises:
        CheckpointError: the name is invalid, or belongs to another model or public checkpoint.
        StorageError: the directory cannot be created or written to.
    """
    namesake = find_public_checkpoint(model_name)
    if namesake is not None and (checkpoint is None or namesake.name != checkpoint.name):
        raise CheckpointError(f"{model_name} is the name of a public checkpoint", Remedy.choose_model_name)
    target_path = registry.download_path(model_name, suffix)
    registry.create_user_models_directory()
    check_writable(target_path.parent)
    return target_path


def pull_checkpoint(
    checkpoint: PublicCheckpoint,
    model_name: str,
    *,
    check: Callable[[Path], None],
    progress: ReadProgress,
    sha256: str | None = None,
    limits: HttpLimits = DEFAULT_HTTP_LIMITS,
) -> PulledCheckpoint:
    """Download a public checkpoint into the user's models. If its publisher's server fails, another copy is tried.

    Args:
        check, sha256: see `download_file`.

    Raises:
        CheckpointError: the file must be downloaded by hand, or the name is taken.
        DownloadError, InputError, StorageError: see `download_file`.
    """
    if not checkpoint.is_downloadable:
        raise CheckpointError(
            f"{checkpoint.name} cannot be downloaded directly; download it by hand from {checkpoint.home}",
            Remedy.import_model,
        )
    target_path = new_download_path(model_name, Path(checkpoint.file).suffix, checkpoint)

    def download(url: str, expected_sha256: str | None) -> PulledCheckpoint:
        downloaded_file = download_file(
            url,
            target_path,
            sha256=sha256 or expected_sha256,
            checksums_path=registry.download_checksums_path(),
            check=check,
            progress=lambda done, total: progress(DOWNLOADING, done, total or checkpoint.bytes or 0),
            limits=limits,
        )
        return PulledCheckpoint(downloaded_file, url)

    publisher_error: DownloadError | None = None
    if checkpoint.url is not None:
        try:
            return download(checkpoint.url, checkpoint.sha256)
        except DownloadError as error:
            if checkpoint.mirror is None or target_path.exists():
                raise
            publisher_error = error
    assert checkpoint.mirror is not None
    try:
        return download(checkpoint.mirror, checkpoint.sha256 or checkpoint.seen_sha256)
    except DownloadError as error:
        if publisher_error is None:
            raise
        raise DownloadError(f"{publisher_error}; another copy failed too: {error}") from error
