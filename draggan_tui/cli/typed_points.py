"""Two points that were typed."""

from __future__ import annotations

import re

from draggan_engine.core.geometry import Point

_NUMBER = r"\s*(-?\d{1,9}(?:\.\d*)?)\s*"
_POINTS = re.compile(f"{_NUMBER},{_NUMBER}:{_NUMBER},{_NUMBER}")


def parse_points(points_text: str) -> tuple[Point, Point] | None:
    """Return the two points of a text like `64,70:76,70`; None if the text does not have this form."""
    points_match = _POINTS.fullmatch(points_text)
    if points_match is None:
        return None
    first_x, first_y, second_x, second_y = map(float, points_match.groups())
    return (first_x, first_y), (second_x, second_y)
