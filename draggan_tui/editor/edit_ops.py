"""The changes of the edit, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, clamp, convert, nearest_pixel, pixel_box

from .mask_regions import Area, Box, Form, cells_box, draw, grow, shrink
from .viewport import Window

Part = Literal["handle", "target"]
"""Of a pair."""
SAME_PLACE = 1e-6
"""Pixels between two points that are one, but for the rounding of a sum."""


@dataclass(frozen=True)
class Brush:
    """A square of `size` preview pixels (an even one reaches one further to the right and down), or the disc in it."""

    size: int = 1
    round: bool = False


def place(edit: Edit, point: Point, picture: Size) -> tuple[Edit, int]:
    """Put a target for the pair that still needs one, which on its handle makes it a pin, or else a new handle.

    Returns:
        The edit and the index of the pair.
    """
    point = clamp(point, picture)
    for index, pair in enumerate(edit.pairs):
        if pair.target is None:
            return _with_pair(edit, index, {"target": point}), index
    return edit.model_copy(update={"pairs": (*edit.pairs, PointPair(handle=point))}), len(edit.pairs)


def move_point(edit: Edit, index: int, part: Part, point: Point, picture: Size) -> Edit:
    """Puts a pair's handle or its target elsewhere.

    Raises:
        EditError: one would be on the other.
    """
    edit = hold_point(edit, index, part, clamp(point, picture))
    apart = edit.pairs[index].distance
    if apart is not None and apart < SAME_PLACE:
        other = "target" if part == "handle" else "handle"
        raise EditError(f"the {part} is on its {other}: move it elsewhere")
    return edit


def retarget(edit: Edit, index: int, point: Point, picture: Size) -> Edit:
    """Put a pair's target elsewhere; on its handle it makes the pair a pin."""
    return hold_point(edit, index, "target", clamp(point, picture))


def hold_point(edit: Edit, index: int, part: Part, point: Point) -> Edit:
    """A pair's handle or its target as it is on its way: anywhere, also on the other."""
    return _with_pair(edit, index, {part: point})


def duplicate(edit: Edit, index: int, step: float, picture: Size) -> Edit:
    """With a copy of a pair as the last one, `step` picture pixels to the right and down, or where there is no room, to
    the left and up.

    Raises:
        EditError: the pair has no target yet.
    """
    pair = edit.pairs[index]
    if pair.target is None:
        raise EditError(f"pair {index + 1} has no target yet: {{place}} sets it")
    step = min(step, (min(picture) - 1) / 4)  # so that the two points cannot meet at a border
    xs = _beside(pair.handle[0], pair.target[0], step, picture.width - 1.0)
    ys = _beside(pair.handle[1], pair.target[1], step, picture.height - 1.0)
    copy = pair.model_copy(update={"handle": (xs[0], ys[0]), "target": (xs[1], ys[1])})
    return edit.model_copy(update={"pairs": (*edit.pairs, copy)})


def toggle_pair(edit: Edit, index: int) -> Edit:
    """Whether drags leave a pair out."""
    return _with_pair(edit, index, {"enabled": not edit.pairs[index].enabled})


def add_pair(edit: Edit, handle: Point, target: Point, picture: Size) -> Edit:
    """One more pair, complete.

    Raises:
        EditError: the target would be on its handle.
    """
    edit = edit.model_copy(update={"pairs": (*edit.pairs, PointPair(handle=clamp(handle, picture)))})
    return move_point(edit, len(edit.pairs) - 1, "target", target, picture)


def remove(edit: Edit, index: int) -> Edit:
    """Without that pair."""
    return edit.model_copy(update={"pairs": edit.pairs[:index] + edit.pairs[index + 1 :]})


def reseed(edit: Edit, steps: int) -> Edit:
    """The picture of another seed, so many further on (wrapping at 2³²); points and mask stay."""
    return edit.with_source(edit.source.generated(seed=(edit.source.seed + steps) % 2**32))


def reclass(edit: Edit, steps: int, classes: int) -> Edit:
    """The picture of another class, so many further on (wrapping at `classes`); points and mask stay."""
    return edit.with_source(edit.source.generated(label=(edit.source.label + steps) % classes))


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
    area = _brush_area(_brush_box(centre, tool, preview, picture), tool, picture)
    if paint is None:
        left, top, right, bottom = pixel_box(_cell(centre, preview, picture), preview, picture)
        middle = (slice(top, bottom), slice(left, right))
        paint = not (_mask_area(edit, picture)[middle] & area[middle]).any()
    return _with_area(edit, area, picture, paint=paint)


