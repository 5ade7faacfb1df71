"""The panel beside the canvas: the edit in numbers, the pairs, and the running drag."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.events import Resize
from textual.widgets import ProgressBar, Sparkline, Static

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.geometry import Point, Size
from draggan_engine.protocol.messages import DragProgress, ModelInfo
from draggan_tui.document import Brush
from draggan_tui.renderables.facts import edit_facts, pair_list, progress_line
from draggan_tui.themes import Rgb
from draggan_tui.widgets.lines import Lines
from draggan_tui.widgets.loupe import Loupe

PACE = 0.1  # seconds
ROOMY = 31
"""Rows from which the loupe is shown: below, the pairs and the drag need them."""


class Inspector(Vertical):
    """Says what it is told; decides nothing."""

    DEFAULT_CSS = """
    Inspector { width: 32; border-left: vkey $primary; padding: 0 1; }
    Inspector #pairs { height: 1fr; min-height: 3; margin-top: 1; }
    Inspector #loupe { height: auto; display: none; }
    Inspector.roomy #loupe.visible { display: block; }
    Inspector #drag { height: auto; display: none; }
    Inspector #drag.visible { display: block; }
    Inspector ProgressBar Bar { width: 28; }
    Inspector Sparkline { height: 1; width: 28; }
    Inspector .label { color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._losses: list[float] = []
        self._distances: list[float] = []
        self._drawn = 0.0  # when the running drag was last drawn

    def compose(self) -> ComposeResult:
        yield Lines(id="facts")
        with VerticalScroll(id="pairs", can_focus=False):
            yield Lines(id="pair-list")
        with Vertical(id="loupe"):
            yield Lines(id="loupe-title", classes="label")
            yield Loupe()
        with Vertical(id="drag"):
            yield Lines(id="drag-title", classes="label")
            yield ProgressBar(show_eta=False, show_percentage=False, id="bar")
            yield Lines(id="rate")
            yield Lines("loss", id="loss-label", classes="label")
            yield Sparkline([], id="loss")
            yield Lines("mean distance", id="distance-label", classes="label")
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
        color: Rgb | None,
        zoom: str,
        flat: Collection[int],
    ) -> None:
        """The document as it stands; `handles` are where the handles are now, `given` names a latent's file, `color` is
        the one under the cursor, `zoom` the view's, if it is not the whole picture, `flat` the pairs whose handles are on
        flat patches."""
        facts = edit_facts(edit, device, cursor, mask_share, brush, info, given, color, zoom)
        self.query_one("#facts", Static).update(facts)
        self.query_one("#pair-list", Static).update(pair_list(edit, handles, selected, flat))
        if selected is not None:
            self.query_one("#pairs", VerticalScroll).scroll_to(y=max(selected - 1, 0), animate=False)

    def show_handle(self, number: int, handle: Point, rgb: NDArray[np.uint8], picture: Size) -> None:
        """The selected handle in the loupe: its place in a picture of that size, of which `rgb` is there."""
        self.query_one("#loupe").add_class("visible")
        self.query_one("#loupe-title", Static).update(f"handle {number} at {handle[0]:.2f}, {handle[1]:.2f}")
        self.query_one(Loupe).show(rgb, picture, handle)

    def hide_handle(self) -> None:
        """None is selected, or there is no picture."""
        self.query_one("#loupe").remove_class("visible")

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height >= ROOMY, "roomy")

    def begin_drag(self, number: int) -> None:
        """A drag has begun: empty curves."""
        self.query_one("#drag").add_class("visible")
        self.query_one("#drag-title", Static).update(f"drag {number}")
        self.query_one("#bar", ProgressBar).update(total=100, progress=0)
        self.query_one("#rate", Static).update("")
        self._losses, self._distances = [], []
        self._draw_curves()
        self._drawn = 0.0

    def show_progress(self, progress: DragProgress) -> None:
        """A step is done. Steps may be quicker than can be read: they are drawn ten times a second at most."""
        if progress.loss is not None:
            self._losses.append(progress.loss)
        self._distances.append(progress.mean_distance)
        if monotonic() - self._drawn >= PACE:
            self.query_one("#bar", ProgressBar).update(total=progress.max_steps, progress=progress.step)
            self.query_one("#rate", Static).update(progress_line(progress))
            self._draw_curves()

    def end_drag(self, outcome: str) -> None:
        """The drag is over; its curves stay until the next."""
        self._draw_curves()
        self.query_one("#bar", ProgressBar).update(total=100, progress=100)
        self.query_one("#rate", Static).update(outcome)

    def forget_drag(self) -> None:
        """The curves of the last drag go."""
        self.query_one("#drag").remove_class("visible")

    def _draw_curves(self) -> None:
        self._drawn = monotonic()
        loss = f"loss {self._losses[-1]:.4f}" if self._losses else "loss"
        distance = f"mean distance {self._distances[-1]:.1f} px" if self._distances else "mean distance"
        for name, label, values in (("loss", loss, self._losses), ("distance", distance, self._distances)):
            self.query_one(f"#{name}", Sparkline).data = list(values)
            self.query_one(f"#{name}-label", Static).update(label)
