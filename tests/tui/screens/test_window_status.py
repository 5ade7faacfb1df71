"""What the editor shows in the window's title and as progress, and when it sends a notification."""

from __future__ import annotations

import pytest
from textual.events import AppBlur

from draggan_engine.server.messages import DragProgress
from draggan_tui.app import DragganApp
from draggan_tui.screens.window_status import LONG_SECONDS, WindowStatus
from draggan_tui.terminal.notifications import notification_sequence, title_sequence
from tests.support.editing import ended, place_pair, ready, status

GHOSTTY = "ghostty 1.2.0"


class RecordingDriver:
    def __init__(self) -> None:
        self.sequences: list[str] = []
        self.shares: list[float | None] = []

    def write_outside(self, sequence: str) -> None:
        self.sequences.append(sequence)

    def show_progress(self, share: float | None) -> None:
        self.shares.append(share)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> RecordingDriver:
    recording_driver = RecordingDriver()
    monkeypatch.setattr(WindowStatus, "_driver", recording_driver)
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("WT_SESSION", raising=False)
    return recording_driver


def step(number: int, max_steps: int | None = 10) -> DragProgress:
    return DragProgress(
        step=number, max_steps=max_steps, loss=1, mean_distance=1, handles=((66.0, 63.0),), steps_per_second=1
    )


@pytest.mark.parametrize(
    ("seconds", "looks_away", "is_announced"),
    [(LONG_SECONDS, True, True), (LONG_SECONDS - 1, True, False), (LONG_SECONDS, False, False)],
)
async def test_a_long_drag_that_ends_unseen_is_announced(
    app: DragganApp, driver: RecordingDriver, seconds: float, looks_away: bool, is_announced: bool
) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        engine = await ready(app, pilot)
        app.terminal_version = GHOSTTY
        await place_pair(pilot)
        titles = [title_sequence("toy, seed 5 · draggan-tui")]
        assert driver.sequences == titles
        window_status = app.editor.window_status
        seconds_passed = 0.0
        window_status._clock = lambda: seconds_passed
        await pilot.press("d")
        engine.say(step(1))
        engine.say(step(2))
        await pilot.pause()
        titles.append(title_sequence("dragging · toy, seed 5 · draggan-tui"))
        assert (driver.sequences, driver.shares) == (titles, [0.1, 0.2])
        if looks_away:
            app.post_message(AppBlur())
            await pilot.pause()
        seconds_passed = seconds
        engine.say(ended(app))
        await pilot.pause()
        titles.append(title_sequence("toy, seed 5 · draggan-tui"))
        announcements = [notification_sequence(status(app), GHOSTTY)] if is_announced else []
        assert (driver.sequences, driver.shares) == (titles + announcements, [0.1, 0.2, None])
        assert "drag 1 reached" in status(app)


async def test_progress_is_not_shown_to_a_terminal_that_is_not_known_to_show_it(
    app: DragganApp, driver: RecordingDriver
) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        engine = await ready(app, pilot)
        app.terminal_version = "kitty(0.35.1)"
        await place_pair(pilot)
        await pilot.press("d")
        engine.say(step(1))
        await pilot.pause()
        assert driver.shares == []


async def test_a_live_drag_has_no_progress(app: DragganApp, driver: RecordingDriver) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        engine = await ready(app, pilot)
        app.terminal_version = GHOSTTY
        await place_pair(pilot)
        await pilot.press("D")
        engine.say(step(1, max_steps=None))
        await pilot.pause()
        assert driver.shares == []
