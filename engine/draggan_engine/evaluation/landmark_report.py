"""The section of a report on landmarks: how far they are from their targets after the edits of each method. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .contact_sheets import landmark_sheets
from .markdown import ReportImages, markdown_table
from .paper_table import paper_table
from .plots import Panel, plot_bars
from .report_cells import (
    ABOUT_COSTS,
    ABOUT_SIGMA,
    COST_COLUMNS,
    FRECHET_TITLE,
    SIGMA_TITLE,
    distance_text,
    edit_costs,
    select_rows,
    three_digits,
    variants_by_points,
)
from .run_data import RunData
from .run_directory import Row
from .statistics import (
    NO_VALUE,
    MeanInterval,
    median_text,
    paired_difference,
    paired_ratio,
    row_mean,
    row_ratio,
    row_values,
)
from .variant_names import variant_name
from .variants import DAI_RADII, DRAG_METHODS, Method, Variant, main_method

RowsByCell = Mapping[tuple[Method, Variant], Sequence[Row]]
"""The rows of each method on each variant."""


def write_landmarks(run_data: RunData, images: ReportImages) -> list[str]:
    """Return the section, or nothing if the run has no such rows."""
    rows = run_data.experiment_rows("landmarks")
    if not rows:
        return []
    variants, methods = variants_by_points(rows), run_data.methods(rows)
    rows_by_cell = {(method, variant): select_rows(rows, method, variant) for method in methods for variant in variants}
    variant_names = [variant_name("landmarks", variant) for variant in variants]
    plot_panels = [
        Panel(
            panel_name,
            "MD, px",
            tuple(methods),
            tuple(row_mean(rows_by_cell[method, variant], "md") for method in methods),
        )
        for panel_name, variant in zip(variant_names, variants, strict=True)
    ]
    return [
        "## Landmarks",
        "Landmarks of one image are dragged to where another image has them. MD is the mean distance between the targets "
        "and the landmarks that the detector finds after the edit, in pixels of an image 128 px high: mean, median in "
        "round brackets, and share of the distance before the edit, over the same cases. Reached: the share of drags "
        "that ended because their handles had arrived. Values separated by slashes are for "
        f"{' / '.join(variant_names)}. {ABOUT_COSTS}",
        _methods_table(run_data, rows_by_cell, variants),
        *_about_faces(run_data, rows_by_cell),
        *paper_table(run_data, rows_by_cell, variants),
        *_comparison_of_methods(rows_by_cell, variants),
        *_sigma_table(rows_by_cell, variants),
        *_accuracy_table(rows_by_cell, variants),
        *_about_frechet(run_data, rows),
        *images.add_plot("landmarks", "MD by method", plot_bars(plot_panels)),
        *images.add_sheets(landmark_sheets(run_data.directory, run_data.illustrated_rows(rows))),
    ]


def _methods_table(run_data: RunData, rows_by_cell: RowsByCell, variants: Sequence[Variant]) -> str:
    table_lines = []
    for method in dict.fromkeys(method for method, _ in rows_by_cell):
        rows_by_variant = [rows_by_cell[method, variant] for variant in variants]
        method_rows = [row for variant_rows in rows_by_variant for row in variant_rows]
        reached_text = " / ".join(row_mean(variant_rows, "reached").percent() for variant_rows in rows_by_variant)
        count_text = " / ".join(str(len(row_values(variant_rows, "md"))) for variant_rows in rows_by_variant)
        row_cells = [*map(_md_cell, rows_by_variant), reached_text, count_text]
        distance_cells = [
            distance_text(run_data.distance_of_edits(method_rows)),
            distance_text(run_data.fid_of_edits(method_rows)),
        ]
        table_lines.append([method, *row_cells, *distance_cells, *edit_costs(method_rows)])
    table_lines += _detector_line(rows_by_cell, variants)
    distance_titles = [f"MD, {variant_name('landmarks', variant)}" for variant in variants]
    header_cells = ["method", *distance_titles, "reached, %", "n", FRECHET_TITLE, "FID", *COST_COLUMNS]
    return markdown_table(header_cells, table_lines)


def _md_cell(rows: Sequence[Row]) -> str:
    """Return for example `1.39 [1.18, 1.60] (1.25), 9 %`."""
    share_text = row_ratio(rows, "md", "md_start").percent()
    return _mean_and_median(rows, "md") + ("" if share_text == NO_VALUE else f", {share_text} %")


def _mean_and_median(rows: Sequence[Row], figure_name: str) -> str:
    mean = row_mean(rows, figure_name)
    return mean.text() + (f" ({median_text(row_values(rows, figure_name))})" if mean.n else "")


def _detector_line(rows_by_cell: RowsByCell, variants: Sequence[Variant]) -> list[list[str]]:
    """Return a line with the error of the detector itself, if the true landmarks are known."""
    rows_by_variant = [_rows_of_any_method(rows_by_cell, variant, "detector_error") for variant in variants]
    if not any(rows_by_variant):
        return []
    error_cells = [_mean_and_median(variant_rows, "detector_error") for variant_rows in rows_by_variant]
    count_text = " / ".join(str(len(variant_rows)) for variant_rows in rows_by_variant)
    return [["the detector's own error", *error_cells, NO_VALUE, count_text, *[NO_VALUE] * (2 + len(COST_COLUMNS))]]


def _rows_of_any_method(rows_by_cell: RowsByCell, variant: Variant, figure_name: str) -> list[Row]:
    """Return one row with a figure for each case; it is the same for every method."""
    rows_by_case: dict[int, Row] = {}
    for (_, cell_variant), rows in rows_by_cell.items():
        if cell_variant == variant:
            for row in rows:
                if figure_name in row.values:
                    rows_by_case.setdefault(row.case, row)
    return list(rows_by_case.values())


def _about_faces(run_data: RunData, rows_by_cell: RowsByCell) -> list[str]:
    """Say how many images had no face, for runs with dlib's detector."""
    if run_data.request.detector != "dlib":
        return []
    # A case starts from the same two faces whatever its points and method.
    skipped_by_case = {
        row.case: int(row.values.get("skipped_images", 0)) for rows in rows_by_cell.values() for row in rows
    }
    skipped_count = sum(skipped_by_case.values())
    lost_count = sum("md" not in row.values for rows in rows_by_cell.values() for row in rows)
    sentences = [
        f"The landmarks are dlib's. While the cases were chosen, {_count_text(skipped_count, 'image')} in which dlib "
        f"detected no face {'was' if skipped_count == 1 else 'were'} skipped."
    ]
    if lost_count:
        sentences.append(
            f"After the edit, no face was detected in {_count_text(lost_count, 'edited image')}; such a case has no MD, "
            "which favours a method that loses faces."
        )
    return [" ".join(sentences)]


