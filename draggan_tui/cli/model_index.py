"""Make the seed index of a model, from which inversions start."""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.checkpoints.registry import cached_seed_index
from draggan_engine.core.edit import check_label
from draggan_engine.core.errors import CheckpointError, StorageError
from draggan_engine.inversion.seed_thumbnails import SeedThumbnails
from draggan_engine.storage.seed_index_file import (
    SEED_COUNT,
    SEED_THUMBNAIL_SIZE,
    IndexedModel,
    SeedIndex,
    read_index_of_model,
    write_seed_index,
)
from draggan_tui.cli.headless_drag import print_line
from draggan_tui.cli.load_progress import load_progress
from draggan_tui.cli.step_progress import step_progress
from draggan_tui.rendering.loading_text import size_text

INDEXED_SEEDS_PER_BATCH = 8
WRITE_SECONDS = 10.0  # between two writes of an index that is being made


def make_seed_index(model_spec: str, class_label: int, device_name: str) -> None:
    """Make the seed index of a model, or continue one that was interrupted, and print its path, its size and the time.

    Args:
        model_spec: a name or a path.

    Raises:
        CheckpointError, DeviceError: the model cannot be used.
        EditError: the model does not have the class.
        StorageError: the index cannot be written.
    """
    with load_progress() as report_progress:
        model = load_model(model_spec, device_name, report_progress)
    check_label(class_label, model.info.classes, model.name)
    path = cached_seed_index(model.sha256, class_label)
    index = _read_earlier_index(IndexedModel(model.name, model.sha256, class_label))
    if index.is_complete:
        print(f"{path}: there already, {size_text(path.stat().st_size)}")
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.of(path.parent, error) from error
    if len(index.thumbnails):
        print_line(f"continuing after {len(index.thumbnails):,} seeds")
    start_time = time.monotonic()
    try:
        _add_seeds(index, model)
    except (KeyboardInterrupt, SystemExit):
        print_line("stopped; the part that was made is kept, and the same command continues it")
        raise
    seconds = time.monotonic() - start_time
    print(f"{path}: {SEED_COUNT:,} seeds, {size_text(path.stat().st_size)}, {seconds:.0f} s")


def _read_earlier_index(indexed_model: IndexedModel) -> SeedIndex:
    """Return the index that there is, complete or not; an empty one, with a message if a file cannot be used."""
    try:
        index = read_index_of_model(cached_seed_index(indexed_model.sha256, indexed_model.label), indexed_model)
    except CheckpointError as read_error:
        print_line(f"{read_error}; it is made again")
        index = None
    return index or SeedIndex(indexed_model, np.empty((0, SEED_THUMBNAIL_SIZE, SEED_THUMBNAIL_SIZE, 3), np.uint8))


def _add_seeds(index: SeedIndex, model: Model) -> None:
    """Render the seeds that an index lacks, with a progress bar on stderr if it is a terminal, and write the index: at
    intervals, at the end, and when it is interrupted."""
    path = cached_seed_index(index.model.sha256, index.model.label)
    renderer = SeedThumbnails(model.generator, index.model.label)
    batches: list[NDArray[np.uint8]] = [index.thumbnails]
    seed_count, write_time = len(index.thumbnails), time.monotonic()
    try:
        with step_progress(show=sys.stderr.isatty()) as progress_bar:
            task_id = progress_bar.add_task("index", total=SEED_COUNT, completed=seed_count, detail="seeds")
            while seed_count < SEED_COUNT:
                seeds = range(seed_count, min(seed_count + INDEXED_SEEDS_PER_BATCH, SEED_COUNT))
                batches.append(renderer.render(seeds))
                seed_count = seeds.stop
                progress_bar.update(task_id, completed=seed_count)
                if time.monotonic() - write_time > WRITE_SECONDS:
                    write_seed_index(path, SeedIndex(index.model, np.concatenate(batches)))
                    write_time = time.monotonic()
    finally:
        if len(batches) > 1:
            write_seed_index(path, SeedIndex(index.model, np.concatenate(batches)))
