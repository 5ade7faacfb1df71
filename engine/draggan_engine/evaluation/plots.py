"""Plots of a run as PNG bytes. matplotlib is an optional extra; without it each function returns None."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .statistics import MeanInterval, mean_curve, values_at_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MATPLOTLIB_MISSING = "Plots are left out because matplotlib is not installed (`pip install 'draggan-tui[eval]'`)."

# Okabe and Ito's colours, which can be told apart with any colour vision, without yellow, which is too light on white.
CURVE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CURVE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_DPI = 110
_GREY = "#707070"


@dataclass(frozen=True)
class Panel:
    """One small plot.

    Attributes:
        unit: what is plotted, with its unit.
        labels, means: a name and a mean for each method, or for each value of a setting.
        default: the index of the model's own value; None: it is not plotted.
    """

    title: str
    unit: str
    labels: tuple[str, ...]
    means: tuple[MeanInterval, ...]
    default: int | None = None


@dataclass(frozen=True)
class Band:
    """A mean curve with its 95 % interval, `[S]` each. `low` and `high` are NaN if there is only one curve."""

    steps: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mean_band(curves: Sequence[Sequence[tuple[int, float]]]) -> Band:
    """Return the mean of curves of (step, value) at all steps of any curve."""
    steps = np.unique([step for curve in curves for step, _ in curve])
    return Band(steps, *mean_curve(np.stack([values_at_steps(curve, steps) for curve in curves])))


def has_matplotlib() -> bool:
    """Return whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def plot_bars(panels: Sequence[Panel]) -> bytes | None:
    """Plot panels beside each other, with a bar for each label. All panels have the same labels.

    Returns:
        PNG; None: matplotlib is not installed.
    """
    rows = max(len(panel.labels) for panel in panels)
    with _figure(1.4 + 2.5 * len(panels), 0.9 + 0.38 * rows) as (figure, png):
        if figure is None:
            return None
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, panel in zip(axes, panels, strict=True):
            values, error = _values(panel.means)
            places = np.arange(len(values))
            ax.barh(places, values, 0.7, color=CURVE_COLORS[0], xerr=error, error_kw={"capsize": 3, "elinewidth": 1.2})
            ends = np.where(np.isfinite(error[1]), values + error[1], values)
            for place, value, end in zip(places, values, ends, strict=True):
                if math.isfinite(value):
                    ax.annotate(f"{value:.2f}", (end, place), (5, 0), textcoords="offset points", va="center")
            ax.set(title=panel.title, xlabel=panel.unit, yticks=places, yticklabels=panel.labels)
            ax.margins(x=0.22)
            ax.set_xlim(left=0)
        axes[0].invert_yaxis()  # the panels share the axis; this puts the first label on top
    return png.getvalue()


def plot_settings(panels: Sequence[Panel]) -> bytes | None:
    """Plot a panel for each setting, with its values from left to right. The model's own value has a filled marker.

    Returns:
        PNG; None: matplotlib is not installed.
    """
    across = min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    with _figure(0.4 + 2.7 * across, 0.2 + 2.2 * down) as (figure, png):
        if figure is None:
            return None
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        for ax, panel in zip(axes, panels, strict=False):
            values, error = _values(panel.means)
            places = np.arange(len(values))
            joined = (
                "-" if panel.labels[0].removeprefix("b")[:1].isdigit() else "none"
            )  # words have no order, so they are not connected
            ax.errorbar(
                places, values, error, color=CURVE_COLORS[0], capsize=3, marker="o", mfc="white", linestyle=joined
            )
            if panel.default is not None:
                ax.plot(panel.default, values[panel.default], "o", color=CURVE_COLORS[1], markersize=8, zorder=3)
            ax.set(title=panel.title, ylabel=panel.unit, xticks=places, xticklabels=panel.labels)
            ax.margins(x=0.12, y=0.1)
            ax.set_ylim(bottom=0)
    return png.getvalue()


def plot_curves(panels: Mapping[str, Mapping[str, Band]], unit: str) -> bytes | None:
    """Plot a panel for each title, with a curve and its interval for each label.

    Returns:
        PNG; None: matplotlib is not installed.
    """
    labels = list(dict.fromkeys(label for bands in panels.values() for label in bands))
    with _figure(1 + 3.8 * len(panels), 3.3) as (figure, png):
        if figure is None:
            return None
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (title, bands) in zip(axes, panels.items(), strict=True):
            for label, band in bands.items():
                i = labels.index(label)
                color, style = CURVE_COLORS[i % len(CURVE_COLORS)], CURVE_STYLES[i % len(CURVE_STYLES)]
                ax.plot(band.steps, band.mean, color=color, linestyle=style, linewidth=1.8, label=label)
                ax.fill_between(band.steps, band.low, band.high, color=color, alpha=0.15, linewidth=0)
            ax.set(title=title, xlabel="step", ylabel=unit)
            ax.set_ylim(bottom=0)
            ax.legend(fontsize=8, frameon=False)
    return png.getvalue()


def _values(means: Sequence[MeanInterval]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means `[N]`, and the lengths of the error bars below and above, `[2, N]`; NaN draws nothing."""
    mean, low, high = np.array([(each.mean, each.low, each.high) for each in means], np.float64).T
    return mean, np.maximum([mean - low, high - mean], 0)


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure | None, io.BytesIO]]:
    """Yield a figure of a size in inches, and the buffer that has its PNG after the block.

    The figure is None if matplotlib is not installed. Without pyplot there is no window and no backend to choose.
    """
    png = io.BytesIO()
    if not has_matplotlib():
        yield None, png
        return
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: Any = {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e4e4e4",
        "axes.edgecolor": _GREY,
    }
    with rc_context(style):
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        yield figure, png
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
        # 256 colours are enough for a plot and take a third of the bytes.
        Image.open(drawn).convert("RGB").quantize(256).save(png, format="PNG", optimize=True)
