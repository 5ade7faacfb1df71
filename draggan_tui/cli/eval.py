"""`draggan-tui eval`: run the paper's experiments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from draggan_tui import SCRIPT_MODEL
from draggan_tui.cli.options import DeviceOption, ModelOption, path_parser


class ExperimentArgument(StrEnum):
    """One of the experiments, or all of them."""

    landmarks = "landmarks"
    paired = "paired"
    ablation = "ablation"
    tracking = "tracking"
    mask = "mask"
    all = "all"


def evaluate(
    experiment: Annotated[
        ExperimentArgument,
        typer.Argument(
            metavar="WHAT",
            help="landmarks, paired, ablation, tracking, mask or all. A model whose images have no known landmarks "
            "takes paired and tracking only.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            parser=path_parser("--out"),
            help="The directory for rows, images and report. A run that is there is continued, also with other methods.",
        ),
    ],
    case_count: Annotated[
        int, typer.Option("--n", min=1, max=100_000, help="How many cases each experiment has.")
    ] = 100,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="no edit, drag, no tracking, optical flow, RAFT, PIPs or CoTracker; repeat it for more. Default: all "
            "that are available.",
        ),
    ] = None,
    model: ModelOption = SCRIPT_MODEL,
    device: DeviceOption = "auto",
) -> None:
    """Measure the editing as the paper does. Rows are written as they come, a report at the end."""
    from draggan_tui.cli.evaluation_run import run_experiments

    run_experiments(
        experiment.value,
        case_count=case_count,
        methods=methods,
        model_spec=model,
        device_name=device,
        out_directory=out,
    )
