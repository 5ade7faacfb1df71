"""drag-NNN/steps.safetensors: the trajectory of a drag, for returning to any step and for recovering an interrupted drag.

ws       float32 [n, rows, w_dim]: the rows that the drag optimizes, at the start and after each kept step
before   float32 [1, num_ws, w_dim]: all rows at the start
handles  float32 [n, pairs, 2]: (x, y) in image pixels
targets  float32 [n, pairs, 2]: likewise; the target of a live drag's pair moves
steps    int32 [n]: the numbers of the steps, beginning with 0
metadata `parent`: the id of the revision that was dragged; `record`: the `DragRecord` so far
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from draggan_engine.core.errors import InputError
from draggan_engine.core.frozen_model import first_problem
from draggan_engine.core.geometry import Point
from draggan_engine.core.history import DragRecord, Trajectory
from draggan_engine.core.revision_id import RevisionId, from_stored_id, to_stored_id

from .atomic import atomic_write
from .utf8_path import utf8_path

TRAJECTORY_FILE = "steps.safetensors"
MAX_KEPT_STEPS = 1000
"""Of a longer drag only every second step is kept, then every fourth, and so on."""


@dataclass(frozen=True)
class WritePace:
    """How often the steps of a running drag are written.

    Attributes:
        min_interval: the least number of seconds between two writes.
        max_share: the greatest share of the drag's time that its writes may take.
    """

    min_interval: float = 2.0
    max_share: float = 0.05


DEFAULT_WRITE_PACE = WritePace()


@dataclass(frozen=True)
class StoredTrajectory:
    """The content of the file; see the module's docstring for the arrays.

    Raises:
        ValueError: the arrays do not belong together.
    """

    ws: NDArray[np.float32]
    before: NDArray[np.float32]
    handles: NDArray[np.float32]
    targets: NDArray[np.float32]
    steps: NDArray[np.int32]
    parent: RevisionId
    record: DragRecord

    def __post_init__(self) -> None:
        step_count, pair_count = self.steps.size, len(self.record.pairs)
        belong_together = (
            self.steps.shape == (step_count,)
            and step_count > 0
            and self.handles.shape == self.targets.shape == (step_count, pair_count, 2)
            and self.ws.ndim == self.before.ndim == 3
            and (self.ws.shape[0], self.before.shape[0]) == (step_count, 1)
            and self.ws.shape[1] <= self.before.shape[1]
            and self.ws.shape[2] == self.before.shape[2]
        )
        if not belong_together:
            raise ValueError("the shapes of its arrays do not belong together")

    @property
    def trajectory(self) -> Trajectory:
        """The part that the editor needs."""
        handles = tuple(map(_to_points, self.handles))
        return Trajectory(number=self.record.number, steps=tuple(self.steps.tolist()), handles=handles)

    def pairs_at(self, step_index: int) -> tuple[tuple[Point, Point], ...]:
        """Return (handle, target) of each pair after the kept step with that index."""
        return tuple(zip(_to_points(self.handles[step_index]), _to_points(self.targets[step_index]), strict=True))

    def latent_at(self, step: int) -> NDArray[np.float32]:
        """Return the latent `[1, num_ws, w_dim]` after the kept step that is nearest to `step`."""
        step_index = int(np.abs(self.steps - step).argmin())
        latent = self.before.copy()
        latent[:, : self.ws.shape[1]] = self.ws[step_index]
        return latent


@dataclass(frozen=True)
class _KeptStep:
    step: int
    ws: NDArray[np.float32]
    handles: tuple[Point, ...]
    targets: tuple[Point, ...]


class TrajectoryRecorder:
    """Keeps the steps of a running drag, and writes them.

    Args:
        before: the latent `[1, num_ws, w_dim]` at the start.
        row_count: how many of its rows the drag optimizes.
        handles, targets: the points at the start.
    """

    def __init__(
        self,
        before: NDArray[np.float32],
        row_count: int,
        handles: Sequence[Point],
        targets: Sequence[Point],
        write_pace: WritePace = DEFAULT_WRITE_PACE,
    ) -> None:
        self._start_latent, self._row_count = before, row_count
        self._last_step = _KeptStep(0, before[0, :row_count].copy(), tuple(handles), tuple(targets))
        self._kept_steps = [self._last_step]
        self._step_stride = 1
        self._write_pace = write_pace
        self._next_write = time.monotonic() + write_pace.min_interval

    def record(self, step: int, ws: NDArray[np.float32], handles: Sequence[Point], targets: Sequence[Point]) -> None:
        """Record the state after a step.

        Args:
            ws: `[1, num_ws, w_dim]`.
        """
        self._last_step = _KeptStep(step, ws[0, : self._row_count].copy(), tuple(handles), tuple(targets))
        if step % self._step_stride == 0:
            self._kept_steps.append(self._last_step)
        if len(self._kept_steps) > MAX_KEPT_STEPS:
            self._step_stride *= 2
            self._kept_steps = self._kept_steps[::2]

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the steps of the running drag."""
        return time.monotonic() >= self._next_write

    def write(self, drag_directory: Path, parent: RevisionId, record: DragRecord) -> None:
        """Write the kept steps and the last one.

        Args:
            parent: the id of the revision that is dragged.
            record: what the drag has done so far.

        Raises:
            StorageError: the file cannot be written.
        """
        start_time = time.monotonic()
        steps = self._kept_steps
        if steps[-1] is not self._last_step:
            steps = [*steps, self._last_step]
        trajectory_arrays = {
            "ws": np.stack([step.ws for step in steps]),
            "before": self._start_latent,
            "handles": np.array([step.handles for step in steps], np.float32),
            "targets": np.array([step.targets for step in steps], np.float32),
            "steps": np.array([step.step for step in steps], np.int32),
        }
        with atomic_write(drag_directory / TRAJECTORY_FILE) as temporary_path:
            temporary_path.write_bytes(
                save(trajectory_arrays, {"parent": str(to_stored_id(parent)), "record": record.model_dump_json()})
            )
        end_time = time.monotonic()
        seconds_until_next = (end_time - start_time) / self._write_pace.max_share
        self._next_write = end_time + max(self._write_pace.min_interval, seconds_until_next)


def read_trajectory(drag_directory: Path) -> StoredTrajectory:
    """Read the trajectory of a drag.

    Raises:
        InputError: the file does not exist or is damaged.
    """
    trajectory_path = drag_directory / TRAJECTORY_FILE
    if not trajectory_path.is_file():
        raise InputError(f"{trajectory_path}: the steps of this drag were not kept")
    try:
        with utf8_path(trajectory_path) as readable_path, safe_open(readable_path, "np") as trajectory_file:
            file_metadata = trajectory_file.metadata() or {}
            trajectory_arrays = {
                array_name: trajectory_file.get_tensor(array_name)
                for array_name in ("ws", "before", "handles", "targets", "steps")
            }
        return StoredTrajectory(
            **trajectory_arrays,
            parent=from_stored_id(int(file_metadata["parent"])),
            record=DragRecord.model_validate_json(file_metadata["record"]),
        )
    except (OSError, SafetensorError, KeyError, ValueError) as read_error:
        problem_text = first_problem(read_error) if isinstance(read_error, ValidationError) else str(read_error)
        raise InputError(
            f"{trajectory_path}: the steps of this drag cannot be read ({problem_text}); its start and end are not affected"
        ) from read_error


def _to_points(point_rows: NDArray[np.float32]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in point_rows)
