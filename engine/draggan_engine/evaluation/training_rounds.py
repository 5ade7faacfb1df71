"""Train a network in rounds. The state of the run is written after each, so that an interrupted run continues."""

from __future__ import annotations

import pickle
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch

from draggan_engine.core.errors import InputError
from draggan_engine.storage.atomic import atomic_write


class RoundTrainer(Protocol):
    """What is trained in rounds.

    Attributes:
        finished_rounds: how many rounds have been completed.
    """

    finished_rounds: int

    def train_round(self) -> Iterator[float]:
        """Train for one round. Return the loss of each step."""

    def save(self, path: Path) -> None:
        """Save the run after a round."""

    def load(self, path: Path) -> bool:
        """Continue a run that was saved. Return whether the file is of this run; nothing changes if it is not."""


def train_rounds(
    trainer: RoundTrainer, rounds: int, state_path: Path, validate: Callable[[], dict[str, float]] = dict
) -> None:
    """Train until all rounds are finished, and print a line after each.

    Args:
        rounds: how many there are, those of an interrupted run included.
        state_path: of the file from which an interrupted run continues.
        validate: returns errors by their names; they are printed.

    Raises:
        InputError: the file of the state cannot be read.
        StorageError: it cannot be written.
    """
    if state_path.exists() and not trainer.load(state_path):
        print(f"{state_path} is of another run, which is not continued", flush=True)
    first_round, start_time = trainer.finished_rounds, time.monotonic()
    while trainer.finished_rounds < rounds:
        loss = statistics.fmean(trainer.train_round())
        errors = ", ".join(f"{name} {error:.4f}" for name, error in validate().items())
        trainer.save(state_path)
        minutes = (time.monotonic() - start_time) / 60
        minutes_left = minutes / (trainer.finished_rounds - first_round) * (rounds - trainer.finished_rounds)
        errors_text = f", new images: {errors}" if errors else ""
        print(
            f"round {trainer.finished_rounds}/{rounds}, loss {loss:.4f}{errors_text}, {minutes_left:.0f} min left",
            flush=True,
        )


def write_run_state(path: Path, run_state: dict[str, Any]) -> None:
    """Write tensors, numbers and texts, and lists and dictionaries of them.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(path) as part_path:
        torch.save(run_state, part_path)


def read_run_state(path: Path) -> dict[str, Any]:
    """Read what `write_run_state` has written.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        run_state: dict[str, Any] = torch.load(path, weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as read_error:
        raise InputError(f"{path}: it is damaged; delete it to start the training again") from read_error
    return run_state
