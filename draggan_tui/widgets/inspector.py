"""The panel beside the canvas: the edit in numbers, the pairs, and the running drag."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import ProgressBar, Sparkline, Static

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.geometry import Point
from draggan_engine.protocol.messages import DragProgress, ModelInfo
from draggan_tui.document import Brush
from draggan_tui.renderables.facts import edit_facts, pair_list, progress_line


class Inspector(Vertical):
    """Says what it is told; decides nothing."""

    DEFAULT_CSS = """
    Inspector { width: 32; border-left: vkey $primary; padding: 0 1; }
    Inspector #facts { text-wrap: nowrap; text-overflow: ellipsis; }
    Inspector #pairs { height: 1fr; min-height: 3; margin-top: 1; }
    Inspector #drag { height: auto; display: none; }
    Inspector #drag.visible { display: block; }
    Inspector ProgressBar Bar { width: 28; }
    Inspector Sparkline { height: 1; width: 28; }
    Inspector .label { color: $text-muted; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="facts")
        with VerticalScroll(id="pairs", can_focus=False):
            yield Static(id="pair-list")
        with Vertical(id="drag"):
            yield Static(id="drag-title", classes="label")
            yield ProgressBar(show_eta=False, show_percentage=False, id="bar")
            yield Static(id="rate")
            yield Static("loss", id="loss-label", classes="label")
            yield Sparkline([], id="loss")
            yield Static("mean distance", id="distance-label", classes="label")
            yield Sparkline([], id="distance")

    def show_edit(
        self,
        edit: Edit,
        device: str,
        cursor: Point | None,
        handles: Sequence[Point],
        selected: int | None,
        mask_share: float | None,
        brush: Brush,
        info: ModelInfo | None,
        given: str,
    ) -> None:
        """The document as it stands; `handles` are where the handles are now, `given` names a latent's file."""
        self.query_one("#facts", Static).update(edit_facts(edit, device, cursor, mask_share, brush, info, given))
        self.query_one("#pair-list", Static).update(pair_list(edit, handles, selected))
        if selected is not None:
            self.query_one("#pairs", VerticalScroll).scroll_to(y=max(selected - 1, 0), animate=False)

    def begin_drag(self, number: int) -> None:
        """A drag has begun: empty curves."""
        self.query_one("#drag").add_class("visible")
        self.query_one("#drag-title", Static).update(f"drag {number}")
        self.query_one("#bar", ProgressBar).update(total=100, progress=0)
        self.query_one("#rate", Static).update("")
        for curve in self.query(Sparkline):
            curve.data = []

    def show_progress(self, progress: DragProgress) -> None:
        """A step is done."""
        self.query_one("#bar", ProgressBar).update(total=progress.max_steps, progress=progress.step)
        self.query_one("#rate", Static).update(progress_line(progress))
        if progress.loss is not None:
            self._extend("loss", progress.loss, f"loss {progress.loss:.4f}")
        self._extend("distance", progress.mean_distance, f"mean distance {progress.mean_distance:.1f} px")

    def end_drag(self, outcome: str) -> None:
        """The drag is over; its curves stay until the next."""
        bar = self.query_one("#bar", ProgressBar)
        bar.update(progress=bar.total or 0)
        self.query_one("#rate", Static).update(outcome)

    def forget_drag(self) -> None:
        """The curves of the last drag go."""
        self.query_one("#drag").remove_class("visible")

    def _extend(self, name: str, value: float, label: str) -> None:
        curve = self.query_one(f"#{name}", Sparkline)
        curve.data = [*(curve.data or []), value]
        self.query_one(f"#{name}-label", Static).update(label)
