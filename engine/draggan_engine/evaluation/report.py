"""Write an evaluation run as a Markdown report: a table for each experiment, plots and contact sheets. No torch."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import StorageError
from draggan_engine.storage.atomic import atomic_write

from .contact_sheets import NamedSheet, landmark_sheets, mask_sheets, paired_sheets
from .plots import MATPLOTLIB_MISSING, Band, Panel, has_matplotlib, mean_band, plot_bars, plot_curves, plot_settings
from .run_directory import OWN, Experiment, Request, Row, read_images, read_request, read_rows, shown
from .statistics import (
    NO_VALUE,
    RESAMPLES,
    frechet_distance,
    paired_ratio,
    row_mean,
    row_ratio,
    row_values,
    values_at_steps,
)

NO_EDIT, DRAG = "no edit", "drag"
QUOTED_STEPS = (10, 30, 100, 300)
"""Steps at which the tracking error is quoted."""
_FRECHET = "Fréchet distance"
_COST = ("seconds", "steps")
_COSTS = "Seconds and steps per edit: mean (median)."
_LABELS = {
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


def write_report(folder: Path, out: Path, command: str, date: str) -> None:
    """Write the report of a run, which need not be finished.

    Args:
        folder: directory of the run.
        out: Markdown file in an existing directory; the report's images go into `NAME-images` beside it.
        command: the command line that repeats the run.

    Raises:
        InputError: the directory holds no run, or the run's images are missing.
        StorageError: a file cannot be written.
    """
    run = _Run(read_request(folder), read_rows(folder), folder, out.parent / f"{out.stem}-images")
    blocks = _header(run, command, date)
    for write in (_landmarks, _paired, _ablation, _mask, _tracking):
        blocks += write(run)
    with atomic_write(out) as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="surrogateescape")


@dataclass(frozen=True)
class _Run:
    request: Request
    all_rows: Sequence[Row]
    folder: Path
    images: Path

    def rows(self, experiment: Experiment) -> list[Row]:
        return [row for row in self.all_rows if row.experiment == experiment]

    def methods(self, rows: Sequence[Row]) -> list[str]:
        """Return the methods of some rows, in the order in which they were requested."""
        found = dict.fromkeys(row.method for row in rows)
        return [m for m in self.request.methods if m in found] + [m for m in found if m not in self.request.methods]

    def shown(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of the method whose images are shown: the drag, or else the first other edit."""
        edits = [method for method in self.methods(rows) if method != NO_EDIT]
        method = DRAG if DRAG in edits else next(iter(edits), None)
        return [row for row in rows if row.method == method]

    @cached_property
    def _features(self) -> dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The detector's features `[F]` before and after each edit, by chunk and index within it."""
        found: dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        for chunk in dict.fromkeys(row.chunk for row in self.all_rows if row.experiment in ("landmarks", "ablation")):
            pictures = read_images(self.folder, chunk)
            if pictures.features_before is not None and pictures.features_after is not None:
                pairs = zip(pictures.features_before, pictures.features_after, strict=True)
                found |= {(chunk, i): pair for i, pair in enumerate(pairs) if np.isfinite(pair).all()}
        return found

    def moved(self, rows: Sequence[Row]) -> tuple[float, int] | None:
        """Return the Fréchet distance between the rows' edited and unedited images, and the number of rows."""
        pairs = [self._features[key] for row in rows if (key := (row.chunk, row.index)) in self._features]
        if len(pairs) < 2:
            return None
        before, after = (np.stack(each) for each in zip(*pairs, strict=True))
        return frechet_distance(before, after), len(pairs)

    def halves(self, rows: Sequence[Row]) -> tuple[float, int, int] | None:
        """Return the Fréchet distance between the unedited images of even and of odd cases, and the number of each.

        Only one method and group counts, because the others start from the same images.
        """
        parts: dict[tuple[str, str], list[list[NDArray[np.float32]]]] = {}
        for row in rows:
            if (key := (row.chunk, row.index)) in self._features:
                part = parts.setdefault((row.method, row.group), [[], []])
                part[row.case % 2].append(self._features[key][0])
        even, odd = max(parts.values(), key=lambda part: len(part[0]) + len(part[1]), default=([], []))
        if min(len(even), len(odd)) < 2:
            return None
        return frechet_distance(np.stack(even), np.stack(odd)), len(even), len(odd)

    def plot(self, name: str, words: str, png: bytes | None) -> list[str]:
        return [] if png is None else [self._image(name, words, png)]

    def sheets(self, sheets: Iterable[NamedSheet]) -> list[str]:
        links = []
        for sheet in sheets:
            png = io.BytesIO()
            sheet.image.save(png, format="PNG", optimize=True)
            links.append(self._image(sheet.name, sheet.words, png.getvalue()))
        return links

    def _image(self, name: str, words: str, png: bytes) -> str:
        """Write an image into the report's image directory and return the Markdown that shows it."""
        path = self.images / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.png"
        try:
            self.images.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError.of(self.images, error) from error
        with atomic_write(path) as part:
            part.write_bytes(png)
        return f"![{words}]({quote(f'{self.images.name}/{path.name}')})"


