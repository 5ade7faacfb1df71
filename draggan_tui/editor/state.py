"""The state of the editor: the history, the cursor, the mode and what else the keys change. It knows no terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from draggan_engine.core.edit import Edit, check_label
from draggan_engine.core.edit_ops import Brush, shape_region
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.history import History, Revision, Trajectory
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.mask_regions import Region
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.core.revision_id import RevisionId

from .file_latent import UNKNOWN_LATENT, FileLatent
from .gesture import Gesture
from .history_cursor import HistoryCursor
from .modes import (
    PHOTOGRAPH_VIEWS,
    AligningPhotograph,
    Grab,
    Idle,
    Inverting,
    LiveDrag,
    LoadingModel,
    Mode,
    ReleasedDrag,
    RunningDrag,
    ShapeMode,
    ViewingPhotograph,
    check_can_edit,
)
from .photograph import Photograph, PhotographViews
from .viewport import Viewport

STILL_LOADING = "the model is still loading"
Comparison = Literal["after", "before", "split", "difference"]
"""Which of two images is shown, or what of both."""
EngineStatus = Literal["starting", "ready", "no model", "engine gone"]


@dataclass(frozen=True)
class ResumedSession:
    """An earlier session to continue: its current edit without the mask, its directory, and the name or path that opens its
    model. The engine sends its history."""

    edit: Edit
    directory: Path
    model: str


@dataclass
class EditorState:
    """
    Attributes:
        history_cursor: the history, and the place in it that is shown.
        initial_psi: ψ if the user chose one; otherwise the model's default is used.
        is_resumed: whether the history is that of an earlier session. If not, the model's defaults complete its first edit.
        model_info: None until the first model is loaded.
        engine_status, device: what the engine is doing, and the device that it computes on.
        trajectories: by drag number; those that the engine has read so far.
        sigmas: how far drags have moved the latents of images: Mahalanobis lengths, as far as the engine has sent them.
        landmarks: of images, the likeliest handle first, as far as the engine has sent them.
        viewport: which part of the image is shown, and how large.
        comparison: which of two images is shown, or what of both.
        reference_id: the revision that comparisons show as "before". None: the image that the drags started from.
        cursor: in pixels of the full-resolution image. None until the first model is loaded.
        selected_pair: index of the selected pair.
        count: the number typed before a command.
        gesture: what the pressed mouse button is doing.
        flat_handles: handles that were found on flat patches, each with the model and the image it was found in.
        file_latent: the latent that the session starts from instead of a seed, if there is one.
        change_count: how many changes there have been that are worth saving (browsing seeds alone is not).
        saved_change_count: how many of them are on disk.
    """

    history_cursor: HistoryCursor
    initial_psi: float | None = None
    is_resumed: bool = False
    model_info: ModelInfo | None = None
    engine_status: EngineStatus = "starting"
    device: str = ""
    trajectories: dict[int, Trajectory] = field(default_factory=dict)
    sigmas: dict[LatentRef, float] = field(default_factory=dict)
    landmarks: dict[LatentRef, tuple[Point, ...]] = field(default_factory=dict)
    viewport: Viewport = field(default_factory=lambda: Viewport(Size(1, 1), Size(1, 2)))
    comparison: Comparison = "after"
    reference_id: RevisionId | None = None
    cursor: Point | None = None
    selected_pair: int | None = None
    mode: Mode = field(default_factory=Idle)
    brush: Brush = field(default_factory=Brush)
    count: int = 0
    gesture: Gesture | None = None
    flat_handles: set[tuple[object, ...]] = field(default_factory=set)
    file_latent: FileLatent = UNKNOWN_LATENT
    change_count: int = 0
    saved_change_count: int = 0

    @classmethod
    def new(cls, edit: Edit, initial_psi: float | None = None) -> EditorState:
        """Return the state of a new session; the model's defaults complete its edit."""
        return cls(HistoryCursor(History.of(edit)), initial_psi)

    @classmethod
    def resuming(cls, edit: Edit) -> EditorState:
        """Return the state of an earlier session whose history has not arrived yet (`receive_history`).

        Args:
            edit: the current edit, without its mask.
        """
        return cls(HistoryCursor(History.of(edit)), is_resumed=True)

    @property
    def is_opening_session(self) -> bool:
        """Whether an earlier session is being opened and its model is not loaded yet."""
        return self.is_resumed and self.model_info is None

    # Queries --------------------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        return self.history_cursor.history

    @property
    def edit(self) -> Edit:
        """The edit at the present place in the history."""
        return self.history_cursor.edit(self.trajectories)

    @property
    def drawn_edit(self) -> Edit:
        """The edit as it is drawn: with the change that the mouse is making, the grabbed point at the cursor, and during
        a drag the handles where they are now."""
        if isinstance(self.mode, Grab):
            return self.mode.with_point_at(self.edit, self.placed_cursor)
        if isinstance(self.mode, RunningDrag):
            return self._edit_in_drag(self.mode)
        draft = None if self.gesture is None else self.gesture.draft
        return self.edit if draft is None else draft

    def _edit_in_drag(self, drag: RunningDrag) -> Edit:
        drawn_pairs = list(self.edit.pairs)
        if isinstance(drag, LiveDrag | ReleasedDrag):
            target = self.cursor if isinstance(drag, LiveDrag) else drag.target
            drawn_pairs[drag.live_pair] = drawn_pairs[drag.live_pair].model_copy(update={"target": target})
        for pair_index, handle in zip(drag.pair_indices, drag.handles, strict=False):
            drawn_pairs[pair_index] = drawn_pairs[pair_index].model_copy(update={"handle": handle})
        return self.edit.model_copy(update={"pairs": tuple(drawn_pairs)})

    @property
    def before_edit(self) -> Edit:
        """The edit that comparisons show as "before"."""
        if self.reference_id is None:
            return self.edit.before_drags
        return self.history.revisions[self.reference_id].edit

    @property
    def shape_area(self) -> Region | None:
        """What the shape covers of the image; None if there is no shape."""
        if not isinstance(self.mode, ShapeMode):
            return None
        shape_end, grid = self.placed_cursor, self.viewport.grid
        return shape_region(self.mode.kind, self.mode.start, shape_end, grid, self.image_size)

    @property
    def sigma(self) -> float | None:
        """How far drags have moved the latent of the present image: the Mahalanobis length of the change. None: it has not
        been dragged, or the engine has not said yet how far."""
        if isinstance(self.mode, RunningDrag) and self.mode.sigma is not None:
            return self.mode.sigma
        return self.sigmas.get(self.edit.source)

    @property
    def is_dragging(self) -> bool:
        return isinstance(self.mode, RunningDrag)

    @property
    def is_inverting(self) -> bool:
        return isinstance(self.mode, Inverting)

    @property
    def starts_from_file(self) -> bool:
        """Whether a revision starts from the latent of a file or of a photograph; a session has room for one such latent."""
        return any(revision.edit.source.from_file for revision in self.history.revisions.values())

    @property
    def has_unsaved_changes(self) -> bool:
        return self.saved_change_count < self.change_count

    @property
    def model(self) -> ModelInfo:
        """
        Raises:
            EditError: the model is still loading.
        """
        if self.model_info is None:
            raise EditError(STILL_LOADING)
        return self.model_info

    @property
    def image_size(self) -> Size:
        """The size of the full-resolution image.

        Raises:
            EditError: the model is still loading.
        """
        return self.model.size

    @property
    def placed_cursor(self) -> Point:
        """The cursor.

        Raises:
            EditError: the model is still loading.
        """
        _ = self.model
        assert self.cursor is not None, "a loaded model places the cursor"
        return self.cursor

    @property
    def selected_index(self) -> int:
        """The index of the selected pair.

        Raises:
            EditError: no pair is selected.
        """
        if self.selected_pair is None:
            raise EditError("there is no pair: {place} places a handle")
        return self.selected_pair

    def check_can_edit(self) -> None:
        """
        Raises:
            EditError: the edit cannot be changed now.
        """
        _ = self.model
        check_can_edit(self.mode)

    def is_marked_flat(self, handle: Point) -> bool:
        """Return whether a handle was found on a flat patch of the image that the present edit shows."""
        return self._flat_key(handle) in self.flat_handles

    # Changes --------------------------------------------------------------------------------------------

    def change(self, edit: Edit, *, keep: bool = True) -> None:
        """Add an edit to the history and go there. The same edit again changes nothing.

        Args:
            keep: whether the change is worth saving. Once something is, everything after it is too.
        """
        if edit != self.edit:
            history = self.history_cursor.history_from_here(self.trajectories).change(edit)
            self.visit(HistoryCursor(history), keep=keep)

    def visit(self, history_cursor: HistoryCursor, *, keep: bool) -> None:
        """Show another place in the history, and select a pair that exists there."""
        self.history_cursor, self.gesture = history_cursor, None
        pair_count = len(self.edit.pairs)
        self.selected_pair = None if pair_count == 0 else min(self.selected_pair or 0, pair_count - 1)
        if keep or self.change_count:
            self.change_count += 1

    def keep_present_edit(self) -> None:
        """Make what is shown within a drag a revision of its own, and count a change, so that it is saved."""
        self.history_cursor = HistoryCursor(self.history_cursor.history_from_here(self.trajectories))
        self.change_count += 1

    def receive_history(self, history: History) -> None:
        """Take over the history of the session that is being opened."""
        self.history_cursor = HistoryCursor(history)

    def merge_revisions(self, revisions: Iterable[Revision]) -> None:
        """Add revisions that the engine has made to the history; the place that is shown stays."""
        self.history_cursor = HistoryCursor(self.history.merge(revisions), self.history_cursor.step_index)

    def place_cursor(self, point: Point, margin: int = 0) -> None:
        """Move the cursor, and pan so that it is visible.

        Args:
            margin: how many screen pixels around the cursor are to be visible.
        """
        self.cursor = point
        self.viewport = self.viewport.following(point, margin)

    def resize_view(self, screen_size: Size) -> None:
        """Fit the view to the space that the screen has for it; the cursor stays visible."""
        viewport = self.viewport.resized(screen_size)
        self.viewport = viewport if self.cursor is None else viewport.following(self.cursor)

    def show_photograph(self, photograph: Photograph) -> None:
        """Show a photograph in place of the image, so that two points can be set in it.

        Raises:
            EditError: the editor is in the middle of something.
        """
        self.check_can_edit()
        self.mode = AligningPhotograph(photograph, self.viewport, self.placed_cursor)
        self.gesture = None
        self.viewport = Viewport(photograph.size, self.viewport.screen_size)
        self.place_cursor(((photograph.size.width - 1) / 2, (photograph.size.height - 1) / 2))

    def view_photograph(self, views: PhotographViews) -> None:
        """Show the edit's photograph, as it was aligned, in place of the edit.

        Raises:
            EditError: the editor is in the middle of something.
        """
        self.check_can_edit()
        self.mode, self.gesture = ViewingPhotograph(views, self.viewport, self.placed_cursor), None

    def view_next(self, viewing: ViewingPhotograph) -> None:
        """Show the next view of the photograph, or after the last one the edit again."""
        if viewing.shown == PHOTOGRAPH_VIEWS[-1]:
            self.hide_photograph()
            return
        next_view = PHOTOGRAPH_VIEWS[PHOTOGRAPH_VIEWS.index(viewing.shown) + 1]
        self.mode = replace(viewing, shown=next_view)
        if next_view == "pasted":
            size = viewing.views.pasted.size
            self.viewport = Viewport(size, self.viewport.screen_size)
            self.place_cursor(((size.width - 1) / 2, (size.height - 1) / 2))

    def hide_photograph(self) -> None:
        """Show the image again, and the cursor where it was."""
        if isinstance(self.mode, AligningPhotograph | ViewingPhotograph):
            self.viewport = self.mode.image_view.resized(self.viewport.screen_size)
            self.cursor, self.mode = self.mode.image_cursor, Idle()

    def mark_flat(self, handle: Point) -> None:
        """Remember that a handle is on a flat patch; this holds until the handle or the image changes."""
        self.flat_handles.add(self._flat_key(handle))

    def _flat_key(self, handle: Point) -> tuple[object, ...]:
        return (self.edit.model, self.edit.source, handle)

    # Models ---------------------------------------------------------------------------------------------

    def use_model(self, model_info: ModelInfo) -> None:
        """Complete the first edit with the model's defaults; or begin a new session, with the same seed, if this model
        replaces another one; or change nothing if the engine was restarted.

        Raises:
            EditError: the first model does not have the class that was asked for.
        """
        if self.model_info is None:
            check_label(self.edit.source.label, model_info.classes, model_info.name)
            psi = model_info.psi if self.initial_psi is None else self.initial_psi
            latent_ref = self.edit.source.model_copy(update={"psi": psi})
            edit = self.edit.model_copy(
                update={"model": model_info.name, "source": latent_ref, "settings": model_info.settings}
            )
            self._begin_session(self.history if self.is_resumed else History.of(edit), model_info)
        elif isinstance(self.mode, LoadingModel):
            class_label = min(self.edit.source.label, max(model_info.classes - 1, 0))
            latent_ref = LatentRef(seed=self.edit.source.seed, psi=model_info.psi, label=class_label)
            edit = Edit(model=model_info.name, source=latent_ref, settings=model_info.settings)
            self._begin_session(History.of(edit), model_info)
        self.model_info = model_info
        self.stop_loading()

    def _begin_session(self, history: History, model_info: ModelInfo) -> None:
        self.history_cursor, self.trajectories, self.reference_id = HistoryCursor(history), {}, None
        self.sigmas, self.landmarks = {}, {}
        self.gesture, self.count = None, 0
        self.selected_pair = len(self.edit.pairs) - 1 if self.edit.pairs else None
        self.viewport = Viewport(model_info.size, self.viewport.screen_size)
        self.place_cursor(((model_info.width - 1) / 2, (model_info.height - 1) / 2))
        self.change_count = self.saved_change_count = 0

    def start_loading(self, name: str) -> None:
        """Wait for another model; nothing changes until it is loaded, or cannot be loaded.

        Raises:
            EditError: another model cannot be loaded now.
        """
        self.check_can_edit()
        self.mode, self.gesture = LoadingModel(name), None

    def stop_loading(self) -> None:
        """Do not wait for another model any longer."""
        if isinstance(self.mode, LoadingModel):
            self.mode = Idle()
