"""The messages between the client and the engine: the client sends commands, and the engine answers with events.

The conversation:

1. The engine starts. If it resumes a session, it sends `Resumed` with the history. It sends `LoadProgress` while it loads
   the model, and `ModelLoaded`.
2. The client sends `Save` after each change; the engine answers `Saved` when the change is on disk. `Render` asks for the
   image of an edit and is answered by `ImageRendered`, by `EditMeasured` if the edit has been dragged, and by `LandmarksLocated` if the
   image's landmarks are known.
3. `StartDrag` drags one saved revision. The engine sends `DragStarted`, after each step `DragProgress`, now and then
   `DragPreview`, and at last `DragEnded` with the new revision. While the drag runs, the client sends `PreviewShown` for
   each preview (the next one is not sent before that), `SetPreviewSize` when its view changes, and `StopDrag`. In a live
   drag it also sends `MoveLiveTarget`, and `ReleaseLiveTarget` to let the drag end.
4. The other commands stand for themselves: each names its answer. Those about downloads are in `pull_messages`, those about
   photographs in `photograph_messages`.
5. `Quit` ends the engine after it has written the session. So does the end of the connection, unless the engine lingers:
   then it finishes what it is doing and waits for a client that sends `Attach`.

A command that fails is answered by `Failed`. Events of the classes in `LOSSY` may be dropped when a newer event of the
same class is waiting. All other events arrive, in order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from draggan_engine.core.edit import Edit, FinitePoint, Mask, Precision
from draggan_engine.core.errors import Remedy
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.core.geometry import Size
from draggan_engine.core.history import DragRecord, History, Revision, Trajectory
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelEntry, ModelInfo, PublicModel
from draggan_engine.core.revision_id import StoredRevisionId

from .image_data import ImageData
from .photograph_messages import (
    InversionEnded,
    InversionMaskRead,
    InversionPreview,
    InversionProgress,
    InvertPhotograph,
    OpenPhotograph,
    PhotographOpened,
    PhotographViewed,
    ReadInversionMask,
    ViewPhotograph,
)
from .pull_messages import PullEnded, PullModel, PullProgress, StopPull

Pixels = Annotated[int, Field(ge=1, le=8192)]


class PreviewSize(FrozenModel):
    """The size at which the client shows the whole image. The engine may draw a drag's previews from fewer pixels than the
    full image has, where nobody can see the difference at this size."""

    width: Pixels
    height: Pixels

    @classmethod
    def of(cls, size: Size) -> PreviewSize:
        return cls(width=size.width, height=size.height)

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)


# Commands --------------------------------------------------------------------------------------------


class Render(FrozenModel):
    """Draw an edit's image at full resolution. Answered by `ImageRendered` with the same `request_id`."""

    type: Literal["render"] = "render"
    request_id: int
    edit: Edit


class Save(FrozenModel):
    """Write the changes to the session's directory. Answered by `Saved` with the same `change_count`."""

    type: Literal["save"] = "save"
    change_count: int = Field(description="how many changes the client has made to the session")
    revisions: tuple[Revision, ...] = Field(description="those that the engine may not have, parents first")
    current: StoredRevisionId = Field(description="id of the current revision")


class Export(FrozenModel):
    """Write the edit's image at full resolution as the session's result. Answered by `Exported`."""

    type: Literal["export"] = "export"
    edit: Edit


class ExportFile(FrozenModel):
    """Write an image, a latent or a video to a file; its suffix says which. Answered by `ExportProgress` and `Exported`."""

    type: Literal["export_file"] = "export_file"
    edit: Edit
    path: str
    markers: bool = Field(False, description="draw handles and targets into images and videos")
    paste_mode: PasteMode | None = Field(
        None,
        description="how the edit is pasted into the photograph of the session, which is written as a whole; none: an image "
        "of the model is written",
    )


class StartDrag(FrozenModel):
    """Drag a saved revision. Answered by `DragStarted`, `DragProgress`, `DragPreview` and `DragEnded`."""

    type: Literal["start_drag"] = "start_drag"
    revision: StoredRevisionId = Field(description="id of the revision")
    preview_size: PreviewSize
    max_steps: int | None = Field(None, ge=1, description="replaces the limit in the edit's settings")
    live_pair: int | None = Field(
        None, ge=0, description="index of the pair whose target the client moves during the drag"
    )


class SetPreviewSize(FrozenModel):
    """Change the size for which the running drag's previews are drawn."""

    type: Literal["set_preview_size"] = "set_preview_size"
    preview_size: PreviewSize


class PreviewShown(FrozenModel):
    """Report that the last `DragPreview` is on the screen; the engine may send the next one."""

    type: Literal["preview_shown"] = "preview_shown"


class MoveLiveTarget(FrozenModel):
    """Move the target of the live drag's pair."""

    type: Literal["move_live_target"] = "move_live_target"
    target: FinitePoint


