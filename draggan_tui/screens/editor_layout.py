"""What is to be seen of a session: canvas and timeline left, panels right, status line and key line below."""

from __future__ import annotations

from math import ceil

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Static

from draggan_engine.core.edit import Edit
from draggan_engine.core.geometry import Point, Size
from draggan_engine.server.messages import LoadProgress
from draggan_tui.config import paths
from draggan_tui.editor.history_text import place_text
from draggan_tui.editor.mask_reach import mask_conflicts
from draggan_tui.editor.preview_cache import PreviewCache, RgbImage
from draggan_tui.editor.state import Comparison
from draggan_tui.editor.viewport import Viewport
from draggan_tui.editor.workspace import EditorState
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.edit_overlay import overlay_of_edit
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.rendering.loading_text import SPINNER, model_label, placeholder_text
from draggan_tui.rendering.loupe import CloseUp
from draggan_tui.rendering.narrow_panel_text import narrow_panel_text
from draggan_tui.rendering.next_step import next_step
from draggan_tui.rendering.overlay import Overlay
from draggan_tui.rendering.timeline import timeline_sections
from draggan_tui.rendering.view_sampling import color_at
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.cell_widget import CellWidget
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.key_line import KeyLine
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.status_line import MessageKind, StatusLine
from draggan_tui.widgets.text_lines import TextLines
from draggan_tui.widgets.timeline import Timeline
from draggan_tui.widgets.wide_panel import WidePanel, wide_panel_width

from .key_hints import key_hints
from .key_names import with_keys

NO_MODEL, ENGINE_GONE = "no model", "engine gone"
SIDE_PANEL, LINES_BELOW = 32, 3
"""Columns of the side panel; rows of timeline, status line and key line."""
TOO_SMALL = "The terminal is too small:\nat least 30×10 is needed."


