"""The title of the window, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_engine.core.edit import Edit
from draggan_engine.core.latent_ref import LatentRef
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.modes import Dragging, Idle, Inverting, LiveDrag, LoadingModel, Mode
from draggan_tui.rendering.window_title import window_title

SEED_EDIT = Edit(model="critters-128", source=LatentRef(seed=7))


@pytest.mark.parametrize(
    ("mode", "title"),
    [
        (Idle(), "critters-128, seed 7 · draggan-tui"),
        (Dragging((0,)), "dragging · critters-128, seed 7 · draggan-tui"),
        (LiveDrag((0,), 0), "dragging · critters-128, seed 7 · draggan-tui"),
        (Inverting(Path("/a/me.jpg")), "inverting me.jpg · critters-128, seed 7 · draggan-tui"),
        (LoadingModel("cars"), "loading cars · critters-128, seed 7 · draggan-tui"),
    ],
)
def test_the_title_says_what_is_going_on(mode: Mode, title: str) -> None:
    assert window_title(mode, SEED_EDIT, FileLatent()) == title


def test_the_title_names_the_photograph() -> None:
    edit = SEED_EDIT.model_copy(update={"source": LatentRef(from_file=True)})
    assert window_title(Idle(), edit, FileLatent("me.jpg", is_inversion=True)) == (
        "critters-128, me.jpg inverted · draggan-tui"
    )
