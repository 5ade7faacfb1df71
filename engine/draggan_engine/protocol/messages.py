"""Commands that the screen sends, events that the engine sends, and how both become bytes.

On the wire a message is a 4-byte big-endian length and that many bytes of msgpack: the message's fields
with its `type`. Events of the classes in `LOSSY` may be dropped when a newer one of the same class is
there; all others arrive, in order.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

import msgpack
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from .edit import Document, DragSettings, Edit, FinitePoint
from .errors import EngineError
from .geometry import Size

Reason = Literal["reached", "max_steps", "stopped", "diverged"]
MAX_MESSAGE = 64 * 1024 * 1024
HEADER = struct.Struct(">I")


class ModelInfo(Document):
    """What a model is, as the screen shows it and the session file keeps it."""

    name: str
    sha256: str
    family: str = Field(description="StyleGAN2, StyleGAN3-t or StyleGAN3-r")
    format: str = Field(description="the kind of file that it came in")
    licence: str | None = Field(None, description="a note, where the file is a known one")
    width: int
    height: int
    num_ws: int
    z_dim: int
    w_dim: int
    classes: int = Field(0, description="of a class-conditional model; 0 = unconditional")
    mapping_layers: int
    blocks: tuple[str, ...] = Field(description="names of the feature blocks, lowest resolution first")
    rows: tuple[str, ...] = Field(description="what each row of ws styles; the drag optimises the first so many")
    parameters: int
    psi: float = Field(description="the truncation it is shown with by default")
    settings: DragSettings = Field(description="what a drag on it uses by default")

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)


class ModelEntry(Document):
    """A model file on this machine."""

    name: str
    origin: Literal["bundled", "own", "cached"] = Field(
        description="own: imported or pulled by the user; cached: the converted copy of a file that was opened"
    )
    format: str | None = Field(None, description="of the file that a cached one is a copy of")
    path: str
    bytes: int

    @property
    def spec(self) -> str:
        """What opens it: the name, or the path of a copy, whose name may be another's too."""
        return self.path if self.origin == "cached" else self.name


class DraggedPair(Document):
    """A pair after a drag: where it started, where it should go, where it arrived."""

    handle: FinitePoint
    target: FinitePoint
    final: FinitePoint
    distance: float = Field(description="pixels left between final and target")


class DragRecord(Document):
    """One finished drag, as the session's history keeps it."""

    number: int = Field(ge=1, description="also the id of the latent it ended with")
    start: int = Field(ge=0, description="id of the latent it started from")
    seed: int
    psi: float
    label: int = 0
    given: bool = False
    reason: Reason
    steps: int
    seconds: float
    pairs: tuple[DraggedPair, ...]
    settings: DragSettings
    masked: bool


# Commands --------------------------------------------------------------------------------------------


class Render(Document):
    """Show the picture of an edit; answered by `Preview` with the same `request`."""

    type: Literal["render"] = "render"
    request: int
    edit: Edit
    width: int = Field(ge=1, le=4096, description="preview pixels wanted; the answer may have another size")
    height: int = Field(ge=1, le=4096)


class Save(Document):
    """Write the edit to the session's folder; answered by `Saved`."""

    type: Literal["save"] = "save"
    revision: int
    edit: Edit


class Export(Document):
    """Write the edit's picture at full resolution as the session's result; answered by `Exported`."""

    type: Literal["export"] = "export"
    edit: Edit


class StartDrag(Document):
    """Drag; answered by `DragStarted`, `DragProgress` and `Preview`s, and `DragEnded`."""

    type: Literal["start_drag"] = "start_drag"
    edit: Edit
    width: int = Field(ge=1, le=4096, description="size of the previews on the way")
    height: int = Field(ge=1, le=4096)


class StopDrag(Document):
    """End the running drag within one step."""

    type: Literal["stop_drag"] = "stop_drag"


