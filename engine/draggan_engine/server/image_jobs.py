"""Render images for the client and write them to files."""

from __future__ import annotations

import logging
from pathlib import Path

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import DragganError

from .edit_images import image_of, sigma_of, write_result
from .engine_state import EngineState
from .failures import report_failures
from .image_data import ImageData
from .known_landmarks import visible_landmarks
from .messages import (
    EditMeasured,
    Export,
    Exported,
    ExportFile,
    ExportProgress,
    ImageRendered,
    LandmarksLocated,
    Render,
)

log = logging.getLogger("draggan_engine")


def render(state: EngineState, model: Model, command: Render) -> None:
    image = ImageData.from_array(image_of(model, state.store, command.edit))
    state.outbox.send(ImageRendered(request_id=command.request_id, image=image))
    report_sigma(state, model, command.edit)
    if points := visible_landmarks(model, command.edit.source):
        state.outbox.send(LandmarksLocated(source=command.edit.source, points=points))


def render_waiting(state: EngineState, model: Model) -> None:
    """Render the image that the client waits for, if there is one, between two steps of a drag or an inversion."""
    command = state.jobs.take_render()
    if command is not None:
        with report_failures(state.outbox, command.type):
            render(state, model, command)


def report_sigma(state: EngineState, model: Model, edit: Edit) -> None:
    """Report how far an edit's drags have moved its latent, if there were any and their latents can be read."""
    if edit.source.drag is None:
        return
    try:
        state.outbox.send(EditMeasured(source=edit.source, sigma=sigma_of(model, state.store, edit)))
    except DragganError as error:
        log.warning("it is not known how far the drags have moved the latent: %s", error)


def export_result(state: EngineState, model: Model, command: Export) -> None:
    result_paths = write_result(model, state.store, command.edit)
    state.outbox.send(Exported(files=tuple(map(str, result_paths))))


def export_file(state: EngineState, model: Model, command: ExportFile) -> None:
    from .export import export  # imports video codecs

    notice = export(
        model,
        state.store,
        command.edit,
        Path(command.path),
        markers=command.markers,
        paste_mode=command.paste_mode,
        report_progress=lambda frames_done, frame_count: state.outbox.send(
            ExportProgress(done=frames_done, total=frame_count)
        ),
    )
    state.outbox.send(Exported(files=(command.path,), notice=notice))


def update_result(state: EngineState, model: Model) -> None:
    """Write initial.png and final.png if final.png shows another latent than the current edit's."""
    edit = state.store.edit
    if edit is not None and edit.source != state.result_source:
        write_result(model, state.store, edit)
        state.result_source = edit.source
