"""The paper (Pan et al., SIGGRAPH 2023): motion supervision and point tracking, in turn."""

from .session import DragEnd, DragSession, DragStep

__all__ = ["DragEnd", "DragSession", "DragStep"]
