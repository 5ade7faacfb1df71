"""An editor in Textual's own driver, whose engine is a record of what it was told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from textual.pilot import Pilot

from draggan_engine.protocol.edit import DragSettings
from draggan_engine.protocol.messages import (
    Command,
    DragEnded,
    DraggedPair,
    DragRecord,
    Event,
    LoadModel,
    ModelInfo,
    ModelLoaded,
    Preview,
    Render,
    Save,
    Saved,
)
from draggan_tui.app import DragganApp
from draggan_tui.widgets.status import StatusLine

Kind = TypeVar("Kind", bound=Command)

INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="a test's", width=128, height=128, num_ws=12, z_dim=8, w_dim=8,
    mapping_layers=2, blocks=("b4", "b8", "b16"), rows=("b4.conv1",), parameters=1, psi=0.7, settings=DragSettings(feature_block="b8"),
)  # fmt: skip


class FakeEngine:
    """Keeps what it is sent; acknowledges saves unless told not to."""

    def __init__(
        self,
        model: str,
        _device: str,
        out: Path | None,
        latent: Path | None,
        on_event: Callable[[Event], object],
        on_lost: Callable[[], object],
    ) -> None:
        self.say, self.lose = on_event, on_lost
        self.model, self.out, self.latent = model, out, latent
        self.sent: list[Command] = []
        self.alive = False
        self.acknowledges = True
        self.resumed: list[str | None] = []

    async def start(self, resume: str | None = None) -> None:
        self.alive = True
        self.resumed.append(resume)

    def send(self, command: Command) -> None:
        self.sent.append(command)
        if isinstance(command, Save) and self.acknowledges and self.alive:
            self.say(Saved(revision=command.revision, folder="draggan-out/x"))

    def load_model(self, spec: str) -> None:
        self.send(LoadModel(spec=spec))

    async def close(self) -> None:
        self.alive = False

    def last(self, kind: type[Kind]) -> Kind:
        return next(command for command in reversed(self.sent) if isinstance(command, kind))


async def ready(app: DragganApp, pilot: Pilot[None], info: ModelInfo = INFO) -> FakeEngine:
    engine: FakeEngine = app.engine  # type: ignore[assignment]
    engine.say(ModelLoaded(spec="toy", info=info, device="cpu"))
    await pilot.pause()
    request = engine.last(Render)
    engine.say(Preview(request=request.request, width=44, height=44, rgb=bytes(44 * 44 * 3)))
    await pilot.pause()
    return engine


def status(app: DragganApp) -> str:
    return app.editor.query_one(StatusLine).message


def ended(app: DragganApp, reason: str = "reached") -> DragEnded:
    edit = app.editor.workspace.edit
    pairs = tuple(DraggedPair(handle=p.handle, target=p.target, final=p.target, distance=0.5) for p in edit.pairs)
    return DragEnded(
        record=DragRecord(
            number=1, start=0, seed=5, psi=0.7, reason=reason, steps=3, seconds=1, pairs=pairs, settings=edit.settings, masked=False
        )
    )  # fmt: skip


async def place_pair(pilot: Pilot[None]) -> None:
    await pilot.press("enter", "4", "l", "enter")
