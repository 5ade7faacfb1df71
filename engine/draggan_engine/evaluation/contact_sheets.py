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
_PAPER, _INK = (255, 255, 255), (20, 20, 24)


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
        start = f", was {row.values['md_start']:.1f}" if "md_start" in row.values else ""
        return f"case {row.case}: MD {row.values['md']:.1f} px{start}"

    for group in _groups(rows):
        bands = best_median_worst([row for row in rows if _group(row) == group], "md")
        alt_text = f"Best, median and worst cases, {group}"
        yield from _named_sheet(directory, f"landmarks {group}", alt_text, bands, caption)
    worst = worst_rows(rows, "md")
    alt_text = f"The worst {len(worst)} of all cases"
    yield from _named_sheet(
        directory, "landmarks worst", alt_text, [("", worst)], lambda row: f"{_group(row)}, {caption(row)}"
    )


def paired_sheets(directory: Path, rows: Sequence[Row]) -> Iterator[NamedSheet]:
    """Show, for one method, the best, median and worst cases by MSE."""
    for group in _groups(rows):
        bands = best_median_worst([row for row in rows if _group(row) == group], "mse")
        alt_text = f"Best, median and worst cases, {group}: before, after, goal"
        yield from _named_sheet(
            directory, f"paired {group}", alt_text, bands, lambda row: f"case {row.case}: MSE {row.values['mse']:.4f}"
        )


def mask_sheets(directory: Path, rows: Sequence[Row], count: int = 4) -> Iterator[NamedSheet]:
    """Show, for one method, the same cases with and without a mask: median ones by the change outside the mask."""
    rows = [row for row in rows if "change_outside" in row.values]
    rows_by_mask = {mask: {row.case: row for row in rows if row.variant.mask is mask} for mask in MaskUse}
    rows_by_mask = {mask: mask_rows for mask, mask_rows in rows_by_mask.items() if mask_rows}
    if not rows_by_mask:
        return
    *_, last_rows = rows_by_mask.values()
    shared = [row for case, row in last_rows.items() if all(case in cases for cases in rows_by_mask.values())]
    cases = [row.case for row in median_rows(shared, "change_outside", count)]
    names = [_group(next(iter(mask_rows.values()))) for mask_rows in rows_by_mask.values()]
    bands = [
        (name, [mask_rows[case] for case in cases])
        for name, mask_rows in zip(names, rows_by_mask.values(), strict=True)
    ]
    yield from _named_sheet(
        directory,
        "mask",
        f"The same cases: {'; '.join(names)}",
        bands,
        lambda row: f"case {row.case}: outside {row.values['change_outside']:.1f}",
    )


def _group(row: Row) -> str:
    return variant_name(row.experiment, row.variant)


def _groups(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(map(_group, rows)))


