"""The edit being made, its changes as pure functions, and its undo history."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from draggan_engine.protocol.edit import Edit, Mask, PointPair
from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import Point, Size, clamp, convert, nearest_pixel, pixel_box

from .areas import Area, Form, cells_box, draw, grow, shrink


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


@dataclass(frozen=True)
class Brush:
    """A square of `size` preview pixels (an even one reaches one further to the right and down), or the disc in it."""

    size: int = 1
    round: bool = False


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


def brush(edit: Edit, centre: Point, tool: Brush, preview: Size, picture: Size, *, paint: bool | None) -> Edit:
    """Paints the mask with a brush at a point.

    Args:
        centre: in picture pixels.
        paint: True sets, False erases, None toggles by what the brush covers of the middle preview pixel.
    """
    column, row = _cell(centre, preview, picture)
    first, last = -((tool.size - 1) // 2), tool.size // 2
    box = cells_box((column + first, row + first), (column + last, row + last), preview, picture)
    area = draw("ellipse" if tool.round else "rectangle", box, picture)
    if paint is None:
        left, top, right, bottom = pixel_box((column, row), preview, picture)
        middle = (slice(top, bottom), slice(left, right))
        paint = not (_mask_area(edit, picture)[middle] & area[middle]).any()
    return _with_area(edit, area, picture, paint=paint)


def shape_area(form: Form, start: Point, end: Point, preview: Size, picture: Size) -> Area:
    """The rectangle of whole preview pixels with two points, in picture pixels, in opposite corners; or the ellipse in it."""
    box = cells_box(_cell(start, preview, picture), _cell(end, preview, picture), preview, picture)
    return draw(form, box, picture)


def paint_area(edit: Edit, area: Area, picture: Size) -> Edit:
    """What may move, and the area too."""
    return _with_area(edit, area, picture, paint=True)


def erase_area(edit: Edit, area: Area, picture: Size) -> Edit:
    """What may move, without the area.

    Raises:
        EditError: there is no mask, or nothing of it is in the area.
    """
    if edit.mask is None:
        raise EditError("no mask to erase from: Enter paints the shape")
    if not (_mask_area(edit, picture) & area).any():
        raise EditError("nothing to erase: the mask does not reach into the shape")
    return _with_area(edit, area, picture, paint=False)


def grow_mask(edit: Edit, steps: int, preview: Size, picture: Size) -> Edit:
    """The mask's edge so many preview pixels outwards, or inwards if negative: by a disc, and by one pixel at least.

    Raises:
        EditError: there is no mask, it has no edge, or nothing would be left of it.
    """
    if edit.mask is None:
        raise EditError("no mask to grow or shrink: paint one first (m, or Space)")
    area = _mask_area(edit, picture)
    if area.all():
        raise EditError("the mask covers the whole picture: it has no edge to move")
    radius = max(round(abs(steps) * picture.width / preview.width), 1)
    area = grow(area, radius) if steps > 0 else shrink(area, radius)
    if not area.any():
        raise EditError("nothing would be left of the mask: c clears it")
    return edit.model_copy(update={"mask": Mask.from_array(area.astype(np.uint8))})


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


def preview_mask(mask: Mask, preview: Size) -> Area:
    """`bool [height, width]` of the preview: whether the middle of each preview pixel may move."""
    return preview_area(mask.to_array().astype(np.bool_), preview)


def preview_area(area: Area, preview: Size) -> Area:
    """`bool [height, width]` of the preview: whether the middle of each preview pixel is in the area."""
    picture = Size(area.shape[1], area.shape[0])
    boxes = [pixel_box((i, 0), preview, picture) for i in range(preview.width)]
    columns = [(left + right - 1) // 2 for left, _, right, _ in boxes]
    boxes = [pixel_box((0, i), preview, picture) for i in range(preview.height)]
    rows = [(top + bottom - 1) // 2 for _, top, _, bottom in boxes]
    return area[np.ix_(rows, columns)]


def _cell(point: Point, preview: Size, picture: Size) -> tuple[int, int]:
    return nearest_pixel(convert(point, picture, preview), preview)


def _mask_area(edit: Edit, picture: Size) -> Area:
    """Where the mask lets the picture move; nowhere without one."""
    if edit.mask is None:
        return np.zeros((picture.height, picture.width), np.bool_)
    return edit.mask.to_array().astype(np.bool_)


def _with_area(edit: Edit, area: Area, picture: Size, *, paint: bool) -> Edit:
    mask = _mask_area(edit, picture)
    mask = mask | area if paint else mask & ~area
    return edit.model_copy(update={"mask": Mask.from_array(mask.astype(np.uint8)) if mask.any() else None})


def _with_pair(edit: Edit, index: int, pair: PointPair) -> Edit:
    return edit.model_copy(update={"pairs": (*edit.pairs[:index], pair, *edit.pairs[index + 1 :])})
