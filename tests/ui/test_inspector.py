"""The panel beside the canvas: what it draws again, and when."""

from __future__ import annotations

from typing import Any

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.widgets import ProgressBar, Sparkline, Static

from draggan_engine.protocol.messages import DragProgress
from draggan_tui.widgets import inspector as inspector_module
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.lines import Lines


class PanelApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Inspector()


def progress(step: int) -> DragProgress:
    return DragProgress(
        step=step, max_steps=300, loss=1 / step, mean_distance=10.0 - step, handles=((1.0, 1.0),), steps_per_second=4.0
    )


def shown(app: PanelApp, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).render())


async def test_steps_are_drawn_ten_times_a_second_and_none_is_missing_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(inspector_module, "monotonic", lambda: now)
    app = PanelApp()
    async with app.run_test(size=(40, 30)):
        panel = app.query_one(Inspector)
        panel.begin_drag(3)
        panel.show_progress(progress(1))
        assert "1/300" in shown(app, "rate")
        now += 0.05
        panel.show_progress(progress(2))
        assert ("1/300" in shown(app, "rate"), app.query_one("#bar", ProgressBar).progress) == (True, 1)
        now += 0.06
        panel.show_progress(progress(3))
        assert "3/300" in shown(app, "rate")
        panel.show_progress(progress(4))
        panel.end_drag("4 steps, 6.0 px left")
        assert (shown(app, "drag-title"), shown(app, "rate")) == ("drag 3", "4 steps, 6.0 px left")
        assert (shown(app, "loss-label"), shown(app, "distance-label")) == ("loss 0.2500", "mean distance 6.0 px")
        assert app.query_one("#distance", Sparkline).data == [9.0, 8.0, 7.0, 6.0]
        panel.begin_drag(4)
        assert app.query_one("#distance", Sparkline).data == []
        assert (shown(app, "loss-label"), shown(app, "distance-label")) == ("loss", "mean distance")
        panel.show_progress(progress(5))  # at once, though the last drag was drawn just now
        assert "5/300" in shown(app, "rate")


async def test_lines_are_drawn_when_they_change_and_laid_out_when_their_number_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 30)):
        lines = app.query_one("#facts", Lines)
        lines.update(Text("cursor 63.5\nmask"))
        asked: list[bool] = []

        def refresh(*_: Any, layout: bool = False, **__: Any) -> Lines:
            asked.append(layout)
            return lines

        monkeypatch.setattr(lines, "refresh", refresh)
        lines.update(Text("cursor 63.5\nmask"))
        assert asked == []
        lines.update(Text("cursor 64.0\nmask"))
        lines.update(Text("cursor 64.0\nmask", style="bold"))
        assert asked == [False, False]
        lines.update(Text("cursor 104.0\nmask"))
        lines.update(Text("cursor 104.0\nmask\nbrush"))
        assert asked == [False, False, False, True]
        assert str(lines.content) == "cursor 104.0\nmask\nbrush"
