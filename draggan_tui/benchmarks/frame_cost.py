"""What a frame of the canvas costs, beside two other ways to show the same picture.

From the new picture to the bytes for the terminal, with the app's compositor between: a headless app, and the driver's
write replaced by a counter. The other ways are rich-pixels in a Static, and the line API with one Segment a cell.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich_pixels import Pixels
from textual.app import App, ComposeResult
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import Overlay, PairMark
from draggan_tui.terminal.textual_internals import repaint_text, set_color_depth
from draggan_tui.widgets.canvas import Canvas

Picture = NDArray[np.uint8]
SIZES = ((160, 96), (240, 160))  # pixels
FRAMES = 4  # in a round


@dataclass(frozen=True)
class Cost:
    """Of a frame: median milliseconds, and bytes."""

    spent: float
    sent: float


@dataclass(frozen=True)
class Way:
    """How a picture is shown.

    Attributes:
        make: a widget, and what makes it show the picture of a number.
        colors: that rich writes.
    """

    name: str
    make: Callable[[list[Picture]], tuple[Widget, Callable[[int], None]]]
    colors: ColorDepth = "truecolor"


class SegmentCanvas(Widget):
    """The plain line API: one Segment a cell."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture

    def render_line(self, y: int) -> Strip:
        top, bottom = self.picture[2 * y].tolist(), self.picture[2 * y + 1].tolist()
        return Strip(
            [
                Segment("▀", Style(color=Color.from_rgb(*a), bgcolor=Color.from_rgb(*b)))
                for a, b in zip(top, bottom, strict=True)
            ],
            len(top),
        )


class Stand(App[None]):
    """Shows one widget, and counts the bytes that its paints make."""

    CSS = "Static, SegmentCanvas { width: 1fr; height: 1fr; }"

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.sent = 0

    def compose(self) -> ComposeResult:
        yield self.widget

    def paint(self) -> None:
        """What the screen does when it is idle: the compositor's update, as bytes."""
        self.sent += len(repaint_text(self, self.widget).encode())


async def frame_costs(size: tuple[int, int], rounds: int) -> dict[str, Cost]:
    """Of each way to show a picture of that size, the canvas in truecolour first; turn by turn, so often."""
    pictures = list(_pictures(size))
    spent: dict[str, list[float]] = {way.name: [] for way in WAYS}
    sent: dict[str, int] = dict.fromkeys(spent, 0)
    for _ in range(rounds):
        for way in WAYS:
            times, count = await _measure(*way.make(pictures), way.colors, size)
            spent[way.name] += times
            sent[way.name] += count
    return {name: Cost(statistics.median(times), sent[name] / len(times)) for name, times in spent.items()}


async def _measure(
    widget: Widget, show: Callable[[int], None], colors: ColorDepth, size: tuple[int, int]
) -> tuple[list[float], int]:
    """Milliseconds of each frame after the first, and the bytes of all these."""
    app = Stand(widget)
    set_color_depth(app.console, colors)
    async with app.run_test(size=(size[0], size[1] // 2)) as pilot:
        await pilot.pause()
        show(0)
        app.paint()
        app.sent, times = 0, []
        for number in range(1, FRAMES + 1):
            start = time.perf_counter()
            show(number)
            app.paint()
            times.append(1e3 * (time.perf_counter() - start))
        return times, app.sent


def _pictures(size: tuple[int, int]) -> Iterator[Picture]:
    """Gradients that differ in every row; the first is there before what is measured."""
    columns, rows = (np.linspace(0, 255, length, dtype=np.uint8) for length in size)
    base = np.stack([*np.meshgrid(columns, rows), np.full(size[::-1], 128, np.uint8)], axis=-1)
    for number in range(FRAMES + 1):
        yield np.roll(base, 3 * number, axis=1)


def _canvas(depth: ColorDepth, moving: bool) -> Callable[[list[Picture]], tuple[Widget, Callable[[int], None]]]:
    """Our way: a new picture each time, or the same one with the cursor moving down."""

    def make(pictures: list[Picture]) -> tuple[Widget, Callable[[int], None]]:
        canvas = Canvas()
        canvas.set_reactive(Canvas.depth, depth)
        pairs = tuple(PairMark(n, (10 * n, 5 * n), (12 * n + 5, 5 * n), n == 1) for n in range(1, 6))
        mask = np.zeros(pictures[0].shape[:2], dtype=np.uint8)
        mask[10:40, 10:60] = 1

        def show(number: int) -> None:
            row = 10 + 2 * number if moving else 10
            canvas.show(pictures[0 if moving else number], Overlay((20, row), pairs, mask))

        return canvas, show

    return make


def _segments(pictures: list[Picture]) -> tuple[Widget, Callable[[int], None]]:
    canvas = SegmentCanvas(pictures[0])

    def show(number: int) -> None:
        canvas.picture = pictures[number]
        canvas.refresh()

    return canvas, show


def _rich_pixels(pictures: list[Picture]) -> tuple[Widget, Callable[[int], None]]:
    static = Static()
    return static, lambda number: static.update(Pixels.from_image(Image.fromarray(pictures[number])))


WAYS = (
    Way("canvas, truecolor", _canvas("truecolor", moving=False)),
    Way("canvas, 256", _canvas("256", moving=False)),
    Way("canvas, 16", _canvas("16", moving=False)),
    Way("canvas, none", _canvas("none", moving=False), colors="none"),
    Way("canvas, cursor moves", _canvas("truecolor", moving=True)),
    Way("Segments, line API", _segments),
    Way("rich-pixels in Static", _rich_pixels),
)
