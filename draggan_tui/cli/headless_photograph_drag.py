"""`drag --image`: invert a photograph, drag it, and paste the edit back. Pairs and masks are in pixels of the photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.errors import EditError, OutputError
from draggan_engine.core.geometry import Point, Size, contains
from draggan_engine.core.history import Revision
from draggan_engine.core.inversion_choices import CLOSE_PSNR, AlignmentChoice, PasteMode
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.inversion.aligned_photograph import similarity_of
from draggan_engine.inversion.alignment import crop_photograph
from draggan_engine.server.session_model import with_session_tuning
from draggan_engine.storage.image_io import read_mask_array
from draggan_engine.storage.inversion_files import PhotographAlignment, file_sha256, read_inversion
from draggan_engine.storage.output_paths import MANIFEST_FILE, check_writable
from draggan_engine.storage.session_manifest import read_manifest
from draggan_engine.storage.session_store import SessionStore
from draggan_tui import DEFAULT_INVERSION_METHOD, DEFAULT_INVERSION_STEPS
from draggan_tui.cli.headless_drag import (
    DragRequest,
    DragStart,
    drag_and_report,
    file_versions,
    print_line,
    read_edit,
    read_pairs,
)
from draggan_tui.cli.headless_invert import InversionRequest, make_inversion, prepare_inversion
from draggan_tui.cli.invert_report import print_inversion_report


@dataclass(frozen=True)
class PhotographRequest:
    """What was typed after `draggan-tui drag` about the photograph."""

    path: Path
    alignment: AlignmentChoice
    paste_mode: PasteMode


def run_photograph_drag(request: DragRequest, photograph: PhotographRequest, *, as_json: bool) -> int:
    """Invert a photograph unless that has been done, drag it, write its session, print a report, return the exit status.

    A signal during the inversion ends it: its session is written, and the same command drags it.

    Raises:
        DragganError: something in the request cannot be used; nothing has been written but a finished inversion.
    """
    pairs = read_pairs(request)
    directory = request.out_directory
    if directory is None:
        raise EditError("--image: give the directory of the session too, with --out DIR")
    earlier_files = file_versions(directory)
    if (directory / MANIFEST_FILE).exists():
        model, alignment = _check_session(request, photograph, directory)
        edit = _align_edit(request, pairs, alignment, model)
    else:
        inversion_request = _inversion_request(request, photograph, directory)
        prepared = prepare_inversion(inversion_request, as_json=as_json)
        model, alignment = prepared.model, prepared.aligned.alignment
        edit = _align_edit(request, pairs, alignment, model)
        report, received_signals = make_inversion(inversion_request, prepared, as_json=as_json)
        if received_signals:
            print_inversion_report(report, as_json=as_json)
            print_line("stopped during the inversion; the same command drags its result")
            return 128 + received_signals[0]
        print_line(f"inverted in {report.record.steps} steps: PSNR {report.record.psnr:.1f} dB")
        if report.record.psnr < CLOSE_PSNR:
            print_line(
                "the image is not close to the photograph, so what is pasted will look different from it; to come nearer, "
                "invert the photograph first, with more steps: draggan-tui invert --steps"
            )
    store = SessionStore(model.name, resume=directory)
    store.set_model(model.name, model.sha256, model.path)
    model = with_session_tuning(model, store)
    start = DragStart(model, store, _new_revision(edit, store), earlier_files)
    return drag_and_report(request, start, as_json=as_json, paste_mode=photograph.paste_mode)


def _check_session(
    request: DragRequest, photograph: PhotographRequest, directory: Path
) -> tuple[Model, PhotographAlignment]:
    """Check that a directory holds an inversion of the photograph, and load the model that it was made with.

    Raises:
        DragganError: it holds another session, or cannot be written to.
    """
    check_writable(directory)
    manifest, record = read_manifest(directory), read_inversion(directory)
    if record is None:
        raise OutputError(
            f"{directory} holds a session that does not start from a photograph; give another directory with --out"
        )
    if not photograph.path.is_file() or file_sha256(photograph.path) != record.alignment.photograph_sha256:
        raise OutputError(
            f"{directory} holds the inversion of another photograph, {record.alignment.photograph}; give that one with "
            "--image, or another directory with --out"
        )
    model = load_model(request.model_spec, request.device_name)
    if manifest.model.sha256 not in (None, model.sha256):
        raise OutputError(
            f"{directory} was made with the model {manifest.model.name}; give that one with --model, "
            "or another directory with --out"
        )
    if request.class_label not in (0, manifest.source.label):
        raise OutputError(
            f"{directory} holds an inversion in class {manifest.source.label}; leave --class out, "
            "or give another directory with --out"
        )
    print_line(f"{directory} holds the inversion of this photograph; it is dragged as it was aligned")
    return model, record.alignment


def _inversion_request(request: DragRequest, photograph: PhotographRequest, directory: Path) -> InversionRequest:
    return InversionRequest(
        photograph_path=photograph.path,
        out_directory=directory,
        model_spec=request.model_spec,
        alignment=photograph.alignment,
        method=DEFAULT_INVERSION_METHOD,
        steps=DEFAULT_INVERSION_STEPS,
        class_label=request.class_label,
        device_name=request.device_name,
    )


def _align_edit(
    request: DragRequest, photograph_pairs: Sequence[PointPair], alignment: PhotographAlignment, model: Model
) -> Edit:
    """Return what was typed, with pairs and mask in pixels of the model's images. The latent is still to be filled in.

    Raises:
        EditError: a point is outside the photograph or the crop, or the mask or a setting cannot be used.
    """
    pairs = tuple(
        PointPair(
            handle=_align_point(pair.handle, pair_index, "handle", alignment, model.info.size),
            target=_align_point(pair.target or pair.handle, pair_index, "target", alignment, model.info.size),
        )
        for pair_index, pair in enumerate(photograph_pairs)
    )
    mask = _align_mask(request.mask_path, alignment, model.info.size)
    return read_edit(request, LatentRef(from_file=True), pairs, mask, model)


def _align_point(
    point: Point, pair_index: int, point_name: str, alignment: PhotographAlignment, model_size: Size
) -> Point:
    """
    Raises:
        EditError: the point is outside the photograph or the crop.
    """
    width, height = alignment.photograph_size
    point_text = f"--pair: the {point_name} of pair {pair_index + 1}, {point[0]:g},{point[1]:g},"
    if not contains(point, Size(width, height)):
        raise EditError(
            f"{point_text} is outside the photograph, which is {width}×{height} pixels; give points in it, in its own pixels"
        )
    aligned_point = similarity_of(alignment).apply(point)
    if not contains(aligned_point, model_size):
        raise EditError(
            f"{point_text} is outside the part of the photograph that the model shows; give a point nearer to its middle, "
            "or align the photograph otherwise"
        )
    return aligned_point


def _align_mask(mask_path: Path | None, alignment: PhotographAlignment, model_size: Size) -> Mask | None:
    """
    Raises:
        EditError: the mask cannot be used, or is zero where the crop is.
    """
    if mask_path is None:
        return None
    photograph_size = Size(*alignment.photograph_size)
    mask, is_resized = read_mask_array(mask_path, photograph_size)
    if is_resized:
        print_line(f"{mask_path} was resized to {photograph_size.width}×{photograph_size.height}")
    grey = np.broadcast_to(mask[..., None] * np.uint8(255), (*mask.shape, 3))
    aligned_mask = crop_photograph(grey, similarity_of(alignment), model_size)[..., 0] >= 128
    if not aligned_mask.any():
        raise EditError(
            f"mask {mask_path} is all zero in the part of the photograph that the model shows; paint white there, "
            "where the image may move"
        )
    return Mask.from_array(aligned_mask.astype(np.uint8))


def _new_revision(edit: Edit, store: SessionStore) -> Revision:
    """Return a revision with the edit on the inverted image: a branch of its own, if the session has been edited already."""
    assert store.history is not None, "a session that is resumed has a history"
    first_revision = next(iter(store.history.revisions.values()))
    edit_of_photograph = edit.with_source(first_revision.edit.source)
    return store.history.change(edit_of_photograph, parent=first_revision.id).current_revision
