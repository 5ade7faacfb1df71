"""Invert a photograph without the editor: check what was typed, search, and write the session."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.checkpoints.registry import cached_seed_index
from draggan_engine.checkpoints.tuning_file import write_tuning
from draggan_engine.core.edit import Edit, check_label
from draggan_engine.core.errors import CheckpointError
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.inversion.inversion import InversionEnd, InversionMethod, InversionSettings
from draggan_engine.inversion.losses import can_compare, image_tensor
from draggan_engine.inversion.seed_thumbnails import nearest_seeds
from draggan_engine.inversion.staged_inversion import StagedInversion
from draggan_engine.inversion.state_file import read_inversion_state, write_state
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.storage.image_io import read_photograph
from draggan_engine.storage.inversion_files import (
    ALIGNMENT_FILE,
    COMPARED_FILE,
    INVERSION_STATE_FILE,
    PHOTOGRAPH_FILE,
    RECORD_FILE,
    InversionRecord,
    copy_photograph,
    read_refined_alignment,
    write_inversion,
    write_refined_alignment,
)
from draggan_engine.storage.output_paths import check_output_directory
from draggan_engine.storage.seed_index_file import IndexedModel, read_index_of_model
from draggan_engine.storage.session_directory import make_directory
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_tuning import TUNING_FILE
from draggan_tui.cli.headless_drag import DIVERGED_STATUS, print_line, stopped_by_signals
from draggan_tui.cli.invert_report import InversionReport, print_inversion_report
from draggan_tui.cli.photograph_alignment import AlignedPhotograph, AlignmentOptions, PhotographAligner
from draggan_tui.cli.refined_alignment import refine_alignment
from draggan_tui.cli.step_progress import step_progress

STATE_SECONDS = 10.0  # between two writes of the state
NEAR_SEED_COUNT = 8  # seeds of the index whose whole images are compared with the photograph


@dataclass(frozen=True)
class InversionRequest:
    """What was typed after `draggan-tui invert`.

    Attributes:
        model_spec: a name or a path.
        out_directory: of the session.
    """

    photograph_path: Path
    out_directory: Path
    model_spec: str
    alignment: AlignmentOptions
    method: InversionMethod
    steps: int
    class_label: int
    device_name: str


@dataclass(frozen=True)
class PreparedInversion:
    """A model and a photograph that has been aligned with its images."""

    model: Model
    aligned: AlignedPhotograph


def run_headless_inversion(request: InversionRequest, *, as_json: bool) -> int:
    """Invert a photograph, write its session, print a report, and return the exit status.

    Raises:
        DragganError: something in the request cannot be used; no session has been written.
    """
    report, received_signals = make_inversion(request, prepare_inversion(request, as_json=as_json), as_json=as_json)
    print_inversion_report(report, as_json=as_json)
    if received_signals:
        return 128 + received_signals[0]
    return DIVERGED_STATUS if report.record.reason == "diverged" else 0


def prepare_inversion(request: InversionRequest, *, as_json: bool) -> PreparedInversion:
    """Load the model and align the photograph. Nothing is written.

    Raises:
        DragganError: something in the request cannot be used.
    """
    aligner = PhotographAligner(request.alignment)
    check_output_directory(request.out_directory)
    photograph = read_photograph(request.photograph_path)
    model = load_model(request.model_spec, request.device_name)
    check_label(request.class_label, model.info.classes, model.name)
    aligned = aligner.align(request.photograph_path, photograph, model)
    if aligner.refines:
        earlier = read_refined_alignment(request.out_directory)
        show_progress = sys.stderr.isatty() and not as_json
        aligned = refine_alignment(
            aligned, photograph, model, request.class_label, earlier, show_progress=show_progress
        )  # fmt: skip
    return PreparedInversion(model, aligned)


def make_inversion(
    request: InversionRequest, prepared: PreparedInversion, *, as_json: bool
) -> tuple[InversionReport, Sequence[int]]:
    """Search for the latent and write the session; return what to report, and the signals that ended the search.

    Raises:
        DragganError: the state of an earlier search cannot be used, or a file cannot be written.
    """
    model, aligned = prepared.model, prepared.aligned
    discriminator = _load_discriminator(model)
    settings = InversionSettings(request.method, request.steps, model.info.settings.layers)
    fingerprint = _fingerprint(model, aligned, settings, request.class_label)
    state_path = request.out_directory / INVERSION_STATE_FILE
    state = read_inversion_state(state_path, fingerprint, model.generator.device)
    if state is not None:
        print_line(f"continuing after step {state.step}")
    inversion = StagedInversion(
        model.generator, aligned.image, settings, discriminator, request.class_label, state=state,
        near_seeds=_find_near_seeds(model, request.class_label, aligned.image),
    )  # fmt: skip
    make_directory(request.out_directory)
    copy_name = copy_photograph(request.photograph_path, request.out_directory)
    if aligned.refinement is not None:
        write_refined_alignment(request.out_directory, aligned.refinement)
    with stopped_by_signals(inversion.control) as received_signals:
        inversion_end = _drain(inversion, state_path, fingerprint, show_progress=sys.stderr.isatty() and not as_json)
    if not math.isfinite(inversion_end.loss):
        raise CheckpointError(
            f"{model.name}: its images are not finite numbers, so nothing is like them; use another model"
        )
    record = _make_record(aligned, copy_name, request.method, inversion_end)
    files = _write_session(request, model, aligned, record, inversion_end)
    for path in (state_path, request.out_directory / ALIGNMENT_FILE):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    features = "random filters" if discriminator is None else "discriminator"
    report = InversionReport(record, features, request.out_directory, aligned.image, inversion_end.image, files)
    return report, received_signals


def _load_discriminator(model: Model) -> Discriminator | None:
    """Return the model's discriminator; None, with a message, if there is none that can compare the images."""
    try:
        discriminator = model.load_discriminator()
    except CheckpointError as load_error:
        print_line(f"{load_error}; random filters compare the images instead")
        return None
    if discriminator is not None and can_compare(discriminator, model.info.size):
        return discriminator
    print_line("the model's file has no discriminator that fits its images; random filters compare the images instead")
    return None


