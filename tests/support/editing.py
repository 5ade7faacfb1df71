"""An editor in a headless app, with an engine that only records commands, and helpers to drive both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from textual.events import Key
from textual.pilot import Pilot

from draggan_engine.core.edit import DragSettings, Edit
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    Command,
    DragEnded,
    Event,
    ImageRendered,
    LoadModel,
    ModelLoaded,
    Render,
    Resumed,
    Save,
    Saved,
)
from draggan_engine.server.photograph_messages import InversionEnded
from draggan_tui.app import DragganApp, Options
from draggan_tui.client.engine_process import EngineOptions
from draggan_tui.config.themes import load_theme
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.widgets.status_line import StatusLine
from tests.support.patience import PATIENCE

Kind = TypeVar("Kind", bound=Command)

CHARACTERS = {"slash": "/", "comma": ",", "space": " "}
"""Textual's name of a key → the character that it types, where the name is not the character."""

INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="a test's", width=128, height=128, num_ws=12, z_dim=8, w_dim=8,
    mapping_layers=2, blocks=("b4", "b8", "b16"), rows=("b4.conv1",), parameters=1, psi=0.7, settings=DragSettings(feature_block="b8"),
)  # fmt: skip

ROUGH = np.random.RandomState(0).randint(0, 255, (44, 44, 3), np.uint8)
"""An image without a flat patch, so that no handle on it gets a warning: `uint8 [44, 44, 3]`."""


class FakeEngine:
    """Records the commands it receives, and acknowledges saves while `acknowledges` is true."""

    def __init__(
        self,
        options: EngineOptions,
        on_event: Callable[[Event], object],
        on_lost: Callable[[], object],
    ) -> None:
        self._on_event, self.lose = on_event, on_lost
        self.options = options
        self.sent: list[Command] = []
        self.history: History | None = None  # as far as commands and drags have revealed it
        self.alive = False
        self.acknowledges = True
        self.resumed: list[str | None] = []

    async def start(self, resume: str | None = None, running: object = None) -> None:  # noqa: ARG002
        self.alive = True
        self.resumed.append(resume)

    def say(self, event: Event) -> None:
        """Send an event to the editor."""
        if isinstance(event, DragEnded | InversionEnded) and event.revision is not None and self.history is not None:
            self.history = self.history.merge([event.revision]).jump_to(event.revision.id)
        if isinstance(event, Resumed):
            self.history = event.history
        self._on_event(event)

    def send(self, command: Command) -> None:
        self.sent.append(command)
        if isinstance(command, Save):
            if command.revisions and command.revisions[0].parent is None:
                self.history = History({0: command.revisions[0]}, 0)
            assert self.history is not None, "the first save holds the first revision"
            self.history = self.history.merge(command.revisions).jump_to(command.current)
        if isinstance(command, Save) and self.acknowledges and self.alive:
            self.say(Saved(change_count=command.change_count, directory="draggan-out/x"))

    def load_model(self, spec: str) -> None:
        self.send(LoadModel(spec=spec))

    def write_to(self, directory: Path) -> None:
        self.options = replace(self.options, out=directory)

    async def close(self) -> None:
        self.alive = False

    @property
    def edit(self) -> Edit:
        """The present edit, as far as the engine knows it."""
        assert self.history is not None
        return self.history.edit

    def last(self, kind: type[Kind]) -> Kind:
        """Return the newest command of a kind."""
        return next(command for command in reversed(self.sent) if isinstance(command, kind))


def editor(theme: str = "dark", keymap: Mapping[str, str] | None = None) -> DragganApp:
    """Return an editor with a theme and the user's keys, for tests that use the fixture `fake_engine`."""
    options = Options(
        model="toy", seed=5, psi=None, label=0, latent=None, device="auto", out=None, theme=load_theme(theme), keymap=keymap or {}
    )  # fmt: skip
    return DragganApp(options)


async def editor_opens(app: DragganApp, pilot: Pilot[None]) -> None:
    """Wait until the editor, which opens after the first frame, is the present screen."""
    await until(lambda: app.screen is getattr(app, "editor", None))
    await pilot.pause()


async def ready(
    app: DragganApp, pilot: Pilot[None], info: ModelInfo = INFO, rgb: NDArray[np.uint8] | None = None
) -> FakeEngine:
    """Open the editor, load the model and show its first image.

    Args:
        rgb: `uint8 [H, W, 3]`. None: a black image.
    """
    await editor_opens(app, pilot)
    engine: FakeEngine = app.engine  # type: ignore[assignment]
    engine.say(ModelLoaded(spec="toy", info=info, device="cpu"))
    await pilot.pause()
    image = np.zeros((info.height, info.width, 3), np.uint8) if rgb is None else rgb
    height, width, _ = image.shape
    engine.say(
        ImageRendered(
            request_id=engine.last(Render).request_id,
            image=ImageData(width=width, height=height, rgb=image.tobytes()),
        )
    )
    await pilot.pause()
    return engine


def status(app: DragganApp) -> str:
    """Return the message in the status line."""
    return app.editor.query_one(StatusLine).message


def ended(app: DragganApp, reason: str = "reached") -> DragEnded:
    """Return the event for a drag on the present revision that has ended, by default at its target."""
    parent = app.editor.state.history.current_revision
    edit = parent.edit
    pairs = tuple(DraggedPair(handle=h, target=t, final=t, distance=0.5) for h, t in edit.active_pairs.values())
    number = 1 + len(app.editor.state.history.drag_records)
    record = DragRecord(
        number=number, source=LatentRef(drag=edit.source.drag, seed=5, psi=0.7), reason=reason, steps=3, seconds=1, pairs=pairs, settings=edit.settings, masked=False
    )  # fmt: skip
    return DragEnded(record=record, revision=Revision.of_drag(parent, record))


def burst(app: DragganApp, *keys: str) -> None:
    """Send keys without waiting until the editor has handled any of them, as they arrive over a slow line."""
    for key in keys:
        app.post_message(Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, and fail if it takes longer than a loaded machine needs."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def until_screen_shows(app: DragganApp, *words: str) -> None:
    """Wait until all these words are on the screen; blanks in them may be of any kind."""

    def are_shown() -> bool:
        svg = app.export_screenshot().replace("&#160;", " ")
        return all(word.replace("&#160;", " ") in svg for word in words)

    await until(are_shown)


async def place_pair(pilot: Pilot[None]) -> None:
    """Place a handle at the cursor and a target right of it."""
    await pilot.press("enter", "4", "l", "enter")


def shown(app: DragganApp) -> NDArray[np.uint8]:
    """Return the image on the screen as the engine sent it, or what the screen shows of two compared images."""
    picture = app.editor.panels.displayed_image()
    assert picture is not None
    return picture.sampled(app.editor.state.viewport) if isinstance(picture, ComparedImages) else picture
