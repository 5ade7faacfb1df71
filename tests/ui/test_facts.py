"""The inspector's words, to the letter."""

from __future__ import annotations

import pytest

from draggan_engine.protocol.edit import Edit, PointPair
from draggan_engine.protocol.messages import DragProgress
from draggan_tui.renderables.facts import edit_facts, pair_list, percent, progress_line, seconds_text


def test_the_edit_line_by_line() -> None:
    edit = Edit(model="toy", seed=7, psi=0.7, latent=2)
    assert edit_facts(edit, "cpu", (63.5, 8), 0.354, 3).plain.splitlines() == [
        "model  toy",
        "device cpu",
        "seed   7  after drag 2",
        "ψ      0.7   space W+",
        "cursor 63.5, 8.0",
        "mask   35% may move",
        "brush  3",
    ]
    assert edit_facts(Edit(), "starting", None, None, 1).plain.splitlines()[4:] == [
        "cursor –",
        "mask   none",
        "brush  1",
    ]


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.004, "<1%"), (0.5, "50%"), (0.999, ">99%"), (1, "100%")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_pairs_show_where_the_handle_is_now() -> None:
    edit = Edit(pairs=(PointPair(handle=(10, 20), target=(13, 24)), PointPair(handle=(5, 6))))
    assert pair_list(edit, [(11, 22), (5, 6)], 0).plain.splitlines() == [
        "▸1 11,22→13,24 2.8",
        " 2 5,6→target?",
    ]
    assert "no points yet" in pair_list(Edit(), [], None).plain


def test_progress() -> None:
    progress = DragProgress(step=34, max_steps=300, loss=0.1, mean_distance=1, handles=(), steps_per_second=12.06)
    assert progress_line(progress).plain == "34/300  12.1 it/s  0:22 left"


@pytest.mark.parametrize(("seconds", "text"), [(0.84, "0.8 s"), (12.4, "12 s"), (187, "3:07 min")])
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