class ReleaseLiveTarget(FrozenModel):
    """Leave the live drag's target where it is. The drag ends when its handles have arrived, or at the step limit."""

    type: Literal["release_live_target"] = "release_live_target"


class StopDrag(FrozenModel):
    """End the running drag, or the running inversion, within one step."""

    type: Literal["stop_drag"] = "stop_drag"


class ReadTrajectory(FrozenModel):
    """Read the steps that were kept of a drag. Answered by `TrajectoryRead`."""

    type: Literal["read_trajectory"] = "read_trajectory"
    drag_number: int


class ListModels(FrozenModel):
    """List the models that can be opened or downloaded by name. Answered by `ModelsListed`."""

    type: Literal["list_models"] = "list_models"


class LoadMask(FrozenModel):
    """Read a mask from an image file. Answered by `MaskLoaded`."""

    type: Literal["load_mask"] = "load_mask"
    path: str


class SaveMask(FrozenModel):
    """Write a mask as a PNG file, replacing a file of that name. Answered by `MaskSaved`."""

    type: Literal["save_mask"] = "save_mask"
    path: str
    mask: Mask


class LoadModel(FrozenModel):
    """Load another model and begin a new session with it. Answered by `LoadProgress` and `ModelLoaded`; after `Failed` the
    current model stays."""

    type: Literal["load_model"] = "load_model"
    spec: str = Field(description="a model's name or path")
    directory: str | None = Field(None, description="directory of the new session; None: the default one")


class MoveSession(FrozenModel):
    """Write the whole session to another directory and continue there. Answered by `SessionMoved`; after `Failed` it stays
    where it is."""

    type: Literal["move_session"] = "move_session"
    directory: str


class Attach(FrozenModel):
    """Take over a lingering engine: the first command on a connection to its socket. Answered by `Resumed`, `ModelLoaded`
    and `DragStarted`, as far as there are a session, a model and a running drag; an engine of another version answers
    `Failed` and waits for another client."""

    type: Literal["attach"] = "attach"
    version: str = Field(description="of the client's program")


class Quit(FrozenModel):
    """End the running drag or inversion, write it, and exit."""

    type: Literal["quit"] = "quit"


Command = (
    Render | Save | Export | ExportFile | StartDrag | SetPreviewSize | PreviewShown | MoveLiveTarget
    | ReleaseLiveTarget | StopDrag | ReadTrajectory | ListModels | LoadMask | SaveMask | LoadModel
    | PullModel | StopPull | OpenPhotograph | InvertPhotograph | ViewPhotograph | ReadInversionMask | MoveSession | Attach | Quit
)  # fmt: skip

# Events ----------------------------------------------------------------------------------------------


class LoadProgress(FrozenModel):
    """How far the loading of a model is: the stage, and how much of it is done."""

    type: Literal["load_progress"] = "load_progress"
    stage: str = Field(description='for people: "reading", "building"')
    done: int = Field(description="in bytes where the stage reads a file, otherwise 0 or 1")
    total: int


class ModelsListed(FrozenModel):
    type: Literal["models_listed"] = "models_listed"
    models: tuple[ModelEntry, ...]
    public_models: tuple[PublicModel, ...] = Field((), description="what can be downloaded")


class MaskLoaded(FrozenModel):
    type: Literal["mask_loaded"] = "mask_loaded"
    path: str
    mask: Mask = Field(description="of the size of the model's images")
    resized: bool = Field(description="whether the file's mask had another size")


class MaskSaved(FrozenModel):
    type: Literal["mask_saved"] = "mask_saved"
    path: str


class ModelLoaded(FrozenModel):
    """A model is loaded; images can be drawn from now on."""

    type: Literal["model_loaded"] = "model_loaded"
    spec: str = Field(description="the name or path that loads the same model again")
    info: ModelInfo
    device: str


class ImageRendered(FrozenModel):
    """The image that `Render` asked for, at full resolution."""

    type: Literal["image_rendered"] = "image_rendered"
    request_id: int
    image: ImageData


class EditMeasured(FrozenModel):
    """How far drags have moved the latent of an image: sent after the image of an edit that has been dragged, and before
    `DragEnded`."""

    type: Literal["edit_measured"] = "edit_measured"
    source: LatentRef
    sigma: float = Field(description="Mahalanobis length of the change of w since the image before all drags")


class LandmarksLocated(FrozenModel):
    """Where the landmarks of an image are: sent after the image, for images of a bundled model whose landmarks are known."""

    type: Literal["landmarks_located"] = "landmarks_located"
    source: LatentRef
    points: tuple[FinitePoint, ...] = Field(description="in pixels of the image, the likeliest handle first")


class DragPreview(FrozenModel):
    """The image of the running drag. It may be smaller than the full image. The next one follows after `PreviewShown`, or
    when the drag waits for its live target."""

    type: Literal["drag_preview"] = "drag_preview"
    image: ImageData


