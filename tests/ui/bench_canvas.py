"""What a frame costs: `python tests/ui/bench_canvas.py [picture]`, from the repository's root with `engine` on PYTHONPATH.

Times are medians in milliseconds on this machine, from the new picture to the bytes for the terminal, with the app's
compositor between (a headless app; the driver's write is replaced by a counter). Beside them two other ways to show
the same picture: rich-pixels in a Static, and Segments made one a cell.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

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

from draggan_tui.renderables.overlay import Overlay, PairMark
from draggan_tui.renderables.palette import ColorDepth
from draggan_tui.widgets.canvas import Canvas

Frame = NDArray[np.uint8]
FRAMES = 12


class SegmentCanvas(Widget):
    """The plain line API: one Segment a cell."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self.frame = frame

    def render_line(self, y: int) -> Strip:
        top, bottom = self.frame[2 * y].tolist(), self.frame[2 * y + 1].tolist()
        return Strip(
            [
                Segment("▀", Style(color=Color.from_rgb(*a), bgcolor=Color.from_rgb(*b)))
                for a, b in zip(top, bottom, strict=True)
            ],
            len(top),
        )


class Bench(App[None]):
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
        self.screen._compositor.update_widgets({self.widget})
        update: Any = self.screen._compositor.render_update(screen_stack=[])
        if update is not None:
            self.sent += len(update.render_segments(self.console).encode())


def frames_like(picture: Image.Image, size: tuple[int, int]) -> list[Frame]:
    """Frames that differ in every row."""
    base = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX))
    return [np.roll(base, 3 * step, axis=1) for step in range(FRAMES)]


async def measure(widget: Widget, show: Callable[[int], None], size: tuple[int, int]) -> tuple[float, int]:
    """Milliseconds and bytes a frame."""
    app = Bench(widget)
    app.console._color_system = None
    async with app.run_test(size=(size[0], size[1] // 2)) as pilot:
        await pilot.pause()
        app.sent = 0
        times = []
        for step in range(FRAMES):
            start = time.perf_counter()
            show(step)
            app.paint()
            times.append(1000 * (time.perf_counter() - start))
        return median(times), app.sent // FRAMES


async def ours(frames: list[Frame], size: tuple[int, int], depth: ColorDepth, moving: bool) -> tuple[float, int]:
    """A new picture each time, or the same one with the cursor moving down."""
    canvas = Canvas()
    canvas.set_reactive(Canvas.depth, depth)
    pairs = tuple(PairMark(n, (10 * n, 5 * n), (12 * n + 5, 5 * n), n == 1) for n in range(1, 6))
    mask = np.zeros(frames[0].shape[:2], dtype=np.uint8)
    mask[10:40, 10:60] = 1

    def show(step: int) -> None:
        row = 10 + 2 * step if moving else 10
        canvas.show(frames[0 if moving else step], Overlay((20, row), pairs, mask))

    return await measure(canvas, show, size)


async def main() -> None:
    ramp = np.linspace(0, 255, 512, dtype=np.uint8)
    gradient = np.stack([*np.meshgrid(ramp, ramp), np.full((512, 512), 128, np.uint8)], axis=-1)
    picture = Image.open(sys.argv[1]) if len(sys.argv) > 1 else Image.fromarray(gradient)
    for size in ((160, 96), (240, 160)):
        frames = frames_like(picture, size)
        static, line = Static(), SegmentCanvas(frames[0])

        def pixels(step: int, static: Static = static, frames: list[Frame] = frames) -> None:
            static.update(Pixels.from_image(Image.fromarray(frames[step])))

        def segments(step: int, line: SegmentCanvas = line, frames: list[Frame] = frames) -> None:
            line.frame = frames[step]
            line.refresh()

        ways: list[tuple[str, Awaitable[tuple[float, int]]]] = [
            (f"canvas, {depth}", ours(frames, size, depth, moving=False))
            for depth in ("truecolor", "256", "16", "none")
        ]
        ways += [
            ("canvas, cursor moves", ours(frames, size, "truecolor", moving=True)),
            ("Segments, line API", measure(line, segments, size)),
            ("rich-pixels in Static", measure(static, pixels, size)),
        ]
        base = 0.0
        print(f"{size[0]}×{size[1]} px")
        for name, way in ways:
            spent, sent = await way
            base = base or spent
            print(f"  {name:24} {spent:8.1f} ms  {spent / base:6.1f} ×  {sent / 1000:7.1f} kB")


if __name__ == "__main__":
    asyncio.run(main())
