"""Measure a critters model and write the images of its model card.

Run `python -m draggan_engine.critters.training.model_card --model FILE --out DIR`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import DragganError

from .metrics import (
    HELD_OUT_SEEDS,
    SHEET_COLUMNS,
    generate_scene_images,
    interpolate_seeds,
    measure_errors,
    save_sample_sheet,
    tensor_grid,
)

SIDE_BY_SIDE_SEEDS = range(24)
NEXT_SEEDS = [*HELD_OUT_SEEDS[1:], HELD_OUT_SEEDS[0]]
INTERPOLATED_SEEDS = range(100, 107)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.training.model_card", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="directory for the images")
    args = parser.parse_args(arguments)
    start_time = time.monotonic()
    try:
        generator = load_model(str(args.model), "cpu").generator
    except DragganError as load_error:
        parser.error(str(load_error))
    load_seconds = time.monotonic() - start_time
    args.out.mkdir(parents=True, exist_ok=True)
    image_height = generator.config.resolution
    parameter_count = sum(parameter.numel() for parameter in generator.parameters())
    print(
        f"{parameter_count / 1e6:.2f} M parameters, {args.model.stat().st_size / 1e6:.1f} MB, "
        f"loaded in {load_seconds:.2f} s"
    )
    for set_name, seeds, colouring in (
        ("24 held-out scenes", SIDE_BY_SIDE_SEEDS, SIDE_BY_SIDE_SEEDS),
        ("64 held-out scenes", HELD_OUT_SEEDS, HELD_OUT_SEEDS),
        ("the same 64 with the colours of the next seed", HELD_OUT_SEEDS, NEXT_SEEDS),
    ):
        scene_errors = measure_errors(generator, image_height, seeds, colouring)
        print(
            f"{set_name}: error {scene_errors.whole:.4f}, around eyes, nose and mouth {scene_errors.parts:.4f}, "
            f"Fréchet distance {scene_errors.frechet:.3f}",
            flush=True,
        )
    save_sample_sheet(generator, image_height, args.out / "side-by-side.png", SIDE_BY_SIDE_SEEDS)
    tensor_grid(torch.split(generate_scene_images(generator, HELD_OUT_SEEDS, image_height), SHEET_COLUMNS)).save(
        args.out / "samples.png"
    )
    image_rows = [
        generate_scene_images(generator, range(SHEET_COLUMNS), image_height, [seed] * SHEET_COLUMNS)
        for seed in range(SHEET_COLUMNS)
    ]
    tensor_grid(image_rows).save(args.out / "recoloured.png")  # each row has the colours of the animal on its diagonal
    tensor_grid(interpolate_seeds(generator, image_height, INTERPOLATED_SEEDS)).save(args.out / "interpolations.png")


if __name__ == "__main__":
    main()
