"""Changes of an edit as pure functions: each returns a new edit.

Points are in image pixels. `image` is the size of the image, `preview` the size of the preview that a person sees: the
brush and the shapes cover whole preview pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .edit import Edit, Mask, PointPair
from .errors import EditError, Remedy
from .geometry import Point, Size, clamp, convert, nearest_pixel, pixel_box
from .mask_regions import Box, Region, ShapeKind, block_box, draw_shape, grow_region, shrink_region

PairPoint = Literal["handle", "target"]
SAME_POINT_DISTANCE = 1e-6
"""Points closer than this many pixels are the same point: only the rounding of a sum parts them."""


@dataclass(frozen=True)
class Brush:
    """A square of `size` × `size` preview pixels, or the disc in it.

    A square of even size reaches one pixel further to the right and down.
    """

    size: int = 1
    round: bool = False


# Points -----------------------------------------------------------------------------------------------


def place_point(edit: Edit, point: Point, image: Size) -> tuple[Edit, int]:
    """Set the target of the pair that has none yet; without such a pair add one with its handle there.

    Returns:
        The edit and the index of the pair.
    """
    point = clamp(point, image)
    for index, pair in enumerate(edit.pairs):
        if pair.target is None:
            return _update_pair(edit, index, {"target": point}), index
    return _add_pair(edit, PointPair(handle=point)), len(edit.pairs)


def move_point(edit: Edit, index: int, part: PairPoint, point: Point, image: Size) -> Edit:
    """Move the handle or the target of a pair.

    Raises:
        EditError: the handle and the target would be the same point.
    """
    edit = set_point(edit, index, part, clamp(point, image))
    distance = edit.pairs[index].distance
    if distance is not None and distance < SAME_POINT_DISTANCE:
        other = "target" if part == "handle" else "handle"
        raise EditError(f"the {part} is on its {other}: move it elsewhere")
    return edit


def retarget(edit: Edit, index: int, point: Point, image: Size) -> Edit:
    """Move the target of a pair; on its handle it makes the pair a pin."""
    return set_point(edit, index, "target", clamp(point, image))


def set_point(edit: Edit, index: int, part: PairPoint, point: Point) -> Edit:
    """Set the handle or the target of a pair without any check, as while it is being moved."""
    return _update_pair(edit, index, {part: point})


def duplicate_pair(edit: Edit, index: int, offset: float, image: Size) -> Edit:
    """Append a copy of a pair, `offset` pixels to the right and down, or to the left and up where there is no room.

    Raises:
        EditError: the pair has no target yet.
    """
    pair = edit.pairs[index]
    if pair.target is None:
        raise EditError(f"pair {index + 1} has no target yet", Remedy.place_target)
    offset = min(offset, (min(image) - 1) / 4)  # a larger one could make both points meet at a border
    xs = _shift_both(pair.handle[0], pair.target[0], offset, image.width - 1.0)
    ys = _shift_both(pair.handle[1], pair.target[1], offset, image.height - 1.0)
    return _add_pair(edit, pair.model_copy(update={"handle": (xs[0], ys[0]), "target": (xs[1], ys[1])}))


def toggle_pair(edit: Edit, index: int) -> Edit:
    """Enable a pair that is disabled, and disable one that is enabled."""
    return _update_pair(edit, index, {"enabled": not edit.pairs[index].enabled})


def add_pair(edit: Edit, handle: Point, target: Point, image: Size) -> Edit:
    """Append a complete pair.

    Raises:
        EditError: the target is on the handle.
    """
    edit = _add_pair(edit, PointPair(handle=clamp(handle, image)))
    return move_point(edit, len(edit.pairs) - 1, "target", target, image)


def remove_pair(edit: Edit, index: int) -> Edit:
    """Remove a pair."""
    return edit.model_copy(update={"pairs": edit.pairs[:index] + edit.pairs[index + 1 :]})


# Image and settings -----------------------------------------------------------------------------------


def change_seed(edit: Edit, steps: int) -> Edit:
    """Generate the image of the seed that is `steps` further on, wrapping at 2³²; points and mask stay."""
    return edit.with_source(edit.source.generated(seed=(edit.source.seed + steps) % 2**32))


def change_class(edit: Edit, steps: int, classes: int) -> Edit:
    """Generate the image of the class that is `steps` further on, wrapping at `classes`; points and mask stay."""
    return edit.with_source(edit.source.generated(label=(edit.source.label + steps) % classes))


def toggle_space(edit: Edit) -> Edit:
    """Switch between the latent spaces W+ and W."""
    space = "w" if edit.settings.space == "w+" else "w+"
    return edit.model_copy(update={"settings": edit.settings.model_copy(update={"space": space})})


# Mask -------------------------------------------------------------------------------------------------


def paint_brush(edit: Edit, centre: Point, brush: Brush, preview: Size, image: Size, *, paint: bool | None) -> Edit:
    """Change the mask with one dab of the brush.

    Args:
        paint: True paints, False erases; None erases if the middle of the brush is painted, and paints otherwise.
    """
    region = _brush_region(_brush_box(centre, brush, preview, image), brush, image)
    if paint is None:
        left, top, right, bottom = pixel_box(_preview_pixel(centre, preview, image), preview, image)
        middle = (slice(top, bottom), slice(left, right))
        paint = not (_mask_region(edit, image)[middle] & region[middle]).any()
    return _change_mask(edit, region, image, paint=paint)


def paint_stroke(edit: Edit, centres: Iterable[Point], brush: Brush, preview: Size, image: Size) -> Edit:
    """Paint all that the brush covers at any of the points."""
    region = np.zeros((image.height, image.width), np.bool_)
    for box in {_brush_box(centre, brush, preview, image) for centre in centres}:
        region |= _brush_region(box, brush, image)
    return _change_mask(edit, region, image, paint=True)


def shape_region(kind: ShapeKind, start: Point, end: Point, preview: Size, image: Size) -> Region:
    """Return the rectangle of whole preview pixels between two opposite corners, or the ellipse in it."""
    box = block_box(_preview_pixel(start, preview, image), _preview_pixel(end, preview, image), preview, image)
    return draw_shape(kind, box, image)


def paint_region(edit: Edit, region: Region, image: Size) -> Edit:
    """Add a region to the mask."""
    return _change_mask(edit, region, image, paint=True)


def erase_region(edit: Edit, region: Region, image: Size) -> Edit:
    """Remove a region from the mask.

    Raises:
        EditError: there is no mask, or the region does not touch it.
    """
    if edit.mask is None:
        raise EditError("no mask to erase from", Remedy.paint_shape)
    if not (_mask_region(edit, image) & region).any():
        raise EditError("nothing to erase: the mask does not reach into the shape")
    return _change_mask(edit, region, image, paint=False)


def grow_mask(edit: Edit, steps: int, preview: Size, image: Size) -> Edit:
    """Move the edge of the mask outwards by a number of preview pixels, or inwards if it is negative.

    The edge moves by at least one image pixel.

    Raises:
        EditError: there is no mask, it has no edge, or nothing of it would be left.
    """
    if edit.mask is None:
        raise EditError("no mask to grow or shrink", Remedy.paint_mask)
    region = _mask_region(edit, image)
    if region.all():
        raise EditError("the mask covers the whole image: it has no edge to move")
    radius = max(round(abs(steps) * image.width / preview.width), 1)
    region = grow_region(region, radius) if steps > 0 else shrink_region(region, radius)
    if not region.any():
        raise EditError("nothing would be left of the mask", Remedy.clear_mask)
    return edit.model_copy(update={"mask": Mask.from_array(region.astype(np.uint8))})


def invert_mask(edit: Edit) -> Edit:
    """Swap what may move and what may not.

    Raises:
        EditError: there is no mask, or it covers the whole image.
    """
    if edit.mask is None:
        raise EditError("no mask to invert", Remedy.paint_mask)
    inverted = (1 - edit.mask.to_array()).astype(np.uint8)
    if not inverted.any():
        raise EditError("the mask covers the whole image: inverted, nothing could move")
    return edit.model_copy(update={"mask": Mask.from_array(inverted)})


def clear_mask(edit: Edit) -> Edit:
    """Remove the mask: everything may move."""
    return edit.model_copy(update={"mask": None})


# ------------------------------------------------------------------------------------------------------


def _preview_pixel(point: Point, preview: Size, image: Size) -> tuple[int, int]:
    return nearest_pixel(convert(point, image, preview), preview)


def _brush_box(centre: Point, brush: Brush, preview: Size, image: Size) -> Box:
    column, row = _preview_pixel(centre, preview, image)
    first, last = -((brush.size - 1) // 2), brush.size // 2
    return block_box((column + first, row + first), (column + last, row + last), preview, image)


def _brush_region(box: Box, brush: Brush, image: Size) -> Region:
    return draw_shape("ellipse" if brush.round else "rectangle", box, image)


def _mask_region(edit: Edit, image: Size) -> Region:
    """Return the mask as a region; without a mask it is empty."""
    if edit.mask is None:
        return np.zeros((image.height, image.width), np.bool_)
    return edit.mask.to_array().astype(np.bool_)


def _change_mask(edit: Edit, region: Region, image: Size, *, paint: bool) -> Edit:
    """Add a region to the mask or remove it; a mask that ends up empty is no mask."""
    mask = _mask_region(edit, image)
    mask = mask | region if paint else mask & ~region
    return edit.model_copy(update={"mask": Mask.from_array(mask.astype(np.uint8)) if mask.any() else None})


def _shift_both(first: float, second: float, offset: float, last: float) -> tuple[float, float]:
    """Shift two coordinates by the offset, or backwards where one would leave 0 … `last`.

    Where neither direction has room, they are shifted and stopped at the border.
    """
    low, high = min(first, second), max(first, second)
    shift = next((shift for shift in (offset, -offset) if low + shift >= 0 and high + shift <= last), offset)
    return (min(first + shift, last), min(second + shift, last))


def _add_pair(edit: Edit, pair: PointPair) -> Edit:
    return edit.model_copy(update={"pairs": (*edit.pairs, pair)})


def _update_pair(edit: Edit, index: int, fields: dict[str, object]) -> Edit:
    pair = edit.pairs[index].model_copy(update=fields)
    return edit.model_copy(update={"pairs": (*edit.pairs[:index], pair, *edit.pairs[index + 1 :])})
