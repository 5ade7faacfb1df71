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
from draggan_engine.dragging.drag_task import why_not_bfloat16
from draggan_engine.evaluation import runner
from draggan_engine.evaluation.cases import has_known_landmarks, require_known_landmarks
from draggan_engine.evaluation.methods import select_methods
from draggan_engine.evaluation.report import write_report
from draggan_engine.evaluation.run_directory import Request, RunDirectory, read_request
from draggan_engine.evaluation.variant_names import change_name
from draggan_engine.evaluation.variants import BFLOAT16, EXPERIMENTS, Experiment
from draggan_engine.storage.output_paths import check_writable

EXPERIMENTS_WITHOUT_LANDMARKS: tuple[Experiment, ...] = ("paired", "tracking")


def run_experiments(
    experiment_name: str,
    *,
    case_count: int,
    methods: Sequence[str] | None,
    model_spec: str,
    device_name: str,
    out_directory: Path,
) -> None:
    """Run what is missing of one experiment, or of "all" that the model allows, and write `report.md`.

    Args:
        case_count: how many cases each experiment has.
        methods: None for all that are available.
        model_spec: a name or a path.

    Raises:
        DragganError: the model, the methods or the directory cannot be used.
    """
    chosen_methods, missing_methods = select_methods(methods)
    check_writable(out_directory)
    loaded_model = load_model(model_spec, device_name)
    request = Request(
        experiments=_experiments(experiment_name, loaded_model), methods=chosen_methods, n=case_count, model=loaded_model.name,
        sha256=loaded_model.sha256, settings=loaded_model.info.settings,
    )  # fmt: skip
    for reason in missing_methods.values():
        _print_line(f"left out: {reason}")
    if "ablation" in request.experiments and (obstacle := why_not_bfloat16(loaded_model.generator)) is not None:
        _print_line(f"left out: {change_name(BFLOAT16)}: {obstacle}")
    with closing(runner.run_evaluation(RunDirectory(out_directory, request), loaded_model, device_name)) as chunks:
        if sys.stderr.isatty():
            _show_bar(chunks)
        else:
            _print_lines(chunks)
    report_path = out_directory / "report.md"
    named_methods = methods and read_request(out_directory).methods  # with those of earlier runs
    command = _command(experiment_name, case_count, named_methods, loaded_model.spec, device_name, out_directory)
    write_report(out_directory, report_path, command, time.strftime("%Y-%m-%d"))
    print(report_path)


def _experiments(experiment: str, model: Model) -> tuple[Experiment, ...]:
    """
    Raises:
        InputError: the model has no landmarks, which the experiment needs.
    """
    if experiment == "all":
        if has_known_landmarks(model):
            return EXPERIMENTS
        runnable = " and ".join(EXPERIMENTS_WITHOUT_LANDMARKS)
        _print_line(f"{model.name}: the landmarks of its images are not known, so only {runnable} can be run")
        return EXPERIMENTS_WITHOUT_LANDMARKS
    if experiment not in EXPERIMENTS_WITHOUT_LANDMARKS:
        require_known_landmarks(model, experiment)
    return (cast(Experiment, experiment),)


def _command(experiment: str, n: int, methods: Sequence[str] | None, model: str, device: str, out: Path) -> str:
    """Return the command that repeats this run, for the report."""
    arguments = ["draggan-tui", "eval", experiment, "--n", str(n)]
    for method in methods or ():
        arguments += ["--methods", method]
    return shlex.join([*arguments, "--model", model, "--device", device, "--out", str(out)])


def _print_line(text: str) -> None:
    print(f"draggan-tui: {text}", file=sys.stderr)


def _show_bar(chunks: Iterable[runner.RunProgress]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("chunks", total=None, left="")
        for chunk in chunks:
            remaining = _remaining_time(chunk)
            progress.update(
                task,
                completed=chunk.done,
                total=chunk.total,
                left=remaining,
                description=chunk.finished_chunk or "chunks",
            )


def _print_lines(chunks: Iterable[runner.RunProgress]) -> None:
    for chunk in chunks:
        if chunk.finished_chunk is not None:
            remaining = _remaining_time(chunk)
            _print_line(f"{chunk.done}/{chunk.total} {chunk.finished_chunk}" + (f", {remaining}" if remaining else ""))


def _remaining_time(chunk: runner.RunProgress) -> str:
    if chunk.seconds_left is None:
        return ""
    return f"{chunk.seconds_left / 60:.0f} min left" if chunk.seconds_left > 90 else f"{chunk.seconds_left:.0f} s left"