def _find_near_seeds(model: Model, class_label: int, image: NDArray[np.uint8]) -> list[int]:
    """Return the seeds of the model's index that are nearest to an image; none, with a message if the index cannot be used."""
    path = cached_seed_index(model.sha256, class_label)
    try:
        index = read_index_of_model(path, IndexedModel(model.name, model.sha256, class_label))
    except CheckpointError as read_error:
        print_line(f"{read_error}; the search starts from random images; to make it again: draggan-tui models index")
        return []
    return nearest_seeds(index, image_tensor(image), NEAR_SEED_COUNT) if index and index.is_complete else []


def _fingerprint(model: Model, aligned: AlignedPhotograph, settings: InversionSettings, class_label: int) -> str:
    """Return a checksum of all that the steps depend on."""
    inputs = f"{model.sha256} {settings} {class_label} {aligned.image.shape} "
    return hashlib.sha256(inputs.encode() + aligned.image.tobytes()).hexdigest()


def _drain(inversion: StagedInversion, state_path: Path, fingerprint: str, *, show_progress: bool) -> InversionEnd:
    """Run an inversion to its end, with a progress bar on stderr if asked for, and keep its state on the disk."""
    with step_progress(show=show_progress) as progress_bar:
        task_id = progress_bar.add_task("invert", total=inversion.settings.steps, detail="")
        write_time = time.monotonic()
        for event in inversion.steps():
            if isinstance(event, InversionEnd):
                return event
            progress_bar.update(task_id, completed=event.step, detail=f"{event.psnr:.1f} dB")
            if time.monotonic() - write_time > STATE_SECONDS:
                write_state(state_path, inversion.state, fingerprint)
                write_time = time.monotonic()
    raise AssertionError("an inversion ends with its last event")


def _make_record(
    aligned: AlignedPhotograph, copy_name: str | None, method: InversionMethod, inversion_end: InversionEnd
) -> InversionRecord:
    """
    Args:
        copy_name: of the photograph's copy in the session's directory, if there is one.
    """
    return InversionRecord(
        alignment=aligned.alignment.model_copy(update={"photograph_copy": copy_name}),
        method=method,
        reason=inversion_end.reason,
        steps=inversion_end.step,
        seconds=inversion_end.seconds,
        loss=inversion_end.loss,
        psnr=inversion_end.psnr,
        tuned=inversion_end.tuning is not None,
    )


def _write_session(
    request: InversionRequest,
    model: Model,
    aligned: AlignedPhotograph,
    record: InversionRecord,
    inversion_end: InversionEnd,
) -> list[Path]:
    """Write a session that starts from the latent, and return the paths of its files.

    Raises:
        OutputError, StorageError: a file cannot be written.
    """
    edit = Edit(
        model=model.name,
        source=LatentRef(psi=model.info.psi, label=request.class_label, from_file=True),
        settings=model.info.settings,
    )
    store = SessionStore(model.name, request.out_directory)
    store.set_model(model.name, model.sha256, model.path)
    store.set_file_latent(inversion_end.ws.cpu().numpy())
    if inversion_end.tuning is not None:
        store.tuning_path = request.out_directory / TUNING_FILE
        write_tuning(store.tuning_path, inversion_end.tuning, model.sha256)
    first_revision = Revision(id=0, edit=edit)
    directory = store.save((first_revision,), first_revision.id)
    store.write_result_images(edit, inversion_end.image, inversion_end.image)
    write_inversion(directory, record, aligned.image, inversion_end.image, model.name, edit)
    store.close()
    names = ("history.jsonl", "session.json", "latents.safetensors", "initial.png", "final.png")
    copy_names = [] if record.alignment.photograph_copy is None else [record.alignment.photograph_copy]
    tuning_names = [] if inversion_end.tuning is None else [TUNING_FILE]
    inversion_names = (RECORD_FILE, PHOTOGRAPH_FILE, COMPARED_FILE)
    return [directory / name for name in (*names, *inversion_names, *tuning_names, *copy_names)]
