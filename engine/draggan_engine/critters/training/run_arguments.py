"""The command-line arguments of training runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from .presets import PRESETS


def add_run_arguments(parser: argparse.ArgumentParser, state_help: str) -> None:
    """Add `--preset` and `--state`, which name a training run."""
    parser.add_argument("--preset", choices=PRESETS, required=True, help="network and stages of the training")
    parser.add_argument("--state", type=Path, default=Path("training"), help=state_help)