def _count_text(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _comparison_of_methods(rows_by_cell: RowsByCell, variants: Sequence[Variant]) -> list[str]:
    """Compare the main method with each other one, on the cases that both have."""
    methods = list(dict.fromkeys(method for method, _ in rows_by_cell))
    drag_method = main_method(methods)
    other_methods = [method for method in methods if method not in (drag_method, Method.NO_EDIT)]
    if drag_method not in DRAG_METHODS or not other_methods:
        return []

    def table(compare: Callable[[Sequence[Row], Sequence[Row], str], MeanInterval], as_percents: bool) -> str:
        table_lines = []
        for other_method in other_methods:
            comparisons = [
                compare(rows_by_cell[drag_method, variant], rows_by_cell[other_method, variant], "md")
                for variant in variants
            ]
            table_lines.append(
                [
                    other_method,
                    *(mean.percents() if as_percents else mean.text() for mean in comparisons),
                    " / ".join(str(mean.n) for mean in comparisons),
                ]
            )
        header_cells = ["method", *(variant_name("landmarks", variant) for variant in variants), "n"]
        return markdown_table(header_cells, table_lines)

    return [
        f"MD of {drag_method} as a percentage of another method's MD, on the same cases:",
        table(paired_ratio, as_percents=True),
        f"MD of {drag_method} minus another method's MD on the same case, px (the interval is that of the paired "
        "difference):",
        table(paired_difference, as_percents=False),
    ]


def _sigma_table(rows_by_cell: RowsByCell, variants: Sequence[Variant]) -> list[str]:
    """Return how far each method moves the latent, if it was measured."""
    table_lines = []
    for method in dict.fromkeys(method for method, _ in rows_by_cell):
        length_cells = [_mean_and_median(rows_by_cell[method, variant], "sigma") for variant in variants]
        if any(length_cell != NO_VALUE for length_cell in length_cells):
            table_lines.append([method, *length_cells])
    if not table_lines:
        return []
    return [
        f"{SIGMA_TITLE}: {ABOUT_SIGMA} Mean, and median in round brackets:",
        markdown_table(["method", *(variant_name("landmarks", variant) for variant in variants)], table_lines),
    ]


def _accuracy_table(rows_by_cell: RowsByCell, variants: Sequence[Variant]) -> list[str]:
    """Return the dragging accuracy index of each method, if it was measured."""
    table_lines = []
    for method in dict.fromkeys(method for method, _ in rows_by_cell):
        accuracy_cells = [
            " / ".join(
                row_mean(rows_by_cell[method, variant], f"dai_{radius}").times(100).text().partition(" ")[0]
                for variant in variants
            )
            for radius in DAI_RADII
        ]
        if any(accuracy_cell.strip(f" /{NO_VALUE}") for accuracy_cell in accuracy_cells):
            table_lines.append([method, *accuracy_cells])
    if not table_lines:
        return []
    return [
        "Dragging accuracy index ×10² (DAI, of GoodDrag): the mean squared difference between the patch around a handle "
        "before the edit and the patch around its target after it, with colours from 0 to 1; γ: the radius of the "
        "patch in pixels of the model's image. 0 means that the content has arrived unchanged; a wrong place "
        "and changed colours both raise the index:",
        markdown_table(["method", *(f"γ {radius}" for radius in DAI_RADII)], table_lines),
    ]


def _about_frechet(run_data: RunData, rows: Sequence[Row]) -> list[str]:
    if run_data.distance_of_edits(rows) is None:
        return []
    feature_name = (
        "the landmark detector's features"
        if run_data.request.detector == "critters"
        else "the discriminator's features"
    )
    explanation_text = (
        f"Fréchet distance: the squared distance between two Gaussians, one fitted to {feature_name} of "
        "the edited images, the other to those of the same cases' unedited images. It is not the FID, which uses another "
        "network's features. It is larger for fewer images, so compare it only at the same n. Where there is a column FID, "
        "it is this distance in the features of Inception v3, over all numbers of points."
    )
    half_distance = run_data.distance_of_halves(rows)
    if half_distance is None:
        return [explanation_text]
    return [
        f"{explanation_text} For scale: the unedited images of even and of odd cases (n {half_distance.counts[0]} and "
        f"{half_distance.counts[1]}) are {three_digits(half_distance.distance)} apart."
    ]
