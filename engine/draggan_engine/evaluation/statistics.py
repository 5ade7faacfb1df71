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
_RESAMPLING_SEED = 0


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

    def times(self, unit_factor: float) -> MeanInterval:
        """Return the mean in another unit. The factor must be positive."""
        return MeanInterval(self.mean * unit_factor, self.low * unit_factor, self.high * unit_factor, self.n)

    def text(self, digits: int = 2) -> str:
        """Return for example `2.44 [2.10, 2.81]`, without brackets if there is no interval."""
        if math.isnan(self.mean):
            return NO_VALUE
        interval_text = "" if math.isnan(self.low) else f" [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{self.mean:.{digits}f}{interval_text}"

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
    numerators, denominators = np.asarray(values, np.float64), np.asarray(to, np.float64)
    if not len(numerators) or denominators.mean() == 0:
        return MeanInterval(math.nan, math.nan, math.nan, len(numerators))
    mean_ratio = float(numerators.mean() / denominators.mean())
    if len(numerators) < 2:
        return MeanInterval(mean_ratio, math.nan, math.nan, len(numerators))
    case_weights = _draws(len(numerators))
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw of nothing but zeros
        low, high = np.percentile((case_weights @ numerators) / (case_weights @ denominators), INTERVAL_PERCENTILES)
    return MeanInterval(mean_ratio, float(low), float(high), len(numerators))


def row_values(rows: Iterable[Row], figure_name: str) -> list[float]:
    """Return the values of a figure in the rows that have it."""
    return [case_row.values[figure_name] for case_row in rows if figure_name in case_row.values]


def row_mean(rows: Iterable[Row], figure_name: str) -> MeanInterval:
    """Return the mean of a figure over the rows that have it."""
    return mean_with_interval(row_values(rows, figure_name))


def row_ratio(rows: Iterable[Row], figure_name: str, to: str) -> MeanInterval:
    """Return the ratio of two figures over the rows that have both."""
    complete_rows = [case_row for case_row in rows if figure_name in case_row.values and to in case_row.values]
    return ratio_with_interval(row_values(complete_rows, figure_name), row_values(complete_rows, to))


def median_text(values: Sequence[float], digits: int = 2) -> str:
    """Return the median as text."""
    return f"{np.median(values):.{digits}f}" if values else NO_VALUE


def paired_ratio(own_rows: Iterable[Row], other_rows: Iterable[Row], figure_name: str) -> MeanInterval:
    """Return the ratio of a figure in two sets of rows, over the cases that are in both."""
    return ratio_with_interval(*_paired_values(own_rows, other_rows, figure_name))


def paired_difference(own_rows: Iterable[Row], other_rows: Iterable[Row], figure_name: str) -> MeanInterval:
    """Return the mean difference of a figure in two sets of rows, over the cases that are in both.

    The interval is that of the differences, so that hard cases do not widen it.
    """
    own_values, other_values = _paired_values(own_rows, other_rows, figure_name)
    return mean_with_interval([a - b for a, b in zip(own_values, other_values, strict=True)])


def _paired_values(
    own_rows: Iterable[Row], other_rows: Iterable[Row], figure_name: str
) -> tuple[list[float], list[float]]:
    """Return a figure in two sets of rows, for the cases that are in both."""
    a, b = (
        {case_row.case: case_row.values[figure_name] for case_row in rows if figure_name in case_row.values}
        for rows in (own_rows, other_rows)
    )
    shared_cases = [case_number for case_number in a if case_number in b]
    return [a[case_number] for case_number in shared_cases], [b[case_number] for case_number in shared_cases]


def mean_curve(values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return means with intervals at each of S positions.

    Args:
        values: `[n, S]`, one row for each case.

    Returns:
        mean, low, high: `[S]` each.
    """
    value_rows = np.asarray(values, np.float64)
    no_values = np.full(value_rows.shape[1], math.nan)
    if len(value_rows) < 2:
        return (value_rows[0] if len(value_rows) else no_values), no_values, no_values
    low, high = np.percentile(_draws(len(value_rows)) @ value_rows, INTERVAL_PERCENTILES, axis=0)
    return value_rows.mean(axis=0), low, high


@lru_cache(maxsize=4)
def _draws(n: int) -> NDArray[np.float64]:
    """Return the weight of each of n cases in each resample, `[RESAMPLES, n]`. Each row adds up to 1."""
    random_generator = np.random.default_rng(_RESAMPLING_SEED)
    drawn_cases = random_generator.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn_cases.ravel(), minlength=n * RESAMPLES).reshape(RESAMPLES, n) / n


def values_at_steps(step_curve: Sequence[tuple[int, float]], steps: Iterable[int]) -> NDArray[np.float64]:
    """Return the values of a curve at other steps, `[S]`: at each step the last value up to it.

    Args:
        step_curve: (step, value) in ascending order, at least one. Steps before the first have its value.
    """
    own_steps = np.array([step for step, _ in step_curve])
    values = np.array([value for _, value in step_curve], np.float64)
    return values[np.maximum(np.searchsorted(own_steps, np.fromiter(steps, int), side="right") - 1, 0)]


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
    cross_term = float(np.linalg.norm(root_a @ root_b, "nuc"))
    squared_difference = float(np.square(a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)).sum())
    return max(squared_difference + float(np.square(root_a).sum() + np.square(root_b).sum()) - 2 * cross_term, 0.0)


def _root(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric square root of the covariance, `[F, F]`. The sum of its squares is the covariance's trace."""
    centred_features = features - features.mean(axis=0)
    eigenvalues, eigenvectors = np.linalg.eigh(centred_features.T @ centred_features / (len(features) - 1))
    covariance_root: NDArray[np.float64] = (eigenvectors * np.sqrt(eigenvalues.clip(min=0))) @ eigenvectors.T
    return covariance_root
