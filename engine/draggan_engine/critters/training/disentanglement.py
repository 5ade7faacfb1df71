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


def drag_part(model: Model, seed: int, part_name: str) -> PartDrag:
    """Drag a part of a seed's image by the paper's method with the model's own settings."""
    image_height = model.info.height
    landmark_name, (right_share, down_share) = PART_DRAGS[part_name]
    x, y = landmarks_of_seed(seed, image_height)[landmark_name]
    target = (
        min(max(x + right_share * image_height, 0.0), image_height - 1.0),
        min(max(y + down_share * image_height, 0.0), image_height - 1.0),
    )
    generator, start_ws = model.generator, latent_of_seed(model.generator, seed, 1.0)
    settings = model.info.settings.model_copy(update={"method": "draggan"})
    drag_loop = DragLoop(generator, start_ws, [((x, y), target)], None, settings)
    step_latents = [start_ws]
    for drag_event in drag_loop.steps():
        if isinstance(drag_event, DragStep):
            step_latents.append(drag_event.ws)
        elif isinstance(drag_event, DragEnd):
            drag_end = drag_event
    image_before, image_halfway, image_after = (
        generate_image(generator, ws) for ws in (start_ws, step_latents[len(step_latents) // 2], drag_end.ws)
    )
    pixel_change = np.abs(image_after.astype(float) - image_before).mean(axis=2)
    row_indices, column_indices = np.mgrid[:image_height, :image_height]
    near_points = [
        np.hypot(column_indices - px, row_indices - py) < NEAR_RADIUS * image_height for px, py in ((x, y), target)
    ]
    is_near = near_points[0] | near_points[1]
    marked_image = draw_markers(image_before, [((x, y), target)])
    return PartDrag(
        (marked_image, image_halfway, image_after), distance(drag_end.handles[0], target), drag_end.step,
        float(pixel_change[is_near].mean()), float(pixel_change[~is_near].mean()),
    )  # fmt: skip


def part_sheet(part_drags: Sequence[PartDrag]) -> Image.Image:
    """Return a sheet with a column for each drag: before, halfway and after."""
    cell_size = (SHEET_CELL_SIZE, SHEET_CELL_SIZE)
    return image_grid(
        [
            [
                Image.fromarray(part_drag.images[image_index]).resize(cell_size, Image.Resampling.LANCZOS)
                for part_drag in part_drags
            ]
            for image_index in range(3)
        ]
    )


def write_part_sheets(model: Model, sheet_directory: Path, seeds: Sequence[int] = DRAGGED_SEEDS) -> None:
    """Drag each part of some seeds, print how much the images change, and write a sheet for each part."""
    sheet_directory.mkdir(parents=True, exist_ok=True)
    for part_name in PART_DRAGS:
        part_drags = [drag_part(model, seed, part_name) for seed in seeds]
        sheet_path = sheet_directory / f"{part_name.replace(' ', '-')}.png"
        part_sheet(part_drags).save(sheet_path)
        mean_distance, mean_near, mean_elsewhere, mean_steps = (
            float(np.mean([getattr(part_drag, field_name) for part_drag in part_drags]))
            for field_name in ("distance", "change_near", "change_elsewhere", "steps")
        )
        print(
            f"{part_name}: {mean_distance:.1f} px left after {mean_steps:.0f} steps; "
            f"change at the part {mean_near:.1f} levels, elsewhere {mean_elsewhere:.1f}; {sheet_path}",
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
    except DragganError as load_error:
        parser.error(str(load_error))
    write_part_sheets(model, args.out)


if __name__ == "__main__":
    main()
