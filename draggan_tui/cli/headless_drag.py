"""Run a drag without the editor and without an engine process: this imports the engine and drains its iterator."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import ALL_HANDLES_ON_TARGETS, Edit, Mask, PointPair, check_label
from draggan_engine.core.errors import DragganError, EditError, StorageError
from draggan_engine.core.geometry import Size
from draggan_engine.core.history import Revision
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.setting_fields import SettingField, setting_fields
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.dragging.drag_loop import DragAtRest, DragStep
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.edit_images import image_of, sigma_of
from draggan_engine.server.export import export
from draggan_engine.server.photograph import write_pasted_photograph
from draggan_engine.server.session_model import start_from_latent, with_session_tuning
from draggan_engine.storage.drag_files import DRAG_PHOTOGRAPH_FILE
from draggan_engine.storage.image_io import read_mask
from draggan_engine.storage.output_paths import (
    DEFAULT_OUTPUT_DIRECTORY,
    VIDEO_SUFFIXES,
    check_output_directory,
    check_output_file,
    check_writable,
)
from draggan_engine.storage.session_store import SessionStore
from draggan_tui.cli.drag_report import DragReport, print_report
from draggan_tui.cli.setting_options import SETTING_FLAGS
from draggan_tui.cli.step_progress import step_progress
from draggan_tui.cli.typed_points import parse_points
from draggan_tui.editor.mask_reach import conflict_text, mask_conflicts
from draggan_tui.rendering.drag_outcome import FALLBACK_TEXT

DIVERGED_STATUS = 3
FileVersion = tuple[Path, int, int]
"""A file, its inode and its time, which change when the file is written again."""


@dataclass(frozen=True)
class DragRequest:
    """What was typed after `draggan-tui drag`.

    Attributes:
        pair_texts: each like `64,70:76,70`.
        model_spec: a name or a path.
        psi: None for the model's own.
        setting_texts: by setting; the other settings are the model's own.
        out_directory: of the session, or None for the default one.
    """

    pair_texts: tuple[str, ...]
    seed: int
    model_spec: str
    psi: float | None
    class_label: int
    latent_path: Path | None
    mask_path: Path | None
    setting_texts: Mapping[str, str]
    video_path: Path | None
    draws_markers: bool
    device_name: str
    out_directory: Path | None


@dataclass(frozen=True)
class DragStart:
    """A session in which a drag begins.

    Attributes:
        revision: what is dragged; it need not be saved.
        earlier_files: the versions of the session's files before the command.
    """

    model: Model
    store: SessionStore
    revision: Revision
    earlier_files: AbstractSet[FileVersion]


def run_headless_drag(request: DragRequest, *, as_json: bool) -> int:
    """Run a drag, write its session, print a report, and return the exit status.

    Raises:
        DragganError: something in the request cannot be used; nothing has been written.
    """
    pairs = read_pairs(request)
    if request.out_directory is None:
        check_writable(DEFAULT_OUTPUT_DIRECTORY)
    else:
        check_output_directory(request.out_directory)
    model = load_model(request.model_spec, request.device_name)
    source = LatentRef(
        seed=request.seed,
        psi=model.info.psi if request.psi is None else request.psi,
        label=request.class_label,
        from_file=request.latent_path is not None,
    )
    edit = read_edit(request, source, pairs, _read_mask(request, model), model)
    store = new_store(model, edit, request.out_directory, request.latent_path)
    model = with_session_tuning(model, store)
    start = DragStart(model, store, Revision(id=0, edit=edit), file_versions(request.out_directory))
    return drag_and_report(request, start, as_json=as_json)


def drag_and_report(
    request: DragRequest, start: DragStart, *, as_json: bool, paste_mode: PasteMode | None = None
) -> int:
    """Run a drag, write its session, print a report, and return the exit status.

    Args:
        paste_mode: how to paste the result into the photograph of the session; None: it has none.

    Raises:
        DragganError: the edit cannot be dragged.
    """
    model, store, edit = start.model, start.store, start.revision.edit
    drag_loop = prepare_drag(model, store, edit)
    for notice in _notices(edit, model.info.size, drag_loop.notice):
        print_line(notice)
    first_image = image_of(model, store, edit)
    store.save((start.revision,), start.revision.id)  # from here on, a drag that is killed can be opened
    store.write_result_images(edit, first_image, first_image)
    show_progress = sys.stderr.isatty() and not as_json
    with stopped_by_signals(drag_loop.control) as received_signals:
        drag_end = _drain(
            record_drag(model, store, start.revision, store.next_drag_number(), drag_loop), edit, show_progress
        )
    problems = [drag_end.problem] if drag_end.problem else []
    photograph_path = None
    if paste_mode is not None:
        with _collected(problems):
            photograph_path = _write_photograph(model, store, drag_end, paste_mode)
    store.close()
    video_path = None
    if request.video_path is not None:
        with _collected(problems):
            _write_video(
                request.video_path, model, store, drag_end.edit,
                markers=request.draws_markers, show_progress=show_progress,
            )  # fmt: skip
            video_path = request.video_path
    for problem in problems:
        print_line(problem)
    report = DragReport(
        drag_end.record,
        store.directory,
        first_image,
        image_of(model, store, drag_end.edit),
        sorted(path for path, *_ in file_versions(store.directory) - start.earlier_files),
        video_path,
        photograph_path,
        sigma_of(model, store, drag_end.edit),
    )
    try:
        print_report(report, as_json=as_json)
    except (StorageError, SystemExit):
        if not received_signals:  # a closed terminal, which sends a signal, takes no report
            raise
    if received_signals:
        return 128 + received_signals[0]
    if problems:
        return 1
    return DIVERGED_STATUS if drag_end.record.reason == "diverged" else 0


@contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    """Add the message of an error to the problems, and continue after the block."""
    try:
        yield
    except DragganError as error:
        problems.append(str(error))


def _write_photograph(model: Model, store: SessionStore, drag_end: DragRecorded, paste_mode: PasteMode) -> Path:
    """Write the photograph beside the other files of the drag, and return its path.

    Raises:
        DragganError: the photograph cannot be read, or the file cannot be written.
    """
    path = store.drag_directory(drag_end.record.number).path / DRAG_PHOTOGRAPH_FILE
    write_pasted_photograph(model, store, drag_end.edit, path, paste_mode)
    return path


def read_pairs(request: DragRequest) -> tuple[PointPair, ...]:
    """Check what can be checked before a model is loaded, and return the pairs that were typed.

    Raises:
        DragganError: the pairs or the settings cannot be used, or the video could not be written.
    """
    pairs = tuple(parse_pair(pair_text) for pair_text in request.pair_texts)
    if all(pair.is_pin for pair in pairs):
        raise EditError(ALL_HANDLES_ON_TARGETS)
    _read_settings(request.setting_texts, setting_fields())
    if request.video_path is not None:
        check_output_file(request.video_path, VIDEO_SUFFIXES)
    elif request.draws_markers:
        raise EditError("--markers: they are drawn into a video; give --film FILE too")
    return pairs


def parse_pair(pair_text: str) -> PointPair:
    """Return the pair that a text like `64,70:76,70` stands for: handle (64, 70), target (76, 70).

    Raises:
        EditError: the text does not have this form.
    """
    points = parse_points(pair_text)
    if points is None:
        raise EditError(
            f"--pair {pair_text!r}: write it as X,Y:X,Y, handle then target, in pixels, e.g. --pair 64,70:76,70"
        )
    return PointPair(handle=points[0], target=points[1])


def _read_mask(request: DragRequest, model: Model) -> Mask | None:
    """
    Raises:
        EditError: the mask cannot be used.
    """
    if request.mask_path is None:
        return None
    mask, is_resized = read_mask(request.mask_path, model.info.size)
    if is_resized:
        print_line(f"{request.mask_path} was resized to {mask.width}×{mask.height}")
    return mask


def read_edit(
    request: DragRequest, source: LatentRef, pairs: tuple[PointPair, ...], mask: Mask | None, model: Model
) -> Edit:
    """Return the edit to drag, with the settings that were typed.

    Raises:
        EditError: the model does not have a setting.
    """
    setting_values = _read_settings(request.setting_texts, setting_fields(model.info))
    return Edit(
        model=model.name,
        source=source,
        pairs=pairs,
        mask=mask,
        settings=model.info.settings.model_copy(update=setting_values),
    )


def _read_settings(setting_texts: Mapping[str, str], fields_by_name: Mapping[str, SettingField]) -> dict[str, object]:
    """Return the values of the settings that were typed.

    Raises:
        EditError: a text is not a value of its setting.
    """
    setting_values: dict[str, object] = {}
    for setting_name, setting_text in setting_texts.items():
        try:
            setting_values[setting_name] = fields_by_name[setting_name].read(setting_text)
        except EditError as value_error:
            raise EditError(
                f"{SETTING_FLAGS[setting_name]} {setting_text!r}: must be {fields_by_name[setting_name].requirement}"
            ) from value_error
    return setting_values


def new_store(model: Model, edit: Edit, out_directory: Path | None, latent_path: Path | None) -> SessionStore:
    """Return the store of a new session, with the latent that it may start from.

    Raises:
        EditError: the model does not have the class of the edit.
        CheckpointError: the latent cannot be used.
    """
    check_label(edit.source.label, model.info.classes, model.name)
    store = SessionStore(model.name, out_directory)
    store.set_model(model.name, model.sha256, model.path)
    if latent_path is not None:
        start_from_latent(model, store, latent_path)
    return store


def _notices(edit: Edit, image_size: Size, device_notice: str | None) -> list[str]:
    """Return what to print before a drag: about the device, pins, and points that the mask holds."""
    pin_notices = [
        f"pair {pair_index + 1} is a pin: it holds its place"
        for pair_index, pair in enumerate(edit.pairs)
        if pair.is_pin
    ]
    mask_conflict = conflict_text(mask_conflicts(edit, image_size))
    return [
        *([] if device_notice is None else [device_notice]),
        *pin_notices,
        *([mask_conflict] if mask_conflict else []),
    ]


def print_line(message_text: str) -> None:
    """Print a message on stderr."""
    print(f"draggan-tui: {message_text}", file=sys.stderr)


def file_versions(session_directory: Path | None) -> set[FileVersion]:
    """Return the versions of a session's files; none if it has no directory, or a new one."""
    if session_directory is None:
        return set()
    file_paths = [
        path for pattern in ("[!.]*", "[!.]*/*") for path in session_directory.glob(pattern) if path.is_file()
    ]
    return {(path, stat.st_ino, stat.st_mtime_ns) for path in file_paths for stat in [path.stat()]}


