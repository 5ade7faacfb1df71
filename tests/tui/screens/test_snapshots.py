"""The main screens in three themes, as pictures that a person has looked at once: `pytest --snapshot-update` draws them anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.messages import (
    DragPreview,
    DragProgress,
    DragStarted,
    ImageData,
    ImageRendered,
    ModelsListed,
    Render,
)
from draggan_tui.app import DragganApp
from tests.support.editing import FakeEngine, editor, ended, ready

pytestmark = pytest.mark.usefixtures("fake_engine")

# A picture of few colours, so that the snapshots are small.
PICTURE = np.zeros((40, 40, 3), np.uint8)
PICTURE[:] = (60, 90, 80)
PICTURE[8:32, 8:32] = (160, 90, 50)
PICTURE[18:24, 18:24] = (230, 220, 200)


async def edited(pilot: Pilot[None]) -> FakeEngine:
    """Two pairs, one of them disabled, and a mask."""
    app: DragganApp = pilot.app  # type: ignore[assignment]
    engine = await ready(app, pilot, rgb=PICTURE)
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
                steps_per_second=12.5,
            )
        )  # fmt: skip
        await pilot.pause(0.15)
    engine.say(DragPreview(image=ImageData(width=40, height=40, rgb=PICTURE[:, ::-1].tobytes())))
    await pilot.pause()


async def history(pilot: Pilot[None]) -> None:
    """A drag undone, another begun from the same place: two branches, and before beside after."""
    app: DragganApp = pilot.app  # type: ignore[assignment]
    engine = await edited(pilot)
    await pilot.press("d")
    engine.say(ended(app))
    await pilot.pause()
    request = engine.last(Render).request_id
    engine.say(ImageRendered(request_id=request, image=ImageData(width=40, height=40, rgb=PICTURE[:, ::-1].tobytes())))
    await pilot.pause()
    await pilot.press("c", "u", "vertical_line")
    await pilot.pause()
    await pilot.press("n", "N", "B")
    await pilot.pause()


async def settings(pilot: Pilot[None]) -> None:
    await edited(pilot)
    await pilot.press("comma")
    await still(pilot)


async def export(pilot: Pilot[None]) -> None:
    await edited(pilot)
    await pilot.press("E", *"nose", "full_stop", *"jpg", "enter")
    await still(pilot)


async def models(pilot: Pilot[None]) -> None:
    engine = await edited(pilot)
    await pilot.press("M")
    entries = [
        ModelEntry(name=name, origin="own", path=f"/{name}", bytes=10**size) for name, size in (("a", 6), ("b", 9))
    ]
    engine.say(ModelsListed(models=tuple(entries)))
    await still(pilot)


async def help_(pilot: Pilot[None]) -> None:
    await edited(pilot)
    await pilot.press("question_mark")
    await pilot.pause()


async def still(pilot: Pilot[None]) -> None:
    """No cursor blinks."""
    await pilot.pause()
    for field in pilot.app.screen.query(Input):
        field.cursor_blink = False
    await pilot.pause()


@pytest.mark.parametrize("theme", ["dark", "light", "contrast"])
@pytest.mark.parametrize(
    "scene", [points, drag, history, settings, export, models, help_], ids=lambda scene: scene.__name__.strip("_")
)
def test_screens(
    snap_compare: Callable[..., bool],
    scene: Callable[[Pilot[None]], Awaitable[None]],
    theme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whatever the terminal is in which the tests run.
    monkeypatch.setattr(DragganApp, "_depth", lambda _: "truecolor")
    assert snap_compare(editor(theme), terminal_size=(80, 24), run_before=scene)
