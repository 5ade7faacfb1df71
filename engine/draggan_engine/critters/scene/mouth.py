"""The curves of the mouth in the head's x and y, for landmarks (numpy) and drawing (numba).

The upper lip is two arcs that meet below the nose and end in the corners. The lower lip is one arc, which moves down as the
mouth opens.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", float, NDArray[np.float64])

LIP_SAG = 0.024
"""How far each half of the upper lip sags between the cleft and the corner."""


def upper_lip(t: Real, mouth_middle: Real, corner_rise: Real) -> Real:
    """Return the height of the upper lip at `t` = |x| / half width of the mouth: 0 is the cleft, 1 the corner."""
    return mouth_middle - 4.0 * LIP_SAG * t * (1.0 - t) + corner_rise * t * t


def lower_lip(t: Real, mouth_middle: Real, corner_rise: Real, mouth_gape: Real) -> Real:
    """Return the height of the lower lip, as `upper_lip`. The mouth is open by `mouth_gape` in the middle."""
    gape_ratio = mouth_gape / LIP_SAG
    return (
        mouth_middle
        - 4.0 * LIP_SAG * t * (1.0 - t) / (1.0 + gape_ratio * gape_ratio)
        + corner_rise * t * t
        - mouth_gape * (1.0 - t * t)
    )
