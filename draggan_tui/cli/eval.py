"""`draggan-tui eval`: run the paper's experiments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from draggan_tui import SCRIPT_MODEL
from draggan_tui.cli.options import AcceptLicenceOption, DeviceOption, ModelOption, path_parser


class ExperimentArgument(StrEnum):
    """One of the experiments, or all of the paper's."""

    landmarks = "landmarks"
    paired = "paired"
    ablation = "ablation"
    tracking = "tracking"
    mask = "mask"
    cycle = "cycle"
    all = "all"


class DetectorOption(StrEnum):
    """What finds the landmarks of images."""

    critters = "critters"
    dlib = "dlib"


def evaluate(
    experiment: Annotated[
        ExperimentArgument,
        typer.Argument(
            metavar="WHAT",
            help="landmarks, paired, ablation, tracking, mask, all of these, or cycle. A model whose images have no known "
            "landmarks takes paired, tracking and cycle only; a model of faces takes landmarks and ablation too, with "
            "--detector dlib.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            parser=path_parser("--out"),
            help="The directory for rows, images and report. If it holds a run already, that run goes on, also with other methods.",
        ),
    ],
    case_count: Annotated[
        int, typer.Option("--n", min=1, max=100_000, help="How many cases each experiment has.")
    ] = 100,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="no edit, drag (the paper's method), least-squares, freedrag, no tracking, optical flow, RAFT, PIPs, CoTracker "
            "or UserControllableLT; repeat the option for more than one. Default: all that are available.",
        ),
    ] = None,
    detector: Annotated[
        DetectorOption,
        typer.Option(
            metavar="NAME",
            help="What finds the landmarks of images: critters, for the bundled models, or dlib, for models of faces.",
        ),
    ] = DetectorOption.critters,
    accept_licence: AcceptLicenceOption = False,
    model: ModelOption = SCRIPT_MODEL,
    device: DeviceOption = "auto",
) -> None:
    """Measure the editing as the paper does. Rows are written as they come, a report at the end."""
    from draggan_tui.cli.evaluation_run import run_experiments

    run_experiments(
        experiment.value,
        case_count=case_count,
        methods=methods,
        detector_name=detector.value,
        accepts_licence=accept_licence,
        model_spec=model,
        device_name=device,
        out_directory=out,
    )
