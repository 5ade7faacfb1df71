"""What the left mouse button does on the image between its press and its release."""

from __future__ import annotations

from dataclasses import dataclass

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.geometry import Point


@dataclass(frozen=True)
class PaintStroke:
    """The mouse paints the mask."""


@dataclass(frozen=True)
class StretchShape:
    """The mouse stretches the shape from where the button went down."""


@dataclass(frozen=True)
class MovePoint:
    """The mouse moves a pair's handle or target."""

    pair_index: int
    part: PairPoint


@dataclass(frozen=True)
class DrawPair:
    """The mouse draws a new pair from its handle to its target."""


@dataclass(frozen=True)
class DragLiveTarget:
    """The mouse moves the target of the live drag."""


GestureAction = PaintStroke | StretchShape | MovePoint | DrawPair | DragLiveTarget


@dataclass(frozen=True)
class Gesture:
    """
    Attributes:
        start: where the button went down, in pixels of the full-resolution image.
        edit: the edit at that time. The gesture is over when another edit takes its place.
        has_moved: whether the mouse has left the cell in which it began.
        draft: the edit as it will be if the button is released now; None while there is nothing to change.
    """

    action: GestureAction
    start: Point
    edit: Edit
    has_moved: bool = False
    draft: Edit | None = None
