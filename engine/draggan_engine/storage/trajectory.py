"""drag-NNN/steps.safetensors: the way of a drag, so that a person can go back to any step, and so that a drag whose engine
dies is not lost.

ws       float32 [n, rows, w_dim]: the rows that the drag moves, at the start and after each kept step
before   float32 [1, num_ws, w_dim]: where it started, all rows
handles  float32 [n, pairs, 2]: (x, y) in picture pixels
targets  float32 [n, pairs, 2]: likewise; that of a pair which is led by hand moves
steps    int32 [n]: their numbers, 0 first
metadata `parent`: id of the entry that was dragged; `record`: what the drag has done so far
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from draggan_engine.core.errors import InputError
from draggan_engine.core.geometry import Point
from draggan_engine.core.history import DragRecord, Trajectory

from .atomic import atomic_write
from .utf8_path import utf8_path

TRAJECTORY_FILE = "steps.safetensors"
MAX_KEPT_STEPS = 1000  # steps that are kept; of a longer drag every second, fourth, …
WRITE_INTERVAL = 2.0  # seconds between two writes while it runs, and at most this share of the time
MAX_WRITE_SHARE = 0.05


@dataclass(frozen=True)
class StoredTrajectory:
    """What the file holds."""

    ws: NDArray[np.float32]
    before: NDArray[np.float32]
    handles: NDArray[np.float32]
    targets: NDArray[np.float32]
    steps: NDArray[np.int32]
    parent: int
    record: DragRecord

    @property
    def trajectory(self) -> Trajectory:
        handles = tuple(map(_points, self.handles))
        return Trajectory(number=self.record.number, steps=tuple(self.steps.tolist()), handles=handles)

    def pairs_at(self, index: int) -> tuple[tuple[Point, Point], ...]:
        """(handle, target) after the kept step of that index."""
        return tuple(zip(_points(self.handles[index]), _points(self.targets[index]), strict=True))

    def latent_at(self, step: int) -> NDArray[np.float32]:
        """After the kept step nearest to `step`: `[1, num_ws, w_dim]`."""
        index = int(np.abs(self.steps - step).argmin())
        ws = self.before.copy()
        ws[:, : self.ws.shape[1]] = self.ws[index]
        return ws


@dataclass(frozen=True)
class _Kept:
    step: int
    ws: NDArray[np.float32]
    handles: tuple[Point, ...]
    targets: tuple[Point, ...]


class TrajectoryRecorder:
    """Takes the steps of a running drag.

    Args:
        before: `[1, num_ws, w_dim]`.
        rows: how many of its rows the drag moves.
        handles, targets: where they start.
    """

    def __init__(
        self, before: NDArray[np.float32], rows: int, handles: Sequence[Point], targets: Sequence[Point]
    ) -> None:
        self._before, self._rows = before, rows
        self._last = _Kept(0, before[0, :rows].copy(), tuple(handles), tuple(targets))
        self._kept = [self._last]
        self._stride = 1
        self._due = time.monotonic() + WRITE_INTERVAL

    def record(self, step: int, ws: NDArray[np.float32], handles: Sequence[Point], targets: Sequence[Point]) -> None:
        """After a step."""
        self._last = _Kept(step, ws[0, : self._rows].copy(), tuple(handles), tuple(targets))
        if step % self._stride == 0:
            self._kept.append(self._last)
        if len(self._kept) > MAX_KEPT_STEPS:
            self._stride *= 2
            self._kept = self._kept[::2]

    @property
    def is_due(self) -> bool:
        """Whether it is time to write what there is."""
        return time.monotonic() >= self._due

    def write(self, folder: Path, parent: int, record: DragRecord) -> None:
        """
        Args:
            folder: of the drag.

        Raises:
            StorageError: it cannot be written.
        """
        began = time.monotonic()
        kept = self._kept if self._kept[-1] is self._last else [*self._kept, self._last]  # the end is always there
        arrays = {
            "ws": np.stack([moment.ws for moment in kept]),
            "before": self._before,
            "handles": np.array([moment.handles for moment in kept], np.float32),
            "targets": np.array([moment.targets for moment in kept], np.float32),
            "steps": np.array([moment.step for moment in kept], np.int32),
        }
        with atomic_write(folder / TRAJECTORY_FILE) as part:
            part.write_bytes(save(arrays, {"parent": str(parent), "record": record.model_dump_json()}))
        now = time.monotonic()
        self._due = now + max(WRITE_INTERVAL, (now - began) / MAX_WRITE_SHARE)


def _points(rows: NDArray[np.float32]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in rows)


def read_trajectory(folder: Path) -> StoredTrajectory:
    """
    Args:
        folder: of the drag.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    path = folder / TRAJECTORY_FILE
    if not path.is_file():
        raise InputError(f"{path}: the steps of this drag were not kept")
    try:
        with utf8_path(path) as readable, safe_open(readable, "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in ("ws", "before", "handles", "targets", "steps")}
        return StoredTrajectory(
            **arrays, parent=int(metadata["parent"]), record=DragRecord.model_validate_json(metadata["record"])
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: it cannot be read ({error}); the drag's start and end are not touched") from error
