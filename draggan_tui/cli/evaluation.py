"""`draggan-tui eval`: the paper's experiments on a model, with progress, and a report at the end."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.dragging.drag_task import why_not_bfloat16
from draggan_engine.evaluation.cases import check_scene, has_scene
from draggan_engine.evaluation.experiments import BFLOAT16
from draggan_engine.evaluation.methods import available
from draggan_engine.evaluation.report import write_report
from draggan_engine.evaluation.run_directory import EXPERIMENTS, Experiment, Request, RunFolder, read_request
from draggan_engine.evaluation.runner import Progress, run
from draggan_engine.storage.output_paths import check_writable

SCENELESS: tuple[Experiment, ...] = ("paired", "tracking")


def evaluate(what: str, *, n: int, methods: Sequence[str] | None, model: str, device: str, out: Path) -> None:
    """Runs what is left of the experiments and writes `report.md`.

    Args:
        what: one of the experiments, or "all" that the model has.
        methods: None = all that can be had.

    Raises:
        DragganError: the model, the methods or the folder cannot be used.
    """
    chosen, left_out = available(methods)
    check_writable(out)
    loaded = load_model(model, device)
    request = Request(
        experiments=_experiments(what, loaded), methods=chosen, n=n, model=loaded.name, sha256=loaded.sha256,
        settings=loaded.info.settings,
    )  # fmt: skip
    for reason in left_out.values():
        _say(f"left out: {reason}")
    if "ablation" in request.experiments and (obstacle := why_not_bfloat16(loaded.generator)) is not None:
        _say(f"left out: {BFLOAT16}: {obstacle}")
    folder = RunFolder(out, request)
    with closing(run(folder, loaded, device)) as progress:
        if sys.stderr.isatty():
            _with_bar(progress)
        else:
            _with_lines(progress)
    report = out / "report.md"
    named = methods and read_request(out).methods  # those of earlier times included
    write_report(out, report, _command(what, n, named, loaded.spec, device, out), time.strftime("%Y-%m-%d"))
    print(report)


def _experiments(what: str, model: Model) -> tuple[Experiment, ...]:
    """
    Raises:
        InputError: the model does not serve the experiment.
    """
    if what == "all":
        if has_scene(model):
            return EXPERIMENTS
        _say(f"{model.name}: nobody knows the landmarks of its images, so only {' and '.join(SCENELESS)} can be run")
        return SCENELESS
    experiment = cast(Experiment, what)
    if experiment not in SCENELESS:
        check_scene(model, what)
    return (experiment,)


def _command(what: str, n: int, methods: Sequence[str] | None, model: str, device: str, out: Path) -> str:
    options = [f"--n {n}", *(f"--methods {shlex.quote(name)}" for name in methods or ())]
    return " ".join(
        [
            "draggan-tui eval",
            what,
            *options,
            "--model",
            shlex.quote(model),
            "--device",
            device,
            "--out",
            shlex.quote(str(out)),
        ]
    )


def _say(text: str) -> None:
    print(f"draggan-tui: {text}", file=sys.stderr)


def _with_bar(steps: Iterator[Progress]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("chunks", total=None, left="")
        for step in steps:
            bar.update(task, completed=step.done, total=step.total, left=_left(step), description=step.now or "chunks")


def _with_lines(steps: Iterator[Progress]) -> None:
    for step in steps:
        if step.now is not None:
            _say(f"{step.done}/{step.total} {step.now}" + (f", {left}" if (left := _left(step)) else ""))


def _left(step: Progress) -> str:
    if step.left is None:
        return ""
    return f"{step.left / 60:.0f} min left" if step.left > 90 else f"{step.left:.0f} s left"
