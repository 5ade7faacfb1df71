"""The side panel: the edit in numbers, the pairs, the selected handle enlarged, and the drag."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.events import Resize

from draggan_engine.server.messages import DragProgress
from draggan_tui.rendering.drag_progress import DragCurves, drag_lines, progress_text
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.rendering.inspector_text import cursor_facts, session_facts
from draggan_tui.rendering.loupe import CloseUp
from draggan_tui.rendering.pair_table import pair_header, pair_table
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.text_lines import TextLines

REDRAW_SECONDS = 0.1
"""The curves of a running drag are drawn at most once in this time: faster steps could not be read."""
LOUPE_ROWS, SESSION_ROWS = 32, 20
"""Rows from which the loupe and the facts of the session are shown. In lower panels the pairs and the drag need the space."""


class Inspector(Vertical):
    """Shows an `InspectorState`, and the curves of the newest drag.

    Args:
        clock: current time in seconds.
    """

    DEFAULT_CSS = """
    Inspector { width: 32; padding: 0 1; background: $surface; }
    Inspector #session-facts { margin-bottom: 1; display: none; }
    Inspector.high #session-facts { display: block; }
    Inspector #pair-header { margin-top: 1; }
    Inspector #pairs { height: 1fr; min-height: 1; scrollbar-size-vertical: 1; }
    Inspector #loupe { height: auto; margin-top: 1; display: none; }
    Inspector.roomy #loupe.visible { display: block; }
    Inspector #loupe Loupe { width: 30; height: 8; }
    Inspector #drag { height: 5; margin-top: 1; display: none; }
    Inspector #drag.visible { display: block; }
    Inspector .label { color: $text-muted; }
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._curves = DragCurves(0)
        self._last_drawn = 0.0  # when the running drag was last drawn

    def compose(self) -> ComposeResult:
        yield TextLines(id="session-facts")
        yield TextLines(id="facts")
        yield TextLines(id="pair-header")
        with VerticalScroll(id="pairs", can_focus=False):
            yield TextLines(id="pair-list")
        with Vertical(id="loupe"):
            yield TextLines(id="loupe-title", classes="label")
            yield Loupe()
        yield TextLines(id="drag")

    def show(self, state: InspectorState) -> None:
        """Show the edit, and scroll to the selected pair."""
        self.query_one("#session-facts", TextLines).update(session_facts(state))
        self.query_one("#facts", TextLines).update(cursor_facts(state))
        self.query_one("#pair-header", TextLines).update(pair_header(state))
        self.query_one("#pair-list", TextLines).update(pair_table(state))
        self._scroll_to_pair(state.selected)
        self._show_close_up(state.close_up)
        shows_curves = state.is_dragging or state.drag_number == self._curves.number
        self.query_one("#drag").set_class(shows_curves, "visible")

    def _scroll_to_pair(self, selected_index: int | None) -> None:
        if selected_index is not None:
            pair_panel = self.query_one("#pairs", VerticalScroll)
            first_row, visible_rows = int(pair_panel.scroll_target_y), max(pair_panel.size.height, 1)
            pair_panel.scroll_to(
                y=min(max(first_row, selected_index + 1 - visible_rows), selected_index), animate=False
            )

    def _show_close_up(self, close_up: CloseUp | None) -> None:
        self.query_one("#loupe").set_class(close_up is not None, "visible")
        if close_up is not None:
            self.query_one("#loupe-title", TextLines).update(close_up.title)
            self.query_one(Loupe).show(close_up)

    def on_resize(self, resize_event: Resize) -> None:
        self.set_class(resize_event.size.height >= LOUPE_ROWS, "roomy")
        self.set_class(resize_event.size.height >= SESSION_ROWS, "high")

    def begin_drag(self, drag_number: int, stop_distance: float, is_live: bool) -> None:
        """Show the empty curves of a drag that has begun."""
        self._curves = DragCurves(drag_number, stop_distance, is_live)
        self._draw_drag()
        self._last_drawn = 0.0

    def show_progress(self, progress: DragProgress) -> None:
        """Add a step to the curves."""
        self._curves.add(progress)
        if self._clock() - self._last_drawn >= REDRAW_SECONDS:
            self._draw_drag()

    def end_drag(self, end_reason: str, distance_left: str = "") -> None:
        """Show how the drag has ended. Its curves stay until the next drag.

        Args:
            end_reason: why it ended.
            distance_left: the distance that is left, as text.
        """
        self._draw_drag((end_reason, distance_left))

    @property
    def progress_text(self) -> str:
        """The progress of the drag in one line."""
        return progress_text(self._curves)

    def _draw_drag(self, outcome: tuple[str, str] | None = None) -> None:
        self._last_drawn = self._clock()
        self.query_one("#drag", TextLines).update(drag_lines(self._curves, outcome))
