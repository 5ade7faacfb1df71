"""What a frame of the canvas costs, beside two other methods to display the same image.

A measurement covers everything from a new image to the bytes for the terminal, through the compositor of a headless app;
the bytes are counted instead of written. The other methods are rich-pixels in a Static, and the line API with one Segment
for each cell.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich_pixels import Pixels
from textual.app import App, ComposeResult
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from draggan_tui.editor.preview_cache import RgbArray
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import Overlay, PairMark
from draggan_tui.rendering.screen_image import ScreenImage
from draggan_tui.terminal.cell_shape import CellShape
from draggan_tui.terminal.line_pace import LARGEST_PIECE
from draggan_tui.terminal.paced_writer import LEAST_DIFFERENCE
from draggan_tui.terminal.painting import screen_update
from draggan_tui.terminal.textual_internals import placed_strips, set_color_depth, widget_update
from draggan_tui.widgets.canvas import Canvas

ShowImage = Callable[[int], None]
"""Let a widget show the image of this index."""
IMAGE_SIZES = ((160, 96), (240, 160))  # width and height in pixels
FRAMES_PER_ROUND = 4


@dataclass(frozen=True)
class FrameCost:
    """The median milliseconds and the mean bytes of a frame."""

    milliseconds: float
    bytes: float


@dataclass(frozen=True)
class DisplayMethod:
    """A way to display images.

    Attributes:
        make: takes the images; returns a widget, and the function that lets it show one of them.
        colors: how many colours Rich writes.
    """

    name: str
    make: Callable[[list[RgbArray]], tuple[Widget, ShowImage]]
    colors: ColorDepth = "truecolor"


class SegmentCanvas(Widget):
    """The plain line API: one Segment for each cell."""

    def __init__(self, rgb: RgbArray) -> None:
        super().__init__()
        self.rgb = rgb

    def render_line(self, y: int) -> Strip:
        top_pixels, bottom_pixels = self.rgb[2 * y].tolist(), self.rgb[2 * y + 1].tolist()
        segments = [
            Segment("▀", Style(color=Color.from_rgb(*top), bgcolor=Color.from_rgb(*bottom)))
            for top, bottom in zip(top_pixels, bottom_pixels, strict=True)
        ]
        return Strip(segments, len(top_pixels))


class FrameCounter(App[None]):
    """Show one widget, and count the bytes of its paints, of images those of the cells that look different."""

    CSS = "Static, SegmentCanvas { width: 1fr; height: 1fr; }"

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.screen_image = ScreenImage()
        self.byte_count = 0

    def compose(self) -> ComposeResult:
        yield self.widget

    def paint(self) -> None:
        """Do what the screen does when it is idle, and then the terminal's writer: turn the compositor's update into bytes."""
        compositor_update = widget_update(self, self.widget)
        if compositor_update is None:
            return
        update = screen_update(self, placed_strips(compositor_update), is_full=False)
        for image_row in update.image_rows:
            self.screen_image.put(image_row)
        self.screen_image.begin_frame(LEAST_DIFFERENCE)
        painted_text = "".join(text_span.text for text_span in update.text_spans)
        while self.screen_image.is_writing_frame:
            painted_text += self.screen_image.take_part(LARGEST_PIECE)
        self.byte_count += len(painted_text.encode())


async def measure_frame_costs(image_size: tuple[int, int], round_count: int) -> dict[str, FrameCost]:
    """Return the cost of each display method, measured in turn; the canvas in truecolor comes first.

    Args:
        image_size: width and height of the images, in pixels.
    """
    test_images = list(_gradients(image_size))
    milliseconds: dict[str, list[float]] = {display_method.name: [] for display_method in DISPLAY_METHODS}
    byte_counts: dict[str, int] = dict.fromkeys(milliseconds, 0)
    for _ in range(round_count):
        for display_method in DISPLAY_METHODS:
            round_milliseconds, byte_count = await _measure_round(
                *display_method.make(test_images), display_method.colors, image_size
            )
            milliseconds[display_method.name] += round_milliseconds
            byte_counts[display_method.name] += byte_count
    return {
        method_name: FrameCost(statistics.median(frame_times), byte_counts[method_name] / len(frame_times))
        for method_name, frame_times in milliseconds.items()
    }


async def _measure_round(
    widget: Widget, show_image: ShowImage, colors: ColorDepth, image_size: tuple[int, int]
) -> tuple[list[float], int]:
    """Return the milliseconds of each frame after the first, and the bytes of all these frames."""
    app = FrameCounter(widget)
    set_color_depth(app.console, colors)
    async with app.run_test(size=(image_size[0], image_size[1] // 2)) as pilot:
        await pilot.pause()
        app.screen_image.resize(*app.size)
        show_image(0)
        app.paint()
        app.byte_count, milliseconds = 0, []
        for image_index in range(1, FRAMES_PER_ROUND + 1):
            start_time = time.perf_counter()
            show_image(image_index)
            app.paint()
            milliseconds.append(1e3 * (time.perf_counter() - start_time))
        return milliseconds, app.byte_count


def _gradients(image_size: tuple[int, int]) -> Iterator[RgbArray]:
    """Yield images that differ in every row; the first is shown before the measurement."""
    columns, rows = (np.linspace(0, 255, length, dtype=np.uint8) for length in image_size)
    first_image = np.stack([*np.meshgrid(columns, rows), np.full(image_size[::-1], 128, np.uint8)], axis=-1)
    for image_index in range(FRAMES_PER_ROUND + 1):
        yield np.roll(first_image, 3 * image_index, axis=1)


def _canvas_method(
    color_depth: ColorDepth, moves_cursor: bool, shape: CellShape = "half"
) -> Callable[[list[RgbArray]], tuple[Widget, ShowImage]]:
    """Return a maker of the editor's canvas. In each frame either the image changes or the cursor moves down."""

    def make(test_images: list[RgbArray]) -> tuple[Widget, ShowImage]:
        canvas = Canvas()
        canvas.set_reactive(Canvas.depth, color_depth)
        canvas.set_reactive(Canvas.shape, shape)
        pairs = tuple(PairMark(n, (10 * n, 5 * n), (12 * n + 5, 5 * n), n == 1) for n in range(1, 6))
        pen_mask = np.zeros(test_images[0].shape[:2], dtype=np.uint8)
        pen_mask[10:40, 10:60] = 1

        def show_image(image_index: int) -> None:
            cursor_row = 10 + 2 * image_index if moves_cursor else 10
            canvas.show(test_images[0 if moves_cursor else image_index], Overlay((20, cursor_row), pairs, pen_mask))

        return canvas, show_image

    return make


