"""When drags count as settled."""

from __future__ import annotations

import torch

from draggan_engine.dragging.settling import Settling


def settled_steps(distances: list[float], settles_after: int = 3) -> list[bool]:
    settling = Settling(drag_count=1)
    return [
        bool(settling.observe(step, torch.tensor([mean_distance]), settles_after))
        for step, mean_distance in enumerate(distances)
    ]


def test_a_drag_settles_when_its_distance_has_not_decreased_for_some_steps() -> None:
    assert settled_steps([9, 8, 8, 9, 8]) == [False, False, False, False, True]


def test_a_decrease_of_less_than_a_tenth_of_a_pixel_does_not_count() -> None:
    assert settled_steps([9, 8.95, 8.92, 8.91]) == [False, False, False, True]
    assert settled_steps([9, 8.95, 8.89, 8.88, 8.87]) == [False, False, False, False, False]


def test_small_decreases_count_together() -> None:
    assert settled_steps([9 - 0.04 * step for step in range(12)]) == 12 * [False]


def test_the_same_step_may_be_observed_again() -> None:
    settling = Settling(drag_count=1)
    for _ in range(5):
        assert not settling.observe(1, torch.tensor([9.0]), 2)
    assert settling.observe(3, torch.tensor([9.0]), 2)


def test_drags_settle_apart_from_each_other() -> None:
    settling = Settling(drag_count=3)
    assert settling.observe(0, torch.tensor([9.0, 9, 9]), 2).tolist() == [False, False, False]
    assert settling.observe(1, torch.tensor([9.0, 8, 9]), 2).tolist() == [False, False, False]
    assert settling.observe(2, torch.tensor([9.0, 8, 7]), 2).tolist() == [True, False, False]
    settling.select(torch.tensor([False, True, True]))
    assert settling.observe(3, torch.tensor([8.0, 7]), 2).tolist() == [True, False]
