"""Drag the noses of the bundled model and check from the images alone where they went.

    python scripts/benchmark_nose_drags.py                    # 20 seeds, each as a `draggan-tui drag --json` process
    python scripts/benchmark_nose_drags.py --in-process       # the same without processes
    python scripts/benchmark_nose_drags.py --sheet nose.png   # also write a sheet: before and after, handle and target
    python scripts/benchmark_nose_drags.py --mask             # how much a mask over the head keeps still
    python scripts/benchmark_nose_drags.py --sweep            # compare feature blocks, radii and step sizes, 40 seeds

It measures the paper's method, "draggan", unless `--method` names another one.
For seed s the nose tip is dragged by 10 px towards s·45°, with at most 200 steps and ψ = 1. The error is the distance
between the target and the place where the 15×15 pixels around the nose are found in the final image. Pixels are those of
an image of 128. Needs the extra `eval`.
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
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragMethod, DragSettings
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.critters.scene.animal_parameters import z_of_seed
from draggan_engine.critters.scene.render import nearest_parts
from draggan_engine.critters.scene.scene import build_scene
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.networks import generate
from scripts.template_search import Point, drag_error, find_content, load_rgb

RGBImage = NDArray[np.uint8]
Mask = NDArray[np.uint8]

DRAG_LENGTH = 10.0  # pixels of an image of 128
MAX_STEPS = 200
MASK_MARGIN = 4  # pixels of an image of 128 that a person would leave around the head
ALLOWED_CHANGE = 1 / 3  # outside the mask, relative to a drag without one


@dataclass(frozen=True)
class Outcome:
    """The result of one drag."""

    seed: int
    handle: Point
    target: Point
    reason: str
    steps: int
    seconds: float
    before: RGBImage
    after: RGBImage

    @property
    def error(self) -> float:
        """Pixels, of an image of 128, between the target and the nose."""
        return drag_error(self.before, self.after, self.handle, self.target) * 128 / len(self.before)


def nose_pair(seed: int, size: int) -> tuple[Point, Point]:
    """Return handle and target of a seed, in an image of this height."""
    x, y = landmarks_of_seed(seed, size)["nose_tip"]
    angle, length = seed % 8 * math.pi / 4, DRAG_LENGTH * size / 128
    return (x, y), (x + length * math.cos(angle), y + length * math.sin(angle))


# Dragging -------------------------------------------------------------------------------------------------


def drag_in_new_process(model: Model, seed: int, method: DragMethod, directory: Path) -> Outcome:
    handle, target = nose_pair(seed, model.info.height)
    pair = "{:.4f},{:.4f}:{:.4f},{:.4f}".format(*handle, *target)
    out = directory / str(seed)
    command = [str(Path(sys.executable).with_name("draggan-tui")), "drag", "--json", "--seed", str(seed)]
    command += [
        "--method",
        method,
        "--model",
        model.spec,
        "--psi",
        "1",
        "--pair",
        pair,
        "--steps",
        str(MAX_STEPS),
        "--out",
        str(out),
    ]
    result = subprocess.run(command, capture_output=True, encoding="utf-8")
    if result.returncode not in (0, 3):
        raise SystemExit(f"seed {seed}: exit {result.returncode}: {result.stderr}")
    report = json.loads(result.stdout)
    images = load_rgb(out / "initial.png"), load_rgb(out / "final.png")
    return Outcome(seed, handle, target, report["reason"], report["steps"], report["seconds"], *images)


def drag_in_process(model: Model, seed: int, settings: DragSettings, mask: Mask | None = None) -> Outcome:
    handle, target = nose_pair(seed, model.info.height)
    ws = generate.latent_of_seed(model.generator, seed, 1.0)
    session = DragLoop(model.generator, ws, [(handle, target)], mask, settings)
    *_, end = session.steps()
    assert isinstance(end, DragEnd)
    images = generate.generate_image(model.generator, ws), generate.generate_image(model.generator, end.ws)
    return Outcome(seed, handle, target, end.reason, end.step, end.seconds, *images)


# Reports --------------------------------------------------------------------------------------------------


def print_each(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Print a line for each drag as soon as it has ended; return them all."""
    print("seed  direction  reason     steps  error px")
    finished = []
    for outcome in outcomes:
        finished.append(outcome)
        print(
            f"{outcome.seed:4}  {outcome.seed % 8 * 45:8}°  {outcome.reason:9}  {outcome.steps:5}  {outcome.error:8.1f}",
            flush=True,
        )
    return finished


