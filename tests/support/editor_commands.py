"""The editor's commands without a screen: a context whose engine and user interface are records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from draggan_engine.core.edit import DragSettings, Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.mask_regions import Region
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.server.messages import Command
from draggan_tui.editor.commands import points
from draggan_tui.editor.commands.context import CommandContext, MessageKind
from draggan_tui.editor.photograph import PhotographStart
from draggan_tui.editor.state import EditorState
from draggan_tui.editor.viewport import Viewport

INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="a test's", width=128, height=128, num_ws=12, z_dim=8, w_dim=8,
    mapping_layers=2, blocks=("b4", "b8"), rows=("b4.conv1",), parameters=1, psi=0.7, settings=DragSettings(r1=4, feature_block="b8"),
)  # fmt: skip
GRID = Size(32, 32)
"""The screen pixels that show the image of `loaded_context`: each is 4 × 4 image pixels."""


@dataclass
class RecordingEngine:
    alive: bool = True
    sent: list[Command] = field(default_factory=list)

    def send(self, command: Command) -> None:
        self.sent.append(command)


@dataclass
class RecordingInterface:
    messages: list[str] = field(default_factory=list)
    shows_loupe: bool = False
    has_hints: bool = True
    photographs: list[PhotographStart] = field(default_factory=list)

    def report(self, message: str, kind: MessageKind = "plain") -> None:  # noqa: ARG002
        self.messages.append(message)

    def attempt(self, command: Callable[[], object]) -> bool:
        try:
            command()
        except EditError as error:
            self.messages.append(str(error))
            return False
        return True

    def invert_photograph(self, start: PhotographStart) -> None:
        self.photographs.append(start)

    def end_hints(self) -> None:
        self.has_hints = False

    def shows_whole_preview(self) -> bool:
        return self.shows_loupe


def context_of(state: EditorState) -> CommandContext:
    return CommandContext.create(state, RecordingEngine(), RecordingInterface())


def loaded_context(psi: float | None = None, info: ModelInfo = INFO, room: Size = GRID) -> CommandContext:
    """Return a context whose model is loaded and whose cursor is at (65.5, 65.5), the centre of screen pixel (16, 16)."""
    state = EditorState.new(Edit(model="/some/toy.pkl", source=LatentRef(seed=5)), psi)
    state.viewport = Viewport(Size(1, 1), room)
    state.use_model(info)
    state.place_cursor((65.5, 65.5))
    return context_of(state)


def counting(context: CommandContext, count: int) -> CommandContext:
    """Return the context for a command before which a number was typed."""
    return replace(context, count=count)


def last_message(context: CommandContext) -> str:
    assert isinstance(context.ui, RecordingInterface)
    return context.ui.messages[-1]


def place_pair_at(context: CommandContext, handle: Point, target: Point) -> None:
    for point in (handle, target):
        context.state.place_cursor(point)
        points.place(context)


def mask_of(context: CommandContext) -> Region:
    """Return the mask, `bool [H, W]`."""
    mask = context.state.edit.mask
    assert mask is not None
    return mask.to_array().astype(np.bool_)