def best_median_worst(rows: Sequence[Row], figure: str, count: int = 4) -> list[tuple[str, list[Row]]]:
    """Return up to `count` rows each with the lowest, median and highest values of a figure, in ascending order.

    No row is returned twice; of few rows, the best and the worst are taken first. Rows without the figure are left out.
    """
    rows = rows_by_value(rows, figure)
    count = min(count, max(1, len(rows) // 3))
    best, worst = rows[:count], rows[max(len(rows) - count, count) :]
    median = median_rows(rows[len(best) : len(rows) - len(worst)], figure, count)
    return [(name, band) for name, band in (("best", best), ("median", median), ("worst", worst)) if band]


def worst_rows(rows: Sequence[Row], figure: str, count: int = 20) -> list[Row]:
    """Return the rows with the highest values in descending order. Rows without the figure are left out."""
    return rows_by_value(rows, figure)[::-1][:count]


def median_rows(rows: Sequence[Row], figure: str, count: int) -> list[Row]:
    """Return up to `count` rows around the median in ascending order. Rows without the figure are left out."""
    rows = rows_by_value(rows, figure)
    start = max(len(rows) - count, 0) // 2
    return rows[start : start + count]


def rows_by_value(rows: Sequence[Row], figure: str) -> list[Row]:
    """Return the rows that have a figure in ascending order; equal ones are in the order of their cases."""
    return sorted((row for row in rows if figure in row.values), key=lambda row: (row.values[figure], row.case))


def _named_sheet(
    directory: Path,
    name: str,
    alt_text: str,
    bands: Sequence[tuple[str, Sequence[Row]]],
    caption: Callable[[Row], str],
) -> Iterator[NamedSheet]:
    """Return one sheet, or none if there are no rows."""
    if any(rows for _, rows in bands):
        case_bands = [(title, [sheet_case(directory, row, caption(row)) for row in rows]) for title, rows in bands]
        yield NamedSheet(name, alt_text, contact_sheet(case_bands))


def sheet_case(directory: Path, row: Row, caption: str) -> SheetCase:
    """Return the images of a row of the run in a directory.

    Raises:
        InputError: the images are missing or damaged.
    """
    images, i = read_images(directory, row.chunk), row.index
    goal = None if images.goal is None else images.goal[i]
    return SheetCase(images.before[i], images.after[i], goal, images.handles[i], images.targets[i], caption)


def contact_sheet(bands: Sequence[tuple[str, Sequence[SheetCase]]]) -> Image.Image:
    """Return an RGB image with the cases of several bands below each other.

    Args:
        bands: a title, which may be empty, and its cases; at least one case in all. A case is shown as before, after and,
            if any case has one, goal.
    """
    all_cases = [case for _, cases in bands for case in cases]
    image_count = 3 if any(case.goal is not None for case in all_cases) else 2
    columns = min(MAX_COLUMNS // image_count, max(len(cases) for _, cases in bands))
    grids = [_band_grid([_case_tile(case, image_count) for case in cases], columns) for _, cases in bands]
    titles_height = sum(TITLE_HEIGHT for title, _ in bands if title)
    tile_width = image_count * CELL_SIZE + CASE_GAP
    height = sum(grid.height for grid in grids if grid) + titles_height + 2 * CASE_GAP
    sheet = Image.new("RGB", (columns * tile_width + CASE_GAP, height), _PAPER)
    draw, top = ImageDraw.Draw(sheet), CASE_GAP
    for (title, _), grid in zip(bands, grids, strict=True):
        if title:
            font = ImageFont.load_default(14)
            draw.text((CASE_GAP, top + TITLE_HEIGHT / 2), title, fill=_INK, font=font, anchor="lm")
            top += TITLE_HEIGHT
        if grid is not None:
            sheet.paste(grid, (CASE_GAP, top))
            top += grid.height
    return sheet


def _band_grid(tiles: Sequence[Image.Image], columns: int) -> Image.Image | None:
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return image_grid(rows, _PAPER) if rows else None


def _case_tile(case: SheetCase, image_count: int) -> Image.Image:
    """Return the images of a case beside each other, the caption below them, and a gap to the right."""
    tile = Image.new("RGB", (image_count * CELL_SIZE + CASE_GAP, CELL_SIZE + CAPTION_HEIGHT), _PAPER)
    images = [_marked_image(case), _fit_cell(case.after)] + ([] if case.goal is None else [_fit_cell(case.goal)])
    for i, image in enumerate(images):
        left, top = (CELL_SIZE - image.width) // 2, (CELL_SIZE - image.height) // 2
        tile.paste(image, (i * CELL_SIZE + left, top))
    caption_y, font = CELL_SIZE + CAPTION_HEIGHT / 2, ImageFont.load_default(11)
    ImageDraw.Draw(tile).text((0, caption_y), case.caption, fill=_INK, font=font, anchor="lm")
    return tile


def _fit_cell(rgb: NDArray[np.uint8]) -> Image.Image:
    """Return an image scaled to a cell. An image of the right size stays as it is."""
    image = Image.fromarray(rgb)
    scale = CELL_SIZE / max(image.size)
    if scale == 1:
        return image
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)


def _marked_image(case: SheetCase) -> Image.Image:
    """Return the image before the edit with a disc on each handle, a ring on its target and a line between them."""
    image = _fit_cell(case.before)
    image_size = Size(case.before.shape[1], case.before.shape[0])
    canvas = image.resize((image.width * _OVERSAMPLING, image.height * _OVERSAMPLING), Image.Resampling.NEAREST)
    has_pair = np.isfinite(case.handles).all(axis=1) & np.isfinite(case.targets).all(axis=1)
    radius = _OVERSAMPLING * max(1.5, 3.2 - 0.4 * math.log2(max(int(has_pair.sum()), 1)))  # smaller if there are many
    handles, targets = (
        [convert((float(x), float(y)), image_size, Size(*canvas.size)) for x, y in points[has_pair]]
        for points in (case.handles, case.targets)
    )
    pairs = list(zip(handles, targets, strict=True))
    draw = ImageDraw.Draw(canvas)
    for color, thickness in ((OUTLINE_COLOR, 0.9 * radius), (LINE_COLOR, 0.4 * radius)):
        for handle, target in pairs:
            draw.line((handle, target), fill=color, width=round(thickness))
    for handle, target in pairs:
        _draw_circle(draw, target, 1.4 * radius, OUTLINE_COLOR, round(0.9 * radius))
        _draw_circle(draw, target, 1.2 * radius, TARGET_COLOR, round(0.5 * radius))
        _draw_circle(draw, handle, 1.3 * radius, OUTLINE_COLOR)
        _draw_circle(draw, handle, radius, HANDLE_COLOR)
    return canvas.reduce(_OVERSAMPLING)


def _draw_circle(
    draw: ImageDraw.ImageDraw, center: Point, radius: float, color: tuple[int, int, int], width: int | None = None
) -> None:
    """Draw a disc or, with a width, a ring."""
    box = (center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius)
    if width is None:
        draw.ellipse(box, fill=color)
    else:
        draw.ellipse(box, outline=color, width=width)
