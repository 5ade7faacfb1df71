"""The main screens in three themes, compared with images that a person has looked at (see CONTRIBUTING.md, "Snapshots")."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    DragPreview,
    DragProgress,
    DragStarted,
    Failed,
    ImageRendered,
    ModelsListed,
    Render,
)
from draggan_engine.server.photograph_messages import InversionPreview, InversionProgress, PhotographOpened
from draggan_tui.app import DragganApp
from tests.support.editing import FakeEngine, editor, ended, ready
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("fake_engine", "truecolor_terminal")

# An image of few colours, so that the snapshots are small.
IMAGE = np.zeros((40, 40, 3), np.uint8)
IMAGE[:] = (60, 90, 80)
IMAGE[8:32, 8:32] = (160, 90, 50)
IMAGE[18:24, 18:24] = (230, 220, 200)
PHOTOGRAPH = np.full((40, 80, 3), (70, 80, 110), np.uint8)
PHOTOGRAPH[10:36, 22:54] = (190, 150, 120)
PHOTOGRAPH[18:22, 28:34] = PHOTOGRAPH[18:22, 42:48] = (30, 40, 60)


async def edited(pilot: Pilot[None]) -> FakeEngine:
    """Make an edit with two pairs, one of them disabled, and a mask."""
    app: DragganApp = pilot.app  # type: ignore[assignment]
    engine = await ready(app, pilot, rgb=IMAGE)
    await pilot.press("enter", "6", "l", "enter", "y", "e", "4", "k", "v", *"HJ", "enter", "tab")
    await pilot.pause()
    return engine


async def points(pilot: Pilot[None]) -> None:
    await edited(pilot)


async def drag(pilot: Pilot[None]) -> None:
    engine = await edited(pilot)
    await pilot.press("d")
    engine.say(DragStarted(drag_number=1))
    for step in range(1, 5):
        engine.say(
            DragProgress(
                step=step, max_steps=300, loss=0.9 / step, mean_distance=20.0 - step, handles=((63.0 + step, 63.0),),
                steps_per_second=12.5, sigma=0.6 * step,
            )
        )  # fmt: skip
        await pilot.pause(0.15)
    engine.say(DragPreview(image=ImageData(width=40, height=40, rgb=IMAGE[:, ::-1].tobytes())))
    await pilot.pause()


async def history(pilot: Pilot[None]) -> None:
    """Undo a drag and add a pair: two branches, shown with before and after side by side."""
    app: DragganApp = pilot.app  # type: ignore[assignment]
    engine = await edited(pilot)
    await pilot.press("d")
    engine.say(ended(app))
    await pilot.pause()
    request = engine.last(Render).request_id
    engine.say(ImageRendered(request_id=request, image=ImageData(width=40, height=40, rgb=IMAGE[:, ::-1].tobytes())))
    await pilot.pause()
    await pilot.press("c", "u", "vertical_line")
    await pilot.pause()
    await pilot.press("n", "N", "B")
    await pilot.pause()


async def settings(pilot: Pilot[None]) -> None:
    await edited(pilot)
    await pilot.press("comma")
    await stop_cursor_blink(pilot)


async def export(pilot: Pilot[None]) -> None:
    await edited(pilot)
    await pilot.press("E", *"nose", "full_stop", *"jpg", "enter")
    await stop_cursor_blink(pilot)


async def photograph_export(pilot: Pilot[None]) -> None:
    """The export in a session that starts from a photograph."""
    app: DragganApp = pilot.app  # type: ignore[assignment]
    await edited(pilot)
    state, directory = app.editor.state, app.editor.context.sync.directory
    state.change(state.edit.with_source(LatentRef(from_file=True)))
    assert directory is not None
    directory.mkdir(parents=True)
    (directory / "inversion.json").write_text("{}")
    await pilot.press("E", *"nose", "shift+tab", "shift+tab")
    await stop_cursor_blink(pilot)


async def photograph_prompt(pilot: Pilot[None]) -> None:
    engine = await edited(pilot)
    await pilot.press("a", *"me", "full_stop", *"txt", "enter")
    message = "photograph me.txt is not an image file; give a JPEG, PNG or WebP"
    engine.say(Failed(task="open_photograph", message=message))
    await stop_cursor_blink(pilot)


async def photograph(pilot: Pilot[None]) -> None:
    """A wide photograph with its first point set, and the cursor on its way to the second."""
    engine = await edited(pilot)
    await pilot.press("a", *"me", "full_stop", *"jpg", "enter")
    image = ImageData.from_array(PHOTOGRAPH)
    engine.say(PhotographOpened(path="me.jpg", width=240, height=120, image=image))
    await pilot.pause()
    await pilot.press("8", "h", "enter", "6", "l")
    await pilot.pause()


async def inverting(pilot: Pilot[None]) -> None:
    engine = await edited(pilot)
    await pilot.press("a", *"me", "full_stop", *"jpg", "enter")
    image = ImageData.from_array(IMAGE[::-1, ::-1].copy())
    engine.say(PhotographOpened(path="me.jpg", width=40, height=40, image=image))
    await pilot.pause()
    await pilot.press("y")
    engine.say(InversionPreview(image=image))
    engine.say(InversionProgress(phase="w", step=90, step_count=300, psnr=24.31, steps_per_second=6.0))
    await pilot.pause()


async def models(pilot: Pilot[None]) -> None:
    engine = await edited(pilot)
    await pilot.press("M")
    entries = [
        ModelEntry(name=name, origin="own", path=f"/{name}", bytes=10**size) for name, size in (("a", 6), ("b", 9))
    ]
    engine.say(ModelsListed(models=tuple(entries)))
    await stop_cursor_blink(pilot)


async def help_(pilot: Pilot[None]) -> None:
    await edited(pilot)
    await pilot.press("question_mark")
    await pilot.pause()


async def stop_cursor_blink(pilot: Pilot[None]) -> None:
    await pilot.pause()
    for field in pilot.app.screen.query(Input):
        field.cursor_blink = False
    await pilot.pause()


@pytest.mark.parametrize("theme", ["dark", "light", "contrast"])
@pytest.mark.parametrize(
    "scene",
    [
        points,
        drag,
        history,
        settings,
        export,
        photograph_export,
        photograph_prompt,
        photograph,
        inverting,
        models,
        help_,
    ],
    ids=lambda scene: scene.__name__.strip("_"),
)
def test_screens(
    snap_compare: Callable[..., bool],
    scene: Callable[[Pilot[None]], Awaitable[None]],
    theme: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert snap_compare(editor(theme), terminal_size=(80, 24), run_before=scene)


@pytest.mark.parametrize(
    ("environment", "problem"),
    [({}, "with DRAGGAN_UPDATE_SNAPSHOTS=1"), ({"CI": "1", "DRAGGAN_UPDATE_SNAPSHOTS": "1"}, "CI compares snapshots")],
)
def test_snapshots_are_updated_only_on_purpose(environment: dict[str, str], problem: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name not in ("CI", "DRAGGAN_UPDATE_SNAPSHOTS")}
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--snapshot-update",
            "--collect-only",
            "-q",
            "-p",
            "no:cacheprovider",
            __file__,
        ],
        cwd=ROOT,
        env={**variables, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == pytest.ExitCode.USAGE_ERROR
    assert problem in process.stderr
