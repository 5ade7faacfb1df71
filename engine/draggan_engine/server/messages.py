"""The commands that a client sends to the engine, and the events that the engine sends back.

Events of the classes in `LOSSY` may be dropped when a newer one of the same class is waiting. All others arrive, in order.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from draggan_engine.core.edit import Edit, FinitePoint, Mask, Precision
from draggan_engine.core.errors import Remedy
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.core.history import DragRecord, Revision, Trajectory
from draggan_engine.core.model_info import ModelEntry, ModelInfo

# Commands --------------------------------------------------------------------------------------------


class Render(FrozenModel):
    """Show the full-resolution image of an edit; answered by `Preview` with the same `request`."""

    type: Literal["render"] = "render"
    request: int
    edit: Edit


class Save(FrozenModel):
    """Write what is new in the history to the session's folder; answered by `Saved`."""

    type: Literal["save"] = "save"
    revision: int
    entries: tuple[Revision, ...] = Field(description="those that the engine may not know, parents first")
    at: int = Field(description="id of the present entry")


class Export(FrozenModel):
    """Write the edit's picture at full resolution as the session's result; answered by `Exported`."""

    type: Literal["export"] = "export"
    edit: Edit


class ExportFile(FrozenModel):
    """Write a picture, a latent or a film to a path, by its suffix; answered by `Exporting`s and `Exported`."""

    type: Literal["export_file"] = "export_file"
    edit: Edit
    path: str
    markers: bool = False


class StartDrag(FrozenModel):
    """Drag the present entry of the history, which has been saved; answered by `DragStarted`, `DragProgress` and
    `Preview`s, and `DragEnded`."""

    type: Literal["start_drag"] = "start_drag"
    width: int = Field(ge=1, le=8192, description="of the view, as in `Look`")
    height: int = Field(ge=1, le=8192)
    max_steps: int | None = Field(None, ge=1, description="other than the edit's own")
    live: int | None = Field(None, ge=0, description="index of the pair that is led by hand, from its handle on")


class Look(FrozenModel):
    """How many pixels a running drag's image has in the view: a smaller image may stand in where nobody can tell."""

    type: Literal["look"] = "look"
    width: int = Field(ge=1, le=8192)
    height: int = Field(ge=1, le=8192)


class Shown(FrozenModel):
    """A picture of the running drag is on the screen; the next may come."""

    type: Literal["shown"] = "shown"


class Lead(FrozenModel):
    """The target of the pair that is led by hand moves; none: the hand lets go, and the drag ends when it is at rest."""

    type: Literal["lead"] = "lead"
    target: FinitePoint | None


class StopDrag(FrozenModel):
    """End the running drag within one step."""

    type: Literal["stop_drag"] = "stop_drag"


class ReadDrag(FrozenModel):
    """What is kept of the way of a drag? Answered by `DragRead`."""

    type: Literal["read_drag"] = "read_drag"
    number: int


class ListModels(FrozenModel):
    """Which models can be given by name? Answered by `ModelsListed`."""

    type: Literal["list_models"] = "list_models"


class LoadMask(FrozenModel):
    """Read a mask from a picture file; answered by `MaskLoaded`."""

    type: Literal["load_mask"] = "load_mask"
    path: str


class SaveMask(FrozenModel):
    """Write a mask as a PNG, in the place of a file of that name; answered by `MaskSaved`."""

    type: Literal["save_mask"] = "save_mask"
    path: str
    mask: Mask


class LoadModel(FrozenModel):
    """Use another model, in a session of its own; answered by `Loading`s and `ModelLoaded`, or by `Failed`, and then
    the present model stays."""

    type: Literal["load_model"] = "load_model"
    spec: str = Field(description="a model's name or a path")
    out: str | None = Field(None, description="folder of the new session; none: the default one")


class MoveSession(FrozenModel):
    """Go on in another directory, with all that the session holds; answered by `SessionMoved`, or by `Failed`, and then it
    stays where it is."""

    type: Literal["move_session"] = "move_session"
    path: str


class Quit(FrozenModel):
    """End the running drag, write it, and exit."""

    type: Literal["quit"] = "quit"