class Saved(FrozenModel):
    type: Literal["saved"] = "saved"
    change_count: int
    directory: str = Field(description="of the session")


class SessionMoved(FrozenModel):
    type: Literal["session_moved"] = "session_moved"
    directory: str


class ExportProgress(FrozenModel):
    """How many frames of a video are done."""

    type: Literal["export_progress"] = "export_progress"
    done: int
    total: int


class Exported(FrozenModel):
    type: Literal["exported"] = "exported"
    files: tuple[str, ...]
    notice: str | None = None


class DragStarted(FrozenModel):
    type: Literal["drag_started"] = "drag_started"
    drag_number: int
    precision: Precision = Field("float32", description="that the drag uses")
    notice: str | None = Field(None, description="why `precision` differs from the one in the settings")


class DragProgress(FrozenModel):
    """The state of the running drag after a step."""

    type: Literal["drag_progress"] = "drag_progress"
    step: int
    max_steps: int | None = Field(description="None in a live drag")
    loss: float | None
    mean_distance: float
    handles: tuple[FinitePoint, ...] = Field(
        description="of the pairs that are dragged, in the order of `Edit.dragged_pairs`"
    )
    steps_per_second: float
    sigma: float | None = Field(None, description="as in `EditMeasured`; None: not known")
    is_fallback: bool = Field(
        False, description="whether the method had failed and the step was one of the paper's method instead"
    )


class DragEnded(FrozenModel):
    type: Literal["drag_ended"] = "drag_ended"
    record: DragRecord
    revision: Revision | None = Field(description="the new revision; None if the drag made no step")
    image: ImageData | None = Field(
        None, description="of the new revision, at full resolution; None if drawing it failed"
    )
    problem: str | None = Field(
        None, description="which file could not be written, in one line; the engine keeps the result in memory"
    )


class TrajectoryRead(FrozenModel):
    type: Literal["trajectory_read"] = "trajectory_read"
    trajectory: Trajectory = Field(description="without steps if they were not kept")


class Resumed(FrozenModel):
    """The engine has resumed a session, and sends its history."""

    type: Literal["resumed"] = "resumed"
    revisions: tuple[Revision, ...] = Field(description="all of them, parents first")
    current: StoredRevisionId = Field(description="id of the current revision")
    last_child: tuple[tuple[StoredRevisionId, StoredRevisionId], ...] = Field(
        description="(revision, the child to which redo goes)"
    )
    recovered_drags: tuple[int, ...] = Field(
        description="numbers of the drags whose engine was killed; what was on the disk has become a branch"
    )
    photograph: str | None = Field(
        None, description="path of the photograph that the session starts from, as it was when it was inverted"
    )
    unfinished_photograph: str | None = Field(
        None, description="path of the photograph whose inversion was interrupted; it can be continued"
    )

    @classmethod
    def of(
        cls,
        history: History,
        recovered_drags: tuple[int, ...],
        *,
        photograph: str | None = None,
        unfinished_photograph: str | None = None,
    ) -> Resumed:
        return cls(
            revisions=tuple(history.revisions.values()),
            current=history.current,
            last_child=tuple(history.last_child.items()),
            recovered_drags=recovered_drags,
            photograph=photograph,
            unfinished_photograph=unfinished_photograph,
        )

    @property
    def history(self) -> History:
        return History({revision.id: revision for revision in self.revisions}, self.current, dict(self.last_child))


FailedTask = Literal[
    "start",
    "attach",
    "receive",
    "update_result",
    "render",
    "save",
    "export",
    "export_file",
    "start_drag",
    "read_trajectory",
    "list_models",
    "load_mask",
    "save_mask",
    "load_model",
    "pull_model",
    "open_photograph",
    "invert_photograph",
    "view_photograph",
    "read_inversion_mask",
    "move_session",
]
"""The `type` of the command that failed, or what the engine did by itself: start, receive a command, or bring the images in
the session's directory up to date."""


class Failed(FrozenModel):
    """A task failed; `message` says why, in one line."""

    type: Literal["failed"] = "failed"
    task: FailedTask
    message: str
    remedy: Remedy | None = Field(None, description="what a person can do about it")


Event = (
    LoadProgress | ModelsListed | MaskLoaded | MaskSaved | Resumed | ModelLoaded | ImageRendered
    | EditMeasured | LandmarksLocated | DragPreview | Saved | SessionMoved | ExportProgress | Exported | DragStarted | DragProgress | DragEnded
    | TrajectoryRead | PullProgress | PullEnded | PhotographOpened | PhotographViewed | InversionProgress | InversionPreview | InversionEnded
    | InversionMaskRead | Failed
)  # fmt: skip
LOSSY: tuple[type[BaseModel], ...] = (
    LoadProgress,
    PullProgress,
    ExportProgress,
    DragProgress,
    ImageRendered,
    DragPreview,
    InversionProgress,
    InversionPreview,
)
