"""The control of a drag: what one thread asks is what the other one sees."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from draggan_engine.core.geometry import Size
from draggan_engine.dragging.drag_control import DragControl
from tests.support.patience import PATIENCE


def test_a_new_control_asks_for_nothing() -> None:
    control = DragControl(Size(40, 30))
    assert not control.stop_requested
    assert not control.target_released
    assert not control.preview_pending
    assert control.take_next_target() is None
    assert control.preview_size == Size(40, 30)


def test_only_the_last_move_of_the_target_counts_and_only_once() -> None:
    control = DragControl()
    control.move_target((1, 2))
    control.move_target((3, 4))
    assert control.take_next_target() == (3, 4)
    assert control.take_next_target() is None


def test_a_target_that_was_moved_and_then_released_is_still_moved() -> None:
    control = DragControl()
    control.move_target((1, 2))
    control.release_target()
    assert control.take_next_target() == (1, 2)
    assert control.target_released


def test_a_preview_is_pending_from_its_announcement_until_it_is_shown() -> None:
    control = DragControl()
    control.announce_preview()
    assert control.preview_pending
    control.preview_shown()
    assert not control.preview_pending


@pytest.mark.parametrize(
    "command",
    [DragControl.stop, DragControl.release_target, DragControl.wake, lambda control: control.move_target((1, 2))],
    ids=["stop", "release", "wake", "move"],
)
@pytest.mark.parametrize("comes_first", [True, False], ids=["before", "during"])
def test_each_command_ends_the_wait(command: Callable[[DragControl], None], comes_first: bool) -> None:
    control = DragControl()
    if comes_first:
        command(control)
    drag_thread = threading.Thread(target=control.wait_for_command)
    drag_thread.start()
    if not comes_first:
        command(control)
    drag_thread.join(PATIENCE)
    assert not drag_thread.is_alive()


def test_a_drag_that_was_woken_waits_again() -> None:
    control = DragControl()
    control.wake()
    control.wait_for_command()
    drag_thread = threading.Thread(target=control.wait_for_command, daemon=True)
    drag_thread.start()
    assert drag_thread.is_alive()
    control.stop()
    drag_thread.join(PATIENCE)
    assert not drag_thread.is_alive()
