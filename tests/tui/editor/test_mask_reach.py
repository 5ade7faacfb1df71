"""Which points a mask blocks."""

from __future__ import annotations

import numpy as np
import pytest

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.geometry import Point, Size
from draggan_tui.editor.mask_reach import BlockedPoint, conflict_text, mask_conflicts

IMAGE = Size(40, 30)
SETTINGS = DragSettings(r1=3)


def edit_of(*pairs: PointPair, rows: slice = slice(10, 20), columns: slice = slice(10, 20)) -> Edit:
    mask = np.zeros((IMAGE.height, IMAGE.width), np.uint8)
    mask[rows, columns] = 1
    return Edit(model="toy", pairs=pairs, mask=Mask.from_array(mask), settings=SETTINGS)


@pytest.mark.parametrize(
    ("handle", "target", "blocked"),
    [
        ((15, 15), (18, 15), None),
        ((9, 15), (15, 15), "handle"),
        ((9.6, 15), (15, 15), None),  # the pixel that holds it may move
        ((15, 15), (22, 15), None),  # its disc reaches the mask: 19 is three pixels away
        ((15, 15), (22.5, 15), "target"),
        ((15, 15), (21, 21), None),
        ((15, 15), (22, 22), "target"),  # its square would, its disc does not
        ((15, 15), (0, 0), "target"),
        ((15, 15), (39, 29), "target"),
        ((5, 5), (0, 0), "handle"),
        ((9, 15), None, "handle"),
        ((15, 15), None, None),
    ],
)
def test_a_handle_must_be_in_the_mask_and_a_target_near_it(
    handle: Point, target: Point | None, blocked: BlockedPoint | None
) -> None:
    conflicts = mask_conflicts(edit_of(PointPair(handle=handle, target=target)), IMAGE)
    assert conflicts == ({} if blocked is None else {0: blocked})


def test_pins_and_disabled_pairs_are_not_blocked() -> None:
    pin = PointPair(handle=(5, 5), target=(5, 5))
    disabled = PointPair(handle=(5, 5), target=(9, 9), enabled=False)
    blocked = PointPair(handle=(15, 15), target=(35, 5))
    assert mask_conflicts(edit_of(pin, disabled, blocked), IMAGE) == {2: "target"}
    free = edit_of(pin, disabled, blocked).model_copy(update={"mask": None})
    assert mask_conflicts(free, IMAGE) == {}


def test_the_text_of_blocked_points() -> None:
    assert conflict_text({}) == ""
    assert conflict_text({1: "target"}) == "target 2 is outside the mask, where nothing may move"
    both = conflict_text({0: "handle", 1: "target"})
    assert both == "handle 1 and target 2 are outside the mask, where nothing may move"
