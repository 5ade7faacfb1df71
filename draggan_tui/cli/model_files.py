"""Turn files into models of the user: convert, import and download them; and remove them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.text import Text

from draggan_engine.checkpoints import model_removal, registry
from draggan_engine.checkpoints.checkpoint_file import DOWNLOADING, ReadProgress
from draggan_engine.checkpoints.download.download_file import DownloadedFile, check_file, download_file
from draggan_engine.checkpoints.hub.hub_address import HubAddress, is_hub_address, parse_hub_address
from draggan_engine.checkpoints.hub.hub_download import download_from_hub
from draggan_engine.checkpoints.hub.hub_files import find_in_hub_cache
from draggan_engine.checkpoints.hub.hub_settings import read_hub_settings
from draggan_engine.checkpoints.model_zoo import PublicCheckpoint, find_public_checkpoint
from draggan_engine.checkpoints.pull import new_download_path, pull_checkpoint
from draggan_engine.core.errors import CheckpointError, OutputError
from draggan_engine.storage.output_paths import check_output_file, check_writable
from draggan_tui.cli.load_progress import load_progress
from draggan_tui.rendering.loading_text import size_text


def write_converted_model(model_spec: str, out_path: Path, model_name: str | None) -> None:
    """Write a model as a .safetensors file.

    Raises:
        OutputError: the path is taken, in no directory, or not that of a .safetensors file.
        DragganError: the model cannot be read, or the file cannot be written.
    """
    check_output_file(out_path, (".safetensors",))
    if out_path.exists():
        raise OutputError(f"--out {out_path}: there is a file already; give another name, or remove it")
    _convert(model_spec, out_path, model_name or out_path.stem)


def import_model(checkpoint: str, model_name: str | None) -> None:
    """Convert a checkpoint into a model of the user.

    Args:
        checkpoint: the path of a file, or an address on the hub.

    Raises:
        CheckpointError: the name is taken or cannot be used, or the model cannot be read.
        DownloadError: the file cannot be downloaded from the hub.
        StorageError: the model cannot be written.
    """
    model_name = model_name or Path(checkpoint).stem
    out_path = registry.new_model_path(model_name)
    if not is_hub_address(checkpoint):
        registry.find_model_file(checkpoint)
    registry.create_user_models_directory()
    check_writable(out_path.parent)
    _convert(checkpoint, out_path, model_name)
    print(f"draggan-tui --model {model_name}")


def _convert(model_spec: str, out_path: Path, model_name: str) -> None:
    from draggan_engine.checkpoints import loader  # imports torch

    with load_progress() as report_progress:
        discriminator_problem = loader.convert_model(model_spec, out_path, model_name, report_progress)
    if discriminator_problem is not None:
        Console(stderr=True).print(Text(f"without its discriminator: {discriminator_problem}"), soft_wrap=True)
    print(f"{out_path}: {size_text(out_path.stat().st_size)}")


def pull_model(source: str, sha256: str | None, model_name: str | None) -> None:
    """Download a checkpoint; an interrupted download is continued.

    Args:
        source: the name of a public checkpoint, an address of the web, or an address on the hub.
        sha256: the checksum that the file must have.
        model_name: what the model is called; None for the name of the checkpoint or the file.

    Raises:
        CheckpointError: there is no such checkpoint, or the name is taken.
        InputError: the address or the checksum is malformed.
        DownloadError: the file cannot be downloaded, or is not a model.
        StorageError: the file cannot be written.
    """
    if is_hub_address(source):
        _pull_from_hub(parse_hub_address(source), sha256, model_name)
        return
    public_checkpoint = find_public_checkpoint(source)
    if public_checkpoint is not None:
        _pull_by_name(public_checkpoint, sha256, model_name or public_checkpoint.name)
        return
    _check_url(source)
    url_path = Path(unquote(urlsplit(source).path))
    model_name = model_name or url_path.stem
    file_suffix = url_path.suffix if url_path.suffix in registry.MODEL_SUFFIXES else ".pkl"
    target_path = new_download_path(model_name, file_suffix, None)
    from draggan_engine.checkpoints import loader  # imports torch

    with _download_progress() as report_progress:
        downloaded_file = download_file(
            source,
            target_path,
            sha256=sha256,
            checksums_path=registry.download_checksums_path(),
            check=loader.check_model_file,
            progress=lambda done, total: report_progress(DOWNLOADING, done, total or 0),
        )
    _print_download(downloaded_file, model_name)


def _pull_by_name(public_checkpoint: PublicCheckpoint, sha256: str | None, model_name: str) -> None:
    from draggan_engine.checkpoints import loader  # imports torch

    if public_checkpoint.is_downloadable:
        checkpoint_text = f"{public_checkpoint.shows}, {public_checkpoint.home}\nlicence: {public_checkpoint.licence}"
        Console(stderr=True).print(Text(checkpoint_text), soft_wrap=True)
    with _download_progress() as report_progress:
        pulled_checkpoint = pull_checkpoint(
            public_checkpoint, model_name, check=loader.check_model_file, progress=report_progress, sha256=sha256
        )
    if pulled_checkpoint.url != public_checkpoint.url:
        print(f"from another copy: {pulled_checkpoint.url}")
    _print_download(pulled_checkpoint.file, model_name)


def _print_download(downloaded_file: DownloadedFile, model_name: str) -> None:
    checksum_note = "as known" if downloaded_file.verified else "recorded now, compared from now on"
    print(
        f"{downloaded_file.path}: {size_text(downloaded_file.size)}\n"
        f"sha256 {downloaded_file.sha256} ({checksum_note})\n"
        f"draggan-tui --model {model_name}"
    )


def _pull_from_hub(address: HubAddress, sha256: str | None, model_name: str | None) -> None:
    """Download a file of the hub, unless it is in the cache of the hub's own tools.

    Raises:
        CheckpointError: a name is given.
        DownloadError, InputError, StorageError: see `download_from_hub`.
    """
    if model_name is not None:
        raise CheckpointError(
            f"{address}: a model of the hub is opened by its address; leave --name out, or give it a name with: "
            f"draggan-tui models import {address} --name {model_name}"
        )
    settings = read_hub_settings()
    cached_path = find_in_hub_cache(address, settings)
    if cached_path is not None:
        if sha256 is not None:
            check_file(cached_path, sha256)
        print(f"{cached_path}: already in the cache of the hub's own tools\ndraggan-tui --model {address}")
        return
    Console(stderr=True).print(Text(f"{address.page(settings.endpoint)}\nlicence: as this page says"), soft_wrap=True)
    from draggan_engine.checkpoints import loader  # imports torch

    with _download_progress() as report_progress:
        path = download_from_hub(
            address, settings, check=loader.check_model_file, progress=report_progress, sha256=sha256
        )
    print(f"{path}: {size_text(path.stat().st_size)}\ndraggan-tui --model {address}")


@contextmanager
def _download_progress() -> Iterator[ReadProgress]:
    """Show a progress bar, and say what happens to the received part if the user stops the download."""
    try:
        with load_progress() as report_progress:
            yield report_progress
    except (KeyboardInterrupt, SystemExit):
        print(
            "draggan-tui: stopped; the part that was downloaded is kept, and the same command continues it",
            file=sys.stderr,
        )
        raise


def _check_url(source: str) -> None:
    """
    Raises:
        CheckpointError: the source is no address.
    """
    if "://" in source:
        return
    if source in registry.user_models() or source in registry.bundled_models():
        raise CheckpointError(f"{source} is on this machine already; open it with draggan-tui --model {source}")
    raise CheckpointError(
        f"{source!r}: no public checkpoint has this name; see draggan-tui models list, or give an address"
    )


def remove_files_of_model(model_name: str) -> None:
    """Remove a model that the program has downloaded or converted.

    Raises:
        CheckpointError: there is no such model, or it cannot be removed.
        DownloadError: another process is downloading it.
        StorageError: a file cannot be removed.
    """
    removed_files = model_removal.remove_model(model_name)
    for removed_file in removed_files:
        print(f"{removed_file.path}: removed")
    print(f"{size_text(sum(removed_file.size for removed_file in removed_files))} freed")