def _make_segment_canvas(test_images: list[RgbArray]) -> tuple[Widget, ShowImage]:
    segment_canvas = SegmentCanvas(test_images[0])

    def show_image(image_index: int) -> None:
        segment_canvas.rgb = test_images[image_index]
        segment_canvas.refresh()

    return segment_canvas, show_image


def _make_rich_pixels(test_images: list[RgbArray]) -> tuple[Widget, ShowImage]:
    image_widget = Static()
    return image_widget, lambda image_index: image_widget.update(
        Pixels.from_image(Image.fromarray(test_images[image_index]))
    )


DISPLAY_METHODS = (
    DisplayMethod("canvas, truecolor", _canvas_method("truecolor", moves_cursor=False)),
    DisplayMethod("canvas, quadrants", _canvas_method("truecolor", moves_cursor=False, shape="quadrant")),
    DisplayMethod("canvas, sextants", _canvas_method("truecolor", moves_cursor=False, shape="sextant")),
    DisplayMethod("canvas, octants", _canvas_method("truecolor", moves_cursor=False, shape="octant")),
    DisplayMethod("canvas, 256", _canvas_method("256", moves_cursor=False)),
    DisplayMethod("canvas, 16", _canvas_method("16", moves_cursor=False)),
    DisplayMethod("canvas, none", _canvas_method("none", moves_cursor=False), colors="none"),
    DisplayMethod("canvas, cursor moves", _canvas_method("truecolor", moves_cursor=True)),
    DisplayMethod("Segments, line API", _make_segment_canvas),
    DisplayMethod("rich-pixels in Static", _make_rich_pixels),
)
