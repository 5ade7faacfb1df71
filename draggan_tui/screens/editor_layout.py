"""What the editor's screen shows: canvas and timeline on the left, panels on the right, status line and key line below."""

from __future__ import annotations

from math import ceil

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from draggan_engine.core.edit import Edit
from draggan_engine.server.messages import LoadProgress
from draggan_tui.config import paths
from draggan_tui.editor.commands.context import MessageKind
from draggan_tui.editor.displayed_images import DisplayedImages
from draggan_tui.editor.history_text import place_text
from draggan_tui.editor.mask_reach import mask_conflicts
from draggan_tui.editor.modes import (
    AligningPhotograph,
    Grab,
    Inverting,
    Labels,
    LiveDrag,
    Pen,
    ShapeMode,
    ViewingPhotograph,
)
from draggan_tui.editor.preview_cache import RgbArray
from draggan_tui.editor.state import EditorState
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.edit_overlay import overlay_of_cursor, overlay_of_edit, overlay_of_photograph
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.rendering.inversion_text import VIEW_TEXTS, alignment_text, inversion_text, side_text
from draggan_tui.rendering.loading_text import SPINNER, model_label, placeholder_text
from draggan_tui.rendering.loupe import CloseUp
from draggan_tui.rendering.narrow_panel_text import narrow_panel_text
from draggan_tui.rendering.next_step import next_step
from draggan_tui.rendering.overlay import Overlay
from draggan_tui.rendering.timeline import timeline_sections
from draggan_tui.rendering.view_sampling import color_at
from draggan_tui.terminal.cell_shape import CellShape
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.cell_widget import CellWidget
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.key_line import KeyLine
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.status_line import StatusLine
from draggan_tui.widgets.text_lines import TextLines
from draggan_tui.widgets.timeline import Timeline
from draggan_tui.widgets.wide_panel import WidePanel, wide_panel_width

from .key_hints import key_hints
from .key_names import with_keys

SIDE_PANEL_COLUMNS, ROWS_BELOW = 32, 3
"""Columns of the side panel; rows of timeline, status line and key line."""
TOO_SMALL = "The terminal is too small:\nat least 30×10 is needed."
HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (30, "-narrow"), (60, "-normal"), (160, "-wide")]
VERTICAL_BREAKPOINTS = [(0, "-flat"), (10, "-low"), (20, "-high")]
LAYOUT_CSS = """
EditorScreen { layers: base over; }
EditorScreen #main { height: 1fr; margin-bottom: 1; }
EditorScreen #left { width: 1fr; height: 1fr; }
EditorScreen #brief { height: 2; padding: 0 1; background: $surface; }
EditorScreen StatusLine { layer: over; dock: bottom; margin-bottom: 1; }
EditorScreen #too-small { height: 1fr; content-align: center middle; text-align: center; }
EditorScreen #brief, EditorScreen WidePanel, EditorScreen #too-small { display: none; }

EditorScreen.-wide WidePanel { display: block; }
EditorScreen.-wide Inspector #loupe.visible { display: none; }
EditorScreen.-narrow Inspector { display: none; }
EditorScreen.-narrow.-high #brief { display: block; }

EditorScreen.no-panels Inspector, EditorScreen.no-panels WidePanel { display: none; }
EditorScreen.image-only Inspector, EditorScreen.image-only WidePanel, EditorScreen.image-only #brief,
EditorScreen.image-only Timeline, EditorScreen.image-only KeyLine, EditorScreen.image-only StatusLine { display: none; }
EditorScreen.image-only #main, EditorScreen.image-only StatusLine { margin-bottom: 0; }
EditorScreen.image-only StatusLine.speaking { display: block; }

EditorScreen.-tiny #main, EditorScreen.-flat #main, EditorScreen.-tiny StatusLine, EditorScreen.-flat StatusLine,
EditorScreen.-tiny KeyLine, EditorScreen.-flat KeyLine { display: none; }
EditorScreen.-tiny #too-small, EditorScreen.-flat #too-small { display: block; }
"""


