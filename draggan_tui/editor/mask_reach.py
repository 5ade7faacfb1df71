"""Which handles and targets the mask blocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.edit import Edit
from draggan_engine.core.geometry import Point, Size, nearest_pixel

BlockedPoint = Literal["handle", "target"]


@lru_cache(maxsize=2)  # it is asked for after each key, and few keys change the edit
def mask_conflicts(edit: Edit, image_size: Size) -> Mapping[int, BlockedPoint]:
    """Return the pairs, by index, that cannot arrive with the present mask, and the point of each that is to blame.

    A handle is blocked outside the mask: its content may not move. A target is blocked if nothing may move in the whole disc
    of radius r1 around it, which is what a drag would have to change there. Pins and disabled pairs are left out: they are
    not to move.
    """
    if edit.mask is None:
        return {}
    mask = edit.mask.to_array()
    conflicts: dict[int, BlockedPoint] = {}
    for pair_index, pair in enumerate(edit.pairs):
        if pair.is_pin or not pair.enabled:
            continue
        column, row = nearest_pixel(pair.handle, image_size)
        if not mask[row, column]:
            conflicts[pair_index] = "handle"
        elif pair.target is not None and not _may_move_near(mask, pair.target, edit.settings.r1):
            conflicts[pair_index] = "target"
    return conflicts


def conflict_text(conflicts: Mapping[int, BlockedPoint]) -> str:
    """Return `handle 1 and target 3 are outside the mask, where nothing may move`; empty if there are no conflicts."""
    point_names = [f"{point_kind} {pair_index + 1}" for pair_index, point_kind in conflicts.items()]
    if not point_names:
        return ""
    return f"{' and '.join(point_names)} {'is' if len(point_names) == 1 else 'are'} outside the mask, where nothing may move"


def _may_move_near(mask: NDArray[np.uint8], point: Point, radius: float) -> bool:
    """Return whether a pixel of the mask is within `radius` of a point."""
    height, width = mask.shape
    near_columns = np.arange(max(ceil(point[0] - radius), 0), min(floor(point[0] + radius), width - 1) + 1)
    near_rows = np.arange(max(ceil(point[1] - radius), 0), min(floor(point[1] + radius), height - 1) + 1)
    is_near = (near_columns - point[0]) ** 2 + (near_rows[:, None] - point[1]) ** 2 <= radius**2
    return bool(mask[np.ix_(near_rows, near_columns)][is_near].any())
