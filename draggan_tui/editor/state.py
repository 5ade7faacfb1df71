"""What is being edited, and how it changes: what all tools share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import Brush
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, convert, nearest_pixel
from draggan_engine.core.history import History, Trajectory
from draggan_engine.core.mask_regions import ShapeKind
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.editor.grab import Grab
from draggan_tui.editor.history_cursor import HistoryCursor

Comparison = Literal["after", "before", "split", "difference"]
"""Which of two images is shown, or what of both."""
STILL_LOADING = "the model is still loading"


@dataclass(frozen=True)
class Shape:
    """What is being stretched: from `start`, in picture pixels, to the cursor."""

    form: ShapeKind
    start: Point


@dataclass(frozen=True)
class ResumedSession:
    """An earlier session to go on with: its history, its folder, and what opens its model."""

    history: History
    folder: Path
    model: str


class State:
    """
    Args:
        history: what to start with; the model's own defaults complete its edit in `model_loaded`.
        psi: ψ if the user gave one.
        taken_up: the history is that of an earlier session, and complete.

    Attributes:
        revision: number of the last change that is worth keeping (looking through seeds alone is not).
        saved: the last revision that is on disk.
        where: the history, and where in it one is.
        paths: the ways of the drags, as far as they have been read.
        draft: the edit as it would be if the mouse button were let go now.
        moved: where the handles are while a drag runs, one for each pair that is dragged.
        led: index of the pair that is led by hand in the running drag: its target follows the cursor until it is let go.
        reference: the entry that before and after are compared with; none: what the drags started from.
        loading: the model that is to take the present one's place, by name or path.
    """

    def __init__(self, history: History, psi: float | None, *, taken_up: bool = False) -> None:
        self.history_cursor = HistoryCursor(history)
        self.trajectories: dict[int, Trajectory] = {}
        self._psi, self._taken_up = psi, taken_up
        self._dragged: tuple[int, ...] = ()
        self.info: ModelInfo | None = None
        self.cursor: Point | None = None
        self.selected: int | None = None
        self.pen = False
        self.brush = Brush()
        self.shape: Shape | None = None
        self.grab: Grab | None = None
        self.count = 0
        self.draft: Edit | None = None
        self.dragging = False
        self.loading: str | None = None
        self.moved: tuple[Point, ...] | None = None
        self.led: int | None = None
        self._let_go_at: Point | None = None
        self.reference: int | None = None
        self.revision = 0
        self.saved = 0

    @property
    def history(self) -> History:
        return self.history_cursor.history

    @property
    def edit(self) -> Edit:
        return self.history_cursor.edit(self.trajectories)

    @property
    def drawn(self) -> Edit:
        """The edit as it is to be seen: with what the mouse is doing to it, what is grabbed where the cursor is, and while
        a drag runs with its points where they are."""
        if self.grab is not None:
            return self.grab.held(self.edit, self._cursor())
        if not self.dragging:
            return self.draft or self.edit
        pairs = list(self.edit.pairs)
        if self.led is not None:
            target = self.cursor if self._let_go_at is None else self._let_go_at
            pairs[self.led] = pairs[self.led].model_copy(update={"target": target})
        for index, handle in zip(self._dragged, self.moved or (), strict=False):
            pairs[index] = pairs[index].model_copy(update={"handle": handle})
        return self.edit.model_copy(update={"pairs": tuple(pairs)})

    @property
    def lead(self) -> Point | None:
        """Where the hand is, if a pair is in it."""
        return None if self.led is None or self._let_go_at is not None else self.cursor

    @property
    def unsaved(self) -> bool:
        return self.saved < self.revision

    @property
    def picture(self) -> Size:
        """
        Raises:
            EditError: the model is still loading.
        """
        return self._model().size

    @property
    def before(self) -> Edit:
        """What before and after are compared with."""
        if self.reference is None:
            return self.edit.before_drags
        return self.history.revisions[self.reference].edit

    def change(self, edit: Edit, *, keep: bool = True) -> None:
        """Makes an edit the present one: one entry of the history."""
        if edit != self.edit:
            self._travel(HistoryCursor(self.history_cursor.landed(self.trajectories).change(edit)), keep=keep)

    def sketch(self, edit: Edit) -> None:
        """What the mouse is making, to be seen; `settle` makes it."""
        self.at_rest()
        self.draft = edit

    def settle(self) -> None:
        """The mouse button is let go: its draft is one change."""
        draft, self.draft = self.draft, None
        if draft is not None:
            self.change(draft)

    def keep(self) -> None:
        """Asks for the present edit to be written even if nothing has changed."""
        self.at_rest()
        self._land()
        self.revision += 1

    def _land(self) -> None:
        """What is seen within a drag becomes an entry of its own."""
        self.history_cursor = HistoryCursor(self.history_cursor.landed(self.trajectories))

    def _travel(self, place: HistoryCursor, *, keep: bool) -> None:
        self.history_cursor, self.draft = place, None
        count = len(self.edit.pairs)
        self.selected = None if count == 0 else min(self.selected or 0, count - 1)
        if keep or self.revision:
            self.revision += 1

    def need_picture(self) -> None:
        """
        Raises:
            EditError: the model is still loading.
        """
        self._model()

    def at_rest(self) -> None:
        """
        Raises:
            EditError: nothing can be changed now.
        """
        self._model()
        if self.loading is not None:
            raise EditError("a model is loading: wait until it is open")
        if self.dragging:
            raise EditError("a drag is running: {drag} stops it")
        self._check_hands_free()

    def _check_hands_free(self) -> None:
        if self.grab is not None:
            raise EditError(f"{self.grab} is grabbed: {{place}} drops it, {{cancel}} puts it back")
        if self.lead is not None:
            raise EditError("a live drag is running: {lead} lets the handle go")

    def _model(self) -> ModelInfo:
        if self.info is None:
            raise EditError(STILL_LOADING)
        return self.info

    def _cursor(self) -> Point:
        _ = self.picture
        assert self.cursor is not None, "a loaded model has placed it"
        return self.cursor

    def _selected(self) -> int:
        if self.selected is None:
            raise EditError("there is no pair: {place} places a handle")
        return self.selected

    def _take_count(self) -> int:
        times, self.count = self.count or 1, 0
        return times

    def pixel(self, point: Point, grid: Size) -> tuple[int, int]:
        """The preview pixel that shows a point."""
        return nearest_pixel(convert(point, self.picture, grid), grid)