@contextmanager
def stopped_by_signals(control: DragControl) -> Iterator[Sequence[int]]:
    """Let Ctrl-C, SIGTERM and SIGHUP end a drag or an inversion after the running step; yield the numbers of the signals
    received."""
    received_signals: list[int] = []

    def stop(signal_number: int, _: object) -> None:
        received_signals.append(signal_number)
        control.stop()

    earlier_handlers = {
        signal_number: signal.getsignal(signal_number)
        for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    handled_signals = [
        signal_number for signal_number, handler in earlier_handlers.items() if handler is not signal.SIG_IGN
    ]
    for signal_number in handled_signals:
        signal.signal(signal_number, stop)
    try:
        yield received_signals
    finally:
        for signal_number in handled_signals:
            signal.signal(signal_number, earlier_handlers[signal_number])


def _drain(
    drag_events: Iterator[DragStep | DragAtRest | DragRecorded], edit: Edit, show_progress: bool
) -> DragRecorded:
    """Run a drag to its end, with a progress bar on stderr if asked for."""
    with step_progress(show=show_progress) as progress_bar:
        task_id = progress_bar.add_task("drag", total=edit.settings.max_steps, detail="")
        fallback_reported = False
        for drag_event in drag_events:
            if isinstance(drag_event, DragRecorded):
                return drag_event
            if isinstance(drag_event, DragStep):
                if drag_event.is_fallback and not fallback_reported:
                    fallback_reported = True
                    print_line(FALLBACK_TEXT)
                progress_bar.update(
                    task_id, completed=drag_event.step, detail=f"{drag_event.mean_distance:.1f} px left"
                )
    raise AssertionError("a drag ends with its record")


def _write_video(
    video_path: Path, model: Model, store: SessionStore, edit: Edit, *, markers: bool, show_progress: bool
) -> None:
    """
    Raises:
        DragganError: the drag made no step, or the video cannot be written.
    """
    with Progress(console=Console(stderr=True), disable=not show_progress, transient=True) as progress_bar:
        task_id = progress_bar.add_task("video")

        def update(done: int, total: int) -> None:
            progress_bar.update(task_id, completed=done, total=total)

        notice = export(model, store, edit, video_path, markers=markers, report_progress=update)
    if notice is not None:
        print_line(f"{video_path}: {notice}")