class EditorLayout:
    """The widgets of the editor's screen.

    Args:
        depth: how many colours the terminal takes.
        shape: how the cells of images are divided.

    Attributes:
        load_progress: how far the model that is being loaded is.
    """

    def __init__(
        self, screen: Screen[None], state: EditorState, images: DisplayedImages, depth: ColorDepth, shape: CellShape
    ) -> None:
        self._screen, self._state, self._displayed_images = screen, state, images
        self.depth, self.shape = depth, shape
        self.load_progress: LoadProgress | None = None
        self.canvas, self.timeline, self.brief = Canvas(), Timeline(), TextLines(id="brief")
        self.inspector, self.wide_panel = Inspector(), WidePanel()
        self.status_line, self.key_line = StatusLine(), KeyLine()
        self._spinner_frame = 0
        self._shows_hints = paths.is_first_use()

    def compose(self) -> ComposeResult:
        with Horizontal(id="main"):
            with Vertical(id="left"):
                yield self.canvas
                yield self.brief
                yield self.timeline
            yield self.wide_panel
            yield self.inspector
        yield Static(TOO_SMALL, id="too-small", markup=False)
        yield self.status_line
        yield self.key_line

    def start(self) -> None:
        """Show the state for the first time, and a spinner until there is an image."""
        self.use_depth(self.depth)
        self.use_shape(self.shape)
        self._spinner_timer = self._screen.set_interval(0.1, self._spin)
        self._spin()
        self.show()

    # Sizes and colours ----------------------------------------------------------------------------------

    def use_depth(self, depth: ColorDepth) -> None:
        """Draw in another number of colours: the terminal may answer late how many it has."""
        self.depth = depth
        for cell_widget in self._screen.query(CellWidget):
            cell_widget.depth = depth

    def use_shape(self, shape: CellShape) -> None:
        """Divide the cells of images in another way."""
        self.shape = shape
        for cell_widget in self._screen.query(CellWidget):
            cell_widget.shape = shape

    def fit_wide_panel(self, screen_columns: int, screen_rows: int) -> None:
        """Give the canvas as many columns as the image needs, and the wide panel what is left."""
        model_info = self._state.model_info
        aspect_ratio = 1.0 if model_info is None else model_info.width / model_info.height
        image_columns = ceil(2 * max(screen_rows - ROWS_BELOW, 1) * aspect_ratio)
        self.wide_panel.styles.width = wide_panel_width(screen_columns, image_columns, SIDE_PANEL_COLUMNS)

    def shows_loupe(self) -> bool:
        """Return whether a loupe is on the screen."""
        return any(loupe.region.area for loupe in self._screen.query(Loupe))

    def _shows_image_before(self) -> bool:
        """Return whether the wide panel shows the image before the drags."""
        state = self._state
        return self.wide_panel.display and (state.is_dragging or state.before_edit.source != state.edit.source)

    # Without an image -----------------------------------------------------------------------------------

    def _spin(self) -> None:
        """Show the model's name, how far it is loaded, and a sign of life on the empty canvas."""
        self._spinner_frame += 1
        is_working = self._state.engine_status in ("starting", "ready")
        spinner_sign = SPINNER[self._spinner_frame % len(SPINNER)] if is_working else "–"
        canvas_text = placeholder_text(
            spinner_sign, model_label(self._state.edit.model), self.load_progress, *self.canvas.size
        )
        self.canvas.show_placeholder(canvas_text)

    def pause_spinner(self) -> None:
        self._spinner_timer.pause()

    def forget_image(self) -> None:
        """Show the spinner again: another model begins a session."""
        self.canvas.show(None)
        self._spinner_timer.resume()

    # Messages -------------------------------------------------------------------------------------------

    def report(self, message_text: str, kind: MessageKind = "plain") -> None:
        """Show a message in the status line, with the keys in force for the bindings that it names, as `{drag}`."""
        self.status_line.show_message(with_keys(self._screen.app, message_text), kind)

    def withdraw(self, message_text: str) -> None:
        """Remove a message that is not true any more, if it is still in the status line."""
        if self.status_line.message == message_text:
            self.status_line.clear()

    def end_hints(self) -> None:
        """End the hints for newcomers, now and in later runs."""
        if self._shows_hints:
            self._shows_hints = False
            paths.end_first_use()
            self.status_line.next_step = ""

    # The state ------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Show the state as it is."""
        state, latest_image = self._state, self.displayed_image()
        self._show_panels()
        self.status_line.mode = " ".join(filter(None, self._mode_words()))
        self.status_line.next_step = self._idle_text()
        self.key_line.hints = key_hints(self._screen.app, state)
        self.timeline.show(
            timeline_sections(state.history_cursor, state.trajectories),
            place_text(state.history_cursor, state.trajectories),
        )
        if latest_image is not None:
            self.canvas.show(latest_image, self.overlay(), state.viewport)

    def displayed_image(self) -> RgbArray | ComparedImages | None:
        """Return the image that the canvas shows; None: there is none yet."""
        state, latest_image = self._state, self._displayed_images.latest
        if isinstance(state.mode, AligningPhotograph):
            return state.mode.photograph.image
        if isinstance(state.mode, ViewingPhotograph):
            return state.mode.image
        if state.is_inverting:
            return latest_image
        if state.model_info is None or latest_image is None or state.comparison == "after":
            return None if state.model_info is None else latest_image
        before_image = self._displayed_images.before(state)
        # The smaller previews of a drag are compared with nothing.
        if before_image is None or before_image.shape != latest_image.shape:
            return latest_image
        split_position = 0.0 if state.cursor is None else (state.cursor[0] + 0.5) / state.image_size.width
        return ComparedImages(before_image, latest_image, state.comparison, split_position)

    def missing_edit(self) -> Edit | None:
        """Return an edit whose image is to be shown and has not come yet; None: all have."""
        shows_before = self._state.comparison != "after" or self._shows_image_before()
        return self._displayed_images.missing_edit(self._state, shows_before=shows_before)

    def overlay(self) -> Overlay:
        """Return what lies over the image: points, mask, shape and cursor; over a photograph, its first point and the cursor."""
        state = self._state
        if isinstance(state.mode, AligningPhotograph):
            return overlay_of_photograph(state, state.mode)
        shows_cursor_only = isinstance(state.mode, Inverting | ViewingPhotograph)
        return overlay_of_cursor(state) if shows_cursor_only else overlay_of_edit(state)

    def _mode_words(self) -> tuple[str, ...]:
        state, mode = self._state, self._state.mode
        return (
            "PEN" if isinstance(mode, Pen) else "",
            mode.kind.upper() if isinstance(mode, ShapeMode) else "",
            "" if state.comparison == "after" else state.comparison.upper(),
            "LETTERS" if isinstance(mode, Labels) else "",
            "GRAB" if isinstance(mode, Grab) else "",
            "PHOTOGRAPH"
            if isinstance(mode, AligningPhotograph | ViewingPhotograph)
            else "INVERT"
            if state.is_inverting
            else "",
            "LIVE" if isinstance(mode, LiveDrag) else "DRAG" if state.is_dragging else "",
            str(state.count or ""),
            "*" if state.has_unsaved_changes else "",
        )

    def _idle_text(self) -> str:
        """Return what the status line shows while there is no message: what to do in a photograph, the progress of its
        inversion, a drag's progress if no panel shows it, or a hint."""
        state = self._state
        if isinstance(state.mode, AligningPhotograph):
            return with_keys(self._screen.app, alignment_text(state.mode))
        if isinstance(state.mode, Inverting):
            return inversion_text(state.mode)
        if isinstance(state.mode, ViewingPhotograph):
            return VIEW_TEXTS[state.mode.shown]
        if state.is_dragging and not self.inspector.display:
            return self.inspector.progress_text
        if self._shows_hints and state.model_info is not None:
            return with_keys(self._screen.app, next_step(state.edit, state.is_dragging))
        return ""

    def inspector_state(self) -> InspectorState:
        """Return what the side panel shows of the edit."""
        state, edit, latest_image = self._state, self._state.drawn_edit, self._displayed_images.latest
        if isinstance(state.mode, AligningPhotograph):
            latest_image = state.mode.photograph.image
        elif isinstance(state.mode, ViewingPhotograph):
            latest_image = state.mode.image
        cursor_color = None
        if latest_image is not None and state.cursor is not None:
            cursor_color = color_at(latest_image, state.viewport.image_size, state.cursor)
        close_up = None
        shows_points = not isinstance(state.mode, AligningPhotograph | Inverting | ViewingPhotograph)
        if latest_image is not None and state.selected_pair is not None and shows_points:
            selected_handle = edit.pairs[state.selected_pair].handle
            close_up = CloseUp(latest_image, state.image_size, selected_handle, state.selected_pair + 1)
        return InspectorState(
            edit=edit,
            device=state.device if state.engine_status == "ready" else state.engine_status,
            model_info=state.model_info,
            sigma=state.sigma,
            file_latent=self._state.file_latent,
            cursor=state.cursor,
            cursor_color=cursor_color,
            zoom=state.viewport.ratio,
            brush=state.brush,
            selected=state.selected_pair,
            flat_handles={i for i, pair in enumerate(edit.pairs) if state.is_marked_flat(pair.handle)},
            blocked_points={} if state.model_info is None else mask_conflicts(state.edit, state.image_size),
            place_key=with_keys(self._screen.app, "{place}"),
            points_text=side_text(state.mode),
            close_up=close_up,
            drag_number=edit.source.drag,
            is_dragging=state.is_dragging,
        )

    def _show_panels(self) -> None:
        inspector_state = self.inspector_state()
        self.inspector.show(inspector_state)
        self.brief.update(narrow_panel_text(inspector_state))
        self.wide_panel.show_handle(inspector_state.close_up)
        if self._state.model_info is not None:
            self.fit_wide_panel(*self._screen.size)
            before_image = self._displayed_images.before(self._state) if self._shows_image_before() else None
            self.wide_panel.show_before(before_image, self._state.image_size)
