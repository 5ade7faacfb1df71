"""An editor in Textual's own driver, whose engine is a record of what it was told."""

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
from draggan_engine.server.messages import (
    Command,
    DragEnded,
    Event,
    ImageData,
    ImageRendered,
    LoadModel,
    ModelLoaded,
    Render,
    Save,
    Saved,
)
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


class FakeEngine:
    """Keeps what it is sent; acknowledges saves unless told not to."""

    def __init__(
        self,
        options: EngineOptions,
        on_event: Callable[[Event], object],
        on_lost: Callable[[], object],
    ) -> None:
        self._on_event, self.lose = on_event, on_lost
        self.options = options
        self.sent: list[Command] = []
        self.history: History | None = None  # what it was told of it
        self.alive = False
        self.acknowledges = True
        self.resumed: list[str | None] = []

    async def start(self, resume: str | None = None, running: object = None) -> None:  # noqa: ARG002
        self.alive = True
        self.resumed.append(resume)

    def say(self, event: Event) -> None:
        if isinstance(event, DragEnded) and event.revision is not None and self.history is not None:
            self.history = self.history.merge([event.revision]).jump_to(event.revision.id)
        self._on_event(event)

    def send(self, command: Command) -> None:
        self.sent.append(command)
        if isinstance(command, Save):
            if command.revisions and command.revisions[0].parent is None:
                self.history = History({0: command.revisions[0]}, 0)
            assert self.history is not None, "it was told of the first entry"
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
        """The present one, as far as the engine knows."""
        assert self.history is not None
        return self.history.edit

    def last(self, kind: type[Kind]) -> Kind:
        return next(command for command in reversed(self.sent) if isinstance(command, kind))


def editor(theme: str = "dark", keymap: Mapping[str, str] | None = None) -> DragganApp:
    """An editor with that look and those keys of the user's; for tests that use `fake_engine`."""
    options = Options(
        model="toy", seed=5, psi=None, label=0, latent=None, device="auto", out=None, theme=load_theme(theme), keymap=keymap or {}
    )  # fmt: skip
    return DragganApp(options)


async def editor_opens(app: DragganApp, pilot: Pilot[None]) -> None:
    """The editor is there: it comes after a first frame."""
    while app.screen is not getattr(app, "editor", None):
        await pilot.pause()


async def ready(
    app: DragganApp, pilot: Pilot[None], info: ModelInfo = INFO, rgb: NDArray[np.uint8] | None = None
) -> FakeEngine:
    """The model is there, and its first picture: `uint8 [H, W, 3]`, black unless given."""
    await editor_opens(app, pilot)
    engine: FakeEngine = app.engine  # type: ignore[assignment]
    engine.say(ModelLoaded(spec="toy", info=info, device="cpu"))
    await pilot.pause()
    picture = np.zeros((info.height, info.width, 3), np.uint8) if rgb is None else rgb
    height, width, _ = picture.shape
    engine.say(
        ImageRendered(
            request_id=engine.last(Render).request_id,
            image=ImageData(width=width, height=height, rgb=picture.tobytes()),
        )
    )
    await pilot.pause()
    return engine


def status(app: DragganApp) -> str:
    return app.editor.query_one(StatusLine).message


def ended(app: DragganApp, reason: str = "reached") -> DragEnded:
    """What the engine says of a drag on the present entry that has arrived."""
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


async def place_pair(pilot: Pilot[None]) -> None:
    await pilot.press("enter", "4", "l", "enter")


def shown(app: DragganApp) -> NDArray[np.uint8]:
    """The picture on the screen, as the engine sent it; of two that are compared, what the screen shows of both."""
    picture = app.editor.panels.displayed_image()
    assert picture is not None
    return picture.sampled(app.editor.state.viewport) if isinstance(picture, ComparedImages) else picture
