"""Does the nose arrive? Drags of the bundled model's noses, judged by the pictures alone.

    python tests/end_to_end/bench_nose.py                    # 20 seeds, each `draggan-tui drag --json` as a process
    python tests/end_to_end/bench_nose.py --in-process       # the same without the processes
    python tests/end_to_end/bench_nose.py --sheet nose.png   # and a sheet: before and after, handle and target marked
    python tests/end_to_end/bench_nose.py --mask             # how much a mask over the head keeps still
    python tests/end_to_end/bench_nose.py --sweep            # block, radii and step size against each other, 40 seeds

Seed s: its nose tip by 10 px towards s·45°, at most 200 steps, ψ = 1. The error is the distance between the target
and where the 15×15 surround of the nose is found again in the final picture (`nose_check`). Pixels are those of a picture
of 128.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from nose_check import error, find, load
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.critters.scene.render import nearest
from draggan_engine.critters.scene.scene import build_scene, latent_of_seed
from draggan_engine.dragging import DragEnd, DragSession
from draggan_engine.networks import generate

Picture = NDArray[np.uint8]
Point = tuple[float, float]

LENGTH = 10.0
MOST_STEPS = 200
MASK_MARGIN = 4  # pixels that a person would leave round the head
MAY_REMAIN = 1 / 3


@dataclass(frozen=True)
class Outcome:
    """One drag, and what became of it."""

    seed: int
    handle: Point
    target: Point
    reason: str
    steps: int
    seconds: float
    before: Picture
    after: Picture

    @property
    def error(self) -> float:
        return error(self.before, self.after, self.handle, self.target) * 128 / len(self.before)


def request(seed: int, size: int) -> tuple[Point, Point]:
    """Handle and target of a seed, in a picture of that height."""
    x, y = landmarks_of_seed(seed, size)["nose_tip"]
    angle, length = seed % 8 * math.pi / 4, LENGTH * size / 128
    return (x, y), (x + length * math.cos(angle), y + length * math.sin(angle))


# Dragging -------------------------------------------------------------------------------------------------


def drag_as_process(model: Model, seed: int, folder: Path) -> Outcome:
    handle, target = request(seed, model.info.height)
    pair = "{:.4f},{:.4f}:{:.4f},{:.4f}".format(*handle, *target)
    out = folder / str(seed)
    command = [str(Path(sys.executable).with_name("draggan-tui")), "drag", "--json", "--seed", str(seed)]
    command += ["--model", model.spec, "--psi", "1", "--pair", pair, "--steps", str(MOST_STEPS), "--out", str(out)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8")
    if result.returncode not in (0, 3):
        raise SystemExit(f"seed {seed}: exit {result.returncode}: {result.stderr}")
    report = json.loads(result.stdout)
    pixels = load(out / "initial.png"), load(out / "final.png")
    return Outcome(seed, handle, target, report["reason"], report["steps"], report["seconds"], *pixels)


def drag_here(model: Model, seed: int, settings: DragSettings, mask: Picture | None = None) -> Outcome:
    handle, target = request(seed, model.info.height)
    ws = generate.latent_of_seed(model.generator, seed, 1.0)
    session = DragSession(model.generator, ws, [(handle, target)], mask, settings)
    *_, end = session.steps()
    assert isinstance(end, DragEnd)
    pixels = generate.picture(model.generator, ws), generate.picture(model.generator, end.ws)
    return Outcome(seed, handle, target, end.reason, end.step, end.seconds, *pixels)


# Reports --------------------------------------------------------------------------------------------------


def show_each(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """A line for each drag, as soon as it is done."""
    print("seed  direction  reason     steps  error px")
    done = []
    for outcome in outcomes:
        done.append(outcome)
        print(
            f"{outcome.seed:4}  {outcome.seed % 8 * 45:8}°  {outcome.reason:9}  {outcome.steps:5}  {outcome.error:8.1f}",
            flush=True,
        )
    return done


def summary(outcomes: Sequence[Outcome]) -> str:
    errors = [outcome.error for outcome in outcomes]
    rate = sum(outcome.steps for outcome in outcomes) / max(sum(outcome.seconds for outcome in outcomes), 1e-9)
    return (
        f"{sum(outcome.reason == 'reached' for outcome in outcomes)}/{len(outcomes)} reached   "
        f"error px: mean {statistics.mean(errors):.2f}, median {statistics.median(errors):.2f}, max {max(errors):.1f}   "
        f"median steps {statistics.median(outcome.steps for outcome in outcomes):g}   {rate:.0f} it/s"
    )


def sweep(model: Model, seeds: Sequence[int], grid: dict[str, Sequence[str | float]]) -> None:
    print("".join(f"{name:>14}" for name in grid), " reached  mean err  median err  median steps   it/s")
    for values in itertools.product(*grid.values()):
        chosen = {**model.info.settings.model_dump(), "max_steps": MOST_STEPS, **dict(zip(grid, values, strict=True))}
        outcomes = [drag_here(model, seed, DragSettings.model_validate(chosen)) for seed in seeds]
        errors = [outcome.error for outcome in outcomes]
        reached = sum(outcome.reason == "reached" for outcome in outcomes)
        steps = [outcome.steps for outcome in outcomes]
        rate = sum(steps) / sum(outcome.seconds for outcome in outcomes)
        print(
            "".join(f"{value:>14}" for value in values),
            f"{reached:4}/{len(seeds):<3}  {statistics.mean(errors):8.2f}  {statistics.median(errors):10.2f}",
            f" {statistics.median(steps):12g}  {rate:5.0f}",
            flush=True,
        )


def compare_masks(model: Model, seeds: Sequence[int], settings: DragSettings) -> None:
    """The same drags without and with a mask over the head: mean |change| of 8-bit values outside it."""
    for name, mask_of in (("ellipse round head and ears", ellipse_mask), ("outline of head and ears", outline_mask)):
        changes: dict[bool, list[float]] = {False: [], True: []}
        outcomes: list[Outcome] = []
        shares = []
        for seed in seeds:
            mask = mask_of(seed, model.info.height)
            shares.append(mask.mean())
            for masked in (False, True):
                outcome = drag_here(model, seed, settings, mask if masked else None)
                changes[masked].append(_change(outcome, mask == 0))
                if masked:
                    outcomes.append(outcome)
        free, held = statistics.mean(changes[False]), statistics.mean(changes[True])
        print(f"{name}: {statistics.mean(shares):.0%} of the picture may move")
        print(f"  change outside: {free:.2f} without mask, {held:.2f} with it: {held / free:.2f} (≤ {MAY_REMAIN:.2f})")
        print(f"  masked drags: {summary(outcomes)}")


def _change(outcome: Outcome, where: NDArray[np.bool_]) -> float:
    difference = np.abs(outcome.after.astype(np.int32) - outcome.before.astype(np.int32))
    return float(difference[where].mean())


# Masks from the scene's geometry --------------------------------------------------------------------------


def outline_mask(seed: int, size: int) -> Picture:
    """`uint8 [size, size]`: 1 on everything but the body, and `MASK_MARGIN` pixels round it."""
    scene = build_scene(latent_of_seed(seed))
    axis = (np.arange(size) + 0.5) * 2 / size - 1
    across, up = np.meshgrid(axis, -axis)
    seen = nearest(scene, np.stack([across, up], axis=-1).reshape(1, -1, 2))[0].reshape(size, size)
    head = (seen > 0).astype(np.uint8)  # the body is the first of the parts
    margin = MASK_MARGIN * size // 128
    return cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2))


def ellipse_mask(seed: int, size: int) -> Picture:
    """`uint8 [size, size]`: the smallest ellipse of their box's shape that covers head and ears, a rough hand's mask."""
    outline = outline_mask(seed, size)
    rows, columns = np.nonzero(outline)
    y, x = np.mgrid[:size, :size]
    across = (x - (columns.min() + columns.max()) / 2) / ((np.ptp(columns) + 1) / 2)
    down = (y - (rows.min() + rows.max()) / 2) / ((np.ptp(rows) + 1) / 2)
    radius = np.hypot(across, down)
    return (radius <= radius[outline == 1].max()).astype(np.uint8)


# Contact sheet --------------------------------------------------------------------------------------------


def contact_sheet(outcomes: Sequence[Outcome], path: Path, columns: int = 5) -> None:
    """Before and after side by side: handle ○, target +, and in the second picture ○ where the nose was found."""
    size = 256
    scale = size / len(outcomes[0].before)
    rows = math.ceil(len(outcomes) / columns)
    sheet = Image.new("RGB", (columns * (2 * size + 12), rows * (size + 18)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, outcome in enumerate(outcomes):
        left, top = index % columns * (2 * size + 12), index // columns * (size + 18)
        draw.text((left + 2, top + 2), f"seed {outcome.seed}: {outcome.reason}, {outcome.error:.1f} px", fill="black")
        found = find(outcome.before, outcome.after, outcome.handle)
        for picture, ring, x in ((outcome.before, outcome.handle, left), (outcome.after, found, left + size)):
            sheet.paste(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS), (x, top + 16))
            _mark(draw, ring, outcome.target, (x, top + 16), scale)
    sheet.save(path)
    print(f"sheet: {path}")


def _mark(draw: ImageDraw.ImageDraw, ring: Point, cross: Point, corner: tuple[int, int], scale: float) -> None:
    x, y = (corner[i] + (ring[i] + 0.5) * scale for i in (0, 1))
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), outline=(255, 0, 255), width=2)
    x, y = (corner[i] + (cross[i] + 0.5) * scale for i in (0, 1))
    draw.line((x - 7, y, x + 7, y), fill=(0, 255, 60), width=2)
    draw.line((x, y - 7, x, y + 7), fill=(0, 255, 60), width=2)


# ----------------------------------------------------------------------------------------------------------


def _list(kind: Callable[[str], str | float]) -> Callable[[str], list[str | float]]:
    return lambda text: [kind(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, help="how many, from 0; default 20, of a sweep 40")
    parser.add_argument("--model", default="critters-256")
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, without processes")
    parser.add_argument("--mask", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--blocks", type=_list(str), default=["b32", "b64"], help="values of the sweep, by commas")
    parser.add_argument("--r1", type=_list(float), default=[3.0, 4.0])
    parser.add_argument("--r2", type=_list(float), default=[6.0, 10.0])
    parser.add_argument("--step-sizes", type=_list(float), default=[0.03, 0.05, 0.1])
    args = parser.parse_args()
    seeds = range(args.seeds or (40 if args.sweep else 20))

    model = load_model(args.model)
    chosen = dict(text.split("=", 1) for text in args.set)
    settings = DragSettings.model_validate({**model.info.settings.model_dump(), "max_steps": MOST_STEPS, **chosen})
    if args.sweep:
        grid = {"feature_block": args.blocks, "r1": args.r1, "r2": args.r2, "step_size": args.step_sizes}
        sweep(model, seeds, grid)
        return
    if args.mask:
        compare_masks(model, seeds, settings)
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.in_process:
            outcomes = show_each(drag_here(model, seed, settings) for seed in seeds)
        else:
            outcomes = show_each(drag_as_process(model, seed, Path(folder)) for seed in seeds)
    print(summary(outcomes))
    if args.sheet:
        contact_sheet(outcomes, args.sheet)


if __name__ == "__main__":
    main()
