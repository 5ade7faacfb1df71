"""Teaches the landmark detector: `python -m draggan_engine.critters.training.train_landmark_detector --out FILE`. Needs numba (extra `train`).

Half of each batch is drawn from scenes whose numbers range wider than the bundled model's (a drag may lead beyond
them), half is made by the bundled generator, whose seeds have known landmarks. Both are turned, shifted, scaled and
recoloured. Data never repeats.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.critters.scene.animal_parameters import PARAMETERS, Z_DIM, z_of_seed
from draggan_engine.critters.scene.render import render_scene
from draggan_engine.critters.scene.scene import Scene, build_scene, scene_from_parameters, to_pixels
from draggan_engine.critters.training.presets import PRESETS
from draggan_engine.evaluation.landmark_detector import (
    DETECTOR_SIZE,
    DETECTOR_WEIGHTS,
    LandmarkDetector,
    detect_landmarks,
    mean_landmark_error,
)
from draggan_engine.networks.devices import MAX_THREADS
from draggan_engine.networks.generator import Generator
from draggan_engine.storage.atomic import atomic_write

GENERATOR_MODEL = PRESETS["cpu"].name
RANGE_MARGIN = 0.2
"""By how much of its range a number may lie beyond either end, unless its law forbids it."""
BATCHES_PER_ROUND = 32  # batches
HELD_OUT_SEEDS = range(64)  # seeds, as the product counts them; the training's stream is another


def wide_parameters(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Numbers of animals, all uniform, from ranges wider than `numbers_of` has."""
    numbers = {}
    for name, (law, a, b) in PARAMETERS.items():
        low, high = (a - 2.2 * b, a + 2.2 * b) if law == "normal" else (a, b)
        beyond = 0.0 if law == "share" else RANGE_MARGIN * (high - low)
        numbers[name] = rng.uniform(low - beyond, high + beyond, count)
    return numbers


def true_landmarks(scene: Scene) -> tuple[Tensor, Tensor]:
    """Points `[N, 68, 2]` in pixels at 128, and whether each is visible."""
    points = to_pixels(scene.landmarks.points, DETECTOR_SIZE)
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(scene.landmarks.visible)


