"""What windows save: seconds per step of a drag, windowed and whole, step by step in turn.

    python -m tests.engine.bench_windows [--model PATH or NAME | --resolution 512] [--pairs 1] [--steps 20] [--threads 2]

Whole is the same drag that asks for whole maps up to its block; the medians are those of the steps' wall clock, or
with `--cpu` of the process's time, which a busy machine disturbs less (then use one thread).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from draggan_engine.checkpoints.catalogue import load_model
from draggan_engine.drag.stepper import Start, Stepper
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.features import WholeMaps
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.pictures import latent_of_seed
from draggan_engine.protocol.edit import DragSettings


def random_generator(resolution: int) -> Generator:
    torch.manual_seed(0)
    channels = pyramid_channels(resolution, 32768, 512)
    return Generator(StyleGAN2Config(resolution=resolution, channels=channels)).eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock: Callable[[], float] = time.process_time if options.cpu else time.perf_counter
    if options.model:
        model = load_model(options.model, "cpu")
        generator, settings = model.generator, model.info.settings
    else:
        generator = random_generator(options.resolution)
        settings = DragSettings.for_height(options.resolution, "b128")
    height, width = generator.size
    handles = [(width * (0.2 + 0.3 * (i % 3)), height * (0.3 + 0.2 * (i // 3))) for i in range(options.pairs)]
    start = Start(latent_of_seed(generator, 0, 0.7), [((x, y), (x + width / 8, y + height / 10)) for x, y in handles])
    windowed, whole = (Stepper(generator, settings, [start]) for _ in range(2))
    whole.source = WholeMaps(generator.synthesis, settings.feature_block, whole.source.grid)
    spent: dict[str, list[float]] = {"windowed": [], "whole": []}
    for _ in range(options.steps + 2):
        for name, stepper in (("windowed", windowed), ("whole", whole)):
            began = clock()
            stepper.step()
            spent[name].append(clock() - began)
    a, b = (statistics.median(times[2:]) for times in spent.values())
    print(f"{height} px, {settings.feature_block}, {options.pairs} pairs, {torch.get_num_threads()} threads")
    print(f"windows {windowed.features.boxes} of {windowed.features.grid}")
    print(f"windowed {a * 1e3:.1f} ms, whole {b * 1e3:.1f} ms per step: {b / a:.2f}x; handles "
          f"{'the same' if torch.equal(windowed.handles, whole.handles) else 'differ'}")  # fmt: skip


if __name__ == "__main__":
    main()
