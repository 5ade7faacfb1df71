"""One training run of a generator, and of a discriminator beside it.

Distillation first: the latent z *is* the scene, so G(z) is compared with the drawn picture of z. It is far cheaper than
adversarial training from nothing, cannot collapse, and gives every seed known landmarks. Then a discriminator sharpens
what a mean of errors leaves pale; the distillation goes on beside it, so that seeds keep their scenes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn

from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import normalize_rms
from draggan_engine.networks.ops import DenseLayer
from draggan_engine.networks.stylegan2 import ToRGB
from draggan_engine.storage.atomic import atomic_write

from . import face_crops
from .losses import discriminator_loss, distillation_loss, generator_loss, gradient_penalty
from .mapping_pretraining import pretrain_mapping
from .muon import Muon
from .presets import TrainingPreset, TrainingStage
from .progressive_growing import copy_weights
from .training_data import TrainingBatch, combine_rows, training_batches
from .w_whitening import equalize_scales, mapping_layer, sample_z, style_layers

STYLE_MIXING_SHARE = 0.5  # share of the judged pictures whose upper rows come from another latent (style mixing)
# Of w's spread, at first: noise on every row falls as the step sizes do. What it does not drown the mapping says clearly, and
# along all other directions the pictures learn not to change, so that a drag finds none there that no animal has.
W_JITTER = 0.12
R1_INTERVAL, R1_WEIGHT = 16, 1.0  # steps between two penalties; weight of each step's share
DISCRIMINATOR_LR = 0.002
CONTINUED_STYLE_SCALE = 0.2
"""Steps of the style layers of a network that goes on from another: what they have learned is small beside their biases."""
MEAN_LATENTS = 256  # latents


class TrainingStep(NamedTuple):
    """After a step; the losses are its own."""

    stage: TrainingStage
    distillation: float
    adversarial: float


class Trainer:
    """Learns from step to step; `save` and `load` carry it over a restart, as if there had been none.

    Args:
        seed: of the first weights and of all data.
        device: of the networks; scenes are drawn on the CPU.
        worker, workers: which of how many processes of a `torch.distributed` group this is. Each learns from its part of
            every batch, and all have the same weights.
    """

    def __init__(
        self, preset: TrainingPreset, seed: int, device: torch.device | str = "cpu", worker: int = 0, workers: int = 1
    ) -> None:
        torch.manual_seed(seed)
        self.preset, self.seed, self.device = preset, seed, torch.device(device)
        self.worker, self.workers = worker, workers
        self.stages = preset.stages
        self.generator = Generator(preset.generator).to(self.device)
        self.discriminator = Discriminator(preset.discriminator).to(self.device)
        for module in self.generator.modules():
            if isinstance(module, ToRGB):
                nn.init.zeros_(module.weight)  # so that growing changes no picture
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.step = 0
        self.discriminator_trained = False  # whether the discriminator has learned anything
        self.style_scale = 1.0
        self.muon, self.adam = self._make_optimizers()
        self.discriminator_adam = torch.optim.Adam(self.discriminator.parameters(), DISCRIMINATOR_LR, (0.0, 0.99))

    def continue_from(self, generator: Generator, discriminator: Discriminator | None) -> None:
        """Starts with the weights of networks that were trained before.

        Where the generator is like the preset's, the stages of smaller pictures are left out: they would teach it nothing new.

        Where its mapping has fewer features, the new ones learn to read the scene first, which takes a CPU a quarter of an hour.

        Args:
            generator: one that `grows_into` the preset's.
            discriminator: its, which is left out where it is not like the preset's.
        """
        if generator.config == self.preset.generator:
            self.stages = tuple(stage for stage in self.preset.stages if stage.resolution == self.preset.resolution)
        self.generator.cpu()  # where a model file's network is
        copy_weights(generator, self.generator)
        if generator.config.mapping_widths != self.preset.generator.mapping_widths:
            pretrain_mapping(self.generator.mapping, generator.config.mapping_widths, self.seed)
        equalize_scales(self.generator)
        self.generator.to(self.device)
        self.ema.load_state_dict(self.generator.state_dict())
        self.style_scale = CONTINUED_STYLE_SCALE
        self.muon, self.adam = self._make_optimizers()
        if discriminator is not None and discriminator.config == self.preset.discriminator:
            self.discriminator.load_state_dict(discriminator.state_dict())
            self.discriminator_trained = True

    def stage_at(self, step: int) -> tuple[TrainingStage, float] | None:
        """The stage and how far it has come (0 … 1), or None at the end."""
        for stage in self.stages:
            length = stage.images // self.preset.batch
            if step < length:
                return stage, step / length
            step -= length
        return None

    @property
    def finished_stages(self) -> int:
        """How many of the preset's stages have been gone through or left out, if a stage ends here; else 0."""
        now = self.stage_at(self.step)
        if now is not None and now[1] > 0:
            return 0
        left = 0 if now is None else len(self.stages) - self.stages.index(now[0])
        return len(self.preset.stages) - left

    @property
    def total_steps(self) -> int:
        return sum(stage.images // self.preset.batch for stage in self.stages)

    def steps(self) -> Iterator[TrainingStep]:
        """Trains to the end."""
        ahead = [
            (step, now[0].resolution, now[0].crop_faces)
            for step in range(self.step, self.total_steps)
            if (now := self.stage_at(step))
        ]
        for drawn in training_batches((self.seed, self.worker), self.preset.batch // self.workers, ahead):
            now = self.stage_at(self.step)
            assert now is not None  # there is a lesson for it
            yield self.train_step(now[0], now[1], drawn.to(self.device))

    def train_step(self, stage: TrainingStage, done: float, drawn: TrainingBatch) -> TrainingStep:
        ws = combine_rows(self.generator.mapping(drawn.z), self.generator.mapping(drawn.colouring))
        fall = 1 - 0.92 * done
        noise = torch.randn(ws.shape, generator=self._random()).to(ws.device)
        jitter = face_crops.WINDOW_JITTER if stage.crop_faces else W_JITTER
        ws = ws + jitter * fall * ws.detach().std(dim=(0, 1)) * noise
        if drawn.corners is None:
            pictures = self.generator.synthesis(ws, image=stage.resolution).image
            assert pictures is not None
            loss = distillation_loss(pictures, drawn.pictures, drawn.weight)
        else:
            pictures = face_crops.generate_windows(self.generator.synthesis, ws, drawn.corners)
            loss = distillation_loss(
                pictures, drawn.pictures, drawn.weight, face_crops.WINDOW_SQUARED_WEIGHT, face_crops.WINDOW_EDGE_WEIGHT
            )
        distilled, judged = loss.detach(), loss.new_zeros(())
        if stage.adversarial:
            fakes = torch.cat([pictures, self._mixed(ws, stage)])
            self._train_discriminator(drawn.pictures, fakes.detach())
            self.discriminator.requires_grad_(False)
            adversarial = generator_loss(self.discriminator(fakes))
            self.discriminator.requires_grad_(True)
            loss, judged = loss + stage.adversarial * adversarial, adversarial.detach()
        self.generator.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._average_gradients(self.generator)
        for group in self.adam.param_groups:
            group["lr"] = stage.adam_lr * fall * group["scale"]
        self.adam.step()
        self.step_matrices(stage.muon_lr * fall)
        with torch.no_grad():
            for average, p in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(p, 1 - self.preset.ema)
        self.step += 1
        return TrainingStep(stage, float(distilled), float(judged))

    @torch.no_grad()
    def step_matrices(self, lr: float) -> None:
        """Muon's step, after which each dense layer gives the same mean as before: its inputs lie far from zero on the mean,
        and else a step would move little but that."""
        x = normalize_rms(sample_z(self.generator, MEAN_LATENTS))
        layers: list[tuple[DenseLayer, Tensor]] = []
        for i in range(self.preset.generator.mapping_layers):
            layer = mapping_layer(self.generator.mapping, i)
            layers.append((layer, x.mean(dim=0)))
            x = layer(x)
        layers += [(layer, x.mean(dim=0)) for layer in style_layers(self.generator)]
        before = [layer.weight.clone() for layer, _ in layers]
        self.muon.step(lr)
        for (layer, mean), weight in zip(layers, before, strict=True):
            layer.bias.sub_((layer.weight - weight) @ mean, alpha=layer.gain / layer.lr_multiplier)

    def _mixed(self, ws: Tensor, stage: TrainingStage) -> Tensor:
        """Pictures of no scene: their upper rows are another one's."""
        count = round(len(ws) * STYLE_MIXING_SHARE)
        cuts = torch.randint(1, ws.shape[1], (count, 1, 1), generator=self._random()).to(ws.device)
        rows = torch.arange(ws.shape[1], device=ws.device)[None, :, None]
        mixed = torch.where(rows < cuts, ws[:count], ws.roll(1, dims=0)[:count])
        image: Tensor | None = self.generator.synthesis(mixed, image=stage.resolution).image
        assert image is not None
        return image

    def _random(self) -> torch.Generator:
        """This step's, so that a resumed run goes on with the same."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + self.step) * self.workers + self.worker)

    def _train_discriminator(self, real: Tensor, fakes: Tensor) -> None:
        self.discriminator_trained = True
        loss = discriminator_loss(self.discriminator(real), self.discriminator(fakes))
        if self.step % R1_INTERVAL == 0:
            loss = loss + R1_INTERVAL * R1_WEIGHT / 2 * gradient_penalty(self.discriminator, real)
        self.discriminator_adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._average_gradients(self.discriminator)
        self.discriminator_adam.step()

    def _average_gradients(self, network: nn.Module) -> None:
        """Every worker gets the mean of all gradients."""
        if self.workers == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        joined = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(joined)
        joined /= self.workers
        for gradient, mean in zip(
            gradients, torch.split(joined, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))

    def _make_optimizers(self) -> tuple[Muon, torch.optim.Adam]:
        matrices: list[tuple[Tensor, float]] = []
        rest: list[dict[str, Any]] = []
        for name, p in self.generator.named_parameters():
            scale = 1 / self.preset.generator.mapping_lr_multiplier if name.startswith("mapping.") else 1.0
            if name.endswith("affine.weight"):
                scale = self.style_scale
            if name.endswith("noise_strength"):
                p.requires_grad_(False)  # the critters have no noise
            elif name.endswith("weight") and "torgb.weight" not in name:
                matrices.append((p, scale))
            else:
                rest.append({"params": [p], "scale": scale})
        return Muon(matrices), torch.optim.Adam(rest, lr=1.0, betas=(0.9, 0.99), fused=True)

    def save(self, path: Path) -> None:
        """
        Raises:
            StorageError: it cannot be written.
        """
        state = {
            "step": self.step,
            "stages": len(self.stages),
            "has_judged": self.discriminator_trained,
            "styles": self.style_scale,
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "muon": self.muon.buffers,
            "adam": self.adam.state_dict(),
            "adam_of_discriminator": self.discriminator_adam.state_dict(),
        }
        with atomic_write(path) as part:
            torch.save(state, part)

    def load(self, path: Path) -> None:
        """Of the same preset and seed."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step, self.stages = state["step"], self.preset.stages[-state["stages"] :]
        self.discriminator_trained, self.style_scale = state["has_judged"], state["styles"]
        self.muon, self.adam = self._make_optimizers()
        self.generator.load_state_dict(state["generator"])
        self.ema.load_state_dict(state["ema"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.muon.buffers = state["muon"]
        self.adam.load_state_dict(state["adam"])
        self.discriminator_adam.load_state_dict(state["adam_of_discriminator"])