Command = (
    Render
    | Save
    | Export
    | ExportFile
    | StartDrag
    | Look
    | Shown
    | Lead
    | StopDrag
    | ReadDrag
    | ListModels
    | LoadMask
    | SaveMask
    | LoadModel
    | MoveSession
    | Quit
)

# Events ----------------------------------------------------------------------------------------------


class Loading(FrozenModel):
    """A model is being loaded: what is being done, how much of it is done, and of how much."""

    type: Literal["loading"] = "loading"
    what: str
    done: int
    total: int


class ModelsListed(FrozenModel):
    type: Literal["models_listed"] = "models_listed"
    models: tuple[ModelEntry, ...]


class MaskLoaded(FrozenModel):
    """A mask of the picture's size; `resized`: the file's was another."""

    type: Literal["mask_loaded"] = "mask_loaded"
    path: str
    mask: Mask
    resized: bool


class MaskSaved(FrozenModel):
    type: Literal["mask_saved"] = "mask_saved"
    path: str


class ModelLoaded(FrozenModel):
    """`spec` is the name or path that loads the same model again."""

    type: Literal["model_loaded"] = "model_loaded"
    spec: str
    info: ModelInfo
    device: str


class Preview(FrozenModel):
    """An image for the screen. `request` is 0 for those of a running drag, of which the next comes after `Shown`, or when
    the drag is at rest; only these may be smaller than the full image."""

    type: Literal["preview"] = "preview"
    request: int
    width: int
    height: int
    rgb: bytes = Field(description="uint8 [height, width, 3], row by row")


class Saved(FrozenModel):
    type: Literal["saved"] = "saved"
    revision: int
    folder: str


class SessionMoved(FrozenModel):
    type: Literal["session_moved"] = "session_moved"
    path: str


class Exporting(FrozenModel):
    """How many frames of a film are done, and of how many."""

    type: Literal["exporting"] = "exporting"
    done: int
    total: int


class Exported(FrozenModel):
    type: Literal["exported"] = "exported"
    files: tuple[str, ...]


class DragStarted(FrozenModel):
    """`precision` is the one that the drag uses; `notice` says why that is not the one in its settings."""

    type: Literal["drag_started"] = "drag_started"
    number: int
    precision: Precision = "float32"
    notice: str | None = None


class DragProgress(FrozenModel):
    """After a step: `handles` in the order of the pairs that are dragged (`Edit.dragged`)."""

    type: Literal["drag_progress"] = "drag_progress"
    step: int
    max_steps: int | None = Field(description="none: the hand that leads it says when it ends")
    loss: float | None
    mean_distance: float
    handles: tuple[FinitePoint, ...]
    steps_per_second: float


class DragEnded(FrozenModel):
    """`entry`: what the history has gained; none: not a step was made. `image`: the entry's full image; none: it could
    not be drawn. `problem`: what could not be written, in one line; the result itself is kept in the engine."""

    type: Literal["drag_ended"] = "drag_ended"
    record: DragRecord
    entry: Revision | None
    image: Preview | None = None
    problem: str | None = None


class DragRead(FrozenModel):
    """`path` has no steps where they were not kept."""

    type: Literal["drag_read"] = "drag_read"
    path: Trajectory


class Resumed(FrozenModel):
    """An engine that goes on with a session: entries that its drags have made, which the client may not know."""

    type: Literal["resumed"] = "resumed"
    entries: tuple[Revision, ...]


class Failed(FrozenModel):
    """A command could not be done (`command` is its type, or "start" for the engine's start)."""

    type: Literal["failed"] = "failed"
    command: str
    message: str
    revision: int | None = None
    remedy: Remedy | None = None


Event = (
    Loading
    | ModelsListed
    | MaskLoaded
    | MaskSaved
    | Resumed
    | ModelLoaded
    | Preview
    | Saved
    | SessionMoved
    | Exporting
    | Exported
    | DragStarted
    | DragProgress
    | DragEnded
    | DragRead
    | Failed
)
LOSSY: tuple[type[BaseModel], ...] = (Loading, Exporting, DragProgress, Preview)
