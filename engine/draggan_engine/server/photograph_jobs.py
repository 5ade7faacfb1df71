"""Open photographs for the client, and invert one into the session."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.tuning_file import write_tuning
from draggan_engine.core.errors import DragganError, EditError
from draggan_engine.core.geometry import Size
from draggan_engine.inversion.aligned_photograph import AlignedPhotograph, PhotographAligner, similarity_of
from draggan_engine.inversion.alignment import QuickCrops, check_side, crop_photograph
from draggan_engine.inversion.inversion import InversionEnd as SearchEnd
from draggan_engine.inversion.inversion import InversionStep
from draggan_engine.inversion.photograph_inversion import PhotographInversion
from draggan_engine.inversion.refined_alignment import NOT_REFINED, refine_alignment
from draggan_engine.inversion.registration import FIRST_STEPS, REGISTRATION_STEPS, RegistrationStep
from draggan_engine.inversion.state_file import unfinished_step
from draggan_engine.storage.image_io import read_photograph
from draggan_engine.storage.inversion_files import (
    INVERSION_STATE_FILE,
    PHOTOGRAPH_FILE,
    InversionRecord,
    RefinedAlignment,
    copy_photograph,
    file_sha256,
    read_refined_alignment,
    write_inversion,
)
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_tuning import TUNING_FILE

from .edit_images import image_of
from .engine_state import EngineState
from .image_data import ImageData
from .image_jobs import render_waiting
from .inversion_mask import is_worth_offering, mask_of_inversion, useful_mask_of_inversion
from .inversion_reporter import InversionReporter
from .job_queue import InversionJob
from .photograph import paste_into_photograph
from .photograph_messages import (
    InversionEnded,
    InversionMaskRead,
    InvertPhotograph,
    OpenPhotograph,
    PhotographOpened,
    PhotographViewed,
    ViewPhotograph,
)
from .session_model import with_session_tuning

log = logging.getLogger("draggan_engine")

SHOWN_SIDE = 2048  # of a photograph that the client shows, at most, px
STEPS_PER_SHOWN_CROP = 5  # of the refinement of an alignment


def send_photograph(state: EngineState, command: OpenPhotograph) -> None:
    """Read a photograph and send it, reduced if it is large.

    Raises:
        EditError: it cannot be used.
    """
    photograph = read_photograph(Path(command.path))
    height, width, _ = photograph.shape
    check_side(Size(width, height))
    state.outbox.send(
        PhotographOpened(
            path=command.path,
            width=width,
            height=height,
            image=_reduced(photograph),
            unfinished_step=_unfinished_step(state.store, Path(command.path)),
        )
    )


def _reduced(photograph: NDArray[np.uint8]) -> ImageData:
    """Return a photograph `uint8 [height, width, 3]` for the client, reduced by a whole number if it is large."""
    reduction = -(-max(photograph.shape[:2]) // SHOWN_SIDE)
    image = photograph if reduction == 1 else np.asarray(Image.fromarray(photograph).reduce(reduction))
    return ImageData.from_array(image)


def view_photograph(state: EngineState, model: Model, command: ViewPhotograph) -> None:
    """Send the aligned photograph of the session, the image of its latent, and the photograph with an edit pasted back.

    Raises:
        EditError: the edit's image does not come from a photograph.
        InputError: the photograph, or its aligned copy, has moved or changed.
    """
    store, edit = state.store, command.edit
    pasted, _ = paste_into_photograph(model, store, edit, "delta")
    assert store.directory is not None, "the photograph has been found by it"
    height, width, _ = pasted.shape
    state.outbox.send(
        PhotographViewed(
            aligned=ImageData.from_array(read_photograph(store.directory / PHOTOGRAPH_FILE)),
            inversion=ImageData.from_array(image_of(model, store, edit.before_drags)),
            width=width,
            height=height,
            pasted=_reduced(pasted),
        )
    )


def send_inversion_mask(state: EngineState, model: Model) -> None:
    """Send the area of the session's photograph that the model can show.

    Raises:
        EditError: the inversion has no such area, or it is the whole image or nothing of it.
        InputError: the record of the inversion cannot be read.
    """
    state.outbox.send(InversionMaskRead(mask=useful_mask_of_inversion(model, state.store)))


def run_inversion(state: EngineState, model: Model, job: InversionJob) -> None:
    """Align a photograph, search for its latent, and let the session's new revision start from it.

    The images that the client asks for meanwhile are rendered between two steps. What an interrupted inversion has left in
    the session's directory is continued if it is of the same photograph, aligned in the same way, and replaced if not.

    Raises:
        DragganError: the photograph or its alignment cannot be used, or the session cannot be written.
    """
    directory = _session_directory(state.store, job.command)
    photograph = read_photograph(Path(job.command.path))
    running_inversion = _RunningInversion(state, model, job, directory)
    aligned = running_inversion.align(photograph)
    if job.control.stop_requested:
        running_inversion.end_without_a_step()
    else:
        running_inversion.search(aligned)


class _RunningInversion:
    """The inversion of one job."""

    def __init__(self, state: EngineState, model: Model, job: InversionJob, directory: Path) -> None:
        self._state, self._model, self._command, self._control = state, model, job.command, job.control
        self._directory, self._path = directory, Path(job.command.path)
        self._label = job.command.revision.edit.source.label
        self._method, self._steps = job.command.method, job.command.steps
        self._reporter = InversionReporter(state.outbox)
        self._notices: list[str] = []

    # Alignment ----------------------------------------------------------------------------------------

    def align(self, photograph: NDArray[np.uint8]) -> AlignedPhotograph:
        """Return the aligned photograph, with the alignment that is kept until the inversion has ended.

        Args:
            photograph: `uint8 [height, width, 3]`.

        Raises:
            DragganError: it cannot be aligned as the command says.
        """
        choice = self._command.alignment
        if choice is None:
            return self._align_as_before(photograph)
        aligned = PhotographAligner(choice, self._notices.append).align(self._path, photograph, self._model)
        if choice.is_refined:
            aligned = self._refine(aligned, photograph)
        elif choice.how == "ffhq":  # the crop is more than its transform: it fades beyond the photograph's borders
            return aligned
        kept_alignment = RefinedAlignment(
            model_sha256=self._model.sha256, label=self._label, initial=aligned.alignment, refined=aligned.alignment
        )  # fmt: skip
        return AlignedPhotograph(aligned.image, aligned.alignment, kept_alignment)

    def _align_as_before(self, photograph: NDArray[np.uint8]) -> AlignedPhotograph:
        """
        Raises:
            EditError: there is no inversion of the photograph that could be continued.
        """
        kept_alignment = _kept_alignment(self._directory, self._path)
        made_with = None if kept_alignment is None else (kept_alignment.model_sha256, kept_alignment.label)
        if kept_alignment is None or made_with != (self._model.sha256, self._label):
            raise EditError(f"there is no inversion of {self._path} here that could be continued; align it anew")
        self._method = kept_alignment.method or self._method
        self._steps = kept_alignment.steps or self._steps
        image = crop_photograph(photograph, similarity_of(kept_alignment.refined), self._model.info.size)
        return AlignedPhotograph(image, kept_alignment.refined, kept_alignment)

    def _refine(self, aligned: AlignedPhotograph, photograph: NDArray[np.uint8]) -> AlignedPhotograph:
        self._reporter.show(aligned.image)
        crops = QuickCrops(photograph, similarity_of(aligned.alignment), self._model.info.size)

        def report_step(step: RegistrationStep) -> bool:
            self._reporter.step("align", step.step, REGISTRATION_STEPS)
            if step.step > FIRST_STEPS and step.step % STEPS_PER_SHOWN_CROP == 0:
                self._reporter.show(crops.crop(step.similarity))
            render_waiting(self._state, self._model)
            return not self._control.stop_requested

        refined, change_text = refine_alignment(aligned, photograph, self._model, self._label, None, report_step)
        log.info("%s", change_text)
        if change_text == NOT_REFINED:
            self._notices.append(NOT_REFINED)
        return refined

    # Search -------------------------------------------------------------------------------------------

    def search(self, aligned: AlignedPhotograph) -> None:
        """Search for the latent, and keep it.

        Raises:
            DragganError: the model's images are not finite, or a file cannot be written.
        """
        model = self._model
        self._reporter.show(aligned.image)
        inversion = PhotographInversion(
            model, aligned, self._method, self._steps, self._label, self._directory, log.info,
            self._control, replaces_other=True,
        )  # fmt: skip
        copy_name = copy_photograph(self._path, self._directory)
        for event in inversion.steps():
            if isinstance(event, InversionStep):
                render_waiting(self._state, model)
                self._reporter.step(event.phase, event.step, inversion.settings.steps, event.psnr)
                if event.image is not None:
                    self._reporter.show(event.image)
            elif event.step:
                self._keep(aligned, inversion.record(event, copy_name), event)
                inversion.remove_state()
            else:
                self.end_without_a_step()

    def end_without_a_step(self) -> None:
        """Report that the inversion was stopped before its first step; nothing is kept."""
        self._state.outbox.send(
            InversionEnded(
                reason="stopped",
                steps=0,
                seconds=0.0,
                psnr=None,
                revision=None,
                image=None,
                notices=tuple(self._notices),
            )
        )

    def _keep(self, aligned: AlignedPhotograph, record: InversionRecord, search_end: SearchEnd) -> None:
        """Make the latent the one that the session starts from, write it, and report the end.

        Raises:
            StorageError: a file of the inversion cannot be written; the session stays as it was.
        """
        state, store, revision = self._state, self._state.store, self._command.revision
        tuning_path = None
        if search_end.tuning is not None:
            tuning_path = self._directory / TUNING_FILE
            write_tuning(tuning_path, search_end.tuning, self._model.sha256)
        write_inversion(self._directory, record, aligned.image, search_end.image, self._model.name, revision.edit)
        store.tuning_path = tuning_path
        store.set_file_latent(search_end.ws.cpu().numpy())
        store.merge((revision,), revision.id)
        problem = self._write_session(search_end)
        state.model = with_session_tuning(replace(self._model, photograph_generator=None), store)
        state.outbox.send(
            InversionEnded(
                reason=record.reason, steps=record.steps, seconds=record.seconds, psnr=record.psnr, revision=revision,
                image=ImageData.from_array(search_end.image), has_mask=is_worth_offering(mask_of_inversion(state.model)), notices=tuple(self._notices), problem=problem,
            )
        )  # fmt: skip

    def _write_session(self, search_end: SearchEnd) -> str | None:
        """Write the session with its new revision; return the problem if that fails, None if not."""
        store, edit = self._state.store, self._command.revision.edit
        try:
            store.write()
            store.write_result_images(edit, search_end.image, search_end.image)
        except DragganError as write_error:
            self._state.result_source = None
            return str(write_error)
        self._state.result_source = edit.source
        return None


def _session_directory(store: SessionStore, command: InvertPhotograph) -> Path:
    """Return the directory of the session, which is written if it has not been.

    Raises:
        EditError: the session has a latent already, or does not have the revision from which the photograph starts.
        OutputError, StorageError: it cannot be written.
    """
    history, parent = store.history, command.revision.parent
    if store.starts_from_file:
        raise EditError(
            "this session starts from a photograph or a latent file already; begin another session for this photograph"
        )
    if history is None or parent not in history.revisions:
        raise EditError(f"revision {parent} has not been saved, so no photograph can follow it: save it first")
    return store.write()


def _kept_alignment(directory: Path, photograph_path: Path) -> RefinedAlignment | None:
    """Return the alignment of the inversion of a photograph that was interrupted in a directory; None: there is none.

    Raises:
        InputError: the photograph cannot be read.
    """
    kept_alignment = read_refined_alignment(directory)
    if kept_alignment is None or kept_alignment.refined.photograph_sha256 != file_sha256(photograph_path):
        return None
    return kept_alignment


def _unfinished_step(store: SessionStore, photograph_path: Path) -> int | None:
    """Return the step after which the inversion of a photograph was interrupted in a session; None: there is no such one."""
    if store.directory is None or store.starts_from_file or _kept_alignment(store.directory, photograph_path) is None:
        return None
    return unfinished_step(store.directory / INVERSION_STATE_FILE)
