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
        self._requested_numbers: set[int] = set()
        self._waiting_actions: list[Callable[[], object]] = []

    def read_then(self, drag_numbers: Iterable[int], action: Callable[[], object]) -> None:
        """Request the trajectories of drags, and run an action when they have come."""
        self._waiting_actions.append(action)
        for drag_number in sorted(set(drag_numbers) - self._requested_numbers):
            self._requested_numbers.add(drag_number)
            self._engine.send(ReadTrajectory(drag_number=drag_number))

    def receive(self, trajectory: Trajectory) -> None:
        """Keep a trajectory, and run the actions that waited for the last one."""
        self._state.trajectories[trajectory.number] = trajectory
        self._requested_numbers.discard(trajectory.number)
        if not self._requested_numbers:
            ready_actions, self._waiting_actions = self._waiting_actions, []
            for action in ready_actions:
                action()

    def cancel(self) -> None:
        """Forget all requests: the engine is gone."""
        self._requested_numbers.clear()
        self._waiting_actions.clear()
