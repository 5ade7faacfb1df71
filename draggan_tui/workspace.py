"""What the keys do, without a screen: the document with its history, the cursor, the pen, the running drag.

Every method either changes the state or raises `EditError` with a line for the user and changes nothing.
The screen calls them, then shows the state and tells the engine what is new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from draggan_engine.protocol.edit import Edit, check_label
from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import Point, Size, convert, distance, nearest_pixel
from draggan_engine.protocol.messages import DragRecord, ModelInfo

from . import document
from .areas import Area, Form
from .document import Brush, History

MAX_BRUSH = 32
MAX_COUNT = 9999


@dataclass(frozen=True)
class Shape:
    """What is being stretched: from `start`, in picture pixels, to the cursor."""

    form: Form
    start: Point


class Workspace:
    """
    Args:
        edit: what to start with; the model's own defaults complete it in `model_loaded`.
        psi: ψ if the user gave one.
        taken_up: the edit is one of an earlier session, and complete.

    Attributes:
        revision: number of the last change that is worth keeping (looking through seeds alone is not).
        saved: the last revision that is on disk.
        live: where the handles are while a drag runs, one for each pair that has a target.
        loading: the model that is to take the present one's place, by name or path.
    """

    def __init__(self, edit: Edit, psi: float | None, *, taken_up: bool = False) -> None:
        self.history = History(edit)
        self._psi, self._taken_up = psi, taken_up
        self.info: ModelInfo | None = None
        self.cursor: Point | None = None
        self.selected: int | None = None
        self.pen = False
        self.brush = Brush()
        self.shape: Shape | None = None
        self.count = 0
        self.dragging = False
        self.loading: str | None = None
        self.live: tuple[Point, ...] | None = None
        self.revision = 0
        self.saved = 0

    # What there is ------------------------------------------------------------------------------------

    @property
    def edit(self) -> Edit:
        return self.history.present

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
    def handles(self) -> tuple[Point, ...]:
        """Where the handles are now, one for each pair."""
        if self.live is None:
            return tuple(pair.handle for pair in self.edit.pairs)
        live = iter(self.live)
        return tuple(pair.handle if pair.target is None else next(live) for pair in self.edit.pairs)

    # Engine -------------------------------------------------------------------------------------------

    def model_loaded(self, info: ModelInfo) -> None:
        """The first time, the model's defaults complete the edit; in place of another model it begins a new session, with
        the same seed; in a restarted engine it changes nothing.

        Raises:
            EditError: the first model does not have the class that was asked for.
        """
        if self.info is None:
            check_label(self.edit.label, info.classes, info.name)
            update: dict[str, object] = {"model": info.name}
            if not self._taken_up:
                update |= {"psi": info.psi if self._psi is None else self._psi, "settings": info.settings}
            self._begin(self.edit.model_copy(update=update), info)
        elif self.loading is not None:
            label = min(self.edit.label, max(info.classes - 1, 0))
            edit = Edit(model=info.name, seed=self.edit.seed, psi=info.psi, label=label, settings=info.settings)
            self._begin(edit, info)
        self.info, self.loading = info, None

    def _begin(self, edit: Edit, info: ModelInfo) -> None:
        self.history = History(edit)
        self.cursor = ((info.width - 1) / 2, (info.height - 1) / 2)
        self.selected, self.count = None, 0
        self.revision = self.saved = 0

    def begin_loading(self, spec: str) -> None:
        """Another model is on its way; until it is there, or cannot be had, nothing changes."""
        self.at_rest()
        self.pen, self.shape, self.loading = False, None, spec

    def end_loading(self) -> None:
        """It cannot be had; the present one stays."""
        self.loading = None

    def begin_drag(self, edit: Edit) -> None:
        """
        Args:
            edit: what is dragged: the present edit, perhaps with other settings.
        """
        self.at_rest()
        within = edit.settings.stop_within(len(pairs := edit.check_drag(self.picture)))
        if all(distance(handle, target) <= within for handle, target in pairs):
            raise EditError(f"nothing to drag: every handle is within {within:g} px of its target; set a new one (t)")
        self.pen, self.shape, self.dragging, self.live = False, None, True, None

    def end_drag(self, record: DragRecord | None) -> None:
        """The drag is over; with a record, its result is the present picture and one entry of the history."""
        self.dragging, self.live = False, None
        if record is not None:
            self.change(self.edit.after_drag(record.number, [pair.final for pair in record.pairs]))

    # Changes ------------------------------------------------------------------------------------------

    def change(self, edit: Edit, *, keep: bool = True) -> None:
        """Makes an edit the present one: one entry of the history."""
        if edit != self.edit:
            self._travel(self.history.change(edit), keep=keep)

    def undo(self) -> None:
        self.at_rest()
        if not self.history.past:
            raise EditError("nothing to undo")
        self._travel(self.history.undo(), keep=False)

    def redo(self) -> None:
        self.at_rest()
        if not self.history.future:
            raise EditError("nothing to redo")
        self._travel(self.history.redo(), keep=False)

    def reseed(self, step: int) -> None:
        """The picture of a seed further on or back."""
        self.at_rest()
        self.change(document.reseed(self.edit, step * self._take_count()), keep=False)

    def reclass(self, step: int) -> None:
        """The picture of a class further on or back."""
        self.at_rest()
        model, times = self._model(), self._take_count()
        if not model.classes:
            raise EditError(f"{model.name} has no classes")
        self.change(document.reclass(self.edit, step * times, model.classes), keep=False)

    def toggle_space(self) -> None:
        self.at_rest()
        self.change(document.toggle_space(self.edit))

    def keep(self) -> None:
        """Asks for the present edit to be written even if nothing has changed."""
        self.at_rest()
        self.revision += 1

    # Cursor -------------------------------------------------------------------------------------------

    def type_digit(self, digit: int) -> None:
        self.count = min(self.count * 10 + digit, MAX_COUNT)

    def move(self, dx: int, dy: int, grid: Size) -> None:
        """Moves the cursor by preview pixels, times the count; the pen paints all on the way as one change."""
        times = self._take_count()
        column, row = self.pixel(self._cursor(), grid)
        end = (min(max(column + dx * times, 0), grid.width - 1), min(max(row + dy * times, 0), grid.height - 1))
        edit = self.edit
        while (column, row) != end:
            column += _sign(end[0] - column)
            row += _sign(end[1] - row)
            self._step_to((column, row), bool(dx), bool(dy), grid)
            if self.pen and not self.dragging:
                edit = document.brush(edit, self._cursor(), self.brush, grid, self.picture, paint=True)
        self.change(edit)

    def move_to(self, point: Point) -> None:
        self._cursor()
        self.cursor = point

    def to_edge(self, x: int, y: int, grid: Size) -> None:
        """To the last preview pixel in that direction, without painting."""
        column, row = self.pixel(self._cursor(), grid)
        column = column if x == 0 else (grid.width - 1 if x > 0 else 0)
        row = row if y == 0 else (grid.height - 1 if y > 0 else 0)
        self._step_to((column, row), bool(x), bool(y), grid)

    def pixel(self, point: Point, grid: Size) -> tuple[int, int]:
        """The preview pixel that shows a point."""
        return nearest_pixel(convert(point, self.picture, grid), grid)

    # Points -------------------------------------------------------------------------------------------

    def place(self) -> bool:
        """A handle at the cursor, or the target of one that waits; returns whether a target is now awaited."""
        self.at_rest()
        edit, index = document.place(self.edit, self._cursor(), self.picture)
        self.selected = index
        self.change(edit)
        return edit.pairs[index].target is None

    def retarget(self) -> None:
        """The selected pair's target to the cursor."""
        self.at_rest()
        self.change(document.retarget(self.edit, self._selected(), self._cursor(), self.picture))

    def select(self, step: int) -> None:
        """The next pair, and the cursor on its handle."""
        if self.edit.pairs:
            self.selected = ((-1 if self.selected is None else self.selected) + step) % len(self.edit.pairs)
            self.cursor = self.handles[self.selected]

    def delete(self) -> None:
        self.at_rest()
        self.change(document.remove(self.edit, self._selected()))

    def cancel(self) -> None:
        """Leaves the shape; or else forgets the count, lifts the pen, drops a handle that waits for its target."""
        if self.shape is not None:
            self.shape, self.count = None, 0
            return
        self.count, self.pen = 0, False
        waiting = next((i for i, pair in enumerate(self.edit.pairs) if pair.target is None), None)
        if waiting is not None and not self.dragging and self.loading is None:
            self.change(document.remove(self.edit, waiting))

    # Mask ---------------------------------------------------------------------------------------------

    def toggle_pen(self, grid: Size) -> None:
        """Down: what the cursor passes may move."""
        if not self.pen:
            self.paint(True, grid)
        self.pen, self.shape = not self.pen, None

    def paint(self, value: bool | None, grid: Size) -> None:
        """Sets, erases or (None) toggles what the brush covers at the cursor."""
        self.at_rest()
        self.change(document.brush(self.edit, self._cursor(), self.brush, grid, self.picture, paint=value))

    def resize_brush(self, step: int) -> None:
        self.brush = replace(self.brush, size=min(max(self.brush.size + step, 1), MAX_BRUSH))

    def reshape_brush(self) -> None:
        """Square ↔ round."""
        self.brush = replace(self.brush, round=not self.brush.round)

    def next_shape(self) -> None:
        """A rectangle from the cursor on; then an ellipse, from the same place; then none."""
        self.at_rest()
        if self.shape is None:
            self.pen, self.shape = False, Shape("rectangle", self._cursor())
        else:
            self.shape = replace(self.shape, form="ellipse") if self.shape.form == "rectangle" else None

    def shape_area(self, grid: Size) -> Area | None:
        """What the shape covers of the picture, if there is one."""
        if self.shape is None:
            return None
        return document.shape_area(self.shape.form, self.shape.start, self._cursor(), grid, self.picture)

    def finish_shape(self, value: bool, grid: Size) -> None:
        """Sets or erases what the shape covers, and leaves it."""
        self.at_rest()
        if (area := self.shape_area(grid)) is None:
            raise EditError("there is no shape: v starts one at the cursor")
        change = document.paint_area if value else document.erase_area
        self.change(change(self.edit, area, self.picture))
        self.shape = None

    def grow_mask(self, step: int, grid: Size) -> None:
        """The mask's edge by a preview pixel out (1) or in (-1), times the count."""
        self.at_rest()
        self.change(document.grow_mask(self.edit, step * self._take_count(), grid, self.picture))

    def invert_mask(self) -> None:
        self.at_rest()
        self.change(document.invert_mask(self.edit))

    def clear_mask(self) -> None:
        self.at_rest()
        self.change(document.clear_mask(self.edit))

    # --------------------------------------------------------------------------------------------------

    def _travel(self, history: History, *, keep: bool) -> None:
        self.history = history
        count = len(self.edit.pairs)
        self.selected = None if count == 0 else min(self.selected or 0, count - 1)
        if keep or self.revision:
            self.revision += 1

    def _step_to(self, pixel: tuple[int, int], across: bool, down: bool, grid: Size) -> None:
        """The middle of a preview pixel; the axis that does not move keeps its place to the fraction."""
        x, y = self._cursor()
        new_x, new_y = convert(pixel, grid, self.picture)
        self.cursor = (new_x if across else x, new_y if down else y)

    def at_rest(self) -> None:
        """
        Raises:
            EditError: nothing can be changed now.
        """
        self._model()
        if self.loading is not None:
            raise EditError("a model is loading: wait for it")
        if self.dragging:
            raise EditError("a drag is running: d stops it")

    def _model(self) -> ModelInfo:
        if self.info is None:
            raise EditError("the model is still loading")
        return self.info

    def _cursor(self) -> Point:
        _ = self.picture
        assert self.cursor is not None, "a loaded model has placed it"
        return self.cursor

    def _selected(self) -> int:
        if self.selected is None:
            raise EditError("no pair is selected: Enter places one, Tab selects")
        return self.selected

    def _take_count(self) -> int:
        times, self.count = self.count or 1, 0
        return times


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
