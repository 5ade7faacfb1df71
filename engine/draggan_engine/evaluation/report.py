"""Write an evaluation run as a Markdown report: a table for each experiment, plots and contact sheets. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from draggan_engine.core.edit import DragSettings
from draggan_engine.storage.atomic import atomic_write

from .contact_sheets import cycle_sheets, mask_sheets, paired_sheets
from .landmark_report import write_landmarks
from .markdown import ReportImages, markdown_table
from .plots import MATPLOTLIB_MISSING, Band, Panel, has_matplotlib, mean_band, plot_curves, plot_settings
from .report_cells import (
    ABOUT_COSTS,
    ABOUT_SIGMA,
    COST_COLUMNS,
    FRECHET_TITLE,
    SIGMA_TITLE,
    distance_text,
    edit_costs,
    select_rows,
    variants_by_points,
)
from .run_data import RunData
from .run_directory import Row
from .statistics import NO_VALUE, RESAMPLES, paired_ratio, row_mean, row_ratio, values_at_steps
from .variant_names import SETTING_NAMES, rounded_value, value_name, variant_name
from .variants import MaskUse, SettingValue, Variant

QUOTED_STEPS = (10, 30, 100, 300)
"""The steps whose tracking error is in the table."""
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
    "stay": "stay",
}


def write_report(
    run_directory: Path, report_path: Path, command_line: str, date_text: str, omissions: Sequence[str] = ()
) -> None:
    """Write the report of a run, which need not be finished.

    Args:
        report_path: Markdown file in an existing directory; the report's images go into `NAME-images` beside it.
        command_line: the command line that repeats the run.
        omissions: what this machine cannot compute, each with the reason.

    Raises:
        InputError: the directory holds no run, or the run's images are missing.
        StorageError: a file cannot be written.
    """
    run_data, images = RunData.read(run_directory), ReportImages(report_path.parent / f"{report_path.stem}-images")
    report_blocks = _header(run_data, command_line, date_text, omissions)
    for write_section in (write_landmarks, _paired, _ablations, _masks, _tracking, _cycle):
        report_blocks += write_section(run_data, images)
    with atomic_write(report_path) as part_path:
        part_path.write_text("\n\n".join(report_blocks) + "\n", encoding="utf-8", errors="surrogateescape")


def _header(run_data: RunData, command_line: str, date_text: str, omissions: Sequence[str]) -> list[str]:
    request = run_data.request
    own_settings = request.settings.model_dump(exclude={"method"}, exclude_none=True)
    settings_text = ", ".join(
        f"{_SETTING_LABELS[setting_name]} {value_name(setting_value)}"
        for setting_name, setting_value in own_settings.items()
    )
    report_blocks = [
        f"# Evaluation of {request.model}",
        f"`{command_line}`, {date_text}\n"
        f"Model: {request.model}, SHA-256 {request.sha256[:12]}. Cases requested: {request.n} of each kind.\n"
        f"Settings: {settings_text}.",
        f"Square brackets give 95 % confidence intervals (percentile bootstrap over the cases, {RESAMPLES} resamples); "
        "n is the number of cases.",
    ]
    if omissions:
        report_blocks.append("\n".join(["Left out on this machine:\n", *(f"- {omission}" for omission in omissions)]))
    if not run_data.rows:
        report_blocks.append("No case has finished yet.")
    elif not has_matplotlib():
        report_blocks.append(MATPLOTLIB_MISSING)
    return report_blocks


def _paired(run_data: RunData, images: ReportImages) -> list[str]:
    rows = run_data.experiment_rows("paired")
    if not rows:
        return []
    report_blocks = [
        "## Paired reconstruction",
        "An image is dragged towards another image with a nearby latent, by points whose displacement is known. MSE is "
        "measured on a scale of −1 to 1; SSIM is 1 for identical images; features: distance in a network's features. "
        f"{ABOUT_COSTS}",
    ]
    for variant in variants_by_points(rows):
        table_lines = []
        for method in run_data.methods(rows):
            method_rows = select_rows(rows, method, variant)
            mse_mean, ssim_mean, feature_mean, lpips_mean = (
                row_mean(method_rows, figure_name) for figure_name in ("mse", "ssim", "features", "lpips")
            )
            figure_cells = [
                mse_mean.times(100).text(),
                ssim_mean.text(3),
                feature_mean.text(3),
                lpips_mean.times(10).text(),
                str(mse_mean.n),
            ]
            table_lines.append([method, *figure_cells, *edit_costs(method_rows)])
        header_cells = ["method", "MSE ×10²", "SSIM", "features", "LPIPS ×10", "n", *COST_COLUMNS]
        report_blocks += [f"### {variant_name('paired', variant)}", markdown_table(header_cells, table_lines)]
    return [*report_blocks, *images.add_sheets(paired_sheets(run_data.directory, run_data.illustrated_rows(rows)))]


def _ablations(run_data: RunData, images: ReportImages) -> list[str]:
    rows = run_data.experiment_rows("ablation")
    if not rows:
        return []
    report_blocks = [
        "## Ablations",
        f"One setting is changed at a time; the model's own value is in bold. {ABOUT_COSTS} "
        f"{SIGMA_TITLE}: {ABOUT_SIGMA}",
    ]
    plot_panels: list[Panel] = []
    methods = run_data.methods(rows)
    for method, setting_name in dict.fromkeys(
        (row.method, row.variant.change.setting) for row in rows if row.variant.change is not None
    ):
        own_value = own_setting_value(run_data.request.settings, setting_name)
        rows_by_value = _rows_by_value([row for row in rows if row.method is method], setting_name, own_value)
        title = SETTING_NAMES[setting_name] if len(methods) == 1 else f"{SETTING_NAMES[setting_name]}, {method}"
        report_blocks += [f"### {title}", _ablation_table(run_data, setting_name, own_value, rows_by_value)]
        plot_panels += _ablation_panels(title, own_value, rows_by_value)
    plot_png = plot_settings(plot_panels) if plot_panels else None
    return report_blocks + images.add_plot(
        "ablations", "MD by setting; filled markers: the model's own value", plot_png
    )


def _ablation_panels(
    title: str, own_value: SettingValue, rows_by_value: Mapping[SettingValue, Sequence[Row]]
) -> list[Panel]:
    """Return a plot of each figure that was measured."""
    panels = []
    for figure_name, unit in (("md", "MD, px"), ("change_outside", "change outside the mask")):
        row_means = tuple(row_mean(value_rows, figure_name) for value_rows in rows_by_value.values())
        if any(mean_interval.n for mean_interval in row_means):
            own_index = list(rows_by_value).index(own_value) if own_value in rows_by_value else None
            panels.append(Panel(title, unit, tuple(map(value_name, rows_by_value)), row_means, own_index))
    return panels


def _rows_by_value(rows: Sequence[Row], setting_name: str, own_value: SettingValue) -> dict[SettingValue, list[Row]]:
    """Return the rows of each value of a setting, in the order of the values.

    The rows without any change have the model's own value of each setting but λ, which is measured on cases of its own.
    """
    rows_by_value: dict[SettingValue, list[Row]] = {}
    for row in rows:
        if row.variant.change is not None and row.variant.change.setting == setting_name:
            rows_by_value.setdefault(row.variant.change.value, []).append(row)
    for row in rows:
        if row.variant.change is None and setting_name != "mask_weight":
            rows_by_value.setdefault(own_value, []).append(row)
    return {setting_value: rows_by_value[setting_value] for setting_value in sorted_values(rows_by_value)}


def _ablation_table(
    run_data: RunData, setting_name: str, own_value: SettingValue, rows_by_value: Mapping[SettingValue, Sequence[Row]]
) -> str:
    table_lines = []
    for setting_value, value_rows in rows_by_value.items():
        md, distance_share = row_mean(value_rows, "md"), row_ratio(value_rows, "md", "md_start")
        change_texts = [row_mean(value_rows, figure_name).text() for figure_name in ("change_outside", "change_inside")]
        value_label = (
            f"**{value_name(setting_value)} (default)**" if setting_value == own_value else value_name(setting_value)
        )
        row_cells = [
            md.text(),
            distance_share.percents(),
            *change_texts,
            row_mean(value_rows, "sigma").text(),
            row_mean(value_rows, "reached").percent(),
            str(md.n),
            distance_text(run_data.distance_of_edits(value_rows)),
        ]
        table_lines.append([value_label, *row_cells, *edit_costs(value_rows)])
    header_cells = [
        SETTING_NAMES[setting_name], "MD", "% of no edit", "change outside", "change inside", SIGMA_TITLE, "reached, %", "n",
        FRECHET_TITLE, *COST_COLUMNS,
    ]  # fmt: skip
    return markdown_table(header_cells, table_lines)


def _masks(run_data: RunData, images: ReportImages) -> list[str]:
    rows = run_data.experiment_rows("mask")
    if not rows:
        return []
    methods = run_data.methods(rows)
    cells = [(method, mask) for method in methods for mask in MaskUse]
    rows_by_cell = {
        (method, mask): [row for row in rows if row.method is method and row.variant.mask is mask]
        for method, mask in cells
    }
    rows_by_cell = {cell: cell_rows for cell, cell_rows in rows_by_cell.items() if cell_rows}
    names_by_cell = {
        (method, mask): variant_name("mask", Variant(1, mask))
        if len(methods) == 1
        else f"{method}, {variant_name('mask', Variant(1, mask))}"
        for method, mask in rows_by_cell
    }
    table_lines = []
    for cell, mask_rows in rows_by_cell.items():
        row_means = [row_mean(mask_rows, figure_name) for figure_name in ("change_inside", "change_outside", "md")]
        share_text = row_ratio(mask_rows, "md", "md_start").percents()
        table_lines.append(
            [
                names_by_cell[cell],
                *(mean_interval.text() for mean_interval in row_means),
                share_text,
                row_mean(mask_rows, "sigma").text(),
                str(row_means[1].n),
            ]
        )
    ratio_texts = []
    unmasked_drag = (methods[0], MaskUse.NONE)
    for cell, mask_rows in rows_by_cell.items():
        if cell != unmasked_drag and unmasked_drag in rows_by_cell:
            change_ratio = paired_ratio(mask_rows, rows_by_cell[unmasked_drag], "change_outside")
            ratio_texts.append(f"{change_ratio.percents()} % {names_by_cell[cell]} (n {change_ratio.n})")
    drags_without_mask = "the drags" if len(methods) == 1 else f"the drags by {methods[0]}"
    return [
        "## Mask",
        "The same drags with and without a mask. With a mask, the second term of eq. 1 is computed at the features' "
        "resolution or, as in the paper (exact term), at the image's. Change: mean absolute difference from the image "
        "before the drag, in levels of 0…255. "
        f"{SIGMA_TITLE}: {ABOUT_SIGMA}",
        markdown_table(
            ["drag", "change inside", "change outside", "MD, px", "% of no edit", SIGMA_TITLE, "n"], table_lines
        ),
        *(
            [f"Change outside the mask, relative to {drags_without_mask} without one: {'; '.join(ratio_texts)}."]
            if ratio_texts
            else []
        ),
        *images.add_sheets(mask_sheets(run_data.directory, run_data.illustrated_rows(rows))),
    ]


def _tracking(run_data: RunData, images: ReportImages) -> list[str]:
    rows = run_data.experiment_rows("tracking")
    if not rows:
        return []
    report_blocks = [
        "## Tracking",
        "Distance between the tracked handle and its landmark, in pixels of an image 128 px high. A drag that has ended "
        "counts at every later step with its last error.",
    ]
    plot_panels: dict[str, dict[str, Band]] = {}
    for variant in variants_by_points(rows):
        panel_title = variant_name("tracking", variant)
        table_lines = []
        for method in run_data.methods(rows):
            method_rows = select_rows(rows, method, variant)
            error_curves = [row.curve for row in method_rows if row.curve]
            quoted_errors = (
                np.mean([values_at_steps(error_curve, QUOTED_STEPS) for error_curve in error_curves], axis=0)
                if error_curves
                else ()
            )
            row_means = [row_mean(method_rows, figure_name) for figure_name in ("error_mean", "error_end")]
            error_cells = [f"{quoted_error:.2f}" for quoted_error in quoted_errors] or [NO_VALUE] * len(QUOTED_STEPS)
            case_count = max(row_means[0].n, len(error_curves))
            if case_count:
                table_lines.append(
                    [method, *(mean_interval.text() for mean_interval in row_means), *error_cells, str(case_count)]
                )
            if error_curves:
                plot_panels.setdefault(panel_title, {})[method] = mean_band(error_curves)
        header_cells = ["method", "mean", "at the end", *(f"step {step}" for step in QUOTED_STEPS), "n"]
        report_blocks += [f"### {panel_title}", markdown_table(header_cells, table_lines)]
    plot_png = plot_curves(plot_panels, "error, px") if plot_panels else None
    return report_blocks + images.add_plot("tracking", "Error by step", plot_png)


def _cycle(run_data: RunData, images: ReportImages) -> list[str]:
    rows = run_data.experiment_rows("cycle")
    if not rows:
        return []
    table_lines = []
    for method in run_data.methods(rows):
        method_rows = [row for row in rows if row.method is method]
        feature_mean, lpips_mean, mse_mean = (
            row_mean(method_rows, figure_name) for figure_name in ("features", "lpips", "mse")
        )
        table_lines.append(
            [
                method,
                feature_mean.times(10).text(),
                lpips_mean.times(10).text(),
                mse_mean.times(100).text(),
                row_mean(method_rows, "reached").percent(),
                str(mse_mean.n),
                *edit_costs(method_rows),
            ]
        )
    header_cells = ["method", "features ×10", "LPIPS ×10", "MSE ×10²", "reached, %", "n", *COST_COLUMNS]
    return [
        "## There and back",
        "A point is dragged to its target and then back (the cyclic semantic distance, CCSD, of FreeDrag). The columns are "
        "distances between the first image and the last, which would be 0 if a drag could be reversed; features: "
        "distance in a network's features. FreeDrag's figures are LPIPS ×10. Reached: the share of cases in which the "
        "handle arrived on both ways. Seconds and steps are those of both ways: mean (median).",
        markdown_table(header_cells, table_lines),
        *images.add_sheets(cycle_sheets(run_data.directory, run_data.illustrated_rows(rows))),
    ]


def sorted_values(setting_values: Iterable[SettingValue]) -> list[SettingValue]:
    """Return numbers in ascending order, blocks (`b32`) in that of their resolution, and other values as they are."""
    setting_values = list(setting_values)
    try:
        return sorted(setting_values, key=lambda setting_value: float(str(setting_value).removeprefix("b")))
    except ValueError:
        return setting_values


def own_setting_value(settings: DragSettings, setting_name: str) -> SettingValue:
    """Return the model's own value of a setting, rounded as the values in rows are."""
    field_name = "feature_block" if setting_name == "tracking_block" else setting_name
    setting_value: SettingValue = getattr(settings, field_name)
    return rounded_value(setting_value)
