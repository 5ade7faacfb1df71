"""Write an evaluation run as a Markdown report: a table for each experiment, plots and contact sheets. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from draggan_engine.core.edit import DragSettings
from draggan_engine.storage.atomic import atomic_write

from .contact_sheets import landmark_sheets, mask_sheets, paired_sheets
from .markdown import ReportImages, markdown_table
from .plots import MATPLOTLIB_MISSING, Band, Panel, has_matplotlib, mean_band, plot_bars, plot_curves, plot_settings
from .run_data import RunData, SetDistance
from .run_directory import Row
from .statistics import NO_VALUE, RESAMPLES, paired_ratio, row_mean, row_ratio, row_values, values_at_steps
from .variant_names import SETTING_NAMES, rounded_value, value_name, variant_name
from .variants import MaskUse, Method, SettingValue, Variant

QUOTED_STEPS = (10, 30, 100, 300)
"""The steps whose tracking error is in the table."""
_FRECHET = "Fréchet distance"
_COST_COLUMNS = ("seconds", "steps")
_ABOUT_COSTS = "Seconds and steps per edit: mean (median)."
_SETTING_LABELS = {
    "space": "space",
    "step_size": "step size",
    "mask_weight": "λ",
    "r1": "r1",
    "r2": "r2",
    "layers": "layers",
    "feature_block": "feature block",
    "tracking_norm": "tracking norm",
    "precision": "precision",
    "max_steps": "step limit",
    "stop_distance": "stop distance",
}


def write_report(run_directory: Path, out: Path, command: str, date: str) -> None:
    """Write the report of a run, which need not be finished.

    Args:
        out: Markdown file in an existing directory; the report's images go into `NAME-images` beside it.
        command: the command line that repeats the run.

    Raises:
        InputError: the directory holds no run, or the run's images are missing.
        StorageError: a file cannot be written.
    """
    run, images = RunData.read(run_directory), ReportImages(out.parent / f"{out.stem}-images")
    blocks = _header(run, command, date)
    for write_section in (_landmarks, _paired, _ablations, _masks, _tracking):
        blocks += write_section(run, images)
    with atomic_write(out) as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="surrogateescape")


def _header(run: RunData, command: str, date: str) -> list[str]:
    request = run.request
    own_settings = request.settings.model_dump(exclude_none=True)
    settings = ", ".join(f"{_SETTING_LABELS[name]} {value_name(value)}" for name, value in own_settings.items())
    blocks = [
        f"# Evaluation of {request.model}",
        f"`{command}`, {date}\n"
        f"Model: {request.model}, SHA-256 {request.sha256[:12]}. Cases requested: {request.n} of each kind.\n"
        f"Settings: {settings}.",
        f"Square brackets give 95 % confidence intervals (percentile bootstrap over the cases, {RESAMPLES} resamples); "
        "n is the number of cases.",
    ]
    if not run.rows:
        blocks.append("No case has finished yet.")
    elif not has_matplotlib():
        blocks.append(MATPLOTLIB_MISSING)
    return blocks


def _select(rows: Iterable[Row], method: Method, variant: Variant) -> list[Row]:
    return [row for row in rows if (row.method, row.variant) == (method, variant)]


def _variants_by_points(rows: Sequence[Row]) -> list[Variant]:
    return sorted({row.variant for row in rows}, key=lambda variant: variant.points)


def _landmarks(run: RunData, images: ReportImages) -> list[str]:
    rows = run.experiment_rows("landmarks")
    if not rows:
        return []
    variants, methods = _variants_by_points(rows), run.methods(rows)
    names = [variant_name("landmarks", variant) for variant in variants]
    cells = {(method, variant): _select(rows, method, variant) for method in methods for variant in variants}
    lines = []
    for method in methods:
        method_rows = [row for row in rows if row.method is method]
        parts = [cells[method, variant] for variant in variants]
        reached = " / ".join(row_mean(part, "reached").percent() for part in parts)
        counts = " / ".join(str(len(row_values(part, "md"))) for part in parts)
        distance = _distance_text(run.distance_of_edits(method_rows))
        lines.append([method, *map(_md_and_share, parts), reached, counts, distance, *_costs(method_rows)])
    header = ["method", *(f"MD, {name}" for name in names), "reached, %", "n", _FRECHET, *_COST_COLUMNS]
    panels = [
        Panel(name, "MD, px", tuple(methods), tuple(row_mean(cells[method, variant], "md") for method in methods))
        for name, variant in zip(names, variants, strict=True)
    ]
    return [
        "## Landmarks",
        "Landmarks of one image are dragged to where another image has them. MD is the mean distance between the targets "
        "and the landmarks that the detector finds after the edit, in pixels of an image 128 px high. The percentage "
        "after it is its share of the distance before the edit, over the same cases. Reached: the share of drags that "
        "ended because their handles had arrived. Values separated by slashes are for "
        f"{' / '.join(names)}. {_ABOUT_COSTS}",
        markdown_table(header, lines),
        *_comparison_of_methods(cells, variants),
        _about_frechet(run, rows),
        *images.add_plot("landmarks", "MD by method", plot_bars(panels)),
        *images.add_sheets(landmark_sheets(run.directory, run.illustrated_rows(rows))),
    ]


def _md_and_share(rows: Sequence[Row]) -> str:
    share = row_ratio(rows, "md", "md_start").percent()
    return row_mean(rows, "md").text() + ("" if share == NO_VALUE else f", {share} %")


def _comparison_of_methods(
    cells: Mapping[tuple[Method, Variant], Sequence[Row]], variants: Sequence[Variant]
) -> list[str]:
    """Compare the drag with each other method."""
    methods = dict.fromkeys(method for method, _ in cells)
    others = [method for method in methods if method not in (Method.DRAG, Method.NO_EDIT)]
    if Method.DRAG not in methods or not others:
        return []
    lines = []
    for other in others:
        ratios = [paired_ratio(cells[Method.DRAG, variant], cells[other, variant], "md") for variant in variants]
        lines.append([other, *(ratio.percents() for ratio in ratios), " / ".join(str(ratio.n) for ratio in ratios)])
    header = ["method", *(variant_name("landmarks", variant) for variant in variants), "n"]
    return ["MD of the drag as a percentage of another method's MD, on the same cases:", markdown_table(header, lines)]


def _about_frechet(run: RunData, rows: Sequence[Row]) -> str:
    text = (
        "Fréchet distance: the squared distance between two Gaussians, one fitted to the landmark detector's features of "
        "the edited images, the other to those of the same cases' unedited images. It is not the FID, which uses another "
        "network's features. It is larger for fewer images, so compare it only at the same n."
    )
    halves = run.distance_of_halves(rows)
    if halves is None:
        return text
    return (
        f"{text} For scale: the unedited images of even and of odd cases (n {halves.counts[0]} and {halves.counts[1]}) are "
        f"{_three_digits(halves.distance)} apart."
    )


def _paired(run: RunData, images: ReportImages) -> list[str]:
    rows = run.experiment_rows("paired")
    if not rows:
        return []
    blocks = [
        "## Paired reconstruction",
        "An image is dragged towards another image with a nearby latent, by points whose displacement is known. MSE is "
        "measured on a scale of −1 to 1; SSIM is 1 for identical images; features: distance in a network's features. "
        f"{_ABOUT_COSTS}",
    ]
    for variant in _variants_by_points(rows):
        lines = []
        for method in run.methods(rows):
            part = _select(rows, method, variant)
            mse, ssim, features, lpips = (row_mean(part, name) for name in ("mse", "ssim", "features", "lpips"))
            cells = [mse.times(100).text(), ssim.text(3), features.text(3), lpips.times(10).text(), str(mse.n)]
            lines.append([method, *cells, *_costs(part)])
        header = ["method", "MSE ×10²", "SSIM", "features", "LPIPS ×10", "n", *_COST_COLUMNS]
        blocks += [f"### {variant_name('paired', variant)}", markdown_table(header, lines)]
    return [*blocks, *images.add_sheets(paired_sheets(run.directory, run.illustrated_rows(rows)))]


def _ablations(run: RunData, images: ReportImages) -> list[str]:
    rows = run.illustrated_rows(run.experiment_rows("ablation"))
    if not rows:
        return []
    blocks = ["## Ablations", f"One setting is changed at a time; the model's own value is in bold. {_ABOUT_COSTS}"]
    panels = []
    for setting in dict.fromkeys(row.variant.change.setting for row in rows if row.variant.change is not None):
        own_value = own_setting_value(run.request.settings, setting)
        parts = _rows_by_value(rows, setting, own_value)
        blocks += [f"### {SETTING_NAMES[setting]}", _ablation_table(run, setting, own_value, parts)]
        for figure, unit in (("md", "MD, px"), ("change_outside", "change outside the mask")):
            means = tuple(row_mean(part, figure) for part in parts.values())
            if any(mean.n for mean in means):
                own_index = list(parts).index(own_value) if own_value in parts else None
                labels = tuple(map(value_name, parts))
                panels.append(Panel(SETTING_NAMES[setting], unit, labels, means, own_index))
    plot = plot_settings(panels) if panels else None
    return blocks + images.add_plot("ablations", "MD by setting; filled markers: the model's own value", plot)


def _rows_by_value(rows: Sequence[Row], setting: str, own_value: SettingValue) -> dict[SettingValue, list[Row]]:
    """Return the rows of each value of a setting, in the order of the values.

    The rows without any change have the model's own value of each setting but λ, which is measured on cases of its own.
    """
    parts: dict[SettingValue, list[Row]] = {}
    for row in rows:
        if row.variant.change is not None and row.variant.change.setting == setting:
            parts.setdefault(row.variant.change.value, []).append(row)
    for row in rows:
        if row.variant.change is None and setting != "mask_weight":
            parts.setdefault(own_value, []).append(row)
    return {value: parts[value] for value in sorted_values(parts)}


def _ablation_table(
    run: RunData, setting: str, own_value: SettingValue, parts: Mapping[SettingValue, Sequence[Row]]
) -> str:
    lines = []
    for value, part in parts.items():
        md, share, reached = row_mean(part, "md"), row_ratio(part, "md", "md_start"), row_mean(part, "reached")
        changes = [row_mean(part, name).text() for name in ("change_outside", "change_inside")]
        name = f"**{value_name(value)} (default)**" if value == own_value else value_name(value)
        distance = _distance_text(run.distance_of_edits(part))
        cells = [md.text(), share.percents(), *changes, reached.percent(), str(md.n), distance]
        lines.append([name, *cells, *_costs(part)])
    header = [
        SETTING_NAMES[setting], "MD", "% of no edit", "change outside", "change inside", "reached, %", "n", _FRECHET,
        *_COST_COLUMNS,
    ]  # fmt: skip
    return markdown_table(header, lines)


def _masks(run: RunData, images: ReportImages) -> list[str]:
    rows = run.illustrated_rows(run.experiment_rows("mask"))
    if not rows:
        return []
    parts = {mask: [row for row in rows if row.variant.mask is mask] for mask in MaskUse}
    parts = {mask: part for mask, part in parts.items() if part}
    names = {mask: variant_name("mask", part[0].variant) for mask, part in parts.items()}
    lines = []
    for mask, part in parts.items():
        means = [row_mean(part, name) for name in ("change_inside", "change_outside", "md")]
        share = row_ratio(part, "md", "md_start").percents()
        lines.append([names[mask], *(mean.text() for mean in means), share, str(means[1].n)])
    ratios = []
    for mask, part in parts.items():
        if mask is not MaskUse.NONE and MaskUse.NONE in parts:
            ratio = paired_ratio(part, parts[MaskUse.NONE], "change_outside")
            ratios.append(f"{ratio.percents()} % {names[mask]} (n {ratio.n})")
    return [
        "## Mask",
        "The same drags with and without a mask. With a mask, the second term of eq. 1 is computed at the features' "
        "resolution or, as in the paper (exact term), at the image's. Change: mean absolute difference from the image "
        "before the drag, in levels of 0…255.",
        markdown_table(["drag", "change inside", "change outside", "MD, px", "% of no edit", "n"], lines),
        *([f"Change outside the mask, relative to the drags without one: {'; '.join(ratios)}."] if ratios else []),
        *images.add_sheets(mask_sheets(run.directory, rows)),
    ]


def _tracking(run: RunData, images: ReportImages) -> list[str]:
    rows = run.experiment_rows("tracking")
    if not rows:
        return []
    blocks = [
        "## Tracking",
        "Distance between the tracked handle and its landmark, in pixels of an image 128 px high. A drag that has ended "
        "counts at every later step with its last error.",
    ]
    panels: dict[str, dict[str, Band]] = {}
    for variant in _variants_by_points(rows):
        name = variant_name("tracking", variant)
        lines = []
        for method in run.methods(rows):
            part = _select(rows, method, variant)
            curves = [row.curve for row in part if row.curve]
            quoted = np.mean([values_at_steps(curve, QUOTED_STEPS) for curve in curves], axis=0) if curves else ()
            means = [row_mean(part, figure) for figure in ("error_mean", "error_end")]
            errors = [f"{error:.2f}" for error in quoted] or [NO_VALUE] * len(QUOTED_STEPS)
            count = max(means[0].n, len(curves))
            if count:
                lines.append([method, *(mean.text() for mean in means), *errors, str(count)])
            if curves:
                panels.setdefault(name, {})[method] = mean_band(curves)
        header = ["method", "mean", "at the end", *(f"step {step}" for step in QUOTED_STEPS), "n"]
        blocks += [f"### {name}", markdown_table(header, lines)]
    plot = plot_curves(panels, "error, px") if panels else None
    return blocks + images.add_plot("tracking", "Error by step", plot)


def sorted_values(values: Iterable[SettingValue]) -> list[SettingValue]:
    """Return numbers in ascending order, blocks (`b32`) in that of their resolution, and other values as they are."""
    values = list(values)
    try:
        return sorted(values, key=lambda value: float(str(value).removeprefix("b")))
    except ValueError:
        return values


def own_setting_value(settings: DragSettings, setting: str) -> SettingValue:
    """Return the model's own value of a setting, rounded as the values in rows are."""
    field = "feature_block" if setting == "tracking_block" else setting
    value: SettingValue = getattr(settings, field)
    return rounded_value(value)


def _costs(rows: Sequence[Row]) -> list[str]:
    cells = []
    for name, digits in (("seconds", 2), ("steps", 0)):
        costs = row_values(rows, name)
        cells.append(f"{np.mean(costs):.{digits}f} ({np.median(costs):.{digits}f})" if costs else NO_VALUE)
    return cells


def _distance_text(distance: SetDistance | None) -> str:
    return NO_VALUE if distance is None else f"{_three_digits(distance.distance)} (n {distance.counts[0]})"


def _three_digits(distance: float) -> str:
    """Return a distance with three significant digits and at most four decimals."""
    return f"{distance:.{min(max(2 - math.floor(math.log10(distance)), 0), 4)}f}" if distance >= 5e-5 else "0"
