"""What is printed of the numbers that were measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so much of the others lies; `share` 0 … 1.

    >>> percentile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def spread_line(name: str, values: Sequence[float], unit: str) -> str:
    """A line: the middle, the bad case and the worst of some values."""
    p50, p95 = statistics.median(values), percentile(values, 0.95)
    return f"  {name:<24} p50 {p50:7.1f}   p95 {p95:7.1f}   max {max(values):7.1f} {unit}"


def target_line(target: str, met: bool) -> str:
    """A line: what was to be, and whether it is."""
    return f"  target: {target}: {'met' if met else 'MISSED'}"


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The middle of the ratios of values that were measured one after the other, pair by pair: what else the machine did
    meanwhile has met both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
