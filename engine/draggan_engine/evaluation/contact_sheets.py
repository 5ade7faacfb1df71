"""Contact sheets: cases side by side, each as the image before, with handles and targets, and the image after."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from draggan_engine.core.geometry import Point, Size, convert
from draggan_engine.storage.markers import HANDLE_COLOR, LINE_COLOR, OUTLINE_COLOR, TARGET_COLOR

from .image_grid import image_grid
from .run_directory import Row, read_images
from .variant_names import variant_name
from .variants import MaskUse

CELL_SIZE = 128
"""Height and width of each image on a sheet, px."""
MAX_COLUMNS = 8
"""The most images in a line."""
CASE_GAP, CAPTION_HEIGHT, TITLE_HEIGHT = 8, 16, 22  # px
_OVERSAMPLING = 4  # markers are drawn this much larger, then averaged
_PAPER_COLOR, _INK_COLOR = (255, 255, 255), (20, 20, 24)


@dataclass(frozen=True)
class SheetCase:
    """A case on a sheet.

    Attributes:
        before, after, goal: `uint8 [h, w, 3]`; goal may be None.
        handles, targets: `float32 [P, 2]` in pixels of `before`; NaN where there is no pair.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    goal: NDArray[np.uint8] | None
    handles: NDArray[np.float32]
    targets: NDArray[np.float32]
    caption: str


@dataclass(frozen=True)
class NamedSheet:
    """A sheet, with the name of its file and its text alternative."""

    name: str
    alt_text: str
    image: Image.Image


def landmark_sheets(directory: Path, rows: Sequence[Row]) -> Iterator[NamedSheet]:
    """Show, for one method, the best, median and worst cases by MD of each number of points, then the worst 20 of all."""

    def caption(row: Row) -> str:
        start_text = f", was {row.values['md_start']:.1f}" if "md_start" in row.values else ""
        return f"case {row.case}: MD {row.values['md']:.1f} px{start_text}"

    for group_name in _groups(rows):
        row_bands = best_median_worst([row for row in rows if _group(row) == group_name], "md")
        alt_text = f"Best, median and worst cases, {group_name}"
        yield from _named_sheet(directory, f"landmarks {group_name}", alt_text, row_bands, caption)
    worst_cases = worst_rows(rows, "md")
    alt_text = f"The worst {len(worst_cases)} of all cases"
    yield from _named_sheet(
        directory, "landmarks worst", alt_text, [("", worst_cases)], lambda row: f"{_group(row)}, {caption(row)}"
    )


def paired_sheets(directory: Path, rows: Sequence[Row]) -> Iterator[NamedSheet]:
    """Show, for one method, the best, median and worst cases by MSE."""
    for group_name in _groups(rows):
        row_bands = best_median_worst([row for row in rows if _group(row) == group_name], "mse")
        alt_text = f"Best, median and worst cases, {group_name}: before, after, goal"
        yield from _named_sheet(
            directory,
            f"paired {group_name}",
            alt_text,
            row_bands,
            lambda row: f"case {row.case}: MSE {row.values['mse']:.4f}",
        )


def cycle_sheets(directory: Path, rows: Sequence[Row]) -> Iterator[NamedSheet]:
    """Show, for one method, the best, median and worst cases by the MSE after the way back."""
    yield from _named_sheet(
        directory,
        "cycle",
        "Best, median and worst cases: before, there, back",
        best_median_worst(rows, "mse"),
        lambda row: f"case {row.case}: MSE {row.values['mse']:.4f}",
    )


def mask_sheets(directory: Path, rows: Sequence[Row], row_count: int = 4) -> Iterator[NamedSheet]:
    """Show, for one method, the same cases with and without a mask: median ones by the change outside the mask."""
    rows = [row for row in rows if "change_outside" in row.values]
    rows_by_mask = {mask: {row.case: row for row in rows if row.variant.mask is mask} for mask in MaskUse}
    rows_by_mask = {mask: mask_rows for mask, mask_rows in rows_by_mask.items() if mask_rows}
    if not rows_by_mask:
        return
    *_, last_rows = rows_by_mask.values()
    shared_rows = [
        row for case, row in last_rows.items() if all(case in case_numbers for case_numbers in rows_by_mask.values())
    ]
    case_numbers = [row.case for row in median_rows(shared_rows, "change_outside", row_count)]
    group_names = [_group(next(iter(mask_rows.values()))) for mask_rows in rows_by_mask.values()]
    row_bands = [
        (group_name, [mask_rows[case] for case in case_numbers])
        for group_name, mask_rows in zip(group_names, rows_by_mask.values(), strict=True)
    ]
    yield from _named_sheet(
        directory,
        "mask",
        f"The same cases: {'; '.join(group_names)}",
        row_bands,
        lambda row: f"case {row.case}: outside {row.values['change_outside']:.1f}",
    )