def _where(rows: Iterable[Row], method: str, group: str) -> list[Row]:
    return [row for row in rows if (row.method, row.group) == (method, group)]


def _header(run: _Run, command: str, date: str) -> list[str]:
    request = run.request
    own = request.settings.model_dump(exclude_none=True)
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in own.items()}
    settings = ", ".join(f"{_LABELS[name]} {value}" for name, value in shown.items())
    blocks = [
        f"# Evaluation of {request.model}",
        f"`{command}`, {date}\n"
        f"Model: {request.model}, SHA-256 {request.sha256[:12]}. Cases requested: {request.n} of each kind.\n"
        f"Settings: {settings}.",
        f"Square brackets give 95 % confidence intervals (percentile bootstrap over the cases, {RESAMPLES} resamples); "
        "n is the number of cases.",
    ]
    if not run.all_rows:
        blocks.append("No case has finished yet.")
    elif not has_matplotlib():
        blocks.append(MATPLOTLIB_MISSING)
    return blocks


def _landmarks(run: _Run) -> list[str]:
    rows = run.rows("landmarks")
    if not rows:
        return []
    groups = in_order(row.group for row in rows)
    methods = run.methods(rows)
    cells = {(method, group): _where(rows, method, group) for method in methods for group in groups}
    lines = []
    for method in methods:
        own = [row for row in rows if row.method == method]
        parts = [cells[method, group] for group in groups]
        reached = " / ".join(row_mean(part, "reached").percent() for part in parts)
        n = " / ".join(str(len(row_values(part, "md"))) for part in parts)
        lines.append([method, *map(_md_and_share, parts), reached, n, _frechet(run.moved(own)), *_costs(own)])
    header = ["method", *(f"MD, {group}" for group in groups), "reached, %", "n", _FRECHET, *_COST]
    panels = [
        Panel(group, "MD, px", tuple(methods), tuple(row_mean(cells[method, group], "md") for method in methods))
        for group in groups
    ]
    return [
        "## Landmarks",
        "Landmarks of one image are dragged to where another image has them. MD is the mean distance between the targets "
        "and the landmarks that the detector finds after the edit, in pixels of an image 128 px high. The percentage "
        "after it is its share of the distance before the edit, over the same cases. Reached: the share of drags that "
        "ended because their handles had arrived. Values separated by slashes are for "
        f"{' / '.join(groups)}. {_COSTS}",
        markdown_table(header, lines),
        *_versus(cells, groups),
        _about_frechet(run, rows),
        *run.plot("landmarks", "MD by method", plot_bars(panels)),
        *run.sheets(landmark_sheets(run.folder, run.shown(rows))),
    ]


def _md_and_share(rows: Sequence[Row]) -> str:
    share = row_ratio(rows, "md", "md_start").percent()
    return row_mean(rows, "md").text() + ("" if share == NO_VALUE else f", {share} %")


def _versus(cells: Mapping[tuple[str, str], Sequence[Row]], groups: Sequence[str]) -> list[str]:
    """Compare the drag with each other method."""
    methods = dict.fromkeys(method for method, _ in cells)
    others = [method for method in methods if method not in (DRAG, NO_EDIT)]
    if DRAG not in methods or not others:
        return []
    lines = []
    for other in others:
        ratios = [paired_ratio(cells[DRAG, group], cells[other, group], "md") for group in groups]
        lines.append([other, *(ratio.percents() for ratio in ratios), " / ".join(str(ratio.n) for ratio in ratios)])
    header = ["method", *groups, "n"]
    return ["MD of the drag as a percentage of another method's MD, on the same cases:", markdown_table(header, lines)]


