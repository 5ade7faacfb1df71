"""Changes of an edit as pure functions: each returns a new edit.

Points are in image pixels. `preview_size` is the size of the preview that a person sees: the brush and the shapes cover whole
preview pixels.
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
"""Points closer than this many pixels are the same point: the difference comes from rounding."""


@dataclass(frozen=True)
class Brush:
    """A square of `size` × `size` preview pixels, or the disc in it.

    A square of even size reaches one pixel further to the right and down.
    """

    size: int = 1
    round: bool = False


# Points -----------------------------------------------------------------------------------------------


def place_point(edit: Edit, point: Point, image_size: Size) -> tuple[Edit, int]:
    """Set the target of the pair that has none yet; without such a pair add one with its handle there.

    Returns:
        The edit and the index of the pair.
    """
    point = clamp(point, image_size)
    for pair_index, pair in enumerate(edit.pairs):
        if pair.target is None:
            return _update_pair(edit, pair_index, {"target": point}), pair_index
    return _add_pair(edit, PointPair(handle=point)), len(edit.pairs)


def move_point(edit: Edit, pair_index: int, point_name: PairPoint, point: Point, image_size: Size) -> Edit:
    """Move the handle or the target of a pair.

    Raises:
        EditError: the handle and the target would be the same point.
    """
    edit = set_point(edit, pair_index, point_name, clamp(point, image_size))
    pair_distance = edit.pairs[pair_index].distance
    if pair_distance is not None and pair_distance < SAME_POINT_DISTANCE:
        other_name = "target" if point_name == "handle" else "handle"
        raise EditError(f"the {point_name} is on its {other_name}: move it elsewhere")
    return edit


def retarget(edit: Edit, pair_index: int, point: Point, image_size: Size) -> Edit:
    """Move the target of a pair; on its handle it makes the pair a pin."""
    return set_point(edit, pair_index, "target", clamp(point, image_size))


def set_point(edit: Edit, pair_index: int, point_name: PairPoint, point: Point) -> Edit:
    """Set the handle or the target of a pair without any check, as while it is being moved."""
    return _update_pair(edit, pair_index, {point_name: point})


def duplicate_pair(edit: Edit, pair_index: int, offset: float, image_size: Size) -> Edit:
    """Append a copy of a pair, `offset` pixels to the right and down, or to the left and up where there is no room.

    Raises:
        EditError: the pair has no target yet.
    """
    pair = edit.pairs[pair_index]
    if pair.target is None:
        raise EditError(f"pair {pair_index + 1} has no target yet", Remedy.place_target)
    offset = min(offset, (min(image_size) - 1) / 4)  # a larger one could make both points meet at a border
    xs = _shift_both(pair.handle[0], pair.target[0], offset, image_size.width - 1.0)
    ys = _shift_both(pair.handle[1], pair.target[1], offset, image_size.height - 1.0)
    return _add_pair(edit, pair.model_copy(update={"handle": (xs[0], ys[0]), "target": (xs[1], ys[1])}))


def toggle_pair(edit: Edit, pair_index: int) -> Edit:
    """Enable a pair that is disabled, and disable one that is enabled."""
    return _update_pair(edit, pair_index, {"enabled": not edit.pairs[pair_index].enabled})


def add_pair(edit: Edit, handle: Point, target: Point, image_size: Size) -> Edit:
    """Append a complete pair.

    Raises:
        EditError: the target is on the handle.
    """
    edit = _add_pair(edit, PointPair(handle=clamp(handle, image_size)))
    return move_point(edit, len(edit.pairs) - 1, "target", target, image_size)


def remove_pair(edit: Edit, pair_index: int) -> Edit:
    """Remove a pair."""
    return edit.model_copy(update={"pairs": edit.pairs[:pair_index] + edit.pairs[pair_index + 1 :]})


# Image and settings -----------------------------------------------------------------------------------


def change_seed(edit: Edit, step_count: int) -> Edit:
    """Generate the image of the seed that is `step_count` further on, wrapping at 2³²; points and mask stay."""
    return edit.with_source(edit.source.generated(seed=(edit.source.seed + step_count) % 2**32))


def change_class(edit: Edit, step_count: int, class_count: int) -> Edit:
    """Generate the image of the class that is `step_count` further on, wrapping at `class_count`; points and mask stay."""
    return edit.with_source(edit.source.generated(label=(edit.source.label + step_count) % class_count))


def toggle_space(edit: Edit) -> Edit:
    """Switch between the latent spaces W+ and W."""
    other_space = "w" if edit.settings.space == "w+" else "w+"
    return edit.model_copy(update={"settings": edit.settings.model_copy(update={"space": other_space})})


# Mask -------------------------------------------------------------------------------------------------


def paint_brush(
    edit: Edit, brush_centre: Point, brush: Brush, preview_size: Size, image_size: Size, *, paint: bool | None
) -> Edit:
    """Change the mask with one dab of the brush.

    Args:
        paint: True paints, False erases; None erases if the middle of the brush is painted, and paints otherwise.
    """
    region = _brush_region(_brush_box(brush_centre, brush, preview_size, image_size), brush, image_size)
    if paint is None:
        left, top, right, bottom = pixel_box(
            _preview_pixel(brush_centre, preview_size, image_size), preview_size, image_size
        )
        middle_pixels = (slice(top, bottom), slice(left, right))
        paint = not (_mask_region(edit, image_size)[middle_pixels] & region[middle_pixels]).any()
    return _change_mask(edit, region, image_size, paint=paint)


def paint_stroke(
    edit: Edit, brush_centres: Iterable[Point], brush: Brush, preview_size: Size, image_size: Size
) -> Edit:
    """Paint all that the brush covers at any of the points."""
    region = np.zeros((image_size.height, image_size.width), np.bool_)
    for brush_box in {_brush_box(brush_centre, brush, preview_size, image_size) for brush_centre in brush_centres}:
        region |= _brush_region(brush_box, brush, image_size)
    return _change_mask(edit, region, image_size, paint=True)


def shape_region(
    shape_kind: ShapeKind, first_corner: Point, opposite_corner: Point, preview_size: Size, image_size: Size
) -> Region:
    """Return the rectangle of whole preview pixels between two opposite corners, or the ellipse in it."""
    shape_box = block_box(
        _preview_pixel(first_corner, preview_size, image_size),
        _preview_pixel(opposite_corner, preview_size, image_size),
        preview_size,
        image_size,
    )
    return draw_shape(shape_kind, shape_box, image_size)


def paint_region(edit: Edit, region: Region, image_size: Size) -> Edit:
    """Add a region to the mask."""
    return _change_mask(edit, region, image_size, paint=True)


def erase_region(edit: Edit, region: Region, image_size: Size) -> Edit:
    """Remove a region from the mask.

    Raises:
        EditError: there is no mask, or the region does not touch it.
    """
    if edit.mask is None:
        raise EditError("no mask to erase from", Remedy.paint_shape)
    if not (_mask_region(edit, image_size) & region).any():
        raise EditError("nothing to erase: the mask does not reach into the shape")
    return _change_mask(edit, region, image_size, paint=False)


def grow_mask(edit: Edit, step_count: int, preview_size: Size, image_size: Size) -> Edit:
    """Move the edge of the mask outwards by a number of preview pixels, or inwards if it is negative.

    The edge moves by at least one image pixel.

    Raises:
        EditError: there is no mask, it has no edge, or nothing of it would be left.
    """
    if edit.mask is None:
        raise EditError("no mask to grow or shrink", Remedy.paint_mask)
    region = _mask_region(edit, image_size)
    if region.all():
        raise EditError("the mask covers the whole image: it has no edge to move")
    pixel_radius = max(round(abs(step_count) * image_size.width / preview_size.width), 1)
    region = grow_region(region, pixel_radius) if step_count > 0 else shrink_region(region, pixel_radius)
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
    inverted_mask = (1 - edit.mask.to_array()).astype(np.uint8)
    if not inverted_mask.any():
        raise EditError("the mask covers the whole image: inverted, nothing could move")
    return edit.model_copy(update={"mask": Mask.from_array(inverted_mask)})


def clear_mask(edit: Edit) -> Edit:
    """Remove the mask: everything may move."""
    return edit.model_copy(update={"mask": None})


# ------------------------------------------------------------------------------------------------------


def _preview_pixel(point: Point, preview_size: Size, image_size: Size) -> tuple[int, int]:
    return nearest_pixel(convert(point, image_size, preview_size), preview_size)


def _brush_box(brush_centre: Point, brush: Brush, preview_size: Size, image_size: Size) -> Box:
    centre_column, centre_row = _preview_pixel(brush_centre, preview_size, image_size)
    first_offset, last_offset = -((brush.size - 1) // 2), brush.size // 2
    return block_box(
        (centre_column + first_offset, centre_row + first_offset),
        (centre_column + last_offset, centre_row + last_offset),
        preview_size,
        image_size,
    )


def _brush_region(brush_box: Box, brush: Brush, image_size: Size) -> Region:
    return draw_shape("ellipse" if brush.round else "rectangle", brush_box, image_size)


def _mask_region(edit: Edit, image_size: Size) -> Region:
    """Return the mask as a region; without a mask it is empty."""
    if edit.mask is None:
        return np.zeros((image_size.height, image_size.width), np.bool_)
    return edit.mask.to_array().astype(np.bool_)


def _change_mask(edit: Edit, region: Region, image_size: Size, *, paint: bool) -> Edit:
    """Add a region to the mask or remove it; a mask that ends up empty is no mask."""
    mask = _mask_region(edit, image_size)
    mask = mask | region if paint else mask & ~region
    return edit.model_copy(update={"mask": Mask.from_array(mask.astype(np.uint8)) if mask.any() else None})


def _shift_both(
    first_coordinate: float, second_coordinate: float, offset: float, last_coordinate: float
) -> tuple[float, float]:
    """Shift two coordinates by the offset, or backwards where one would leave 0 … `last_coordinate`.

    Where neither direction has room, they are shifted and stopped at the border.
    """
    low, high = (
        min(first_coordinate, second_coordinate),
        max(first_coordinate, second_coordinate),
    )
    shift = next(
        (shift for shift in (offset, -offset) if low + shift >= 0 and high + shift <= last_coordinate),
        offset,
    )
    return (min(first_coordinate + shift, last_coordinate), min(second_coordinate + shift, last_coordinate))


def _add_pair(edit: Edit, pair: PointPair) -> Edit:
    return edit.model_copy(update={"pairs": (*edit.pairs, pair)})


def _update_pair(edit: Edit, pair_index: int, changed_fields: dict[str, object]) -> Edit:
    pair = edit.pairs[pair_index].model_copy(update=changed_fields)
    return edit.model_copy(update={"pairs": (*edit.pairs[:pair_index], pair, *edit.pairs[pair_index + 1 :])})
