"""The edit being made, its changes as pure functions, and its undo history."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from draggan_engine.protocol.edit import Edit, Mask, PointPair
from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import Point, Size, clamp, convert, nearest_pixel, pixel_box


@dataclass(frozen=True)
class History:
    """Past, present and future of an edit. Every change is one entry; drags are changes like others.

    Edits are immutable, so an entry is the edit itself and undo is a look at another value.
    """

    present: Edit
    past: tuple[Edit, ...] = ()
    future: tuple[Edit, ...] = field(default=())

    def change(self, edit: Edit) -> History:
        """A new present; what had been undone is gone. The same edit again changes nothing."""
        return self if edit == self.present else History(edit, (*self.past, self.present))

    def undo(self) -> History:
        """One entry back, or the same history at its beginning."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.present, *self.future))

    def redo(self) -> History:
        """One entry forward, or the same history at its end."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.present), self.future[1:])


def place(edit: Edit, point: Point, picture: Size) -> tuple[Edit, int]:
    """Puts a target for the pair that still needs one, or else a new handle.

    Returns:
        the edit and the index of the pair.

    Raises:
        EditError: the target would be on its handle.
    """
    point = clamp(point, picture)
    for index, pair in enumerate(edit.pairs):
        if pair.target is None:
            if pair.handle == point:
                raise EditError("the target is on its handle: move the cursor first")
            return _with_pair(edit, index, PointPair(handle=pair.handle, target=point)), index
    return edit.model_copy(update={"pairs": (*edit.pairs, PointPair(handle=point))}), len(edit.pairs)


def retarget(edit: Edit, index: int, point: Point, picture: Size) -> Edit:
    """Gives a pair another target.

    Raises:
        EditError: the target would be on its handle.
    """
    point = clamp(point, picture)
    pair = edit.pairs[index]
    if pair.handle == point:
        raise EditError("the target is on its handle: move the cursor first")
    return _with_pair(edit, index, PointPair(handle=pair.handle, target=point))


def remove(edit: Edit, index: int) -> Edit:
    """Without that pair."""
    return edit.model_copy(update={"pairs": edit.pairs[:index] + edit.pairs[index + 1 :]})


def reseed(edit: Edit, steps: int) -> Edit:
    """The picture of another seed, so many further on (wrapping at 2³²); points and mask stay."""
    return edit.model_copy(update={"seed": (edit.seed + steps) % 2**32, "given": False, "latent": 0})


def reclass(edit: Edit, steps: int, classes: int) -> Edit:
    """The picture of another class, so many further on (wrapping at `classes`); points and mask stay."""
    return edit.model_copy(update={"label": (edit.label + steps) % classes, "given": False, "latent": 0})


def toggle_space(edit: Edit) -> Edit:
    """W+ ↔ W."""
    space = "w" if edit.settings.space == "w+" else "w+"
    return edit.model_copy(update={"settings": edit.settings.model_copy(update={"space": space})})


def brush(edit: Edit, centre: Point, size: int, preview: Size, picture: Size, *, paint: bool | None) -> Edit:
    """Paints mask cells in a square of `size` preview pixels round a point.

    Args:
        centre: in picture pixels.
        size: 1, 2, 3, …; an even square reaches one further to the right and down.
        paint: True sets, False erases, None toggles by the middle cell.
    """
    column, row = _cell(centre, preview, picture)
    mask = np.zeros((picture.height, picture.width), np.uint8) if edit.mask is None else edit.mask.to_array()
    left, top, right, bottom = pixel_box((column, row), preview, picture)
    value = (not mask[top:bottom, left:right].any()) if paint is None else paint
    before = (size - 1) // 2
    for y in range(max(row - before, 0), min(row - before + size, preview.height)):
        for x in range(max(column - before, 0), min(column - before + size, preview.width)):
            left, top, right, bottom = pixel_box((x, y), preview, picture)
            mask[top:bottom, left:right] = value
    return edit.model_copy(update={"mask": Mask.from_array(mask) if mask.any() else None})


def invert_mask(edit: Edit) -> Edit:
    """
    Raises:
        EditError: there is no mask, or it covers the whole picture.
    """
    if edit.mask is None:
        raise EditError("no mask to invert: paint one first (m, or Space)")
    inverted = (1 - edit.mask.to_array()).astype(np.uint8)
    if not inverted.any():
        raise EditError("the mask covers the whole picture: inverted, nothing could move")
    return edit.model_copy(update={"mask": Mask.from_array(inverted)})


def clear_mask(edit: Edit) -> Edit:
    """Everything may move."""
    return edit.model_copy(update={"mask": None})


def preview_mask(mask: Mask, preview: Size) -> NDArray[np.bool_]:
    """`bool [height, width]` of the preview: whether the middle of each preview pixel may move."""
    array = mask.to_array()
    picture = Size(mask.width, mask.height)
    boxes = [pixel_box((i, 0), preview, picture) for i in range(preview.width)]
    columns = [(left + right - 1) // 2 for left, _, right, _ in boxes]
    boxes = [pixel_box((0, i), preview, picture) for i in range(preview.height)]
    rows = [(top + bottom - 1) // 2 for _, top, _, bottom in boxes]
    return array[np.ix_(rows, columns)].astype(np.bool_)


def _cell(point: Point, preview: Size, picture: Size) -> tuple[int, int]:
    return nearest_pixel(convert(point, picture, preview), preview)


def _with_pair(edit: Edit, index: int, pair: PointPair) -> Edit:
    return edit.model_copy(update={"pairs": (*edit.pairs[:index], pair, *edit.pairs[index + 1 :])})
