"""Cells that several tables of a report have in common. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from .run_data import SetDistance
from .run_directory import Row
from .statistics import NO_VALUE, row_values
from .variants import Method, Variant

FRECHET_TITLE = "Fréchet distance"
SIGMA_TITLE = "σ"
ABOUT_SIGMA = (
    "the Mahalanobis length of the edit's change of w under the covariance of w, as a root mean square over the rows that "
    "drags move. The longer it is, the farther the edit may be from what the model knows."
)
COST_COLUMNS = ("seconds", "steps")
ABOUT_COSTS = "Seconds and steps per edit: mean (median)."


def select_rows(rows: Iterable[Row], method: Method, variant: Variant) -> list[Row]:
    """Return the rows of a method on a variant."""
    return [row for row in rows if (row.method, row.variant) == (method, variant)]


def variants_by_points(rows: Sequence[Row]) -> list[Variant]:
    """Return the variants of some rows, those with the fewest points first."""
    return sorted({row.variant for row in rows}, key=lambda variant: variant.points)


def edit_costs(rows: Sequence[Row]) -> list[str]:
    """Return the cells of `COST_COLUMNS`."""
    cost_cells = []
    for figure_name, decimal_count in (("seconds", 2), ("steps", 0)):
        edit_costs = row_values(rows, figure_name)
        cost_cells.append(
            f"{np.mean(edit_costs):.{decimal_count}f} ({np.median(edit_costs):.{decimal_count}f})"
            if edit_costs
            else NO_VALUE
        )
    return cost_cells


def distance_text(set_distance: SetDistance | None) -> str:
    """Return a distance with its number of images."""
    return NO_VALUE if set_distance is None else f"{three_digits(set_distance.distance)} (n {set_distance.counts[0]})"


def three_digits(distance: float) -> str:
    """Return a distance with three significant digits and at most four decimals."""
    return f"{distance:.{min(max(2 - math.floor(math.log10(distance)), 0), 4)}f}" if distance >= 5e-5 else "0"
