"""The drag of Pan et al. (SIGGRAPH 2023): motion supervision and point tracking in turn."""

from .drag_loop import DragAtRest, DragEnd, DragLoop, DragStep

__all__ = ["DragAtRest", "DragEnd", "DragLoop", "DragStep"]
