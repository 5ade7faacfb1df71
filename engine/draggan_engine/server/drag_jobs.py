"""Run a drag that the client has started, and report it."""

from __future__ import annotations

import logging

import torch

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import DragMethod, Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.history import Revision
from draggan_engine.core.revision_id import RevisionId
from draggan_engine.dragging.drag_loop import DragAtRest, DragStep
from draggan_engine.networks.cpu_threads import can_render_during_drag
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.preview_fidelity import PreviewFidelity, measure_preview_fidelity
from draggan_engine.networks.w_statistics import w_statistics
from draggan_engine.storage.session_store import SessionStore

from .drag_reporter import DragReporter
from .drag_runner import DragRecorded, prepare_drag, record_drag
from .edit_images import image_of
from .engine_state import EngineState
from .image_data import ImageData
from .image_jobs import render_waiting, report_sigma
from .job_queue import DragJob
from .messages import DragEnded, DragStarted

log = logging.getLogger("draggan_engine")


def run_drag(state: EngineState, model: Model, drag_job: DragJob) -> None:
    """Run a drag to its end; images that the client asks for meanwhile are rendered between two steps.

    Raises:
        EditError: the revision has not been saved or cannot be dragged.
    """
    command = drag_job.command
    revision = _saved_revision(state.store, command.revision)
    settings = revision.edit.settings
    if command.max_steps is not None:
        settings = settings.model_copy(update={"max_steps": command.max_steps})
    edit = revision.edit.model_copy(update={"settings": settings})
    drag = prepare_drag(model, state.store, edit, command.live_pair, drag_job.control)
    drag_number = state.store.next_drag_number()
    state.outbox.send(DragStarted(drag_number=drag_number, precision=drag.settings.precision, notice=drag.notice))
    with DragReporter(
        state.outbox,
        drag,
        settings.max_steps if command.live_pair is None else None,
        preview_fidelity(state, model.generator_of(edit.source)),
        renders_beside_drag=can_render_during_drag(model.generator.device)
        and not waits_for_previews(settings.method, model.generator.device, is_live=command.live_pair is not None),
    ) as reporter:
        for drag_event in record_drag(model, state.store, revision, drag_number, drag, command.live_pair):
            render_waiting(state, model)
            if isinstance(drag_event, DragStep):
                reporter.step(drag_event)
            elif isinstance(drag_event, DragAtRest):
                reporter.rest()
            else:
                reporter.end()
                _report_end(state, model, drag_event)


def waits_for_previews(method: DragMethod, device: torch.device, *, is_live: bool) -> bool:
    """Return whether a drag waits for its previews, so that all cores of the CPU can render them.

    A live drag by least squares does: one step takes the handle to the hand, and then the hand waits for the image. The
    other methods need many small steps to follow a hand.
    """
    return is_live and method == "least-squares" and device.type == "cpu"


def prepare_drags(state: EngineState, model: Model) -> None:
    """Measure and compute what the first drag of a model needs. Later calls do nothing."""
    edit = state.store.edit
    preview_fidelity(state, model.generator if edit is None else model.generator_of(edit.source))
    w_statistics(model.generator.mapping)


def preview_fidelity(state: EngineState, generator: Generator) -> PreviewFidelity:
    """Return what a drag of the generator may be shown as. The first call for a generator measures it."""
    if generator not in state.preview_fidelity:
        state.preview_fidelity[generator] = measure_preview_fidelity(generator)
        log.info("previews: %s", state.preview_fidelity[generator])
    return state.preview_fidelity[generator]


def _saved_revision(store: SessionStore, revision_id: RevisionId) -> Revision:
    """
    Raises:
        EditError: the client has not saved it.
    """
    history = store.history
    if history is None or revision_id not in history.revisions:
        raise EditError(f"revision {revision_id} has not been saved, so it cannot be dragged: save it first")
    return history.revisions[revision_id]


def _report_end(state: EngineState, model: Model, recorded_drag: DragRecorded) -> None:
    state.result_source = None if recorded_drag.problem else recorded_drag.edit.source
    result_image = _result_image(state, model, recorded_drag.edit)
    report_sigma(state, model, recorded_drag.edit)
    state.outbox.send(
        DragEnded(
            record=recorded_drag.record,
            revision=recorded_drag.revision,
            image=result_image,
            problem=recorded_drag.problem,
        )
    )


def _result_image(state: EngineState, model: Model, edit: Edit) -> ImageData | None:
    """Return the image that the drag ended with at full resolution; None if it cannot be rendered."""
    try:
        return ImageData.from_array(image_of(model, state.store, edit))
    except (MemoryError, RuntimeError):  # the client asks for it again, and then gets the failure
        log.exception("the image after the drag could not be rendered")
        return None
