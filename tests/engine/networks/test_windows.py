"""The plan of which blocks are computed in which windows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.geometry import Size
from draggan_engine.networks.windows import (
    BlockShape,
    MapWindow,
    merge_windows,
    plan_windows,
    window_below,
    window_cost,
)
from tests.support.map_windows import windows_of

BLOCK_SHAPES = [BlockShape(Size(2**i, 2**i), 2 ** (11 - i), 2 ** (10 - i)) for i in range(3, 8)]  # b8 … b128


@given(st.lists(windows_of(Size(128, 128)), min_size=1, max_size=6))
def test_a_plan_contains_the_needed_windows_and_never_costs_more_than_whole_maps(
    needed_windows: list[MapWindow],
) -> None:
    levels = plan_windows(needed_windows, BLOCK_SHAPES)
    shapes = BLOCK_SHAPES[len(BLOCK_SHAPES) - len(levels) :]
    plan_cost = sum(
        window_cost(window, shape) for level, shape in zip(levels, shapes, strict=True) for window in level.windows
    )
    whole_cost = sum(window_cost(MapWindow.whole(shape.size), shape) for shape in shapes)
    assert plan_cost < whole_cost or not levels
    if levels:
        assert all(any(window.contains(needed) for window in levels[-1].windows) for needed in needed_windows)
        assert set(levels[0].sources) == {0}
    for level_below, level, shape in zip(levels, levels[1:], shapes[1:], strict=False):
        for window, source in zip(level.windows, level.sources, strict=True):
            assert level_below.windows[source].contains(window_below(window, shape))


def test_small_windows_are_worth_it_and_large_ones_are_not() -> None:
    small_window = MapWindow(60, 60, 70, 70)
    plan = plan_windows([small_window], BLOCK_SHAPES)
    assert len(plan) >= 3
    assert plan[-1].windows == (small_window,)
    assert plan_windows([MapWindow(0, 0, 128, 128)], BLOCK_SHAPES) == ()


def test_overlapping_windows_become_one() -> None:
    overlapping, separate = [MapWindow(60, 60, 70, 70), MapWindow(63, 62, 73, 72)], MapWindow(5, 5, 15, 15)
    level = plan_windows([*overlapping, separate], BLOCK_SHAPES)[-1]
    assert sorted(level.windows) == [separate, MapWindow(60, 60, 73, 72)]


def test_windows_within_another_one_disappear() -> None:
    outer = MapWindow(0, 0, 4, 4)
    assert merge_windows([outer, outer, MapWindow(1, 1, 3, 3)], lambda window: window.area) == (outer,)