def summary(outcomes: Sequence[Outcome]) -> str:
    errors = [outcome.error for outcome in outcomes]
    rate = sum(outcome.steps for outcome in outcomes) / max(sum(outcome.seconds for outcome in outcomes), 1e-9)
    return (
        f"{sum(outcome.reason == 'reached' for outcome in outcomes)}/{len(outcomes)} reached   "
        f"error px: mean {statistics.mean(errors):.2f}, median {statistics.median(errors):.2f}, max {max(errors):.1f}   "
        f"median steps {statistics.median(outcome.steps for outcome in outcomes):g}   {rate:.0f} it/s"
    )


def sweep(model: Model, seeds: Sequence[int], settings: DragSettings, grid: dict[str, Sequence[str | float]]) -> None:
    print("".join(f"{name:>14}" for name in grid), " reached  mean err  median err  median steps   it/s")
    for values in itertools.product(*grid.values()):
        chosen = {**settings.model_dump(), **dict(zip(grid, values, strict=True))}
        outcomes = [drag_in_process(model, seed, DragSettings.model_validate(chosen)) for seed in seeds]
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
    """Drag without and with a mask over the head; print the mean absolute change of 8-bit values outside the mask."""
    compare_mask("ellipse around head and ears", ellipse_mask, model, seeds, settings)
    compare_mask("outline of head and ears", outline_mask, model, seeds, settings)


def compare_mask(
    name: str, make_mask: Callable[[int, int], Mask], model: Model, seeds: Sequence[int], settings: DragSettings
) -> None:
    masks = [make_mask(seed, model.info.height) for seed in seeds]
    free_drags = [drag_in_process(model, seed, settings) for seed in seeds]
    masked_drags = [drag_in_process(model, seed, settings, mask) for seed, mask in zip(seeds, masks, strict=True)]
    free_change, masked_change = (
        statistics.mean(mean_change(drag, mask == 0) for drag, mask in zip(drags, masks, strict=True))
        for drags in (free_drags, masked_drags)
    )
    print(f"{name}: {np.mean(masks):.0%} of the image may move")
    print(f"  change outside: {free_change:.2f} without the mask, {masked_change:.2f} with it")
    print(f"  ratio: {masked_change / free_change:.2f} (aim: at most {ALLOWED_CHANGE:.2f})")
    print(f"  masked drags: {summary(masked_drags)}")


def mean_change(outcome: Outcome, region: NDArray[np.bool_]) -> float:
    """Return the mean absolute change of the 8-bit values in a region, a mask of shape `[H, W]`."""
    difference = np.abs(outcome.after.astype(np.int32) - outcome.before.astype(np.int32))
    return float(difference[region].mean())


# Masks from the scene's geometry --------------------------------------------------------------------------


def outline_mask(seed: int, size: int) -> Mask:
    """Return `uint8 [size, size]`: 1 on everything but the body, and on `MASK_MARGIN` pixels around that."""
    scene = build_scene(z_of_seed(seed))
    axis = (np.arange(size) + 0.5) * 2 / size - 1
    across, up = np.meshgrid(axis, -axis)
    part_numbers = nearest_parts(scene, np.stack([across, up], axis=-1).reshape(1, -1, 2))[0].reshape(size, size)
    head = (part_numbers > 0).astype(np.uint8)  # part 0 is the body
    margin = MASK_MARGIN * size // 128
    grown_head: Mask = cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2)).astype(
        np.uint8
    )
    return grown_head


