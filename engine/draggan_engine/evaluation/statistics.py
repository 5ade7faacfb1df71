"""Means of figures with confidence intervals, mean curves, and the Fréchet distance. numpy only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .run_directory import Row

NO_VALUE = "–"
"""The text of a figure that is missing."""
RESAMPLES = 2000
INTERVAL_PERCENTILES = (2.5, 97.5)
"""The percentiles of a 95 % interval."""
_SEED = 0


@dataclass(frozen=True)
class MeanInterval:
    """A mean over n cases with its 95 % confidence interval.

    Attributes:
        mean: NaN if n is 0.
        low, high: NaN if n is less than 2.
    """

    mean: float
    low: float
    high: float
    n: int

    def times(self, factor: float) -> MeanInterval:
        """Return the mean in another unit. The factor must be positive."""
        return MeanInterval(self.mean * factor, self.low * factor, self.high * factor, self.n)

    def text(self, digits: int = 2) -> str:
        """Return for example `2.44 [2.10, 2.81]`, without brackets if there is no interval."""
        if math.isnan(self.mean):
            return NO_VALUE
        interval = "" if math.isnan(self.low) else f" [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{self.mean:.{digits}f}{interval}"

    def percents(self) -> str:
        """Return a share in percent, for example `19 [16, 22]`."""
        return self.times(100).text(0)

    def percent(self) -> str:
        """Return a share in percent without its interval, for example `19`."""
        return self.percents().partition(" ")[0]


def mean_with_interval(values: Sequence[float]) -> MeanInterval:
    """Return the mean with a percentile bootstrap interval, which is the same at every call.

    With fewer than about twenty cases the interval is too narrow.

    Args:
        values: `[n]`, finite.
    """
    mean, low, high = mean_curve(np.asarray(values, np.float64)[:, None])
    return MeanInterval(float(mean[0]), float(low[0]), float(high[0]), len(values))


def ratio_with_interval(values: Sequence[float], to: Sequence[float]) -> MeanInterval:
    """Return the mean of `values` divided by the mean of `to`, with its interval.

    Both have the same cases in the same order. A case is resampled with both of its values, so that hard cases do not widen
    the interval.

    Args:
        values, to: `[n]`, finite. If the mean of `to` is 0, the ratio is NaN.
    """
    if len(values) != len(to):
        raise ValueError(f"{len(values)} values cannot be paired with {len(to)}")
    above, below = np.asarray(values, np.float64), np.asarray(to, np.float64)
    if not len(above) or below.mean() == 0:
        return MeanInterval(math.nan, math.nan, math.nan, len(above))
    ratio = float(above.mean() / below.mean())
    if len(above) < 2:
        return MeanInterval(ratio, math.nan, math.nan, len(above))
    draws = _draws(len(above))
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw of nothing but zeros
        low, high = np.percentile((draws @ above) / (draws @ below), INTERVAL_PERCENTILES)
    return MeanInterval(ratio, float(low), float(high), len(above))


def row_values(rows: Iterable[Row], name: str) -> list[float]:
    """Return the values of a figure in the rows that have it."""
    return [row.values[name] for row in rows if name in row.values]


def row_mean(rows: Iterable[Row], name: str) -> MeanInterval:
    """Return the mean of a figure over the rows that have it."""
    return mean_with_interval(row_values(rows, name))


def row_ratio(rows: Iterable[Row], name: str, to: str) -> MeanInterval:
    """Return the ratio of two figures over the rows that have both."""
    have = [row for row in rows if name in row.values and to in row.values]
    return ratio_with_interval(row_values(have, name), row_values(have, to))


def paired_ratio(ours: Iterable[Row], theirs: Iterable[Row], name: str) -> MeanInterval:
    """Return the ratio of a figure in two sets of rows, over the cases that are in both."""
    a, b = ({row.case: row.values[name] for row in rows if name in row.values} for rows in (ours, theirs))
    shared = [case for case in a if case in b]
    return ratio_with_interval([a[case] for case in shared], [b[case] for case in shared])


def mean_curve(values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return means with intervals at each of S positions.

    Args:
        values: `[n, S]`, one row for each case.

    Returns:
        mean, low, high: `[S]` each.
    """
    each = np.asarray(values, np.float64)
    nothing = np.full(each.shape[1], math.nan)
    if len(each) < 2:
        return (each[0] if len(each) else nothing), nothing, nothing
    low, high = np.percentile(_draws(len(each)) @ each, INTERVAL_PERCENTILES, axis=0)
    return each.mean(axis=0), low, high


@lru_cache(maxsize=4)
def _draws(n: int) -> NDArray[np.float64]:
    """Return the weight of each of n cases in each resample, `[RESAMPLES, n]`. Each row adds up to 1."""
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * RESAMPLES).reshape(RESAMPLES, n) / n


def values_at_steps(curve: Sequence[tuple[int, float]], steps: Iterable[int]) -> NDArray[np.float64]:
    """Return the values of a curve at other steps, `[S]`: at each step the last value up to it.

    Args:
        curve: (step, value) in ascending order, at least one. Steps before the first have its value.
    """
    own = np.array([step for step, _ in curve])
    values = np.array([value for _, value in curve], np.float64)
    return values[np.maximum(np.searchsorted(own, np.fromiter(steps, int), side="right") - 1, 0)]


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the squared distance between Gaussians that are fitted to two sets of features (Dowson and Landau 1982):

    d² = |μa − μb|² + tr(Ca + Cb − 2 (Ca Cb)^½)

    This is NOT the FID (Heusel et al. 2017), which uses Inception's features; do not compare it with published numbers. Like
    the FID, it is too large if there are few images.

    Args:
        a, b: `[N, F]`, `[M, F]`; N and M at least 2, and may be less than F.

    Returns:
        0 or more, in squared units of the features.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"two sets of at least two features of the same length are needed, not {a.shape} and {b.shape}"
        )
    root_a, root_b = _root(a.astype(np.float64)), _root(b.astype(np.float64))
    # The square roots of the eigenvalues of Ca Cb are the singular values of Ca^½ Cb^½. Roots of the eigenvalues would turn
    # rounding errors of 1e-16, which singular covariances (N ≤ F) have, into 1e-8.
    common = float(np.linalg.norm(root_a @ root_b, "nuc"))
    apart = float(np.square(a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)).sum())
    return max(apart + float(np.square(root_a).sum() + np.square(root_b).sum()) - 2 * common, 0.0)


def _root(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric square root of the covariance, `[F, F]`. The sum of its squares is the covariance's trace."""
    centred = features - features.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / (len(features) - 1))
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
