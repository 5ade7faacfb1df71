"""How often the screen asks the engine for the next preview of a drag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from draggan_engine.server.messages import PreviewShown
from draggan_tui.screens.preview_pace import PreviewPace
from draggan_tui.terminal.textual_internals import AppBase


class PaintingApp(AppBase):
    """An app whose terminal is slow: what waits for it is called by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], object]] = []
        self.is_moving: bool | None = None

    def call_when_painted(self, function: Callable[[], object]) -> None:
        self.waiting.append(function)

    def set_image_motion(self, is_moving: bool) -> None:
        self.is_moving = is_moving


class FakeScreen:
    def __init__(self) -> None:
        self.app = PaintingApp()
        self.engine = self
        self.sent: list[object] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def send(self, command: object) -> None:
        self.sent.append(command)

    def call_after_refresh(self, function: Callable[[], object]) -> None:
        function()

    def set_timer(self, seconds: float, function: Callable[[], object]) -> None:
        self.timers.append((seconds, function))


def test_the_next_preview_is_requested_when_the_last_one_has_been_written() -> None:
    screen = FakeScreen()
    pace = PreviewPace(cast(Any, screen), 15, clock=lambda: 100.0)
    pace.request_next()
    assert screen.sent == [] and screen.app.is_moving
    screen.app.waiting.pop()()
    assert screen.sent == [PreviewShown()]
    pace.end()
    assert screen.app.is_moving is False


def test_no_more_previews_are_requested_in_a_second_than_the_user_wants() -> None:
    now = 100.0
    screen = FakeScreen()
    pace = PreviewPace(cast(Any, screen), 4, clock=lambda: now)
    for seconds in (0.0, 0.1):
        now += seconds
        pace.request_next()
        screen.app.waiting.pop()()
    assert len(screen.sent) == 1
    ((seconds_to_wait, request),) = screen.timers
    assert 0.149 < seconds_to_wait < 0.151
    now += seconds_to_wait
    request()
    assert len(screen.sent) == 2
    now += 1.0
    pace.request_next()
    screen.app.waiting.pop()()
    assert len(screen.sent) == 3 and len(screen.timers) == 1
