"""The mouth's curves, in the head's own x and y: the same for the landmarks (numpy) and for the drawing (numba).

Seen from the front: the upper lip is two arcs that meet below the nose, and ends in the corners; the lower lip
is one arc that falls as the mouth opens.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", float, NDArray[np.float64])

LIP_SAG = 0.024
"""By how much each half of the upper lip sags between the cleft and the corner."""


def upper_lip(t: Real, middle: Real, smile: Real) -> Real:
    """Height at `t`, |x| over the mouth's half width, 0 … 1, from the cleft to the corner."""
    return middle - 4.0 * LIP_SAG * t * (1.0 - t) + smile * t * t


def lower_lip(t: Real, middle: Real, smile: Real, gape: Real) -> Real:
    """As `upper_lip`, of the lower one; the mouth is open by `gape` in the middle."""
    wide = gape / LIP_SAG
    return middle - 4.0 * LIP_SAG * t * (1.0 - t) / (1.0 + wide * wide) + smile * t * t - gape * (1.0 - t * t)