def stroke(edit: Edit, centres: Iterable[Point], tool: Brush, preview: Size, picture: Size) -> Edit:
    """What may move, and all that the brush covers at any of the points."""
    area = np.zeros((picture.height, picture.width), np.bool_)
    for box in {_brush_box(centre, tool, preview, picture) for centre in centres}:
        area |= _brush_area(box, tool, picture)
    return _with_area(edit, area, picture, paint=True)


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
        raise EditError("no mask to erase from: {place} paints the shape")
    if not (_mask_area(edit, picture) & area).any():
        raise EditError("nothing to erase: the mask does not reach into the shape")
    return _with_area(edit, area, picture, paint=False)


def grow_mask(edit: Edit, steps: int, preview: Size, picture: Size) -> Edit:
    """The mask's edge so many preview pixels outwards, or inwards if negative: by a disc, and by one pixel at least.

    Raises:
        EditError: there is no mask, it has no edge, or nothing would be left of it.
    """
    if edit.mask is None:
        raise EditError("no mask to grow or shrink: paint one first ({pen}, or {toggle-cell})")
    area = _mask_area(edit, picture)
    if area.all():
        raise EditError("the mask covers the whole image: it has no edge to move")
    radius = max(round(abs(steps) * picture.width / preview.width), 1)
    area = grow(area, radius) if steps > 0 else shrink(area, radius)
    if not area.any():
        raise EditError("nothing would be left of the mask: {clear-mask} clears it")
    return edit.model_copy(update={"mask": Mask.from_array(area.astype(np.uint8))})


def invert_mask(edit: Edit) -> Edit:
    """
    Raises:
        EditError: there is no mask, or it covers the whole picture.
    """
    if edit.mask is None:
        raise EditError("no mask to invert: paint one first ({pen}, or {toggle-cell})")
    inverted = (1 - edit.mask.to_array()).astype(np.uint8)
    if not inverted.any():
        raise EditError("the mask covers the whole image: inverted, nothing could move")
    return edit.model_copy(update={"mask": Mask.from_array(inverted)})


def clear_mask(edit: Edit) -> Edit:
    """Everything may move."""
    return edit.model_copy(update={"mask": None})


def preview_mask(mask: Mask, preview: Size, window: Window | None = None) -> Area:
    """`bool [height, width]` of the preview, or of a window of it: whether the middle of each pixel may move."""
    return preview_area(mask.to_array().astype(np.bool_), preview, window)


def preview_area(area: Area, preview: Size, window: Window | None = None) -> Area:
    """`bool [height, width]` of the preview, or of a window of it: whether the middle of each pixel is in the area."""
    picture = Size(area.shape[1], area.shape[0])
    window = window or Window(0, 0, *preview)
    boxes = [pixel_box((i, 0), preview, picture) for i in range(window.left, window.right)]
    columns = [(left + right - 1) // 2 for left, _, right, _ in boxes]
    boxes = [pixel_box((0, i), preview, picture) for i in range(window.top, window.bottom)]
    rows = [(top + bottom - 1) // 2 for _, top, _, bottom in boxes]
    return area[np.ix_(rows, columns)]


def _cell(point: Point, preview: Size, picture: Size) -> tuple[int, int]:
    return nearest_pixel(convert(point, picture, preview), preview)


def _brush_box(centre: Point, tool: Brush, preview: Size, picture: Size) -> Box:
    """The brush's square at a point."""
    column, row = _cell(centre, preview, picture)
    first, last = -((tool.size - 1) // 2), tool.size // 2
    return cells_box((column + first, row + first), (column + last, row + last), preview, picture)


def _brush_area(box: Box, tool: Brush, picture: Size) -> Area:
    return draw("ellipse" if tool.round else "rectangle", box, picture)


def _mask_area(edit: Edit, picture: Size) -> Area:
    """Where the mask lets the picture move; nowhere without one."""
    if edit.mask is None:
        return np.zeros((picture.height, picture.width), np.bool_)
    return edit.mask.to_array().astype(np.bool_)


def _with_area(edit: Edit, area: Area, picture: Size, *, paint: bool) -> Edit:
    mask = _mask_area(edit, picture)
    mask = mask | area if paint else mask & ~area
    return edit.model_copy(update={"mask": Mask.from_array(mask.astype(np.uint8)) if mask.any() else None})


def _beside(one: float, other: float, step: float, last: float) -> tuple[float, float]:
    """Two coordinates so much further on, or back where one would leave 0 … `last`; at the border if both would."""
    shift = next((s for s in (step, -step) if min(one, other) + s >= 0 and max(one, other) + s <= last), step)
    return (min(one + shift, last), min(other + shift, last))


def _with_pair(edit: Edit, index: int, fields: dict[str, object]) -> Edit:
    pair = edit.pairs[index].model_copy(update=fields)
    return edit.model_copy(update={"pairs": (*edit.pairs[:index], pair, *edit.pairs[index + 1 :])})
