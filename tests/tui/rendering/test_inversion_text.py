"""The photograph in words: what to do, how far its inversion is, and how that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import Revision
from draggan_engine.server.photograph_messages import InversionEnded, InversionProgress
from draggan_tui.editor.modes import Idle, Inverting
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.rendering.inversion_text import LOW_PSNR_TEXT, inversion_text, outcome_text, side_text
from draggan_tui.rendering.pair_table import pair_header, pair_table
from tests.tui.rendering.test_inspector_text import PAIRS

PATH = Path("photos/me.jpg")


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (None, "reading me.jpg …"),
        (("align", 1, 60, None, None), "aligning me.jpg: step 1/60  – left"),
        (("align", 60, 60, None, 9.0), "inverting me.jpg: choosing where to start …"),
        (("w+", 100, 150, 27.26, 0.5), "inverting me.jpg: step 100/150  27.3 dB  1:40 left"),
    ],
)
def test_how_far_an_inversion_is(
    progress: tuple[Literal["align", "w+"], int, int, float | None, float | None] | None, text: str
) -> None:
    event = None
    if progress is not None:
        phase, step, step_count, psnr, rate = progress
        event = InversionProgress(phase=phase, step=step, step_count=step_count, psnr=psnr, steps_per_second=rate)
    assert inversion_text(Inverting(PATH, event)) == text
    assert inversion_text(Inverting(PATH, event, is_stopping=True)) == "stopping the inversion of me.jpg …"


@pytest.mark.parametrize(
    ("reason", "psnr", "notices", "text"),
    [
        ("finished", 31.2, (), "me.jpg is inverted: 1 step, 2.5 s, 31.2 dB"),
        (
            "finished", 21.0, ("2 faces were found",),
            "me.jpg is inverted: 1 step, 2.5 s, 21.0 dB; what a drag moves will look different from the photograph; "
            "2 faces were found",
        ),
        (
            "diverged", 9.0, (),
            "the inversion of me.jpg diverged, and its best image is kept: 1 step, 2.5 s, 9.0 dB; the image is not much like "
            "the photograph: {undo} goes back; then set the two points anew, or open a model of such images",
        ),
    ],
)  # fmt: skip
def test_how_an_inversion_has_ended(
    reason: Literal["finished", "diverged"], psnr: float, notices: tuple[str, ...], text: str
) -> None:
    revision = Revision(id=1, parent=0, edit=Edit(model="toy"))
    ended = InversionEnded(
        reason=reason, steps=1, seconds=2.5, psnr=psnr, revision=revision, image=None, notices=notices
    )
    assert outcome_text("me.jpg", ended) == text


@pytest.mark.parametrize(
    ("psnr", "text"),
    [
        (
            31.2,
            "me.jpg is inverted: 1 step, 2.5 s, 31.2 dB; {inversion-mask} lets only the part move that the model can show",
        ),
        (15.0, f"me.jpg is inverted: 1 step, 2.5 s, 15.0 dB; {LOW_PSNR_TEXT}"),
    ],
)
def test_a_mask_is_offered_for_an_image_that_is_like_the_photograph(psnr: float, text: str) -> None:
    revision = Revision(id=1, parent=0, edit=Edit(model="toy"))
    ended = InversionEnded(
        reason="finished", steps=1, seconds=2.5, psnr=psnr, revision=revision, image=None, has_mask=True
    )
    assert outcome_text("me.jpg", ended) == text


def test_the_side_panel_lists_no_pairs_while_a_photograph_is_inverted() -> None:
    state = InspectorState(Edit(model="toy", pairs=PAIRS), points_text=side_text(Inverting(PATH)))
    assert pair_header(state).plain == ""
    assert pair_table(state).plain == "Points can be placed when the\nphotograph is inverted."
    assert side_text(Idle()) == ""
