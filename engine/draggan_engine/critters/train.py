"""Teaches a StyleGAN2 generator the critters: `python -m draggan_engine.critters.train --state DIR`.

Distillation, not adversarial training: the latent z *is* the scene, so G(z) is compared with the drawn
picture of z: L1 + L2 + L1 of image gradients, with the boxes round eyes, nose and mouth weighing more
(a whole-picture mean cannot see an eye). The network grows from 32 to 128 pixels; toRGB of a new block
starts at zero, so that growing changes no picture. Data never repeats: the latents of step k come from
(seed, k), which also makes a resumed run the same run.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from draggan_engine.critters_next.losses import distillation_loss
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import ToRGB

from .landmarks import LANDMARKS
from .muon import Muon
from .render import render
from .scene import RESOLUTION, Z_DIM, Scene, build_scene, latent_of_seed

CONFIG = StyleGAN2Config(
    resolution=RESOLUTION, z_dim=Z_DIM, w_dim=256, mapping_layers=4, channels=pyramid_channels(RESOLUTION, 2048, 96)
)
EMA = 0.995
HELD_OUT = range(64)  # seeds as the product counts them; training never draws from that stream


@dataclass(frozen=True)
class Stage:
    """So many pictures at one resolution; both step sizes fall linearly to 8 % within it."""

    resolution: int
    images: int
    muon_lr: float
    adam_lr: float


def parse_stages(text: str) -> list[Stage]:
    """ "32:100000:0.02:0.004,64:…" → stages."""
    stages = []
    for part in text.split(","):
        resolution, images, muon_lr, adam_lr = part.split(":")
        stages.append(Stage(int(resolution), int(images), float(muon_lr), float(adam_lr)))
    return stages


DEFAULT_STAGES = "32:96000:0.02:0.004,64:48000:0.012:0.002,128:88000:0.008:0.002"


def part_weights(scene: Scene, resolution: int, extra: float = 3.0) -> Tensor:
    """`[N, 1, H, W]`: 1, and 1 + `extra` in discs round eyes, nose and mouth."""
    at = {name: scene.landmarks.points[:, i] for i, name in enumerate(LANDMARKS)}
    mouth = (at["mouth_left"] + at["mouth_right"] + at["mouth_top"] + at["mouth_bottom"]) / 4
    axis = (np.arange(resolution) + 0.5) * 2 / resolution - 1
    inside = np.zeros((len(scene.centre), resolution, resolution), dtype=bool)
    for centre, radius in ((at["eye_left"], 0.17), (at["eye_right"], 0.17), (at["nose_tip"], 0.13), (mouth, 0.22)):
        dx = axis[None, None, :] - centre[:, 0, None, None]
        dy = -axis[None, :, None] - centre[:, 1, None, None]
        inside |= dx**2 + dy**2 < radius**2
    return torch.from_numpy(1 + extra * inside.astype(np.float32))[:, None]


class Trainer:
    """One run; `steps()` advances it, `save` and `load` carry it over a restart."""

    def __init__(self, stages: list[Stage], batch: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.stages, self.batch, self.seed = stages, batch, seed
        self.generator = Generator(CONFIG)
        for module in self.generator.modules():
            if isinstance(module, ToRGB):
                torch.nn.init.zeros_(module.weight)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.step = 0
        self._make_optimisers()

    def _make_optimisers(self) -> None:
        matrices, rest = [], []
        for name, p in self.generator.named_parameters():
            scale = 1 / CONFIG.mapping_lr_multiplier if name.startswith("mapping.") else 1.0
            if name.endswith("noise_strength"):
                p.requires_grad_(False)  # the critters have no noise
            elif name.endswith("weight") and "torgb.weight" not in name:
                matrices.append((p, scale))
            else:
                rest.append({"params": [p], "scale": scale})
        self.muon = Muon(matrices)
        self.adam = torch.optim.Adam(rest, lr=1.0, betas=(0.9, 0.99), fused=True)

    def stage_at(self, step: int) -> tuple[Stage, float] | None:
        """The stage and how far it has come (0 … 1), or None at the end."""
        for stage in self.stages:
            length = stage.images // self.batch
            if step < length:
                return stage, step / length
            step -= length
        return None

    @property
    def total_steps(self) -> int:
        return sum(stage.images // self.batch for stage in self.stages)

    def steps(self) -> Iterator[tuple[Stage, float]]:
        """Trains; yields the stage and the loss after each step."""
        while (now := self.stage_at(self.step)) is not None:
            stage, done = now
            rng = np.random.default_rng([self.seed, self.step])
            z = rng.standard_normal((self.batch, Z_DIM))
            scene = build_scene(z)
            truth = torch.from_numpy(render(scene, stage.resolution, 2 if stage.resolution >= 128 else 4))
            ws = self.generator.mapping(torch.from_numpy(z.astype(np.float32)))
            picture = self.generator.synthesis(ws, image=stage.resolution).image
            loss = distillation_loss(picture, truth, part_weights(scene, stage.resolution))
            self.generator.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            fall = 1 - 0.92 * done
            for group in self.adam.param_groups:
                group["lr"] = stage.adam_lr * fall * group["scale"]
            self.adam.step()
            self.muon.step(stage.muon_lr * fall)
            with torch.no_grad():
                for average, p in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
                    average.lerp_(p, 1 - EMA)
            self.step += 1
            yield stage, float(loss.detach())

    def save(self, path: Path) -> None:
        state = {
            "step": self.step,
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "muon": self.muon.buffers,
            "adam": self.adam.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.generator.load_state_dict(state["generator"])
        self.ema.load_state_dict(state["ema"])
        self.muon.buffers = state["muon"]
        self.adam.load_state_dict(state["adam"])


@torch.no_grad()
def held_out_error(generator: Generator, resolution: int = RESOLUTION, seeds: range = HELD_OUT) -> tuple[float, float]:
    """Mean absolute error (range −1…1) over the held-out pictures, and inside the discs round eyes, nose and mouth."""
    z = np.concatenate([latent_of_seed(seed) for seed in seeds])
    scene = build_scene(z)
    truth = torch.from_numpy(render(scene, resolution, 4))
    ws = generator.mapping(torch.from_numpy(z.astype(np.float32)))
    error = (generator.synthesis(ws, image=resolution).image - truth).abs().mean(dim=1, keepdim=True)
    inside = part_weights(scene, resolution) > 1
    return float(error.mean()), float(error[inside].mean())


@torch.no_grad()
def sample_sheet(generator: Generator, resolution: int, path: Path, seeds: range = range(32), columns: int = 8) -> None:
    """Rows of truth and, below each, the generator's pictures."""
    z = np.concatenate([latent_of_seed(seed) for seed in seeds])
    truth = render(build_scene(z), resolution, 4)
    ws = generator.mapping(torch.from_numpy(z.astype(np.float32)))
    made = generator.synthesis(ws, image=resolution).image.numpy()
    sheet = Image.new("RGB", (columns * resolution, 2 * len(seeds) // columns * resolution))
    for i in range(len(seeds)):
        for row, source in ((0, truth), (1, made)):
            pixels = np.clip((source[i].transpose(1, 2, 0) + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
            sheet.paste(Image.fromarray(pixels), (i % columns * resolution, (i // columns * 2 + row) * resolution))
    sheet.save(path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.train", description=__doc__)
    parser.add_argument(
        "--state", type=Path, default=Path("training"), help="folder of the run; resumed if it holds one"
    )
    parser.add_argument("--stages", default=DEFAULT_STAGES, help="resolution:images:muon step:adam step, …")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500, help="steps between saved states")
    args = parser.parse_args(arguments)
    args.state.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(parse_stages(args.stages), args.batch, args.seed)
    if (args.state / "state.pt").exists():
        trainer.load(args.state / "state.pt")
    began, first = time.monotonic(), trainer.step
    smooth = 0.0
    for stage, loss in trainer.steps():
        smooth = loss if smooth == 0 else 0.98 * smooth + 0.02 * loss
        last = trainer.step == trainer.total_steps
        if trainer.step % 25 == 0 or last:
            rate = (trainer.step - first) / (time.monotonic() - began)
            left = (trainer.total_steps - trainer.step) / rate / 60
            line = f"{stage.resolution} px  step {trainer.step}/{trainer.total_steps}  loss {smooth:.4f}  {rate * args.batch:.0f} pictures/s  {left:.0f} min left"
            print("\r" + line, end="", flush=True)
        if trainer.step % args.save_every == 0 or last:
            trainer.save(args.state / "state.pt")
            whole, parts = held_out_error(trainer.ema, stage.resolution)
            print(f"\nheld out at {stage.resolution} px: {whole:.4f}, in the parts {parts:.4f}", flush=True)
            sample_sheet(trainer.ema, stage.resolution, args.state / "samples.png")


if __name__ == "__main__":
    main()
