"""Lets commands wait until the engine has read the trajectories that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from draggan_engine.core.history import Trajectory
from draggan_engine.server.messages import ReadTrajectory

from .session_sync import EngineConnection
from .state import EditorState


class TrajectoryReader:
    """Requests each trajectory once, and runs what waits when all of them have come."""

    def __init__(self, state: EditorState, engine: EngineConnection) -> None:
        self._state, self._engine = state, engine
        self._requested: set[int] = set()
        self._waiting: list[Callable[[], object]] = []

    def read_then(self, drag_numbers: Iterable[int], action: Callable[[], object]) -> None:
        """Request the trajectories of drags, and run an action when they have come."""
        self._waiting.append(action)
        for number in sorted(set(drag_numbers) - self._requested):
            self._requested.add(number)
            self._engine.send(ReadTrajectory(drag_number=number))

    def receive(self, trajectory: Trajectory) -> None:
        """Keep a trajectory, and run the actions that waited for the last one."""
        self._state.trajectories[trajectory.number] = trajectory
        self._requested.discard(trajectory.number)
        if not self._requested:
            waiting, self._waiting = self._waiting, []
            for action in waiting:
                action()

    def cancel(self) -> None:
        """Forget all requests: the engine is gone."""
        self._requested.clear()
        self._waiting.clear()