def _about_frechet(run: _Run, rows: Sequence[Row]) -> str:
    text = (
        "Fréchet distance: the squared distance between two Gaussians, one fitted to the landmark detector's features of "
        "the edited images, the other to those of the same cases' unedited images. It is not the FID, which uses another "
        "network's features. It is larger for fewer images, so compare it only at the same n."
    )
    halves = run.halves(rows)
    if halves is None:
        return text
    return (
        f"{text} For scale: the unedited images of even and of odd cases (n {halves[1]} and {halves[2]}) are "
        f"{_significant(halves[0])} apart."
    )


def _paired(run: _Run) -> list[str]:
    rows = run.rows("paired")
    if not rows:
        return []
    groups = in_order(row.group for row in rows)
    blocks = [
        "## Paired reconstruction",
        "An image is dragged towards another image with a nearby latent, by points whose displacement is known. MSE is "
        "measured on a scale of −1 to 1; SSIM is 1 for identical images; features: distance in a network's features. "
        f"{_COSTS}",
    ]
    for group in groups:
        lines = []
        for method in run.methods(rows):
            own = _where(rows, method, group)
            mse, ssim, features, lpips = (row_mean(own, name) for name in ("mse", "ssim", "features", "lpips"))
            cells = [mse.times(100).text(), ssim.text(3), features.text(3), lpips.times(10).text(), str(mse.n)]
            lines.append([method, *cells, *_costs(own)])
        blocks += [
            f"### {group}",
            markdown_table(["method", "MSE ×10²", "SSIM", "features", "LPIPS ×10", "n", *_COST], lines),
        ]
    return [*blocks, *run.sheets(paired_sheets(run.folder, run.shown(rows)))]


def _ablation(run: _Run) -> list[str]:
    rows = run.shown(run.rows("ablation"))
    if not rows:
        return []
    blocks = ["## Ablations", f"One setting is changed at a time; the model's own value is in bold. {_COSTS}"]
    panels = []
    for setting in dict.fromkeys(row.group.partition(": ")[0] for row in rows if row.group != OWN):
        default = own_value(run.request.settings, setting)
        # λ has cases of its own, with a mask.
        common = [row for row in rows if row.group == OWN and setting != _LABELS["mask_weight"]]
        own = [(row.group.partition(": ")[2], row) for row in rows if row.group.startswith(f"{setting}: ")]
        own += [(default, row) for row in common]
        chosen = in_order(value for value, _ in own)
        parts = [[row for shown, row in own if shown == value] for value in chosen]
        blocks += [f"### {setting}", _ablation_table(run, setting, chosen, default, parts)]
        for name, unit in (("md", "MD, px"), ("change_outside", "change outside the mask")):
            means = tuple(row_mean(part, name) for part in parts)
            if any(mean.n for mean in means):
                at = chosen.index(default) if default in chosen else None
                panels.append(Panel(setting, unit, tuple(chosen), means, at))
    return blocks + run.plot(
        "ablations", "MD by setting; filled markers: the model's own value", plot_settings(panels) if panels else None
    )


def _ablation_table(
    run: _Run, setting: str, chosen: Sequence[str], default: str, parts: Sequence[Sequence[Row]]
) -> str:
    lines = []
    for value, part in zip(chosen, parts, strict=True):
        md, share, reached = row_mean(part, "md"), row_ratio(part, "md", "md_start"), row_mean(part, "reached")
        changes = [row_mean(part, name).text() for name in ("change_outside", "change_inside")]
        name = f"**{value} (default)**" if value == default else value
        cells = [md.text(), share.percents(), *changes, reached.percent(), str(md.n), _frechet(run.moved(part))]
        lines.append([name, *cells, *_costs(part)])
    header = [setting, "MD", "% of no edit", "change outside", "change inside", "reached, %", "n", _FRECHET, *_COST]
    return markdown_table(header, lines)


