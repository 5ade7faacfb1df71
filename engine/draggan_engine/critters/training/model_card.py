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
    generate_images,
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
    began = time.monotonic()
    try:
        generator = load_model(str(args.model), "cpu").generator
    except DragganError as error:
        parser.error(str(error))
    loaded = time.monotonic() - began
    args.out.mkdir(parents=True, exist_ok=True)
    size = generator.config.resolution
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    print(f"{parameters / 1e6:.2f} M parameters, {args.model.stat().st_size / 1e6:.1f} MB, loaded in {loaded:.2f} s")
    for name, seeds, colouring in (
        ("24 held-out scenes", SIDE_BY_SIDE_SEEDS, SIDE_BY_SIDE_SEEDS),
        ("64 held-out scenes", HELD_OUT_SEEDS, HELD_OUT_SEEDS),
        ("the same 64 with the colours of the next seed", HELD_OUT_SEEDS, NEXT_SEEDS),
    ):
        errors = measure_errors(generator, size, seeds, colouring)
        print(
            f"{name}: error {errors.whole:.4f}, around eyes, nose and mouth {errors.parts:.4f}, Fréchet distance {errors.frechet:.3f}",
            flush=True,
        )
    save_sample_sheet(generator, size, args.out / "side-by-side.png", SIDE_BY_SIDE_SEEDS)
    tensor_grid(torch.split(generate_images(generator, HELD_OUT_SEEDS, size), SHEET_COLUMNS)).save(
        args.out / "samples.png"
    )
    rows = [
        generate_images(generator, range(SHEET_COLUMNS), size, [seed] * SHEET_COLUMNS) for seed in range(SHEET_COLUMNS)
    ]
    tensor_grid(rows).save(args.out / "recoloured.png")  # each row has the colours of the animal on its diagonal
    tensor_grid(interpolate_seeds(generator, size, INTERPOLATED_SEEDS)).save(args.out / "interpolations.png")


if __name__ == "__main__":
    main()