def _group(row: Row) -> str:
    return variant_name(row.experiment, row.variant)


def _groups(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(map(_group, rows)))


def best_median_worst(rows: Sequence[Row], figure_name: str, row_count: int = 4) -> list[tuple[str, list[Row]]]:
    """Return up to `row_count` rows each with the lowest, median and highest values of a figure, in ascending order.

    No row is returned twice; of few rows, the best and the worst are taken first. Rows without the figure are left out.
    """
    rows = rows_by_value(rows, figure_name)
    row_count = min(row_count, max(1, len(rows) // 3))
    best_band, worst_band = rows[:row_count], rows[max(len(rows) - row_count, row_count) :]
    median_band = median_rows(rows[len(best_band) : len(rows) - len(worst_band)], figure_name, row_count)
    return [
        (band_name, band_rows)
        for band_name, band_rows in (("best", best_band), ("median", median_band), ("worst", worst_band))
        if band_rows
    ]


def worst_rows(rows: Sequence[Row], figure_name: str, row_count: int = 20) -> list[Row]:
    """Return the rows with the highest values in descending order. Rows without the figure are left out."""
    return rows_by_value(rows, figure_name)[::-1][:row_count]


def median_rows(rows: Sequence[Row], figure_name: str, row_count: int) -> list[Row]:
    """Return up to `row_count` rows around the median in ascending order. Rows without the figure are left out."""
    rows = rows_by_value(rows, figure_name)
    first_index = max(len(rows) - row_count, 0) // 2
    return rows[first_index : first_index + row_count]


def rows_by_value(rows: Sequence[Row], figure_name: str) -> list[Row]:
    """Return the rows that have a figure in ascending order; equal ones are in the order of their cases."""
    return sorted(
        (row for row in rows if figure_name in row.values), key=lambda row: (row.values[figure_name], row.case)
    )


def _named_sheet(
    directory: Path,
    sheet_name: str,
    alt_text: str,
    row_bands: Sequence[tuple[str, Sequence[Row]]],
    caption: Callable[[Row], str],
) -> Iterator[NamedSheet]:
    """Return one sheet, or none if there are no rows."""
    if any(rows for _, rows in row_bands):
        case_bands = [
            (band_title, [sheet_case(directory, row, caption(row)) for row in rows]) for band_title, rows in row_bands
        ]
        yield NamedSheet(sheet_name, alt_text, contact_sheet(case_bands))


def sheet_case(directory: Path, row: Row, caption: str) -> SheetCase:
    """Return the images of a row of the run in a directory.

    Raises:
        InputError: the images are missing or damaged.
    """
    chunk_images, i = read_images(directory, row.chunk), row.index
    goal = None if chunk_images.goal is None else chunk_images.goal[i]
    return SheetCase(
        chunk_images.before[i], chunk_images.after[i], goal, chunk_images.handles[i], chunk_images.targets[i], caption
    )


def contact_sheet(case_bands: Sequence[tuple[str, Sequence[SheetCase]]]) -> Image.Image:
    """Return an RGB image with the cases of several bands below each other.

    Args:
        case_bands: a title, which may be empty, and its cases; at least one case in all. A case is shown as before,
            after and, if any case has one, goal.
    """
    all_cases = [case for _, band_cases in case_bands for case in band_cases]
    image_count = 3 if any(case.goal is not None for case in all_cases) else 2
    column_count = min(MAX_COLUMNS // image_count, max(len(band_cases) for _, band_cases in case_bands))
    band_grids = [
        _band_grid([_case_tile(case, image_count) for case in band_cases], column_count) for _, band_cases in case_bands
    ]
    titles_height = sum(TITLE_HEIGHT for band_title, _ in case_bands if band_title)
    tile_width = image_count * CELL_SIZE + CASE_GAP
    sheet_height = sum(band_grid.height for band_grid in band_grids if band_grid) + titles_height + 2 * CASE_GAP
    sheet_image = Image.new("RGB", (column_count * tile_width + CASE_GAP, sheet_height), _PAPER_COLOR)
    sheet_draw, top_y = ImageDraw.Draw(sheet_image), CASE_GAP
    for (band_title, _), band_grid in zip(case_bands, band_grids, strict=True):
        if band_title:
            text_font = ImageFont.load_default(14)
            sheet_draw.text(
                (CASE_GAP, top_y + TITLE_HEIGHT / 2), band_title, fill=_INK_COLOR, font=text_font, anchor="lm"
            )
            top_y += TITLE_HEIGHT
        if band_grid is not None:
            sheet_image.paste(band_grid, (CASE_GAP, top_y))
            top_y += band_grid.height
    return sheet_image


def _band_grid(case_tiles: Sequence[Image.Image], column_count: int) -> Image.Image | None:
    rows = [case_tiles[i : i + column_count] for i in range(0, len(case_tiles), column_count)]
    return image_grid(rows, _PAPER_COLOR) if rows else None


def _case_tile(case: SheetCase, image_count: int) -> Image.Image:
    """Return the images of a case beside each other, the caption below them, and a gap to the right."""
    case_tile = Image.new("RGB", (image_count * CELL_SIZE + CASE_GAP, CELL_SIZE + CAPTION_HEIGHT), _PAPER_COLOR)
    cell_images = [_marked_image(case), _fit_cell(case.after)] + ([] if case.goal is None else [_fit_cell(case.goal)])
    for i, cell_image in enumerate(cell_images):
        image_left, image_top = (CELL_SIZE - cell_image.width) // 2, (CELL_SIZE - cell_image.height) // 2
        case_tile.paste(cell_image, (i * CELL_SIZE + image_left, image_top))
    caption_y, text_font = CELL_SIZE + CAPTION_HEIGHT / 2, ImageFont.load_default(11)
    ImageDraw.Draw(case_tile).text((0, caption_y), case.caption, fill=_INK_COLOR, font=text_font, anchor="lm")
    return case_tile


def _fit_cell(rgb_image: NDArray[np.uint8]) -> Image.Image:
    """Return an image scaled to a cell. An image of the right size stays as it is."""
    cell_image = Image.fromarray(rgb_image)
    size_factor = CELL_SIZE / max(cell_image.size)
    if size_factor == 1:
        return cell_image
    cell_size = (max(round(cell_image.width * size_factor), 1), max(round(cell_image.height * size_factor), 1))
    return cell_image.resize(cell_size, Image.Resampling.NEAREST if size_factor > 1 else Image.Resampling.BOX)


def _marked_image(case: SheetCase) -> Image.Image:
    """Return the image before the edit with a disc on each handle, a ring on its target and a line between them."""
    cell_image = _fit_cell(case.before)
    image_size = Size(case.before.shape[1], case.before.shape[0])
    marker_canvas = cell_image.resize(
        (cell_image.width * _OVERSAMPLING, cell_image.height * _OVERSAMPLING), Image.Resampling.NEAREST
    )
    has_pair = np.isfinite(case.handles).all(axis=1) & np.isfinite(case.targets).all(axis=1)
    # Markers are smaller if there are many.
    marker_radius = _OVERSAMPLING * max(1.5, 3.2 - 0.4 * math.log2(max(int(has_pair.sum()), 1)))
    handles, targets = (
        [convert((float(x), float(y)), image_size, Size(*marker_canvas.size)) for x, y in pair_points[has_pair]]
        for pair_points in (case.handles, case.targets)
    )
    handle_pairs = list(zip(handles, targets, strict=True))
    marker_draw = ImageDraw.Draw(marker_canvas)
    for marker_color, line_thickness in ((OUTLINE_COLOR, 0.9 * marker_radius), (LINE_COLOR, 0.4 * marker_radius)):
        for handle, target in handle_pairs:
            marker_draw.line((handle, target), fill=marker_color, width=round(line_thickness))
    for handle, target in handle_pairs:
        _draw_circle(marker_draw, target, 1.4 * marker_radius, OUTLINE_COLOR, round(0.9 * marker_radius))
        _draw_circle(marker_draw, target, 1.2 * marker_radius, TARGET_COLOR, round(0.5 * marker_radius))
        _draw_circle(marker_draw, handle, 1.3 * marker_radius, OUTLINE_COLOR)
        _draw_circle(marker_draw, handle, marker_radius, HANDLE_COLOR)
    return marker_canvas.reduce(_OVERSAMPLING)


def _draw_circle(
    marker_draw: ImageDraw.ImageDraw,
    circle_center: Point,
    marker_radius: float,
    marker_color: tuple[int, int, int],
    ring_width: int | None = None,
) -> None:
    """Draw a disc or, with a width, a ring."""
    circle_box = (
        circle_center[0] - marker_radius,
        circle_center[1] - marker_radius,
        circle_center[0] + marker_radius,
        circle_center[1] + marker_radius,
    )
    if ring_width is None:
        marker_draw.ellipse(circle_box, fill=marker_color)
    else:
        marker_draw.ellipse(circle_box, outline=marker_color, width=ring_width)
