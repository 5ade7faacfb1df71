"""Invert a photograph without the editor: check what was typed, search, and write the session."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.checkpoints.tuning_file import write_tuning
from draggan_engine.core.edit import Edit, check_label
from draggan_engine.core.history import Revision
from draggan_engine.core.inversion_choices import AlignmentChoice, InversionMethod
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.evaluation.metrics import lpips
from draggan_engine.inversion.aligned_photograph import AlignedPhotograph, PhotographAligner
from draggan_engine.inversion.inversion import InversionEnd
from draggan_engine.inversion.losses import image_tensor
from draggan_engine.inversion.photograph_inversion import PhotographInversion
from draggan_engine.inversion.refined_alignment import refine_alignment
from draggan_engine.inversion.registration import REGISTRATION_STEPS, RegistrationStep
from draggan_engine.storage.image_io import read_photograph
from draggan_engine.storage.inversion_files import (
    COMPARED_FILE,
    PHOTOGRAPH_FILE,
    RECORD_FILE,
    InversionRecord,
    copy_photograph,
    read_refined_alignment,
    write_inversion,
)
from draggan_engine.storage.output_paths import check_output_directory
from draggan_engine.storage.session_directory import make_directory
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_tuning import TUNING_FILE
from draggan_tui.cli.headless_drag import DIVERGED_STATUS, print_line, stopped_by_signals
from draggan_tui.cli.invert_report import InversionReport, print_inversion_report
from draggan_tui.cli.step_progress import step_progress


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
    alignment: AlignmentChoice
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
    aligner = PhotographAligner(request.alignment, print_line)
    check_output_directory(request.out_directory)
    photograph = read_photograph(request.photograph_path)
    model = load_model(request.model_spec, request.device_name)
    check_label(request.class_label, model.info.classes, model.name)
    aligned = aligner.align(request.photograph_path, photograph, model)
    if request.alignment.is_refined:
        show_progress = sys.stderr.isatty() and not as_json
        aligned = _refine(request, aligned, photograph, model, show_progress=show_progress)
    return PreparedInversion(model, aligned)


def _refine(
    request: InversionRequest,
    aligned: AlignedPhotograph,
    photograph: NDArray[np.uint8],
    model: Model,
    *,
    show_progress: bool,
) -> AlignedPhotograph:
    """Return the photograph with its alignment refined, with a progress bar on stderr if asked for, and say how it changed."""
    earlier = read_refined_alignment(request.out_directory)
    with step_progress(show=show_progress) as progress_bar:
        task_id = progress_bar.add_task("align", total=REGISTRATION_STEPS, detail="")

        def report_step(step: RegistrationStep) -> bool:
            progress_bar.update(task_id, completed=step.step)
            return True

        refined, change_text = refine_alignment(aligned, photograph, model, request.class_label, earlier, report_step)
    if change_text:
        has_changed = refined.alignment != aligned.alignment
        print_line(f"{change_text}; --no-refine keeps it as it was" if has_changed else change_text)
    return refined


def make_inversion(
    request: InversionRequest, prepared: PreparedInversion, *, as_json: bool
) -> tuple[InversionReport, Sequence[int]]:
    """Search for the latent and write the session; return what to report, and the signals that ended the search.

    Raises:
        DragganError: the state of an earlier search cannot be used, or a file cannot be written.
    """
    model, aligned, directory = prepared.model, prepared.aligned, request.out_directory
    inversion = PhotographInversion(
        model, aligned, request.method, request.steps, request.class_label, directory, print_line
    )
    if inversion.continued_step:
        print_line(f"continuing after step {inversion.continued_step}")
    make_directory(directory)
    copy_name = copy_photograph(request.photograph_path, directory)
    with stopped_by_signals(inversion.control) as received_signals:
        inversion_end = _drain(inversion, show_progress=sys.stderr.isatty() and not as_json)
    record = inversion.record(inversion_end, copy_name)
    files = _write_session(request, model, aligned, record, inversion_end)
    inversion.remove_state()
    perceptual_distance = _perceptual_distance(aligned.image, inversion_end.image)
    report = InversionReport(
        record, inversion.features, directory, aligned.image, inversion_end.image, perceptual_distance, files
    )
    return report, received_signals


def _perceptual_distance(photograph: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """Return the LPIPS of two images `uint8 [H, W, 3]`; None if it is not on this machine."""
    distance = lpips()
    return None if distance is None else float(distance(image_tensor(photograph), image_tensor(image))[0])


def _drain(inversion: PhotographInversion, *, show_progress: bool) -> InversionEnd:
    """Run an inversion to its end, with a progress bar on stderr if asked for."""
    with step_progress(show=show_progress) as progress_bar:
        task_id = progress_bar.add_task("invert", total=inversion.settings.steps, detail="")
        for event in inversion.steps():
            if isinstance(event, InversionEnd):
                return event
            progress_bar.update(task_id, completed=event.step, detail=f"{event.psnr:.1f} dB")
    raise AssertionError("an inversion ends with its last event")


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
