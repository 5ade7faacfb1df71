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
_DOTS_PER_INCH = 110
_AXIS_COLOR = "#707070"


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


def mean_band(step_curves: Sequence[Sequence[tuple[int, float]]]) -> Band:
    """Return the mean of curves of (step, value) at all steps of any curve."""
    all_steps = np.unique([step_number for curve in step_curves for step_number, _ in curve])
    return Band(all_steps, *mean_curve(np.stack([values_at_steps(curve, all_steps) for curve in step_curves])))


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
    label_count = max(len(panel.labels) for panel in panels)
    with _figure(1.4 + 2.5 * len(panels), 0.9 + 0.38 * label_count) as (plot_figure, png_buffer):
        if plot_figure is None:
            return None
        panel_axes = plot_figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, panel in zip(panel_axes, panels, strict=True):
            mean_values, error_lengths = _values(panel.means)
            label_positions = np.arange(len(mean_values))
            ax.barh(
                label_positions,
                mean_values,
                0.7,
                color=CURVE_COLORS[0],
                xerr=error_lengths,
                error_kw={"capsize": 3, "elinewidth": 1.2},
            )
            bar_ends = np.where(np.isfinite(error_lengths[1]), mean_values + error_lengths[1], mean_values)
            for label_position, mean_value, bar_end in zip(label_positions, mean_values, bar_ends, strict=True):
                if math.isfinite(mean_value):
                    ax.annotate(
                        f"{mean_value:.2f}", (bar_end, label_position), (5, 0), textcoords="offset points", va="center"
                    )
            ax.set(title=panel.title, xlabel=panel.unit, yticks=label_positions, yticklabels=panel.labels)
            ax.margins(x=0.22)
            ax.set_xlim(left=0)
        panel_axes[0].invert_yaxis()  # the panels share the axis; this puts the first label on top
    return png_buffer.getvalue()


def plot_settings(panels: Sequence[Panel]) -> bytes | None:
    """Plot a panel for each setting, with its values from left to right. The model's own value has a filled marker.

    Returns:
        PNG; None: matplotlib is not installed.
    """
    column_count = min(len(panels), 3)
    row_count = math.ceil(len(panels) / column_count)
    with _figure(0.4 + 2.7 * column_count, 0.2 + 2.2 * row_count) as (plot_figure, png_buffer):
        if plot_figure is None:
            return None
        panel_axes = plot_figure.subplots(row_count, column_count, squeeze=False).ravel()
        for ax in panel_axes[len(panels) :]:
            ax.set_visible(False)
        for ax, panel in zip(panel_axes, panels, strict=False):
            mean_values, error_lengths = _values(panel.means)
            label_positions = np.arange(len(mean_values))
            line_style = (
                "-" if panel.labels[0].removeprefix("b")[:1].isdigit() else "none"
            )  # words have no order, so they are not connected
            ax.errorbar(
                label_positions,
                mean_values,
                error_lengths,
                color=CURVE_COLORS[0],
                capsize=3,
                marker="o",
                mfc="white",
                linestyle=line_style,
            )
            if panel.default is not None:
                ax.plot(panel.default, mean_values[panel.default], "o", color=CURVE_COLORS[1], markersize=8, zorder=3)
            ax.set(title=panel.title, ylabel=panel.unit, xticks=label_positions, xticklabels=panel.labels)
            ax.margins(x=0.12, y=0.1)
            ax.set_ylim(bottom=0)
    return png_buffer.getvalue()


def plot_curves(panels: Mapping[str, Mapping[str, Band]], unit: str) -> bytes | None:
    """Plot a panel for each title, with a curve and its interval for each label.

    Returns:
        PNG; None: matplotlib is not installed.
    """
    curve_labels = list(dict.fromkeys(curve_label for panel_bands in panels.values() for curve_label in panel_bands))
    with _figure(1 + 3.8 * len(panels), 3.3) as (plot_figure, png_buffer):
        if plot_figure is None:
            return None
        panel_axes = plot_figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (panel_title, panel_bands) in zip(panel_axes, panels.items(), strict=True):
            for curve_label, curve_band in panel_bands.items():
                i = curve_labels.index(curve_label)
                curve_color, curve_style = CURVE_COLORS[i % len(CURVE_COLORS)], CURVE_STYLES[i % len(CURVE_STYLES)]
                ax.plot(
                    curve_band.steps,
                    curve_band.mean,
                    color=curve_color,
                    linestyle=curve_style,
                    linewidth=1.8,
                    label=curve_label,
                )
                ax.fill_between(
                    curve_band.steps, curve_band.low, curve_band.high, color=curve_color, alpha=0.15, linewidth=0
                )
            ax.set(title=panel_title, xlabel="step", ylabel=unit)
            ax.set_ylim(bottom=0)
            ax.legend(fontsize=8, frameon=False)
    return png_buffer.getvalue()


def _values(means: Sequence[MeanInterval]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means `[N]`, and the lengths of the error bars below and above, `[2, N]`; NaN draws nothing."""
    mean_values, low_values, high_values = np.array(
        [(mean_interval.mean, mean_interval.low, mean_interval.high) for mean_interval in means], np.float64
    ).T
    return mean_values, np.maximum([mean_values - low_values, high_values - mean_values], 0)


@contextmanager
def _figure(figure_width: float, figure_height: float) -> Iterator[tuple[Figure | None, io.BytesIO]]:
    """Yield a figure of a size in inches, and the buffer that has its PNG after the block.

    The figure is None if matplotlib is not installed. Without pyplot there is no window and no backend to choose.
    """
    png_buffer = io.BytesIO()
    if not has_matplotlib():
        yield None, png_buffer
        return
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    plot_style: Any = {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e4e4e4",
        "axes.edgecolor": _AXIS_COLOR,
    }
    with rc_context(plot_style):
        plot_figure = Figure(figsize=(figure_width, figure_height), dpi=_DOTS_PER_INCH, layout="constrained")
        yield plot_figure, png_buffer
        drawn_png = io.BytesIO()
        plot_figure.savefig(drawn_png, format="png")
        # 256 colours are enough for a plot and take a third of the bytes.
        Image.open(drawn_png).convert("RGB").quantize(256).save(png_buffer, format="PNG", optimize=True)