class StageScreen(Screen[None]):
    """
    Args:
        state: what is edited.
        depth: how many colours the canvas may use.

    Attributes:
        view: which part of the picture is shown, and how large.
        comparison: which of two pictures is shown, or what of both.
        given: name of the file of the latent that may be started from.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (30, "-narrow"), (60, "-normal"), (160, "-wide")]  # noqa: RUF012 (Textual's)
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (10, "-low"), (20, "-high")]  # noqa: RUF012
    DEFAULT_CSS = """
    StageScreen { layers: base over; }
    StageScreen #main { height: 1fr; margin-bottom: 1; }
    StageScreen #left { width: 1fr; height: 1fr; }
    StageScreen #brief { height: 2; padding: 0 1; background: $surface; }
    StageScreen StatusLine { layer: over; dock: bottom; margin-bottom: 1; }
    StageScreen #too-small { height: 1fr; content-align: center middle; text-align: center; }
    StageScreen #brief, StageScreen WidePanel, StageScreen #too-small { display: none; }

    StageScreen.-wide WidePanel { display: block; }
    StageScreen.-wide Inspector #loupe.visible { display: none; }
    StageScreen.-narrow Inspector { display: none; }
    StageScreen.-narrow.-high #brief { display: block; }

    StageScreen.no-panels Inspector, StageScreen.no-panels WidePanel { display: none; }
    StageScreen.image-only Inspector, StageScreen.image-only WidePanel, StageScreen.image-only #brief,
    StageScreen.image-only Timeline, StageScreen.image-only KeyLine, StageScreen.image-only StatusLine { display: none; }
    StageScreen.image-only #main, StageScreen.image-only StatusLine { margin-bottom: 0; }
    StageScreen.image-only StatusLine.speaking { display: block; }

    StageScreen.-tiny #main, StageScreen.-flat #main, StageScreen.-tiny StatusLine, StageScreen.-flat StatusLine,
    StageScreen.-tiny KeyLine, StageScreen.-flat KeyLine { display: none; }
    StageScreen.-tiny #too-small, StageScreen.-flat #too-small { display: block; }
    """

    def __init__(self, state: EditorState, depth: ColorDepth) -> None:
        super().__init__()
        self.state, self.depth = state, depth
        self.device, self.given = "starting", ""
        self.view = Viewport(Size(1, 1), Size(1, 2))
        self.comparison: Comparison = "after"
        self.pictures = PreviewCache()
        self.flat: set[tuple[object, ...]] = set()  # handles that were found on flat patches, see `flat_key`
        self.seen: RgbImage | None = None  # the last one that was to be seen: a drag's, or the present edit's
        self.loaded_so_far: LoadProgress | None = None
        self._frame = 0
        self._hints_open = paths.is_first_use()

    def compose(self) -> ComposeResult:
        with Horizontal(id="main"):
            with Vertical(id="left"):
                yield Canvas()
                yield TextLines(id="brief")
                yield Timeline()
            yield WidePanel()
            yield Inspector()
        yield Static(TOO_SMALL, id="too-small", markup=False)
        yield StatusLine()
        yield KeyLine()

    def on_mount(self) -> None:
        self.use_depth(self.depth)
        self.spinner = self.set_interval(0.1, self._spin)
        self._spin()
        self.show_state()

    def use_depth(self, depth: ColorDepth) -> None:
        """Draw in so many colours: the terminal may say late what it has."""
        self.depth = depth
        for widget in self.query(CellWidget):
            widget.depth = depth

    def on_resize(self, event: Resize) -> None:
        self._fit_companion(event.size.width, event.size.height)

    def _fit_companion(self, columns: int, rows: int) -> None:
        """The canvas gets as many columns as the image needs, the companion what is left."""
        info = self.state.info
        aspect = 1.0 if info is None else info.width / info.height
        image_columns = ceil(2 * max(rows - LINES_BELOW, 1) * aspect)
        self.query_one(WidePanel).styles.width = wide_panel_width(columns, image_columns, SIDE_PANEL)

    def _spin(self) -> None:
        """The empty canvas: the model's name, what is being done about it, and a sign of life."""
        self._frame += 1
        name = model_label(self.state.edit.model)
        sign = "–" if self.device in (NO_MODEL, ENGINE_GONE) else SPINNER[self._frame % len(SPINNER)]
        canvas = self.query_one(Canvas)
        canvas.show_placeholder(placeholder_text(sign, name, self.loaded_so_far, *canvas.size))

    def say(self, message: str, kind: MessageKind = "plain") -> None:
        """Shows a message in the status line; keys that it names, as `{drag}`, are those in force."""
        self.query_one(StatusLine).show_message(with_keys(self.app, message), kind)

    def withdraw(self, message: str) -> None:
        """Remove a message that is not true any more, if it is still in the status line."""
        if self.query_one(StatusLine).message == message:
            self.query_one(StatusLine).clear()

    def begin_command(self) -> None:
        """Clear the status line: the user does something, so its message has been read."""
        self.query_one(StatusLine).clear()

    def end_hints(self) -> None:
        """No hints any more: neither now nor the next time."""
        if self._hints_open:
            self._hints_open = False
            paths.end_first_use()
            self.query_one(StatusLine).next_step = ""

    # The state ----------------------------------------------------------------------------------------

    @property
    def engine_alive(self) -> bool:
        """Whether there is an engine, or one is starting."""
        return self.device not in (NO_MODEL, ENGINE_GONE)

    def show_state(self) -> None:
        """Shows the document, the cursor and the drag as they are."""
        work, picture = self.state, self.picture()
        self._show_panels()
        status = self.query_one(StatusLine)
        status.mode = " ".join(mode for mode in self._modes() if mode)
        status.next_step = self._idle_text()
        self.query_one(KeyLine).hints = key_hints(self.app, work, self.engine_alive)
        self.query_one(Timeline).show(
            timeline_sections(work.history_cursor, work.trajectories),
            place_text(work.history_cursor, work.trajectories),
        )
        if picture is not None:
            self.query_one(Canvas).show(picture, self._overlay(), self.view)

    def _idle_text(self) -> str:
        """What the status line says while there is no message: a drag's progress where no panel shows it, or a hint."""
        work, inspector = self.state, self.query_one(Inspector)
        if work.dragging and not inspector.display:
            return inspector.progress_text
        if self._hints_open and work.info is not None:
            return with_keys(self.app, next_step(work.edit, work.dragging))
        return ""

    def inspector_state(self) -> InspectorState:
        """Return what the side panel shows of the edit."""
        work, edit = self.state, self.state.drawn
        image = self.seen
        color = None if image is None or work.cursor is None else color_at(image, work.picture, work.cursor)
        close_up = None
        if image is not None and work.selected is not None:
            handle = edit.pairs[work.selected].handle
            close_up = CloseUp(image, work.picture, handle, work.selected + 1)
        return InspectorState(
            edit=edit,
            device=self.device,
            model_info=work.info,
            latent_name=self.given,
            cursor=work.cursor,
            cursor_color=color,
            zoom=self.view.ratio,
            brush=work.brush,
            selected=work.selected,
            flat_handles={i for i, pair in enumerate(edit.pairs) if self.flat_key(pair.handle) in self.flat},
            blocked_points={} if work.info is None else mask_conflicts(work.edit, work.info.size),
            place_key=with_keys(self.app, "{place}"),
            close_up=close_up,
            drag_number=None if work.dragging else edit.source.drag or 0,
        )

    def _show_panels(self) -> None:
        state = self.inspector_state()
        self.query_one(Inspector).show(state)
        self.query_one("#brief", TextLines).update(narrow_panel_text(state))
        self._show_companion(state.close_up)

    def _show_companion(self, close_up: CloseUp | None) -> None:
        """Show the image before the drags, and the selected handle enlarged."""
        work, companion = self.state, self.query_one(WidePanel)
        companion.show_handle(close_up)
        if work.info is not None:
            self._fit_companion(*self.size)
            before = self.pictures.get(work.before.source) if self._compares_beside() else None
            companion.show_before(before, work.picture)

    def _compares_beside(self) -> bool:
        """Whether the companion shows the image before."""
        work = self.state
        return self.query_one(WidePanel).display and (work.dragging or work.before.source != work.edit.source)

    def flat_key(self, handle: Point) -> tuple[object, ...]:
        """A place in a picture: what is found there holds until the handle or the picture is another."""
        return (self.state.edit.model, self.state.edit.source, handle)

    def _modes(self) -> tuple[str, ...]:
        work = self.state
        return (
            "PEN" if work.pen else "",
            "" if work.shape is None else work.shape.form.upper(),
            "" if self.comparison == "after" else self.comparison.upper(),
            "" if work.grab is None else "GRAB",
            "LIVE" if work.lead is not None else "DRAG" if work.dragging else "",
            str(work.count or ""),
            "*" if work.unsaved else "",
        )

    # Pictures -----------------------------------------------------------------------------------------

    def picture(self) -> RgbImage | ComparedImages | None:
        """Return what is to be seen, or the last image that was while that is not there."""
        work = self.state
        if work.info is None:
            return None
        if not work.dragging and (present := self.pictures.get(work.edit.source)) is not None:
            self.seen = present
        before = None if self.comparison == "after" else self.pictures.get(work.before.source)
        if self.seen is None or before is None or before.shape != self.seen.shape:  # a smaller one is no match
            return self.seen
        split = 0.0 if work.cursor is None else (work.cursor[0] + 0.5) / work.picture.width
        return ComparedImages(before, self.seen, self.comparison, split)

    def missing(self) -> Edit | None:
        """An edit whose picture is to be seen and not there; none: all are. A running drag sends its own."""
        work = self.state
        shown_edits = (
            *(() if work.dragging else (work.edit,)),
            *(() if self.comparison == "after" and not self._compares_beside() else (work.before,)),
        )
        return next((edit for edit in shown_edits if self.pictures.get(edit.source) is None), None)

    # The view -----------------------------------------------------------------------------------------

    def _overlay(self) -> Overlay:
        return overlay_of_edit(self.state, self.show_cursor(), comparing=self.comparison != "after")

    def show_cursor(self, margin: int = 0) -> Viewport:
        """Fits the view to the picture, to the room that there is now, and to the cursor, which is always shown.

        Args:
            margin: screen pixels that shall be visible round the cursor.

        Raises:
            EditError: the model is still loading.
        """
        picture, cursor, room = self.state.picture, self.state.cursor, self.query_one(Canvas).room
        view = self.view.resized(room) if self.view.picture == picture else Viewport(picture, room)
        self.view = view if cursor is None else view.following(cursor, margin)
        return self.view

    def grid(self) -> Size:
        """The size of the whole picture as the view shows it, in half-cells."""
        return self.show_cursor().grid

    def preview_size(self) -> Size:
        """Return how many pixels of a running drag's image can be told apart: all of them beside another image or in
        the loupe."""
        grid, picture = self.grid(), self.state.picture
        if self.comparison != "after" or any(loupe.region.area for loupe in self.query(Loupe)):
            return picture
        return Size(min(grid.width, picture.width), min(grid.height, picture.height))
