"""What is to be seen of a session: canvas and timeline left, inspector right, status and keys below."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.geometry import Point, Size
from draggan_engine.protocol.messages import Loading
from draggan_tui.pictures import Picture, Pictures
from draggan_tui.renderables.changes import place_text
from draggan_tui.renderables.compare import ComparedImages, Comparison
from draggan_tui.renderables.loading import SPINNER, model_label, placeholder
from draggan_tui.renderables.marks import overlay_of
from draggan_tui.renderables.overlay import Overlay
from draggan_tui.renderables.palette import ColorDepth
from draggan_tui.renderables.sampling import color_at
from draggan_tui.renderables.timeline import stretches
from draggan_tui.viewport import Viewport
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.cell_widget import CellWidget
from draggan_tui.widgets.hint import Hint, next_step
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.status import Kind, StatusLine
from draggan_tui.widgets.timeline import Timeline
from draggan_tui.workspace import Workspace

from .key_names import with_keys

NO_MODEL, ENGINE_GONE = "no model", "engine gone"


class StageScreen(Screen[None]):
    """
    Args:
        workspace: what is edited.
        depth: how many colours the canvas may use.

    Attributes:
        view: which part of the picture is shown, and how large.
        comparison: which of two pictures is shown, or what of both.
        given: name of the file of the latent that may be started from.
    """

    DEFAULT_CSS = """
    StageScreen { layers: base over; }
    StageScreen #main { height: 1fr; margin-bottom: 1; }
    StageScreen #work { height: 1fr; }
    StageScreen #left { width: 1fr; height: 1fr; }
    StageScreen StatusLine { layer: over; dock: bottom; margin-bottom: 1; }
    """

    def __init__(self, workspace: Workspace, depth: ColorDepth) -> None:
        super().__init__()
        self.workspace, self.depth = workspace, depth
        self.device, self.given = "starting", ""
        self.view = Viewport(Size(1, 1), Size(1, 2))
        self.comparison: Comparison = "after"
        self.pictures = Pictures()
        self.flat: set[tuple[object, ...]] = set()  # handles that were found on flat patches, see `flat_key`
        self.seen: Picture | None = None  # the last one that was to be seen: a drag's, or the present edit's
        self.loaded_so_far: Loading | None = None
        self._frame = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="main"):
            with Horizontal(id="work"):
                with Vertical(id="left"):
                    yield Canvas()
                    yield Timeline()
                yield Inspector()
            yield Hint()
        yield StatusLine()
        yield Footer(compact=True, show_command_palette=False)

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

    def _spin(self) -> None:
        """The empty canvas: the model's name, what is being done about it, and a sign of life."""
        self._frame += 1
        name = model_label(self.workspace.edit.model)
        sign = "–" if self.device in (NO_MODEL, ENGINE_GONE) else SPINNER[self._frame % len(SPINNER)]
        canvas = self.query_one(Canvas)
        canvas.placeholder(placeholder(sign, name, self.loaded_so_far, *canvas.size))

    def say(self, message: str, kind: Kind = "plain") -> None:
        """Shows a message in the status line; keys that it names, as `{drag}`, are those in force."""
        self.query_one(StatusLine).say(with_keys(self.app, message), kind)

    # The state ----------------------------------------------------------------------------------------

    def show_state(self) -> None:
        """Shows the document, the cursor and the drag as they are."""
        work, edit = self.workspace, self.workspace.drawn
        inspector, picture = self.query_one(Inspector), self.picture()
        share = None if edit.mask is None else edit.mask.share
        color = None if self.seen is None or work.cursor is None else color_at(self.seen, work.picture, work.cursor)
        handles = tuple(pair.handle for pair in edit.pairs)
        inspector.show_edit(
            edit, self.device, work.cursor, handles, work.selected, share, work.brush, work.info, self.given,
            color, self.view.ratio, [i for i, handle in enumerate(handles) if self.flat_key(handle) in self.flat],
        )  # fmt: skip
        if self.seen is None or work.selected is None:
            inspector.hide_handle()
        else:
            inspector.show_handle(work.selected + 1, handles[work.selected], self.seen, work.picture)
        self.query_one(StatusLine).mode = " ".join(mode for mode in self._modes() if mode)
        if work.info is not None:
            self.query_one(Hint).say(with_keys(self.app, next_step(work.edit, work.dragging)))
        self.query_one(Timeline).show(stretches(work.where, work.paths), place_text(work.where, work.paths))
        if picture is not None:
            self.query_one(Canvas).show(picture, self._overlay(), self.view)

    def flat_key(self, handle: Point) -> tuple[object, ...]:
        """A place in a picture: what is found there holds until the handle or the picture is another."""
        return (self.workspace.edit.model, self.workspace.edit.source, handle)

    def _modes(self) -> tuple[str, ...]:
        work = self.workspace
        return (
            str(work.count or ""),
            "PEN" if work.pen else "",
            "" if work.shape is None else work.shape.form.upper(),
            "" if self.comparison == "after" else self.comparison.upper(),
            "" if work.grab is None else "GRAB",
            "LEAD" if work.lead is not None else "DRAG" if work.dragging else "",
            "*" if work.unsaved else "",
        )

    # Pictures -----------------------------------------------------------------------------------------

    def picture(self) -> Picture | ComparedImages | None:
        """Return what is to be seen, or the last image that was while that is not there."""
        work = self.workspace
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
        work = self.workspace
        wanted = (*(() if work.dragging else (work.edit,)), *(() if self.comparison == "after" else (work.before,)))
        return next((edit for edit in wanted if self.pictures.get(edit.source) is None), None)

    # The view -----------------------------------------------------------------------------------------

    def _overlay(self) -> Overlay:
        return overlay_of(self.workspace, self.show_cursor(), comparing=self.comparison != "after")

    def show_cursor(self, margin: int = 0) -> Viewport:
        """Fits the view to the picture, to the room that there is now, and to the cursor, which is always shown.

        Args:
            margin: screen pixels that shall be visible round the cursor.

        Raises:
            EditError: the model is still loading.
        """
        picture, cursor, room = self.workspace.picture, self.workspace.cursor, self.query_one(Canvas).room
        view = self.view.resized(room) if self.view.picture == picture else Viewport(picture, room)
        self.view = view if cursor is None else view.following(cursor, margin)
        return self.view

    def grid(self) -> Size:
        """The size of the whole picture as the view shows it, in half-cells."""
        return self.show_cursor().grid

    def preview_size(self) -> Size:
        """Return how many pixels of a running drag's image can be told apart: all of them beside another image or in
        the loupe."""
        grid, picture = self.grid(), self.workspace.picture
        if self.comparison != "after" or any(loupe.region.area for loupe in self.query(Loupe)):
            return picture
        return Size(min(grid.width, picture.width), min(grid.height, picture.height))
