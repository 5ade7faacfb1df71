"""Run the paper's experiments on a model, with progress on stderr, and write the report."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import InputError
from draggan_engine.dragging.drag_task import why_not_bfloat16
from draggan_engine.evaluation import runner
from draggan_engine.evaluation.cases import has_known_landmarks, require_known_landmarks
from draggan_engine.evaluation.detectors import check_face_detector
from draggan_engine.evaluation.experiments import EXPERIMENTS_WITH_FACES, EXPERIMENTS_WITHOUT_LANDMARKS, tasks
from draggan_engine.evaluation.inception import why_no_inception
from draggan_engine.evaluation.methods import select_methods
from draggan_engine.evaluation.report import write_report
from draggan_engine.evaluation.run_directory import Request, RunDirectory, read_request
from draggan_engine.evaluation.variant_names import change_name
from draggan_engine.evaluation.variants import BFLOAT16, EXPERIMENTS, DetectorName, Experiment
from draggan_engine.storage.output_paths import check_writable
from draggan_tui.cli.options import PREDICTOR_LICENCE


def run_experiments(
    experiment_name: str,
    *,
    case_count: int,
    methods: Sequence[str] | None,
    detector_name: DetectorName,
    accepts_licence: bool,
    model_spec: str,
    device_name: str,
    out_directory: Path,
) -> None:
    """Run what is missing of one experiment, or of "all" that the model allows, and write `report.md`.

    Args:
        case_count: how many cases each experiment has.
        methods: None for all that are available.
        accepts_licence: whether the user accepts the licence of the detector.
        model_spec: a name or a path.

    Raises:
        DragganError: the model, the methods, the detector or the directory cannot be used.
    """
    if detector_name == "dlib" and not accepts_licence:
        raise InputError(f"the detector dlib {PREDICTOR_LICENCE}")
    check_writable(out_directory)
    loaded_model = load_model(model_spec, device_name)
    chosen_methods, missing_methods = select_methods(methods, loaded_model.generator)
    run_request = Request(
        experiments=_experiments(experiment_name, loaded_model, detector_name), methods=chosen_methods, n=case_count,
        model=loaded_model.name, sha256=loaded_model.sha256, settings=loaded_model.info.settings, detector=detector_name,
    )  # fmt: skip
    for omission_reason in missing_methods.values():
        _print_line(f"left out: {omission_reason}")
    if (
        any(task.variant.change == BFLOAT16 for task in tasks(run_request, loaded_model.info))
        and (obstacle := why_not_bfloat16(loaded_model.generator, "draggan")) is not None
    ):
        _print_line(f"left out: {change_name(BFLOAT16)}: {obstacle}")
    with closing(
        runner.run_evaluation(RunDirectory(out_directory, run_request), loaded_model, device_name)
    ) as progress_events:
        if sys.stderr.isatty():
            _show_bar(progress_events)
        else:
            _print_lines(progress_events)
    report_path = out_directory / "report.md"
    named_methods = methods and read_request(out_directory).methods  # with those of earlier runs
    repeat_command = _command(
        experiment_name, case_count, named_methods, detector_name, loaded_model.spec, device_name, out_directory
    )
    omissions = [] if methods else list(missing_methods.values())
    if "landmarks" in run_request.experiments and (why_no_fid := why_no_inception()) is not None:
        omissions.append(f"FID: {why_no_fid}")
    write_report(out_directory, report_path, repeat_command, time.strftime("%Y-%m-%d"), omissions)
    print(report_path)


def _experiments(experiment_name: str, loaded_model: Model, detector_name: DetectorName) -> tuple[Experiment, ...]:
    """
    Raises:
        InputError: the model has no landmarks, which the experiment needs, or its landmarks cannot be detected.
    """
    if detector_name == "dlib":
        check_face_detector(loaded_model)
        if experiment_name not in ("all", *EXPERIMENTS_WITH_FACES):
            raise InputError(
                f"the experiment {experiment_name} cannot be run with the detector dlib; "
                f"choose from {', '.join(EXPERIMENTS_WITH_FACES)}"
            )
        if experiment_name == "all":
            return tuple(experiment for experiment in EXPERIMENTS if experiment in EXPERIMENTS_WITH_FACES)
        return (cast(Experiment, experiment_name),)
    if experiment_name == "all":
        if has_known_landmarks(loaded_model):
            return EXPERIMENTS
        runnable = tuple(experiment for experiment in EXPERIMENTS if experiment in EXPERIMENTS_WITHOUT_LANDMARKS)
        runnable_names = " and ".join(runnable)
        _print_line(
            f"{loaded_model.name}: the landmarks of its images are not known, so only {runnable_names} can be run"
        )
        return runnable
    if experiment_name not in EXPERIMENTS_WITHOUT_LANDMARKS:
        require_known_landmarks(loaded_model, experiment_name)
    return (cast(Experiment, experiment_name),)


def _command(
    experiment_name: str,
    case_count: int,
    methods: Sequence[str] | None,
    detector_name: DetectorName,
    model_spec: str,
    device_name: str,
    out_directory: Path,
) -> str:
    """Return the command that repeats this run, for the report."""
    command_words = ["draggan-tui", "eval", experiment_name, "--n", str(case_count)]
    for method_name in methods or ():
        command_words += ["--methods", method_name]
    if detector_name == "dlib":
        command_words += ["--detector", detector_name, "--accept-licence"]
    return shlex.join([*command_words, "--model", model_spec, "--device", device_name, "--out", str(out_directory)])


def _print_line(message_text: str) -> None:
    print(f"draggan-tui: {message_text}", file=sys.stderr)


def _show_bar(progress_events: Iterable[runner.RunProgress]) -> None:
    bar_columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*bar_columns, console=Console(stderr=True), transient=True) as progress_bar:
        task_id = progress_bar.add_task("chunks", total=None, left="")
        for run_progress in progress_events:
            remaining_text = _remaining_time(run_progress)
            progress_bar.update(
                task_id,
                completed=run_progress.done,
                total=run_progress.total,
                left=remaining_text,
                description=run_progress.finished_chunk or "chunks",
            )


def _print_lines(progress_events: Iterable[runner.RunProgress]) -> None:
    for run_progress in progress_events:
        if run_progress.finished_chunk is not None:
            remaining_text = _remaining_time(run_progress)
            _print_line(
                f"{run_progress.done}/{run_progress.total} {run_progress.finished_chunk}"
                + (f", {remaining_text}" if remaining_text else "")
            )


def _remaining_time(progress: runner.RunProgress) -> str:
    if progress.seconds_left is None:
        return ""
    return (
        f"{progress.seconds_left / 60:.0f} min left"
        if progress.seconds_left > 90
        else f"{progress.seconds_left:.0f} s left"
    )