def ellipse_mask(seed: int, size: int) -> Mask:
    """Return `uint8 [size, size]`: the smallest ellipse, in the proportions of their bounding box, over head and ears."""
    outline = outline_mask(seed, size)
    rows, columns = np.nonzero(outline)
    y, x = np.mgrid[:size, :size]
    across = (x - (columns.min() + columns.max()) / 2) / ((np.ptp(columns) + 1) / 2)
    down = (y - (rows.min() + rows.max()) / 2) / ((np.ptp(rows) + 1) / 2)
    radius = np.hypot(across, down)
    ellipse: Mask = (radius <= radius[outline == 1].max()).astype(np.uint8)
    return ellipse


# Contact sheet --------------------------------------------------------------------------------------------


def contact_sheet(outcomes: Sequence[Outcome], path: Path, columns: int = 5) -> None:
    """Draw each drag before and after: the handle as ○ (after: where the nose is now), the target as +."""
    size = 256
    scale = size / len(outcomes[0].before)
    rows = math.ceil(len(outcomes) / columns)
    sheet = Image.new("RGB", (columns * (2 * size + 12), rows * (size + 18)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, outcome in enumerate(outcomes):
        left, top = index % columns * (2 * size + 12), index // columns * (size + 18)
        draw.text((left + 2, top + 2), f"seed {outcome.seed}: {outcome.reason}, {outcome.error:.1f} px", fill="black")
        nose = find_content(outcome.before, outcome.after, outcome.handle)
        for image, ring, x in ((outcome.before, outcome.handle, left), (outcome.after, nose, left + size)):
            sheet.paste(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS), (x, top + 16))
            _draw_marks(draw, ring, outcome.target, (x, top + 16), scale)
    sheet.save(path)
    print(f"sheet: {path}")


def _draw_marks(draw: ImageDraw.ImageDraw, ring: Point, cross: Point, corner: tuple[int, int], scale: float) -> None:
    x, y = (corner[i] + (ring[i] + 0.5) * scale for i in (0, 1))
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), outline=(255, 0, 255), width=2)
    x, y = (corner[i] + (cross[i] + 0.5) * scale for i in (0, 1))
    draw.line((x - 7, y, x + 7, y), fill=(0, 255, 60), width=2)
    draw.line((x, y - 7, x, y + 7), fill=(0, 255, 60), width=2)


# ----------------------------------------------------------------------------------------------------------


def _comma_separated(kind: Callable[[str], str | float]) -> Callable[[str], list[str | float]]:
    return lambda text: [kind(item) for item in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, help="how many seeds, from 0 (default: 20, for a sweep 40)")
    parser.add_argument("--model", default="critters-256")
    parser.add_argument("--method", choices=get_args(DragMethod), default="draggan")
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; needs --in-process"
    )
    parser.add_argument("--mask", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument(
        "--blocks", type=_comma_separated(str), default=["b32", "b64"], help="values for the sweep, separated by commas"
    )
    parser.add_argument("--r1", type=_comma_separated(float), default=[3.0, 4.0])
    parser.add_argument("--r2", type=_comma_separated(float), default=[6.0, 10.0])
    parser.add_argument("--step-sizes", type=_comma_separated(float), default=[0.03, 0.05, 0.1])
    args = parser.parse_args()
    seeds = range(args.seeds or (40 if args.sweep else 20))

    model = load_model(args.model)
    chosen = dict(text.split("=", 1) for text in args.set)
    settings = DragSettings.model_validate(
        {**model.info.settings.model_dump(), "method": args.method, "max_steps": MAX_STEPS, **chosen}
    )
    print(f"{model.name}, method {settings.method}")
    if args.sweep:
        grid = {"feature_block": args.blocks, "r1": args.r1, "r2": args.r2, "step_size": args.step_sizes}
        sweep(model, seeds, settings, grid)
        return
    if args.mask:
        compare_masks(model, seeds, settings)
        return
    with tempfile.TemporaryDirectory() as directory:
        if args.in_process:
            outcomes = print_each(drag_in_process(model, seed, settings) for seed in seeds)
        else:
            outcomes = print_each(drag_in_new_process(model, seed, args.method, Path(directory)) for seed in seeds)
    print(summary(outcomes))
    if args.sheet:
        contact_sheet(outcomes, args.sheet)


if __name__ == "__main__":
    main()
