"""Revisions, branches and places of the history in words."""

from __future__ import annotations

import numpy as np
import pytest

from draggan_engine.core.edit import DragSettings, Mask, PointPair
from draggan_engine.core.history import History
from draggan_engine.core.revision_id import DragRevisionId
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.history_cursor import HistoryCursor
from draggan_tui.editor.history_text import branch_text, change_text, place_text
from tests.support.histories import PAIR, START, trajectory, with_change, with_drag


def test_the_text_of_changes() -> None:
    other = PointPair(handle=(1, 2), target=(3, 4))
    mask = Mask.from_array(np.ones((8, 8), np.uint8))
    history = History.of(START)
    texts = [change_text(history, history.current_revision)]
    for changed_fields in (
        {"pairs": (PAIR, other)},
        {"pairs": (PAIR, other.model_copy(update={"enabled": False}))},
        {"pairs": (other, PAIR)},
        {"pairs": (PAIR,)},
        {"mask": mask},
        {"mask": None},
        {"psi": 0.5},
        {"settings": DragSettings(r1=5)},
        {"seed": 43},
        {"label": 2},
        {"from_file": True},
        {"from_file": False},
    ):
        history = with_change(history, **changed_fields)
        texts.append(change_text(history, history.current_revision))
    assert texts == [
        "seed 42", "pair 2", "pair 2", "several pairs", "pair deleted", "mask changed", "mask cleared", "settings changed", "settings changed", "seed 43",
        "seed 43, class 2", "latent from a file", "seed 43, class 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file_latent", "text"),
    [
        (FileLatent("me.jpg", is_inversion=True), "me.jpg inverted"),
        (FileLatent("pivot.pt"), "latent from pivot.pt"),
        (FileLatent(), "latent from a file"),
    ],
)
def test_a_latent_that_is_no_seeds_is_called_after_its_file(file_latent: FileLatent, text: str) -> None:
    history = with_change(History.of(START), from_file=True)
    assert change_text(history, history.current_revision, file_latent) == text
    assert branch_text(history, history.current_revision, file_latent) == f"{text}, before any drag"


def test_the_text_of_drags() -> None:
    history = with_drag(with_drag(History.of(START), 1), 24, live=0)
    assert change_text(history, history.revisions[DragRevisionId(1)]) == "drag 1, 1 step"
    assert change_text(history, history.revisions[DragRevisionId(2)]) == "live drag 2, 24 steps"
    back = history.change(history.edit.with_source(history.edit.source.model_copy(update={"drag": None})))
    assert change_text(back, back.current_revision) == "seed 42", "the same seed again, without its drags"


def test_a_branch_from_within_a_drag_names_the_step() -> None:
    history = with_drag(History.of(START), 9)
    history = HistoryCursor(history, 2).history_from_here({1: trajectory(1, 0, 3, 6, 9)})
    assert change_text(history, history.current_revision) == "from step 6 of drag 1"
    assert branch_text(history, history.current_revision) == "from step 6 of drag 1"
    further = with_change(history, psi=0.5)
    assert change_text(further, further.current_revision) == "settings changed"
    assert branch_text(further, further.current_revision) == "settings changed"


def test_the_text_of_branches() -> None:
    history = with_drag(History.of(START), 9)
    assert branch_text(history, history.current_revision) == "drag 1, 9 steps"
    twice = with_drag(with_change(history, pairs=(PAIR,)), 3)
    assert branch_text(twice, twice.current_revision) == "drag 2, 3 steps, after drag 1"
    other = with_change(twice.jump_to(0), seed=7)
    assert branch_text(other, other.current_revision) == "seed 7, before any drag"
    after = with_change(twice.jump_to(DragRevisionId(1)), psi=0.5)
    third = with_change(with_drag(twice, 5), psi=0.5)
    assert branch_text(third, third.current_revision) == "settings changed, after drags 1, 2 and 3"
    assert branch_text(after, after.current_revision) == "settings changed, after drag 1"


def test_the_text_of_the_position() -> None:
    history = with_drag(History.of(START), 9)
    assert place_text(HistoryCursor(history), {}) == ""
    assert place_text(HistoryCursor(history, 1), {1: trajectory(1, 0, 4, 9)}) == "drag 1 4/9"
    branched = with_change(history.jump_to(0), seed=7)
    assert place_text(HistoryCursor(branched), {}) == "2 branches"
    assert (
        place_text(HistoryCursor(branched.jump_to(DragRevisionId(1)), 1), {1: trajectory(1, 0, 4, 9)}) == "drag 1 4/9"
    )