class ListModels(Document):
    """Which models can be given by name? Answered by `ModelsListed`."""

    type: Literal["list_models"] = "list_models"


class LoadModel(Document):
    """Use another model, in a session of its own; answered by `Loading`s and `ModelLoaded`, or by `Failed`, and then
    the present model stays."""

    type: Literal["load_model"] = "load_model"
    spec: str = Field(description="a model's name or a path")
    out: str | None = Field(None, description="folder of the new session; none: the default one")


class Quit(Document):
    """End the running drag, write it, and exit."""

    type: Literal["quit"] = "quit"


Command = Render | Save | Export | StartDrag | StopDrag | ListModels | LoadModel | Quit

# Events ----------------------------------------------------------------------------------------------


class Loading(Document):
    """A model is being loaded: what is being done, how much of it is done, and of how much."""

    type: Literal["loading"] = "loading"
    what: str
    done: int
    total: int


class ModelsListed(Document):
    type: Literal["models_listed"] = "models_listed"
    models: tuple[ModelEntry, ...]


class ModelLoaded(Document):
    """`spec` is what was asked for, at the start or by `LoadModel`."""

    type: Literal["model_loaded"] = "model_loaded"
    spec: str
    info: ModelInfo
    device: str


class Preview(Document):
    """A picture for the screen. `request` is 0 for those of a running drag."""

    type: Literal["preview"] = "preview"
    request: int
    width: int
    height: int
    rgb: bytes = Field(description="uint8 [height, width, 3], row by row")


class Saved(Document):
    type: Literal["saved"] = "saved"
    revision: int
    folder: str


class Exported(Document):
    type: Literal["exported"] = "exported"
    files: tuple[str, ...]


class DragStarted(Document):
    type: Literal["drag_started"] = "drag_started"
    number: int


class DragProgress(Document):
    """After a step: `handles` in the order of the pairs that have a target."""

    type: Literal["drag_progress"] = "drag_progress"
    step: int
    max_steps: int
    loss: float | None
    mean_distance: float
    handles: tuple[FinitePoint, ...]
    steps_per_second: float


class DragEnded(Document):
    """`problem`: what could not be written, in one line; the result itself is kept in the engine."""

    type: Literal["drag_ended"] = "drag_ended"
    record: DragRecord
    problem: str | None = None


class Failed(Document):
    """A command could not be done (`command` is its type, or "start" for the engine's start)."""

    type: Literal["failed"] = "failed"
    command: str
    message: str
    revision: int | None = None


Event = (
    Loading | ModelsListed | ModelLoaded | Preview | Saved | Exported | DragStarted | DragProgress | DragEnded | Failed
)
LOSSY: tuple[type[BaseModel], ...] = (Loading, DragProgress, Preview)

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def encode(message: Command | Event) -> bytes:
    """Length and body."""
    body: bytes = msgpack.packb(message.model_dump(), use_bin_type=True)
    return HEADER.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """
    Raises:
        EngineError: longer than any message may be.
    """
    length: int = HEADER.unpack(header)[0]
    if length > MAX_MESSAGE:
        raise EngineError(f"a message of {length} bytes came in; at most {MAX_MESSAGE} are allowed")
    return length


def _decode(body: bytes, kind: TypeAdapter[Any]) -> Any:
    try:
        return kind.validate_python(msgpack.unpackb(body, raw=False))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise EngineError(f"a malformed message came in: {field}: {first['msg']}") from error
    except (ValueError, msgpack.UnpackException) as error:
        raise EngineError(f"a malformed message came in: {error}") from error


def decode_command(body: bytes) -> Command:
    """
    Raises:
        EngineError: not a command; the message names the field.
    """
    command: Command = _decode(body, _COMMANDS)
    return command


def decode_event(body: bytes) -> Event:
    """
    Raises:
        EngineError: not an event; the message names the field.
    """
    event: Event = _decode(body, _EVENTS)
    return event
