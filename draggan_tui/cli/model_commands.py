"""The `models` commands. Like `headless`, they call the engine directly, without a process between."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.checkpoint_file import LoadProgress as Tell
from draggan_engine.checkpoints.download.download_file import download_file
from draggan_engine.checkpoints.model_zoo import PublicCheckpoint, find_public_checkpoint, public_checkpoints
from draggan_engine.core.errors import CheckpointError, OutputError
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.storage.output_paths import check_output_file, check_writable
from draggan_tui.rendering.loading_text import size_text

RECORDED = "checksums.json"


def list_models(*, as_json: bool) -> None:
    """Prints the models on this machine and the table of known ones."""
    entries = registry.list_models()
    if as_json:
        known = [model.model_dump(exclude_none=True) for model in public_checkpoints()]
        print(json.dumps({"here": [entry.model_dump() for entry in entries], "known": known}))
        return
    console = _console()
    console.print(_heading("On this machine", "draggan-tui --model NAME"))
    named = [entry for entry in entries if entry.origin != "cached"]
    console.print(_table([(entry.name, entry.origin, size_text(entry.bytes)) for entry in named]))
    if copies := [entry for entry in entries if entry.origin == "cached"]:
        console.print(_heading("\nConverted copies of files that were opened", "draggan-tui --model NAME"))
        console.print(_table([(entry.name, entry.format or "", size_text(entry.bytes)) for entry in copies]))
    console.print(_heading("\nKnown public checkpoints", "draggan-tui models pull NAME"))
    for (home, licence), group in groupby(public_checkpoints(), key=lambda model: (model.home, model.licence)):
        console.print(Text(f"\n{home}\n{licence}", style="dim"))
        console.print(_table([_known_row(model) for model in group]))


def _console() -> Console:
    """Of the terminal's width; in a file or a pipe, lines are as long as they are."""
    console = Console()
    return console if console.is_terminal else Console(width=1000)


def _heading(title: str, command: str) -> Text:
    return Text.assemble((title, "bold"), "   ", (command, "dim"))


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*(Text(cell) for cell in ("", *row)))
    return table


def _known_row(model: PublicCheckpoint) -> tuple[str, ...]:
    size = size_text(model.bytes) if model.bytes else f"~{model.about_mb} MB" if model.about_mb else ""
    by_hand = "" if model.url else "by hand, from its page"
    return model.name, model.family, f"{model.width}×{model.height}", size, f"{model.shows} {by_hand}".strip()


def show_info(spec: str, *, as_json: bool) -> None:
    """Prints what a model is.

    Raises:
        CheckpointError: it cannot be used.
    """
    from draggan_engine.checkpoints.loader import load_model

    with _progress() as tell:
        model = load_model(spec, "cpu", tell)
    height = model.generator.synthesis.feature_height(model.info.settings.feature_block)
    try:
        network = model.load_discriminator()
        discriminator = "none" if network is None else f"{sum(p.numel() for p in network.parameters()):,} parameters"
    except CheckpointError as error:
        discriminator = str(error)
    if as_json:
        print(json.dumps({**model.info.model_dump(), "path": str(model.path), "discriminator": discriminator}))
        return
    table = Table.grid(padding=(0, 2))
    for label, value in facts(model.info, model.path, discriminator, height):
        table.add_row(Text(label, style="dim"), Text(value, overflow="fold"))
    _console().print(table)


def facts(info: ModelInfo, path: Path, discriminator: str, feature_height: int) -> list[tuple[str, str]]:
    """Label and value of each line of `models info`.

    Args:
        feature_height: of the feature block's map, in its own pixels.
    """
    settings = info.settings
    rows = f"{settings.layers} of {info.num_ws} rows of ws: {info.rows[0]} … {info.rows[settings.layers - 1]}"
    feature_width = feature_height * info.width // info.height
    return [
        ("name", info.name),
        ("file", str(path)),
        ("format", info.format),
        ("sha256", info.sha256),
        ("licence", info.licence or "not known; ask its publisher"),
        ("family", info.family),
        ("image", f"{info.width}×{info.height}"),
        ("classes", str(info.classes) if info.classes else "none (unconditional)"),
        ("z, w", f"{info.z_dim}, {info.w_dim}; {info.mapping_layers} mapping layers, {info.num_ws} rows of ws"),
        ("generator", f"{info.parameters:,} parameters; blocks {' '.join(info.blocks)}"),
        ("discriminator", discriminator),
        ("drag moves", f"the first {rows} (setting: layers)"),
        ("drag looks at", f"{settings.feature_block}, {feature_width}×{feature_height} (setting: feature block)"),
        (
            "drag uses",
            f"r1 {settings.r1:g} px, r2 {settings.r2:g} px, λ {settings.mask_weight:g}, step {settings.step_size:g}, ψ {info.psi:g}",
        ),
    ]


