"""Contact sheets: cases side by side, each as the image before, with handles and targets, next to the image after."""

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

from .run_directory import Row, read_images

CELL_SIZE = 128
"""Height and width of a picture on a sheet."""
MAX_COLUMNS = 8
"""Pictures in a line, at most."""
CASE_GAP, CAPTION_HEIGHT, TITLE_HEIGHT = 8, 16, 22  # px
_FINER = 4  # markers are drawn on a grid finer by this, then averaged
_PAPER, _INK = (255, 255, 255), (20, 20, 24)


@dataclass(frozen=True)
class SheetCase:
    """A case on a sheet.

    Attributes:
        before, after, goal: `uint8 [h, w, 3]`.
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
    """An image, the name of its file, and its text alternative."""

    name: str
    words: str
    image: Image.Image


def landmark_sheets(folder: Path, rows: Sequence[Row]) -> Iterator[NamedSheet]:
    """Of one method: best, median and worst cases of each group by their MD, then the worst twenty of all."""

    def caption(row: Row) -> str:
        before = f", was {row.values['md_start']:.1f}" if "md_start" in row.values else ""
        return f"case {row.case}: MD {row.values['md']:.1f} px{before}"

    for group in dict.fromkeys(row.group for row in rows):
        bands = best_median_worst([row for row in rows if row.group == group], "md")
        yield from _sheet(folder, f"landmarks {group}", f"Best, median and worst cases, {group}", bands, caption)
    worst = worst_rows(rows, "md")
    words = f"The worst {len(worst)} of all cases"
    yield from _sheet(folder, "landmarks worst", words, [("", worst)], lambda row: f"{row.group}, {caption(row)}")


def paired_sheets(folder: Path, rows: Sequence[Row]) -> Iterator[NamedSheet]:
    """Of one method: best, median and worst cases of each group by their MSE."""
    for group in dict.fromkeys(row.group for row in rows):
        bands = best_median_worst([row for row in rows if row.group == group], "mse")
        words = f"Best, median and worst cases, {group}: before, after, goal"
        yield from _sheet(
            folder,
            f"paired {group}",
            words,
            bands,
            lambda row: f"case {row.case}: MSE {row.values['mse']:.4f}",
        )


def mask_sheets(folder: Path, rows: Sequence[Row], count: int = 4) -> Iterator[NamedSheet]:
    """Of one method: the same cases in each group, typical ones of the last by what changed outside the mask."""
    rows = [row for row in rows if "change_outside" in row.values]
    groups = sorted({row.group for row in rows})  # "with mask", "with mask, exact term", "without"
    if not groups:
        return
    of_case = {group: {row.case: row for row in rows if row.group == group} for group in groups}
    shared = [row for case, row in of_case[groups[-1]].items() if all(case in of_case[group] for group in groups)]
    cases = [row.case for row in median_rows(shared, "change_outside", count)]
    bands = [(group, [of_case[group][case] for case in cases]) for group in groups]
    words = f"The same cases: {'; '.join(groups)}"
    yield from _sheet(
        folder, "mask", words, bands, lambda row: f"case {row.case}: outside {row.values['change_outside']:.1f}"
    )


def best_median_worst(rows: Sequence[Row], value: str, count: int = 4) -> list[tuple[str, list[Row]]]:
    """Up to `count` cases each of those with the lowest, middle and highest value, rising; no case twice. Where there
    are few cases, the best and the worst come first. Rows without the value are left out."""
    rows = sorted_by(rows, value)
    count = min(count, max(1, len(rows) // 3))
    best, worst = rows[:count], rows[max(len(rows) - count, count) :]
    between = median_rows(rows[len(best) : len(rows) - len(worst)], value, count)
    return [(name, band) for name, band in (("best", best), ("median", between), ("worst", worst)) if band]


def worst_rows(rows: Sequence[Row], value: str, count: int = 20) -> list[Row]:
    """The cases with the highest values, falling. Rows without the value are left out."""
    return sorted_by(rows, value)[::-1][:count]


def median_rows(rows: Sequence[Row], value: str, count: int) -> list[Row]:
    """Up to `count` cases round the median, rising. Rows without the value are left out."""
    rows = sorted_by(rows, value)
    start = max(len(rows) - count, 0) // 2
    return rows[start : start + count]


def sorted_by(rows: Sequence[Row], value: str) -> list[Row]:
    """The rows that have the value, by it; equal ones by their case."""
    return sorted((row for row in rows if value in row.values), key=lambda row: (row.values[value], row.case))


def _sheet(
    folder: Path, name: str, words: str, bands: Sequence[tuple[str, Sequence[Row]]], caption: Callable[[Row], str]
) -> Iterator[NamedSheet]:
    """None without any case."""
    if any(rows for _, rows in bands):
        shots = [(title, [sheet_case(folder, row, caption(row)) for row in rows]) for title, rows in bands]
        yield NamedSheet(name, words, contact_sheet(shots))


def sheet_case(folder: Path, row: Row, caption: str) -> SheetCase:
    """
    Args:
        folder: the run's.

    Raises:
        InputError: the case's pictures are missing or broken.
    """
    pictures, i = read_images(folder, row.chunk), row.index
    goal = None if pictures.goal is None else pictures.goal[i]
    return SheetCase(pictures.before[i], pictures.after[i], goal, pictures.handles[i], pictures.targets[i], caption)


def contact_sheet(bands: Sequence[tuple[str, Sequence[SheetCase]]]) -> Image.Image:
    """
    Args:
        bands: a title (none if empty) and its cases, at least one in all; each case is before, after and, if there is
            one, the goal.

    Returns:
        RGB; no wider than `COLUMNS` pictures and the gaps between cases.
    """
    pictures = 3 if any(shot.goal is not None for _, shots in bands for shot in shots) else 2
    across = min(MAX_COLUMNS // pictures, max(len(shots) for _, shots in bands))
    lines = [math.ceil(len(shots) / across) for _, shots in bands]
    case = (pictures * CELL_SIZE + CASE_GAP, CELL_SIZE + CAPTION_HEIGHT)
    heads = sum(TITLE_HEIGHT for title, _ in bands if title)
    sheet = Image.new("RGB", (across * case[0] + CASE_GAP, sum(lines) * case[1] + heads + 2 * CASE_GAP), _PAPER)
    draw, top = ImageDraw.Draw(sheet), CASE_GAP
    for (title, shots), count in zip(bands, lines, strict=True):
        if title:
            draw.text(
                (CASE_GAP, top + TITLE_HEIGHT / 2), title, fill=_INK, font=ImageFont.load_default(14), anchor="lm"
            )
            top += TITLE_HEIGHT
        for i, shot in enumerate(shots):
            _put(sheet, shot, (CASE_GAP + i % across * case[0], top + i // across * case[1]))
        top += count * case[1]
    return sheet


def _put(sheet: Image.Image, shot: SheetCase, at: tuple[int, int]) -> None:
    pictures = [_marked(shot), _fitted(shot.after)] + ([] if shot.goal is None else [_fitted(shot.goal)])
    for i, picture in enumerate(pictures):
        aside, down = (CELL_SIZE - picture.width) // 2, (CELL_SIZE - picture.height) // 2
        sheet.paste(picture, (at[0] + i * CELL_SIZE + aside, at[1] + down))
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (at[0], at[1] + CELL_SIZE + CAPTION_HEIGHT / 2),
        shot.caption,
        fill=_INK,
        font=ImageFont.load_default(11),
        anchor="lm",
    )


def _fitted(picture: NDArray[np.uint8]) -> Image.Image:
    """As large as a cell allows; one that fits as it is stays as it is."""
    image = Image.fromarray(picture)
    scale = CELL_SIZE / max(image.size)
    if scale == 1:
        return image
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    # Few pixels stay pixels; what is too large is averaged.
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)


def _marked(shot: SheetCase) -> Image.Image:
    """The picture before with a disc on each handle, a ring on its target and a line between."""
    picture = _fitted(shot.before)
    own = Size(shot.before.shape[1], shot.before.shape[0])
    finer = picture.resize((picture.width * _FINER, picture.height * _FINER), Image.Resampling.NEAREST)
    there = np.isfinite(shot.handles).all(axis=1) & np.isfinite(shot.targets).all(axis=1)
    draw = ImageDraw.Draw(finer)
    radius = _FINER * max(1.5, 3.2 - 0.4 * math.log2(max(int(there.sum()), 1)))  # many points, small ones

    handles, targets = (
        [convert((float(x), float(y)), own, Size(*finer.size)) for x, y in points[there]]
        for points in (shot.handles, shot.targets)
    )
    pairs = list(zip(handles, targets, strict=True))
    for color, thickness in ((OUTLINE_COLOR, 0.9 * radius), (LINE_COLOR, 0.4 * radius)):
        for handle, target in pairs:
            draw.line((handle, target), fill=color, width=round(thickness))
    for handle, target in pairs:
        _circle(draw, target, 1.4 * radius, OUTLINE_COLOR, round(0.9 * radius))
        _circle(draw, target, 1.2 * radius, TARGET_COLOR, round(0.5 * radius))
        _circle(draw, handle, 1.3 * radius, OUTLINE_COLOR)
        _circle(draw, handle, radius, HANDLE_COLOR)
    return finer.reduce(_FINER)


def _circle(
    draw: ImageDraw.ImageDraw, at: Point, radius: float, color: tuple[int, int, int], width: int | None = None
) -> None:
    """A disc; with a width, a ring."""
    box = (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
    if width is None:
        draw.ellipse(box, fill=color)
    else:
        draw.ellipse(box, outline=color, width=width)
