from __future__ import annotations

from typing import Any, Self

import numpy as np
import pyte
import pytest
from numpy.typing import NDArray
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.selection import SELECT_ALL
from textual.widgets import Static

from draggan_engine.core.geometry import Size
from draggan_tui.config.themes import load_theme
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import Overlay, PairMark
from draggan_tui.terminal.textual_internals import repaint_text, set_color_depth
from draggan_tui.widgets.canvas import Canvas

ImageArray = NDArray[np.uint8]

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(width: int, height: int) -> ImageArray:
    """Return an image that is red above and blue below."""
    image = np.full((height, width, 3), RED, dtype=np.uint8)
    image[height // 2 :] = BLUE
    return image


pytestmark = pytest.mark.usefixtures("truecolor_terminal")


class RecordingCanvas(Canvas):
    """A canvas that records which regions it repaints."""

    def __init__(self) -> None:
        super().__init__()
        self.repainted: list[Region] = []

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        self.repainted.extend(regions or [self.size.region])
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class CanvasApp(App[None]):
    """An app with only a canvas; it records what the canvas posts."""

    CSS = """
    Screen { layers: base top; }
    #over { layer: top; width: 4; height: 2; offset: 3 1; background: white; color: black; }
    """

    def __init__(self, over: bool = False) -> None:
        super().__init__()
        self.over = over
        self.mouse: list[tuple[object, ...]] = []
        self.resized = 0

    def compose(self) -> ComposeResult:
        yield RecordingCanvas()
        if self.over:
            yield Static("over", id="over")

    @property
    def canvas(self) -> RecordingCanvas:
        # The canvas stays on its screen when another one covers that.
        return self.screen_stack[0].query_one(RecordingCanvas)

    def on_canvas_pressed(self, event: Canvas.Pressed) -> None:
        self.mouse.append(("pressed", event.button, event.point))

    def on_canvas_dragged(self, event: Canvas.Dragged) -> None:
        self.mouse.append(("dragged", event.point))

    def on_canvas_released(self, event: Canvas.Released) -> None:
        self.mouse.append(("released", event.point))

    def on_canvas_dropped(self, event: Canvas.Dropped) -> None:
        self.mouse.append(("dropped", event.point))

    def on_canvas_wheel(self, event: Canvas.Wheel) -> None:
        self.mouse.append(("wheel", event.step, event.point))

    @property
    def pressed(self) -> list[object]:
        return [event[2] for event in self.mouse if event[0] == "pressed"]

    def on_canvas_resized(self) -> None:
        self.resized += 1


class Dialog(ModalScreen[None]):
    CSS = "Dialog { align: center middle; } Dialog Static { width: 6; height: 1; background: white; color: black; }"

    def compose(self) -> ComposeResult:
        yield Static("dialog")


def painted(app: App[Any]) -> str:
    """Return what a full repaint sends to the terminal."""
    return repaint_text(app)


def terminal(app: App[Any]) -> pyte.Screen:
    """Return the terminal's screen after a full repaint."""
    screen = pyte.Screen(*app.size)
    pyte.Stream(screen).feed(painted(app))
    return screen


def colors(screen: pyte.Screen, row: int, column: int) -> tuple[str, str, str]:
    """A cell's character, its colour (none of a space), and the colour behind it."""
    char = screen.buffer[row][column]
    return (char.data, "" if char.data == " " else char.fg, char.bg)


# What is shown ----------------------------------------------------------------------------------------


async def test_the_image_is_in_the_middle() -> None:
    app = CanvasApp()
    async with app.run_test(size=(10, 4)) as pilot:
        assert Viewport(Size(4, 4), app.canvas.room).grid == Size(8, 8)
        app.canvas.show(halves(8, 8))
        await pilot.pause()
        screen = terminal(app)
        assert [colors(screen, 1, column)[2] for column in (0, 1, 8, 9)] == ["121212", "ff0000", "ff0000", "121212"]
        assert colors(screen, 2, 1)[2] == "0000ff"


async def test_an_image_of_another_size_is_resampled() -> None:
    app = CanvasApp()
    async with app.run_test(size=(8, 4)) as pilot:
        for image in (halves(64, 64), halves(2, 2)):
            app.canvas.show(image)
            await pilot.pause()
            screen = terminal(app)
            assert colors(screen, 0, 0)[2] == "ff0000" and colors(screen, 3, 7)[2] == "0000ff"


async def test_the_placeholder_until_there_is_an_image() -> None:
    app = CanvasApp()
    async with app.run_test(size=(12, 3)) as pilot:
        app.canvas.show_placeholder("[b]model")
        await pilot.pause()
        assert terminal(app).display == [" " * 12, "  [b]model  ", " " * 12]
        app.canvas.show(halves(8, 6))
        await pilot.pause()
        regions = app.canvas.repainted
        regions.clear()
        app.canvas.show_placeholder("another")
        assert regions == []
        assert "model" not in terminal(app).display[1]
        app.canvas.show(None)
        await pilot.pause()
        assert terminal(app).display[1] == "  another   "


@pytest.mark.parametrize(
    ("depth", "codes"),
    [("truecolor", "38;2;255;0;0;48;2;0;0;255m▀"), ("256", "38;5;196;48;5;21m▀"), ("16", "35;40m░")],
)
async def test_every_colour_depth(depth: ColorDepth, codes: str) -> None:
    app = CanvasApp()
    async with app.run_test(size=(2, 1)) as pilot:
        app.canvas.show(halves(2, 2))
        app.canvas.depth = depth
        await pilot.pause()
        assert codes in painted(app)


async def test_the_canvas_takes_the_colours_of_the_theme() -> None:
    app = CanvasApp()
    async with app.run_test(size=(10, 2)) as pilot:
        app.canvas.show(np.zeros((4, 4, 3), dtype=np.uint8), Overlay(pairs=(PairMark(1, (0, 0)),)))
        for name in ("contrast", "light"):
            theme = load_theme(name)
            app.register_theme(theme.to_textual())
            app.theme = name
            await pilot.pause()
            await pilot.pause()
            screen = terminal(app)
            assert colors(screen, 0, 0)[2] == bytes(theme.canvas.letterbox).hex()
            assert colors(screen, 0, 3)[:2] == ("●", bytes(theme.canvas.handle).hex())


# Repainting -------------------------------------------------------------------------------------------


async def test_only_changed_rows_are_repainted() -> None:
    app = CanvasApp()
    async with app.run_test(size=(40, 20)) as pilot:
        image = halves(40, 40)
        app.canvas.show(image, Overlay(cursor=(10, 20)))
        await pilot.pause()
        regions = app.canvas.repainted
        regions.clear()
        app.canvas.show(image, Overlay(cursor=(10, 20)))
        app.canvas.show(image.copy(), Overlay(cursor=(10, 20)))
        assert regions == []
        app.canvas.show(image, Overlay(cursor=(10, 22)))
        assert regions == [Region(0, 9, 40, 4)]
        await pilot.pause()
        regions.clear()
        changed = image.copy()
        changed[0, 3] = changed[30:34, 39] = (9, 9, 9)
        app.canvas.show(changed, Overlay(cursor=(10, 22)))
        assert regions == [Region(0, 0, 40, 1), Region(0, 15, 40, 2)]


async def test_a_partial_repaint_gives_the_same_screen_as_a_full_one() -> None:
    app = CanvasApp()
    async with app.run_test(size=(20, 6)) as pilot:
        image = halves(12, 12)
        app.canvas.show(image, Overlay(cursor=(3, 3)))
        await pilot.pause()
        screen = terminal(app)
        app.canvas.show(image, Overlay((4, 6), (PairMark(1, (2, 2), (9, 9)),)))
        pyte.Stream(screen).feed(repaint_text(app, app.canvas))
        wanted = terminal(app)
        for row in range(6):
            assert [colors(screen, row, column) for column in range(20)] == [
                colors(wanted, row, column) for column in range(20)
            ]


async def test_a_resize_is_posted_and_drops_the_overlay_of_the_old_view() -> None:
    app = CanvasApp()
    async with app.run_test(size=(20, 10)) as pilot:
        before = app.resized
        app.canvas.show(halves(20, 20), Overlay((1, 1), (PairMark(1, (2, 2)),), np.ones((20, 20), dtype=np.uint8)))
        await pilot.pause()
        assert any("●" in line for line in terminal(app).display)
        await pilot.resize_terminal(8, 4)
        await pilot.pause()
        assert app.resized == before + 1
        screen = terminal(app)
        assert not any("●" in line for line in screen.display)
        assert colors(screen, 0, 0)[2] == "ff0000" and colors(screen, 3, 7)[2] == "0000ff"


@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "none"])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 6), (30, 1), (3, 2)])
async def test_tiny_sizes(size: tuple[int, int], depth: ColorDepth) -> None:
    app = CanvasApp()
    async with app.run_test(size=size) as pilot:
        for image in (halves(64, 48), halves(48, 96)):
            width, height = Viewport(Size(image.shape[1], image.shape[0]), app.canvas.room).grid
            pairs = (PairMark(1, (0, 0), (width - 1, height - 1)), PairMark(12, (width // 2, 1), selected=True))
            app.canvas.depth = depth
            app.canvas.show(image, Overlay((0, 0), pairs, np.ones((height, width), dtype=np.uint8)))
            await pilot.pause()
            assert painted(app)


async def test_an_image_that_is_shown_before_the_canvas_has_a_size() -> None:
    class Late(CanvasApp):
        def compose(self) -> ComposeResult:
            canvas = Canvas()
            canvas.show(halves(8, 8))
            yield canvas

    app = Late()
    async with app.run_test(size=(8, 4)) as pilot:
        await pilot.pause()
        assert colors(terminal(app), 0, 0)[2] == "ff0000"


# With the rest of Textual -----------------------------------------------------------------------------


async def test_an_svg_export_has_the_colours_of_the_image() -> None:
    app = CanvasApp()
    async with app.run_test(size=(6, 3)) as pilot:
        app.canvas.show(halves(6, 6), Overlay(pairs=(PairMark(1, (1, 1)),)))
        await pilot.pause()
        for simplify in (False, True):
            svg = app.export_screenshot(simplify=simplify)
            assert all(color in svg for color in ("#ff0000", "#0000ff", "#ff5cd8"))
            assert "●" in svg


async def test_a_translucent_screen_over_the_image() -> None:
    app = CanvasApp()
    async with app.run_test(size=(20, 10)) as pilot:
        app.canvas.show(halves(20, 20))
        await app.push_screen(Dialog())
        await pilot.pause()
        screen = terminal(app)
        assert "dialog" in screen.display[4] + screen.display[5]
        red, green, blue = bytes.fromhex(colors(screen, 0, 0)[2])
        assert 60 < red < 200 and green == blue < 40, "the image, dimmed"
        app.canvas.show(np.roll(halves(20, 20), 10, axis=0))
        await pilot.pause()
        red, green, blue = bytes.fromhex(colors(terminal(app), 0, 0)[2])
        assert 60 < blue < 200 and red == green < 40, "and it goes on"
        app.pop_screen()
        await pilot.pause()
        assert colors(terminal(app), 0, 0)[2] == "0000ff"


async def test_a_widget_over_part_of_the_image() -> None:
    app = CanvasApp(over=True)
    async with app.run_test(size=(12, 6)) as pilot:
        app.canvas.show(halves(12, 12))
        await pilot.pause()
        screen = terminal(app)
        assert screen.display[1][3:7] == "over"
        backs = [colors(screen, 1, column)[2] for column in range(12)]
        assert backs == ["ff0000"] * 3 + ["ffffff"] * 4 + ["ff0000"] * 5


async def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = CanvasApp()
    for depth in ("none", "truecolor"):
        app = CanvasApp()
        async with app.run_test(size=(6, 3)) as pilot:
            app.canvas.depth = depth
            app.canvas.show(halves(6, 6), Overlay((3, 3), (PairMark(1, (1, 1)),)))
            await pilot.pause()
            screen = terminal(app)
            cells = [colors(screen, row, column) for row in range(3) for column in range(6)]
            cell_colors = {color for _, *both in cells for color in both if color}
            assert all(color[:2] == color[2:4] == color[4:] for color in cell_colors), "greys only"
            shown = "".join(screen.display)
            assert "●1" in shown
            if depth == "none":
                assert shown == "█●1███▒▒[▄]▒      "


async def test_without_colours_a_light_theme_draws_dark_parts_in_ink() -> None:
    app = CanvasApp()
    async with app.run_test(size=(6, 2)) as pilot:
        app.register_theme(load_theme("light").to_textual())
        app.theme = "light"
        app.canvas.depth = "none"
        app.canvas.show(halves(6, 4))
        await pilot.pause()
        await pilot.pause()
        assert terminal(app).display == ["      ", "██████"], "blue is darker than red"


async def test_the_canvas_skips_filters_that_would_change_nothing() -> None:
    app = CanvasApp()
    async with app.run_test(size=(6, 3)) as pilot:
        app.canvas.show(halves(6, 6))
        await pilot.pause()
        assert all(isinstance(strip, CellStrip) for strip in app.canvas.render_lines(app.canvas.size.region))
        set_color_depth(app.console, "none")
        assert "38;2" in painted(app) or "48;2" in painted(app)


async def test_a_canvas_with_a_border_and_effects() -> None:
    app = CanvasApp()
    async with app.run_test(size=(8, 5)) as pilot:
        app.canvas.styles.border = ("solid", "white")
        await pilot.pause()
        app.canvas.show(halves(6, 6))
        await pilot.pause()
        screen = terminal(app)
        assert screen.display[0] == "┌──────┐"
        assert [colors(screen, 1, column)[2] for column in (1, 6)] == ["ff0000"] * 2
        app.canvas.show(halves(6, 6)[::-1].copy())
        await pilot.pause()
        assert colors(terminal(app), 1, 1)[2] == "0000ff"
        app.canvas.styles.border = None
        app.canvas.styles.opacity = 0.5
        await pilot.pause()
        assert colors(terminal(app), 0, 2)[2] not in ("ff0000", "0000ff")


async def test_the_canvas_takes_no_part_in_text_selection() -> None:
    app = CanvasApp()
    async with app.run_test(size=(6, 3)) as pilot:
        app.canvas.show(halves(6, 6))
        await pilot.mouse_down(Canvas, offset=(1, 1))
        await pilot.hover(Canvas, offset=(4, 2))
        await pilot.mouse_up(Canvas, offset=(4, 2))
        assert app.screen.get_selected_text() is None
        app.screen.selections = {app.canvas: SELECT_ALL}
        assert not app.screen.get_selected_text()


# Mouse ------------------------------------------------------------------------------------------------


async def press(pilot: Pilot[None], x: float, y: float, button: int = 1) -> None:
    """Press a mouse button as a terminal that reports the mouse in pixels does."""
    pilot.app.screen._forward_event(events.MouseDown(None, x, y, 0, 0, button, False, False, False, x, y))
    await pilot.pause()


async def turn(pilot: Pilot[None], x: float, y: float, kind: type[events.MouseEvent]) -> None:
    pilot.app.screen._forward_event(kind(None, x, y, 0, 0, 0, False, False, False, x, y))
    await pilot.pause()


async def test_presses_are_posted_in_image_pixels() -> None:
    app = CanvasApp()
    async with app.run_test(size=(12, 4)) as pilot:
        app.canvas.show(halves(8, 8))  # columns 2 … 9
        await pilot.pause()
        await pilot.click(Canvas, offset=(2, 0))
        await pilot.click(Canvas, offset=(9, 3))
        for x, y in ((2.0, 1.4), (2.9, 1.5), (5.2, 3.99)):
            await press(pilot, x, y)
        await pilot.pause()
        assert app.pressed == [(0, 0), (7, 6), (0, 2), (0, 3), (3, 7)]


async def test_other_buttons_and_places_post_nothing() -> None:
    app = CanvasApp()
    async with app.run_test(size=(12, 4)) as pilot:
        await press(pilot, 5, 2)
        app.canvas.show(halves(8, 8))
        await pilot.pause()
        for x, y, button in ((5, 2, 2), (1.9, 2, 1), (10, 2, 1)):
            await press(pilot, x, y, button)
        await pilot.pause()
        assert app.mouse == []


async def test_a_preview_with_a_rounded_aspect_ratio_is_shown_like_its_image() -> None:
    image = Size(100, 37)
    app = CanvasApp()
    async with app.run_test(size=(50, 20)):
        view = Viewport(image, app.canvas.room)
        assert view.grid != Viewport(Size(10, 4), app.canvas.room).grid
        mask = np.ones((view.grid.height, view.grid.width), np.bool_)
        app.canvas.show(np.zeros((4, 10, 3), np.uint8), Overlay(mask=mask), view)


async def test_a_mouse_drag_continues_outside_until_the_button_is_released() -> None:
    app = CanvasApp(over=True)
    async with app.run_test(size=(12, 4)) as pilot:
        app.canvas.show(halves(8, 8))  # columns 2 … 9
        await pilot.pause()
        await pilot.hover(Canvas, offset=(9, 0))
        assert app.mouse == [], "no button is down"
        await pilot.mouse_down(Canvas, offset=(9, 3))
        await pilot.hover(Canvas, offset=(8, 0))
        await pilot.hover(Canvas, offset=(8, 0))
        await pilot.hover("#over", offset=(0, 0))
        await pilot.hover(Canvas, offset=(11, 3))
        await pilot.mouse_up(Canvas, offset=(0, 0))
        await pilot.hover(Canvas, offset=(4, 3))
        assert app.mouse == [
            ("pressed", 1, (7, 6)),
            ("dragged", (6, 0)),
            ("dragged", (1, 2)),
            ("dragged", (7, 6)),
            ("dragged", (0, 0)),  # Textual's pilot moves there first
            ("released", (0, 0)),
        ]
        assert app.mouse_captured is None


async def test_a_screen_that_opens_interrupts_a_mouse_drag() -> None:
    app = CanvasApp()
    async with app.run_test(size=(12, 4)) as pilot:
        app.canvas.show(halves(8, 8))
        await pilot.pause()
        await pilot.mouse_down(Canvas, offset=(4, 1))
        await app.push_screen(Dialog())
        await pilot.pause()
        await pilot.mouse_up(offset=(4, 1))
        assert app.mouse == [("pressed", 1, (2, 2)), ("dropped", (2, 2))]


async def test_the_wheel_and_the_right_button() -> None:
    app = CanvasApp()
    async with app.run_test(size=(12, 4)) as pilot:
        await turn(pilot, 3, 1, events.MouseScrollUp)
        app.canvas.show(halves(8, 8))
        await pilot.pause()
        await turn(pilot, 3, 1.5, events.MouseScrollUp)
        await turn(pilot, 0, 3, events.MouseScrollDown)
        await press(pilot, 4, 0, button=3)
        await pilot.hover(Canvas, offset=(9, 3))
        assert app.mouse == [("wheel", 1, (1, 3)), ("wheel", -1, (0, 6)), ("pressed", 3, (2, 0))]


# Zoomed -----------------------------------------------------------------------------------------------


async def test_a_zoom_of_eight_to_one_shows_the_right_pixels() -> None:
    image = np.arange(32 * 32 * 3, dtype=np.uint32).reshape(32, 32, 3).astype(np.uint8)
    app = CanvasApp()
    async with app.run_test(size=(40, 12)) as pilot:
        view = Viewport(Size(32, 32), app.canvas.room, 8.0, (60, 100))
        app.canvas.show(image, Overlay(pairs=(PairMark(1, (3, 2)),)), view)
        await pilot.pause()
        screen = terminal(app)
        for row in range(12):
            for column in range(40):
                char, fg, bg = colors(screen, row, column)
                above, below = ((100 + 2 * row + half) // 8 for half in (0, 1))
                if char in "▀ ":
                    assert bg == bytes(image[below, (60 + column) // 8]).hex()
                if char == "▀":
                    assert fg == bytes(image[above, (60 + column) // 8]).hex()
        assert screen.display[1][3:5] == "●1"
        await press(pilot, 0, 0)
        assert app.pressed == [view.point((60, 100))]


async def test_a_zoomed_image_has_square_pixels_only_at_full_resolution() -> None:
    app = CanvasApp()
    async with app.run_test(size=(8, 4)) as pilot:
        for source, colours in ((halves(4, 4), 2), (halves(2, 2), 8)):
            app.canvas.show(source, None, Viewport(Size(4, 4), app.canvas.room, 4.0, (0, 4)))
            await pilot.pause()
            screen = terminal(app)
            column = [colors(screen, row, 0)[1:] for row in range(4)]
            assert len({color for cell in column for color in cell if color}) == colours


async def test_a_pan_repaints_and_a_resize_keeps_the_centre() -> None:
    app = CanvasApp()
    async with app.run_test(size=(20, 10)) as pilot:
        image = halves(32, 32)
        view = Viewport(Size(32, 32), app.canvas.room, 8.0, (0, 100))
        app.canvas.show(image, None, view)
        await pilot.pause()
        assert colors(terminal(app), 0, 0)[2] == "ff0000"
        app.canvas.show(image, None, view.centred((3, 24)))
        await pilot.pause()
        assert colors(terminal(app), 0, 0)[2] == "0000ff"
        app.canvas.show(image, Overlay(cursor=(3, 3)), view.centred((3, 15.5)))
        await pilot.resize_terminal(20, 4)
        await pilot.pause()
        screen = terminal(app)
        assert [colors(screen, row, 0)[2] for row in range(4)] == ["ff0000"] * 2 + ["0000ff"] * 2
