"""Measure whether the parts of an animal move independently of each other.

`python -m draggan_engine.critters.training.disentanglement --model FILE --out DIR` drags a mouth corner, an ear tip, the nose and an
eyelid of ten seeds each, without a mask, prints how much the image changes there and elsewhere, and writes contact sheets.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import DragganError
from draggan_engine.core.geometry import Point, distance
from draggan_engine.critters.scene.scene import landmarks_of_seed
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop, DragStep
from draggan_engine.evaluation.image_grid import image_grid
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.storage.markers import draw_markers

DRAGGED_SEEDS = range(10)
SHEET_CELL_SIZE = 160
"""Height and width of each image on a sheet, px."""
NEAR_RADIUS = 0.16
"""Pixels nearer than this to handle or target count as at the part, as a share of the image height."""
PART_DRAGS: Mapping[str, tuple[str, Point]] = {
    "mouth corner": ("mouth_left", (-0.035, -0.035)),
    "ear tip": ("ear_tip_left", (-0.07, 0.03)),
    "nose": ("nose_tip", (0.05, -0.03)),
    "eyelid": ("eyelid_left_1", (0.0, 0.04)),
}
"""For each part the landmark that is dragged, and how far (right, down) as shares of the image height."""


@dataclass(frozen=True)
class PartDrag:
    """The result of dragging a part.

    Attributes:
        images: `uint8 [H, W, 3]`, before, halfway and after.
        distance: from the handle to its target at the end, px.
        change_near, change_elsewhere: mean change of the pixels at the part and of all others, levels (0 … 255).
    """

    images: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
    distance: float
    steps: int
    change_near: float
    change_elsewhere: float


def drag_part(model: Model, seed: int, part: str) -> PartDrag:
    """Drag a part of a seed's image with the model's own settings."""
    height = model.info.height
    name, (right, down) = PART_DRAGS[part]
    x, y = landmarks_of_seed(seed, height)[name]
    target = (min(max(x + right * height, 0.0), height - 1.0), min(max(y + down * height, 0.0), height - 1.0))
    generator, start = model.generator, latent_of_seed(model.generator, seed, 1.0)
    session = DragLoop(generator, start, [((x, y), target)], None, model.info.settings)
    latents = [start]
    for event in session.steps():
        if isinstance(event, DragStep):
            latents.append(event.ws)
        elif isinstance(event, DragEnd):
            end = event
    before, halfway, after = (generate_image(generator, ws) for ws in (start, latents[len(latents) // 2], end.ws))
    change = np.abs(after.astype(float) - before).mean(axis=2)
    rows, columns = np.mgrid[:height, :height]
    near_points = [np.hypot(columns - px, rows - py) < NEAR_RADIUS * height for px, py in ((x, y), target)]
    near = near_points[0] | near_points[1]
    marked = draw_markers(before, [((x, y), target)])
    return PartDrag(
        (marked, halfway, after), distance(end.handles[0], target), end.step, float(change[near].mean()), float(change[~near].mean())
    )  # fmt: skip


def part_sheet(drags: Sequence[PartDrag]) -> Image.Image:
    """Return a sheet with a column for each drag: before, halfway and after."""
    size = (SHEET_CELL_SIZE, SHEET_CELL_SIZE)
    return image_grid(
        [
            [Image.fromarray(drag.images[row]).resize(size, Image.Resampling.LANCZOS) for drag in drags]
            for row in range(3)
        ]
    )


def write_part_sheets(model: Model, out: Path, seeds: Sequence[int] = DRAGGED_SEEDS) -> None:
    """Drag each part of some seeds, print how much the images change, and write a sheet for each part."""
    out.mkdir(parents=True, exist_ok=True)
    for part in PART_DRAGS:
        drags = [drag_part(model, seed, part) for seed in seeds]
        path = out / f"{part.replace(' ', '-')}.png"
        part_sheet(drags).save(path)
        distance, near, elsewhere, steps = (
            float(np.mean([getattr(drag, name) for drag in drags]))
            for name in ("distance", "change_near", "change_elsewhere", "steps")
        )
        print(
            f"{part}: {distance:.1f} px left after {steps:.0f} steps; change at the part {near:.1f} levels, elsewhere "
            f"{elsewhere:.1f}; {path}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m draggan_engine.critters.training.disentanglement", description=__doc__
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True, help="directory for the sheets")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args(arguments)
    try:
        model = load_model(args.model, args.device)
    except DragganError as error:
        parser.error(str(error))
    write_part_sheets(model, args.out)


if __name__ == "__main__":
    main()
