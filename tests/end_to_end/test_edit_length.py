"""How far drags have moved the latent, in the side panel of an editor with a real engine."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.critters import landmarks_of_seed
from draggan_tui.app import DragganApp, Options
from draggan_tui.config.themes import load_theme
from draggan_tui.editor.state import ResumedSession
from draggan_tui.widgets.text_lines import TextLines
from tests.support.editing import editor_opens, until

SEED = 42


def edit_row(app: DragganApp) -> str:
    facts = str(app.editor.query_one("#session-facts", TextLines).render())
    return next((row for row in facts.splitlines() if row.startswith("  edit")), "")


def is_image_shown(app: DragganApp) -> bool:
    return app.editor.panels.displayed_image() is not None


async def test_after_a_drag_an_undo_a_redo_and_when_the_session_is_opened_again(tmp_path: Path) -> None:
    options = Options(
        model="critters-128", seed=SEED, psi=None, label=0, latent=None, device="cpu", out=tmp_path / "s",
        theme=load_theme("dark"), keymap={},
    )  # fmt: skip
    app = DragganApp(options)
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        await until(lambda: is_image_shown(app))
        assert edit_row(app) == ""
        x, y = landmarks_of_seed(SEED, 128)["nose_tip"]
        state = app.editor.state
        state.change(state.edit.model_copy(update={"pairs": (PointPair(handle=(x, y), target=(x + 10, y)),)}))
        await pilot.press("d")
        await until(lambda: app.editor.state.edit.source.drag == 1)
        await until(lambda: re.fullmatch(r"  edit  [ \d]{2}\.\d σ", edit_row(app)) is not None)
        last_step = json.loads((tmp_path / "s/drag-001/events.jsonl").read_text().splitlines()[-1])
        dragged_row = f"  edit  {last_step['sigma']:4.1f} σ"
        assert edit_row(app) == dragged_row
        assert 0.1 < last_step["sigma"] < 16
        await pilot.press("u")
        await until(lambda: edit_row(app) == "")
        await pilot.press("ctrl+r")
        await until(lambda: edit_row(app) == dragged_row)
        dragged_edit: Edit = app.editor.state.edit
        await until(lambda: not app.editor.state.has_unsaved_changes)
        await app.engine.close()  # it holds the lock of the session
    await reopen(replace(options, out=None), dragged_edit, tmp_path / "s", dragged_row)


async def reopen(options: Options, edit: Edit, directory: Path, dragged_row: str) -> None:
    """Open a session and wait until the side panel says how far it has moved."""
    app = DragganApp(replace(options, resumed_session=ResumedSession(edit, directory, "critters-128")))
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        assert edit_row(app) == "  edit  –"
        await until(lambda: edit_row(app) == dragged_row)
