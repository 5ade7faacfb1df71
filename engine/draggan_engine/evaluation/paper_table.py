"""The paper's table 1 beside the figures of a run on a model of faces. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .markdown import markdown_table
from .run_data import RunData
from .run_directory import Row
from .statistics import NO_VALUE, row_mean
from .variants import Method, Variant

PAPER_HEIGHT = 512
"""The height of the paper's images, px."""
PAPER_FIGURES: Mapping[str, Mapping[str, float]] = {
    "no edit": {"1": 12.93, "5": 11.66, "68": 16.02},
    "UserControllableLT": {"1": 11.64, "5": 10.41, "68": 10.15, "FID": 25.32, "seconds": 0.03},
    "RAFT": {"1": 13.43, "5": 13.59, "68": 15.92, "FID": 51.37, "seconds": 15.4},
    "PIPs": {"1": 2.98, "5": 4.83, "68": 5.30, "FID": 31.87, "seconds": 6.6},
    "drag": {"1": 2.44, "5": 3.18, "68": 4.73, "FID": 9.28, "seconds": 2.0},
}
"""Table 1 of the paper (FFHQ): MD by number of points, px at 512; FID; seconds per edit."""


def paper_table(
    run_data: RunData, rows_by_cell: Mapping[tuple[Method, Variant], Sequence[Row]], variants: Sequence[Variant]
) -> list[str]:
    """Return the means in the paper's units, with the paper's own figures in brackets; nothing for runs without faces."""
    if run_data.request.detector != "dlib":
        return []
    table_lines = []
    for method in dict.fromkeys(method for method, _ in rows_by_cell):
        rows_by_variant = [rows_by_cell[method, variant] for variant in variants]
        method_rows = [row for variant_rows in rows_by_variant for row in variant_rows]
        distance_cells = [
            _with_paper_figure(row_mean(rows, "md").mean * PAPER_HEIGHT / 128, method, str(variant.points))
            for variant, rows in zip(variants, rows_by_variant, strict=True)
        ]
        fid = run_data.fid_of_edits(method_rows)
        fid_cell = _with_paper_figure(math.nan if fid is None else fid.distance, method, "FID")
        seconds_cell = _with_paper_figure(row_mean(method_rows, "seconds").mean, method, "seconds")
        table_lines.append([method, *distance_cells, fid_cell, seconds_cell])
    header_cells = ["method", *(f"MD, {variant.points}" for variant in variants), "FID", "seconds"]
    return [
        "In the units of the paper's table 1, which are pixels of an image 512 px high; in brackets, the paper's own "
        "figures for FFHQ (1000 cases, one RTX 3090):",
        markdown_table(header_cells, table_lines),
    ]


def _with_paper_figure(figure: float, method: Method, column_name: str) -> str:
    """Return for example `2.31 (2.44)`."""
    own_text = NO_VALUE if math.isnan(figure) else f"{figure:.2f}"
    paper_figure = PAPER_FIGURES.get(method, {}).get(column_name)
    return own_text if paper_figure is None else f"{own_text} ({paper_figure:.2f})"