def augment_images(pictures: Tensor, points: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Turns (σ 0.08), scales (± 12 %), shifts (± 8 px), recolours, blurs and adds noise; the points go along."""
    count = len(pictures)
    angle, scale = rng.normal(0, 0.08, count), rng.uniform(0.88, 1.12, count)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    shift = rng.uniform(-16 / DETECTOR_SIZE, 16 / DETECTOR_SIZE, (count, 2))
    # From places in the new picture (−1…1, y down) to places in the old one.
    back = np.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], axis=1).reshape(count, 2, 3).astype(np.float32)
    grid = F.affine_grid(torch.from_numpy(back), list(pictures.shape), align_corners=False)
    pictures = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    old = (points + 0.5) * (2 / DETECTOR_SIZE) - 1
    there = torch.linalg.solve(torch.from_numpy(back[:, :, :2]), (old - torch.from_numpy(back[:, None, :, 2])).mT).mT
    points = (there + 1) * (DETECTOR_SIZE / 2) - 0.5
    gain = torch.from_numpy(rng.uniform(0.75, 1.25, (count, 3, 1, 1)).astype(np.float32))
    lift = torch.from_numpy(rng.normal(0, 0.08, (count, 3, 1, 1)).astype(np.float32))
    noise = torch.from_numpy(rng.uniform(0, 0.06, (count, 1, 1, 1)).astype(np.float32))
    pictures = pictures * gain + lift
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    soft = torch.from_numpy((rng.random((count, 1, 1, 1)) < 0.25).astype(np.float32))
    pictures = torch.lerp(pictures, blurred, soft) + noise * torch.from_numpy(
        rng.standard_normal(pictures.shape, dtype=np.float32)
    )
    return pictures.clamp(-1, 1), points


@torch.no_grad()
def detector_batches(generator: Generator, batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pictures, points, visibility, without end: of each batch half drawn, half generated."""
    drawn, made = batch - batch // 2, batch // 2
    for round in itertools.count():
        rng = np.random.default_rng([seed, round])
        # Scenes of many batches at once: a scene costs little beside the calls that it takes.
        scenes = scene_from_parameters(wide_parameters(rng, BATCHES_PER_ROUND * drawn))
        z = rng.standard_normal((BATCHES_PER_ROUND * made, Z_DIM))
        known = [*zip(true_landmarks(scenes), true_landmarks(build_scene(z)), strict=True)]
        for i in range(BATCHES_PER_ROUND):
            of_drawn, of_made = slice(i * drawn, (i + 1) * drawn), slice(i * made, (i + 1) * made)
            ws = generator.mapping(torch.from_numpy(z[of_made].astype(np.float32)))
            generated = generator.synthesis(ws, image=DETECTOR_SIZE).image
            pictures = torch.cat([torch.from_numpy(render_scene(scenes.some(of_drawn), DETECTOR_SIZE, 2)), generated])
            points, visible = (torch.cat([a[of_drawn], b[of_made]]) for a, b in known)
            pictures, points = augment_images(pictures, points, rng)
            inside = ((points > -0.5) & (points < DETECTOR_SIZE - 0.5)).all(dim=2)
            yield pictures.contiguous(memory_format=torch.channels_last), points, visible & inside


def detector_loss(network: LandmarkDetector, pictures: Tensor, points: Tensor, visible: Tensor) -> Tensor:
    """Smooth L1 in pixels over the visible points, and the cross entropy of visibility."""
    found, seen, _ = network(pictures)
    error = F.smooth_l1_loss(found, points, reduction="none", beta=1.0).sum(dim=2)
    return (error * visible).sum() / visible.sum() + F.binary_cross_entropy_with_logits(seen, visible.float())


def train_detector(
    steps: int, batch: int, seed: int, step_size: float = 3e-3
) -> Iterator[tuple[LandmarkDetector, float]]:
    """Yields the network (one and the same) and the loss after each step."""
    torch.manual_seed(seed)
    generator = load_model(GENERATOR_MODEL, "cpu").generator
    torch.set_num_threads(MAX_THREADS)  # the generator asked for one; this network is larger
    network = LandmarkDetector().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=step_size, weight_decay=1e-4)
    data = detector_batches(generator, batch, seed)
    for step in range(steps):
        warm = min(1.0, (step + 1) / min(200, max(1, steps // 10)))
        for group in optimiser.param_groups:
            group["lr"] = step_size * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        loss = detector_loss(network.train(), *next(data))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        yield network, float(loss.detach())


@torch.no_grad()
def held_out_errors(network: LandmarkDetector | None) -> dict[str, float]:
    """Errors in pixels at 128 over the visible points of held-out seeds, and the share of right visibilities.

    Args:
        network: None: the shipped one.
    """
    z = np.concatenate([z_of_seed(seed) for seed in HELD_OUT_SEEDS])
    scene = build_scene(z)
    generator = load_model(GENERATOR_MODEL, "cpu").generator
    drawn = torch.from_numpy(render_scene(scene, DETECTOR_SIZE, 4))
    made = generator.synthesis(generator.mapping(torch.from_numpy(z.astype(np.float32))), image=DETECTOR_SIZE).image
    points, visible = to_pixels(scene.landmarks.points, DETECTOR_SIZE), scene.landmarks.visible
    found, generated = detect_landmarks(drawn, network), detect_landmarks(made, network)
    return {
        "renders_px": mean_landmark_error(found.points, points, visible),
        "generated_px": mean_landmark_error(generated.points, points, visible),
        "visibility": float((found.visible == visible).mean()),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m draggan_engine.critters.training.train_landmark_detector", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=DETECTOR_WEIGHTS)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    began, smooth = time.monotonic(), 0.0
    for step, (network, loss) in enumerate(train_detector(args.steps, args.batch, args.seed), 1):
        smooth = loss if smooth == 0 else 0.98 * smooth + 0.02 * loss
        if step % 50 == 0 or step == args.steps:
            left = (time.monotonic() - began) / step * (args.steps - step) / 60
            print(f"step {step}/{args.steps}  loss {smooth:.3f}  {left:.0f} min left", flush=True)
        if step % 500 == 0 or step == args.steps:
            errors = held_out_errors(network.eval())
            print("held out: " + ", ".join(f"{name} {value:.3f}" for name, value in errors.items()), flush=True)
            tensors = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
            with atomic_write(args.out) as part:
                save_file(tensors, part, {name: f"{value:.4f}" for name, value in errors.items()})


if __name__ == "__main__":
    main()
