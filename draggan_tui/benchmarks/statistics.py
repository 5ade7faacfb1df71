"""How measured values are summarised and printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share (0 … 1) of the values lies.

    >>> percentile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def spread_line(value_name: str, values: Sequence[float], unit: str) -> str:
    """Return a line with the median, the 95th percentile and the maximum of some values."""
    p50, p95 = statistics.median(values), percentile(values, 0.95)
    return f"  {value_name:<24} p50 {p50:7.1f}   p95 {p95:7.1f}   max {max(values):7.1f} {unit}"


def target_line(target: str, is_met: bool) -> str:
    """Return a line with a target and whether it is met."""
    return f"  target: {target}: {'met' if is_met else 'MISSED'}"


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median ratio of values that were measured in turn, pair by pair.

    Whatever else the machine did meanwhile has slowed both values of a pair.
    """
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
