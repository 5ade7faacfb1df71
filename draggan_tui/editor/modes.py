"""What the editor is in the middle of, as one value: the editor is always in exactly one mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import PairPoint, move_point, set_point
from draggan_engine.core.errors import EditError, Remedy
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.mask_regions import ShapeKind
from draggan_engine.server.photograph_messages import InversionProgress

from .photograph import Photograph, PhotographViews
from .preview_cache import RgbArray
from .viewport import Viewport


@dataclass(frozen=True)
class Idle:
    """Nothing is under way."""


@dataclass(frozen=True)
class LoadingModel:
    """Another model is being loaded; the present one stays until it is there."""

    name: str


@dataclass(frozen=True)
class Pen:
    """The pen is down: the cursor paints the mask where it moves."""


@dataclass(frozen=True)
class ShapeMode:
    """A shape reaches from `start`, in pixels of the full-resolution image, to the cursor; a command paints or erases it."""

    kind: ShapeKind
    start: Point


@dataclass(frozen=True)
class Labels:
    """Letters are shown at points of the image; typing one moves the cursor there.

    Attributes:
        points: by letter, in pixels of the full-resolution image.
    """

    points: Mapping[str, Point]


@dataclass(frozen=True)
class Grab:
    """A point of a pair moves with the cursor until it is dropped or put back."""

    pair_index: int
    part: PairPoint

    def __str__(self) -> str:
        """Return what people call the point, for example `handle 1`."""
        return f"{self.part} {self.pair_index + 1}"

    def origin(self, edit: Edit) -> Point:
        """Return where the point is in the edit.

        Raises:
            EditError: the pair has no target yet.
        """
        pair = edit.pairs[self.pair_index]
        point = pair.handle if self.part == "handle" else pair.target
        if point is None:
            raise EditError(f"pair {self.pair_index + 1} has no target yet", Remedy.place_target)
        return point

    def with_point_at(self, edit: Edit, cursor: Point) -> Edit:
        """Return the edit to draw while the point is at the cursor."""
        return set_point(edit, self.pair_index, self.part, cursor)

    def dropped(self, edit: Edit, cursor: Point, image_size: Size) -> Edit:
        """Return the edit with the point left at the cursor.

        Raises:
            EditError: the cursor is on the pair's other point.
        """
        return move_point(edit, self.pair_index, self.part, cursor, image_size)


@dataclass(frozen=True)
class Dragging:
    """The engine drags the pairs with these indices; once a step has been made, `handles` says where their handles are, and
    `sigma` how far drags have moved the latent."""

    pair_indices: tuple[int, ...]
    handles: tuple[Point, ...] = ()
    sigma: float | None = None


@dataclass(frozen=True)
class LiveDrag:
    """A drag in which the target of pair `live_pair` follows the cursor."""

    pair_indices: tuple[int, ...]
    live_pair: int
    handles: tuple[Point, ...] = ()
    sigma: float | None = None


@dataclass(frozen=True)
class ReleasedDrag:
    """A live drag whose target has been released: it ends when the handle has come to rest."""

    pair_indices: tuple[int, ...]
    live_pair: int
    target: Point
    handles: tuple[Point, ...] = ()
    sigma: float | None = None


@dataclass(frozen=True, eq=False)
class AligningPhotograph:
    """A photograph is shown in place of the image, and two points are set in it; cursor and viewport are in its pixels.

    Attributes:
        image_view, image_cursor: viewport and cursor of the image, to which the editor returns.
        first_point: in pixels of the photograph; None until it is set.
    """

    photograph: Photograph
    image_view: Viewport
    image_cursor: Point
    first_point: Point | None = None


PhotographView = Literal["aligned", "inversion", "pasted"]
PHOTOGRAPH_VIEWS: tuple[PhotographView, ...] = ("aligned", "inversion", "pasted")
"""The fields of `PhotographViews`, in the order in which they are shown."""


@dataclass(frozen=True, eq=False)
class ViewingPhotograph:
    """One of the views of the edit's photograph is shown in place of the edit.

    Attributes:
        image_view, image_cursor: viewport and cursor of the image, to which the editor returns.
    """

    views: PhotographViews
    image_view: Viewport
    image_cursor: Point
    shown: PhotographView = "aligned"

    @property
    def image(self) -> RgbArray:
        """The shown image, `uint8 [H, W, 3]`; that of a photograph may be reduced."""
        return self.views.pasted.image if self.shown == "pasted" else getattr(self.views, self.shown)


@dataclass(frozen=True)
class Inverting:
    """The engine inverts the photograph at `path`.

    Attributes:
        progress: how far it is; None until the engine has said it.
        is_stopping: whether the engine has been asked to stop.
    """

    path: Path
    progress: InversionProgress | None = None
    is_stopping: bool = False


RunningDrag = Dragging | LiveDrag | ReleasedDrag
Mode = (
    Idle
    | LoadingModel
    | Pen
    | ShapeMode
    | Labels
    | Grab
    | RunningDrag
    | AligningPhotograph
    | Inverting
    | ViewingPhotograph
)


def check_can_edit(mode: Mode) -> None:
    """
    Raises:
        EditError: in this mode the edit cannot be changed.
    """
    if isinstance(mode, LoadingModel):
        raise EditError("a model is loading: wait until it is open")
    if isinstance(mode, RunningDrag):
        raise EditError("a drag is running: {drag} stops it")
    if isinstance(mode, Inverting):
        raise EditError("a photograph is being inverted: {drag} stops it and keeps what there is")
    check_hands_free(mode)


def check_hands_free(mode: Mode) -> None:
    """
    Raises:
        EditError: a point moves with the cursor, or the cursor sets a point of a photograph.
    """
    if isinstance(mode, AligningPhotograph):
        raise EditError("a photograph is shown: {place} sets a point in it, {cancel} leaves it")
    if isinstance(mode, ViewingPhotograph):
        raise EditError("the photograph is shown: {photograph-view} goes on, {cancel} shows the edit")
    if isinstance(mode, Grab):
        raise EditError(f"{mode} is grabbed: {{place}} drops it, {{cancel}} puts it back")
    if isinstance(mode, LiveDrag):
        raise EditError("a live drag is running: {lead} lets the handle go")