def _mask(run: _Run) -> list[str]:
    shown = run.shown(run.rows("mask"))
    if not shown:
        return []
    groups = sorted({row.group for row in shown})  # "with mask", "with mask, exact term", "without"
    parts = {group: [row for row in shown if row.group == group] for group in groups}
    lines = []
    for group, part in parts.items():
        means = [row_mean(part, name) for name in ("change_inside", "change_outside", "md")]
        share = row_ratio(part, "md", "md_start").percents()
        lines.append([group, *(mean.text() for mean in means), share, str(means[1].n)])
    ratios = []
    if (unmasked := groups[-1]) == "without":
        for group in groups[:-1]:
            ratio = paired_ratio(parts[group], parts[unmasked], "change_outside")
            ratios.append(f"{ratio.percents()} % {group} (n {ratio.n})")
    return [
        "## Mask",
        "The same drags with and without a mask. With a mask, the second term of eq. 1 is computed at the features' "
        "resolution or, as in the paper (exact term), at the image's. Change: mean absolute difference from the image "
        "before the drag, in levels of 0…255.",
        markdown_table(["drag", "change inside", "change outside", "MD, px", "% of no edit", "n"], lines),
        *([f"Change outside the mask, relative to the drags without one: {'; '.join(ratios)}."] if ratios else []),
        *run.sheets(mask_sheets(run.folder, shown)),
    ]


def _tracking(run: _Run) -> list[str]:
    rows = run.rows("tracking")
    if not rows:
        return []
    blocks = [
        "## Tracking",
        "Distance between the tracked handle and its landmark, in pixels of an image 128 px high. A drag that has ended "
        "counts at every later step with its last error.",
    ]
    panels: dict[str, dict[str, Band]] = {}
    for group in in_order(row.group for row in rows):
        lines = []
        for method in run.methods(rows):
            own = _where(rows, method, group)
            curves = [row.curve for row in own if row.curve]
            quoted = np.mean([values_at_steps(curve, QUOTED_STEPS) for curve in curves], axis=0) if curves else ()
            means = [row_mean(own, name) for name in ("error_mean", "error_end")]
            at = [f"{error:.2f}" for error in quoted] or [NO_VALUE] * len(QUOTED_STEPS)
            lines.append([method, *(mean.text() for mean in means), *at, str(max(means[0].n, len(curves)))])
            if curves:
                panels.setdefault(group, {})[method] = mean_band(curves)
        header = ["method", "mean", "at the end", *(f"step {step}" for step in QUOTED_STEPS), "n"]
        blocks += [f"### {group}", markdown_table(header, [line for line in lines if line[-1] != "0"])]
    return blocks + (run.plot("tracking", "Error by step", plot_curves(panels, "error, px")) if panels else [])


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once: sorted by leading number (of a block: after its `b`) if all have one, else in the given order."""
    found = list(dict.fromkeys(names))
    try:
        return sorted(found, key=lambda name: float(name.split()[0].removeprefix("b")))
    except (ValueError, IndexError):
        return found


def own_value(settings: DragSettings, setting: str) -> str:
    """Return the model's own value of a setting as group names print it. A feature block serves supervision and tracking."""
    label = "feature block" if setting.endswith("block") else setting
    return next((shown(getattr(settings, name)) for name, text in _LABELS.items() if text == label), "")


def _costs(rows: Sequence[Row]) -> list[str]:
    cells = []
    for name, digits in (("seconds", 2), ("steps", 0)):
        found = row_values(rows, name)
        cells.append(f"{np.mean(found):.{digits}f} ({np.median(found):.{digits}f})" if found else NO_VALUE)
    return cells


def _frechet(found: tuple[float, int] | None) -> str:
    return NO_VALUE if found is None else f"{_significant(found[0])} (n {found[1]})"


def _significant(distance: float) -> str:
    """Print a distance with three significant digits and at most four decimals."""
    return f"{distance:.{min(max(2 - math.floor(math.log10(distance)), 0), 4)}f}" if distance >= 5e-5 else "0"


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is aligned as plain text: the first column to the left, figures to the right.

    Columns without any value are left out.
    """
    columns = list(zip(header, *lines, strict=True))
    kept = [column for column in columns if any(cell.replace(" / ", "").strip(NO_VALUE) for cell in column[1:])]
    padded = []
    for i, column in enumerate([column.replace("|", "\\|") for column in each] for each in kept):
        width = max(3, *map(len, column))
        rule = "-" * width if i == 0 else "-" * (width - 1) + ":"
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width) for cell in column]
        padded.append([cells[0], rule, *cells[1:]])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*padded, strict=True))