def convert_model(spec: str, out: Path, name: str | None) -> None:
    """
    Raises:
        OutputError: the path is taken, in no directory, or not a .safetensors file's.
        DragganError: the model cannot be read, or the file not written.
    """
    check_output_file(out, (".safetensors",))
    if out.exists():
        raise OutputError(f"--out {out}: there is a file already; give another name, or remove it")
    _convert(spec, out, name or out.stem)


def import_model(path: Path, name: str | None) -> None:
    """
    Raises:
        CheckpointError: the name is taken or cannot be one, or the model cannot be read.
        StorageError: it cannot be written.
    """
    name = name or path.stem
    out = registry.new_model_path(name)
    registry.find_model_file(str(path))
    registry.create_user_models_directory()
    check_writable(out.parent)
    _convert(str(path), out, name)
    print(f"draggan-tui --model {name}")


def _convert(spec: str, out: Path, name: str) -> None:
    from draggan_engine.checkpoints.loader import convert_model

    with _progress() as tell:
        problem = convert_model(spec, out, name, tell)
    if problem is not None:
        Console(stderr=True).print(Text(f"without its discriminator: {problem}"), soft_wrap=True)
    print(f"{out}: {size_text(out.stat().st_size)}")


def pull_model(source: str, sha256: str | None, name: str | None) -> None:
    """Download a model; what an interrupted download has fetched is kept.

    Raises:
        CheckpointError: no such name, or the name is taken.
        InputError: the address or the checksum cannot be one.
        DownloadError: it cannot be had, or is no model.
        StorageError: it cannot be written.
    """
    known = find_public_checkpoint(source)
    url = _address(source, known)
    file = Path(unquote(urlsplit(url).path)).name
    name = name or (Path(file).stem if known is None else known.name)
    if (other := find_public_checkpoint(name)) is not None and other != known:
        raise CheckpointError(f"{name} is the name of a public checkpoint; give another with --name")
    suffix = Path(file).suffix if Path(file).suffix in registry.MODEL_SUFFIXES else ".pkl"
    target = registry.download_path(name, suffix)
    registry.create_user_models_directory()
    check_writable(target.parent)
    if known is not None:
        Console(stderr=True).print(Text(f"{known.shows}, {known.home}\nlicence: {known.licence}"), soft_wrap=True)
    from draggan_engine.checkpoints.loader import check_model_file

    try:
        with _progress() as tell:
            done = download_file(
                url,
                target,
                sha256=sha256 or (known.sha256 if known else None),
                checksums_path=registry.user_models_directory() / RECORDED,
                check=check_model_file,
                progress=lambda there, total: tell("downloading", there, total or 0),
            )
    except (KeyboardInterrupt, SystemExit):
        print("draggan-tui: stopped; what has come is kept, and the same command goes on from there", file=sys.stderr)
        raise
    compared = "as known" if done.verified else "recorded now, compared from now on"
    print(f"{target}: {size_text(done.size)}\nsha256 {done.sha256} ({compared})\ndraggan-tui --model {name}")


def _address(source: str, known: PublicCheckpoint | None) -> str:
    if known is not None and known.url is not None:
        return known.url
    if known is not None:
        raise CheckpointError(
            f"{source}: it cannot be downloaded directly; get it from {known.home}, then: draggan-tui models import FILE"
        )
    if "://" in source:
        return source
    if source in registry.user_models() or source in registry.bundled_models():
        raise CheckpointError(f"{source}: it is on this machine already: draggan-tui --model {source}")
    raise CheckpointError(f"{source!r}: no known model has that name; see draggan-tui models list, or give a URL")


@contextmanager
def _progress() -> Iterator[Tell]:
    """A progress bar on stderr, where that is a terminal; gives the function that moves it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        tasks: dict[str, int] = {}

        def tell(what: str, done: int, total: int) -> None:
            if total <= 1 and what not in ("downloading",):
                return
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total or None)
            progress.update(tasks[what], completed=done, total=total or None)  # type: ignore[arg-type]

        yield tell
