"""Hypothesis strategies for windows of feature maps."""

from __future__ import annotations

from hypothesis import strategies as st

from draggan_engine.core.geometry import Size
from draggan_engine.networks.windows import MapWindow


@st.composite
def windows_of(draw: st.DrawFn, map_size: Size) -> MapWindow:
    """Draw a window that lies anywhere in the map, also at its borders and corners."""
    left, top = draw(st.integers(0, map_size.width - 1)), draw(st.integers(0, map_size.height - 1))
    right, bottom = draw(st.integers(left + 1, map_size.width)), draw(st.integers(top + 1, map_size.height))
    return MapWindow(left, top, right, bottom)
