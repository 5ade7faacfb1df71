"""The side panel: which parts are drawn again, and when."""

from __future__ import annotations

from typing import Self

from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region
from textual.widgets import Static

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.server.messages import DragProgress
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.text_lines import TextLines


class PanelApp(App[None]):
    """Shows an inspector, whose clock advances only when a test changes `now`."""

    now = 100.0

    def compose(self) -> ComposeResult:
        yield Inspector(clock=lambda: self.now)


def progress(step: int) -> DragProgress:
    return DragProgress(
        step=step, max_steps=300, loss=1 / step, mean_distance=10.0 - step, handles=((1.0, 1.0),), steps_per_second=4.0
    )


def drag(app: PanelApp) -> list[str]:
    return str(app.query_one("#drag", Static).render()).splitlines()


async def test_steps_are_drawn_ten_times_a_second_and_all_are_drawn_at_the_end() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 30)):
        panel = app.query_one(Inspector)
        panel.begin_drag(3, 1.0, is_live=False)
        assert [line.rstrip() for line in drag(app)] == [
            "drag 3",
            30 * "─",
            "",
            "    loss       –",
            "distance       –",
        ]
        panel.show_progress(progress(1))
        assert "1/300" in drag(app)[0]
        app.now += 0.05
        panel.show_progress(progress(2))
        assert "1/300" in drag(app)[0]
        app.now += 0.06
        panel.show_progress(progress(3))
        assert "3/300" in drag(app)[0]
        panel.show_progress(progress(4))
        panel.end_drag("stopped", "6.0 px left")
        assert drag(app) == [
            "drag 3                   4/300",
            "━━━━━━━━━━━───────────────────",
            "stopped            6.0 px left",
            "    loss  0.2500 █▃▂▁",
            "distance     6.0 █▆▃▁",
        ]
        panel.begin_drag(4, 1.0, is_live=False)
        assert drag(app)[4].rstrip() == "distance       –"
        panel.show_progress(progress(5))  # at once, though the last drag was drawn just now
        assert "5/300" in drag(app)[0]


class RecordingLines(TextLines):
    """Lines that record, each time they are drawn, whether the screen is laid out."""

    def __init__(self) -> None:
        super().__init__()
        self.layouts: list[bool] = []

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        self.layouts.append(layout)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class LinesApp(App[None]):
    def compose(self) -> ComposeResult:
        yield RecordingLines()


async def test_lines_are_drawn_when_they_change_and_laid_out_when_their_number_does() -> None:
    app = LinesApp()
    async with app.run_test(size=(40, 30)):
        lines = app.query_one(RecordingLines)
        lines.update(Content("cursor 63.5\nmask"))
        layouts = lines.layouts
        layouts.clear()
        lines.update(Content("cursor 63.5\nmask"))
        assert layouts == []
        lines.update(Content("cursor 64.0\nmask"))
        lines.update(Content.styled("cursor 64.0\nmask", "bold"))
        assert layouts == [False, False]
        lines.update(Content("cursor 104.0\nmask"))
        lines.update(Content("cursor 104.0\nmask\nbrush"))
        assert layouts == [False, False, False, True]
        assert str(lines.content) == "cursor 104.0\nmask\nbrush"


async def test_the_inspector_scrolls_to_the_selected_pair() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 24)) as pilot:
        panel = app.query_one(Inspector)
        edit = Edit(model="toy", pairs=tuple(PointPair(handle=(i, i), target=(i, 9)) for i in range(40)))
        for selected in (0, 39, 20, 0):
            panel.show(InspectorState(edit, selected=selected))
            await pilot.pause()
            rows, pairs = app.query_one("#pair-list", TextLines).region, app.query_one("#pairs").region
            assert pairs.y <= rows.y + selected < pairs.bottom, selected


async def test_a_low_panel_hides_the_facts_of_the_session() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 16)) as pilot:
        panel = app.query_one(Inspector)
        panel.begin_drag(1, 1.0, is_live=False)
        panel.show(InspectorState(Edit(model="toy"), is_dragging=True))
        await pilot.pause()
        assert not app.query_one("#session-facts").region
        assert app.query_one("#drag").region.bottom <= panel.region.bottom
        await pilot.resize_terminal(40, 24)
        await pilot.pause()
        assert app.query_one("#session-facts").region
