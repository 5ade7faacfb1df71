"""Edits: which are accepted and refused, and that a mask keeps every bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from draggan_engine.core.edit import DEFAULT_METHOD, DragSettings, Edit, Mask, PointPair, check_label
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size

IMAGE_SIZE = Size(128, 128)
PAIR = PointPair(handle=(10, 10), target=(20, 10))
DISABLED = PointPair(handle=(30, 300), target=(40, 30), enabled=False)


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)))
def test_mask_round_trip(array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    assert np.array_equal(mask.to_array(), array)
    assert mask.share == pytest.approx(array.mean())


def test_mask_with_broken_bits_is_refused() -> None:
    good = Mask.from_array(np.ones((8, 8), np.uint8))
    with pytest.raises(EditError, match="cannot be read"):
        Mask(width=8, height=8, bits=b"nonsense").to_array()
    with pytest.raises(EditError, match="are not 9×8"):
        Mask(width=9, height=8, bits=good.bits).to_array()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit(model="toy"), "nothing to drag"),
        (Edit(model="toy", pairs=(PointPair(handle=(1, 1)),)), "nothing to drag: place a handle"),
        (
            Edit(model="toy", pairs=(DISABLED, PointPair(handle=(1, 1)))),
            r"every pair that has a target is disabled; enable one",
        ),
        (Edit(model="toy", pairs=(DISABLED, PointPair(handle=(5, 5), target=(5, 5)))), "every handle is on its target"),
        (Edit(model="toy", pairs=(PointPair(handle=(5, 5), target=(5, 5)),)), "every handle is on its target"),
        (
            Edit(model="toy", pairs=(PAIR, PointPair(handle=(128, 5), target=(5, 5)))),
            r"pair 2: its handle \(128, 5\) is outside",
        ),
        (Edit(model="toy", pairs=(PointPair(handle=(5, 5), target=(5, -1)),)), r"its target \(5, -1\) is outside"),
        (
            Edit(model="toy", pairs=(PAIR,), mask=Mask.from_array(np.ones((64, 64), np.uint8))),
            "the mask is 64×64 pixels, the image 128×128",
        ),
        (Edit(model="toy", pairs=(PAIR,), mask=Mask.from_array(np.zeros((128, 128), np.uint8))), "all zero"),
    ],
)
def test_an_edit_that_cannot_be_dragged_is_refused(edit: Edit, message: str) -> None:
    with pytest.raises(EditError, match=message):
        edit.check_drag(IMAGE_SIZE)


def test_a_pin_is_dragged_together_with_a_moving_pair() -> None:
    pin = PointPair(handle=(5, 5), target=(5, 5))
    assert Edit(model="toy", pairs=(PAIR, pin)).check_drag(IMAGE_SIZE) == (((10, 10), (20, 10)), ((5, 5), (5, 5)))


def test_a_disabled_pair_is_left_out() -> None:
    edit = Edit(model="toy", pairs=(DISABLED, PAIR, PointPair(handle=(1, 2))))
    assert edit.active_pairs == {1: ((10, 10), (20, 10))}
    assert edit.check_drag(IMAGE_SIZE) == (((10, 10), (20, 10)),)
    after = edit.after_drag(1, [((20, 10), (19, 10))])
    assert after.pairs == (DISABLED, PointPair(handle=(19, 10), target=(20, 10)), PointPair(handle=(1, 2)))


def test_the_pair_of_a_live_drag_starts_on_its_handle() -> None:
    edit = Edit(model="toy", pairs=(PAIR, PointPair(handle=(1, 2)), DISABLED))
    assert edit.dragged_pairs(1) == {0: ((10, 10), (20, 10)), 1: ((1, 2), (1, 2))}
    assert edit.dragged_pairs(0) == {0: ((10, 10), (10, 10))}
    assert Edit(model="toy", pairs=(PointPair(handle=(1, 2)),)).check_drag(IMAGE_SIZE, 0) == (((1, 2), (1, 2)),)
    after = edit.after_drag(4, [((20, 10), (19, 10)), ((7, 8), (6, 8))], 1)
    assert after.pairs == (
        PAIR.model_copy(update={"handle": (19, 10)}),
        PointPair(handle=(6, 8), target=(7, 8)),
        DISABLED,
    )


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"psi": 0.5}, {"label": 1}, {"from_file": True}, {"drag": 1}, {"step": 2}]
)
def test_the_source_decides_the_image(changes: dict[str, object]) -> None:
    edit = Edit(model="toy")
    assert edit.source.model_copy(update=changes) != edit.source
    assert edit.model_copy(update={"pairs": (PAIR,)}).source == edit.source


@pytest.mark.parametrize(("label", "classes"), [(0, 0), (0, 1), (9, 10)])
def test_a_class_of_the_model_is_accepted(label: int, classes: int) -> None:
    check_label(label, classes, "toy")


@pytest.mark.parametrize(("label", "classes", "message"), [(3, 0, "toy has no classes"), (10, 10, "0 to 9")])
def test_a_class_that_the_model_lacks_is_refused(label: int, classes: int, message: str) -> None:
    with pytest.raises(EditError, match=f"class {label}: .*{message}"):
        check_label(label, classes, "toy")


def test_a_drag_moves_the_handles() -> None:
    incomplete_pair = PointPair(handle=(1, 2))
    edit = Edit(model="toy", pairs=(PAIR, incomplete_pair, PAIR)).after_drag(
        3, [((20, 10), (19, 10)), ((20, 10), (20, 11))]
    )
    assert [pair.handle for pair in edit.pairs] == [(19, 10), (1, 2), (20, 11)]
    assert [pair.target for pair in edit.pairs] == [(20, 10), None, (20, 10)]
    assert edit.source.drag == 3


def test_the_default_settings_are_the_papers() -> None:
    paper = DragSettings()
    assert (paper.mask_weight, paper.r1, paper.r2, paper.step_size, paper.layers, paper.max_steps) == (
        20,
        3,
        12,
        2e-3,
        6,
        300,
    )
    assert (paper.method, paper.space) == ("draggan", "w+")
    assert [paper.stop_distance_for(n) for n in (1, 5, 6)] == [1, 1, 2]


@pytest.mark.parametrize(("height", "r1", "r2"), [(512, 3, 12), (1024, 6, 24), (256, 1.5, 6), (128, 1.5, 6)])
def test_the_radii_scale_with_the_height_down_to_a_minimum(height: int, r1: float, r2: float) -> None:
    settings = DragSettings.for_height(height, "b64")
    assert (settings.method, settings.r1, settings.r2) == (DEFAULT_METHOD, r1, r2)


def test_settings_that_name_no_method_get_the_default_one_for_a_new_edit() -> None:
    assert DragSettings.model_validate({"r1": 5}).for_new_edit() == DragSettings(r1=5, method=DEFAULT_METHOD)
    assert DragSettings(method="draggan").for_new_edit().method == "draggan"
    assert DragSettings(method="freedrag").for_new_edit().method == "freedrag"


@pytest.mark.parametrize(
    "fields",
    [
        {"r1": 0},
        {"step_size": float("nan")},
        {"layers": 0},
        {"space": "z"},
        {"max_steps": 0},
        {"nonsense": 1},
        {"feature_block": "../x"},
    ],
)
def test_invalid_settings_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DragSettings.model_validate(fields)
