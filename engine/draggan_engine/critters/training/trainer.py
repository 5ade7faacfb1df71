"""One training run of a generator and its discriminator.

The first stages are distillation: z decides the scene, so G(z) is compared with the drawn image of z. This is far cheaper
than adversarial training, cannot collapse, and gives every seed known landmarks. In the last stages a discriminator
sharpens what a mean error leaves pale; the distillation continues, so that seeds keep their scenes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn

from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import MappingNetwork, normalize_rms
from draggan_engine.networks.ops import DenseLayer
from draggan_engine.networks.stylegan2 import ToRGB
from draggan_engine.storage.atomic import atomic_write

from . import face_crops
from .losses import discriminator_loss, distillation_loss, generator_loss, gradient_penalty
from .mapping_pretraining import pretrain_mapping
from .muon import Muon
from .presets import TrainingPreset, TrainingStage
from .progressive_growing import copy_weights
from .training_data import BatchFunction, TrainingBatch, combine_rows, draw_batch, training_batches
from .w_whitening import equalize_scales, mapping_layer, sample_z, style_layers

STYLE_MIXING_SHARE = 0.5
"""The share of the images for the discriminator whose upper rows come from another latent."""
W_JITTER = 0.12
"""σ of the noise on every row of ws at the start, in units of the σ of w; it falls as the learning rates do.

The images learn not to change in directions that the noise dominates, so that a drag in them leads to no impossible animal."""
R1_INTERVAL, R1_WEIGHT = 16, 1.0  # steps between two penalties; weight of each step's share
DISCRIMINATOR_LR = 0.002
CONTINUED_STYLE_SCALE = 0.2
"""Scale of the style layers' steps in a network that continues from another: their weights are small beside their biases."""
MEAN_LATENTS = 256


class TrainingStep(NamedTuple):
    """The losses of one step."""

    stage: TrainingStage
    distillation: float
    adversarial: float


class Trainer:
    """Trains the networks of a preset. A run that is saved and loaded again gives the same weights as one without a break.

    Args:
        seed: of the initial weights and of all data.
        device: of the networks. Scenes are drawn on the CPU.
        worker, workers: the number of this process in its `torch.distributed` group, and the size of the group. Each
            process learns from its part of every batch, and all have the same weights.
        w_jitter: as `W_JITTER`.
        draw: draws the batches.
    """

    def __init__(
        self, preset: TrainingPreset, seed: int, device: torch.device | str = "cpu", worker: int = 0, workers: int = 1,
        w_jitter: float = W_JITTER, draw: BatchFunction = draw_batch,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.preset, self.seed, self.device = preset, seed, torch.device(device)
        self.worker, self.workers = worker, workers
        self.w_jitter, self.draw = w_jitter, draw
        self.stages = preset.stages
        self.generator = Generator(preset.generator).to(self.device)
        self.discriminator = Discriminator(preset.discriminator).to(self.device)
        for module in self.generator.modules():
            if isinstance(module, ToRGB):
                nn.init.zeros_(module.weight)  # so that growing changes no image
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.step = 0
        self.discriminator_trained = False
        self.style_scale = 1.0
        self.muon, self.adam = self._make_optimizers()
        self.discriminator_adam = torch.optim.Adam(self.discriminator.parameters(), DISCRIMINATOR_LR, (0.0, 0.99))

    def continue_from(
        self,
        generator: Generator,
        discriminator: Discriminator | None,
        pretrain: Callable[[MappingNetwork, Sequence[int], int], float] = pretrain_mapping,
    ) -> None:
        """Start with the weights of networks that were trained before.

        If the generator has the preset's configuration, the stages of smaller images are left out. If its mapping has fewer
        features, the new ones are pretrained first, which takes a CPU a quarter of an hour.

        Args:
            generator: one that `grows_into` the preset's.
            discriminator: is ignored if it does not have the preset's configuration.
            pretrain: teaches the new features of the mapping.
        """
        if generator.config == self.preset.generator:
            self.stages = tuple(stage for stage in self.preset.stages if stage.resolution == self.preset.resolution)
        self.generator.cpu()  # where the networks of model files are
        copy_weights(generator, self.generator)
        if generator.config.mapping_widths != self.preset.generator.mapping_widths:
            pretrain(self.generator.mapping, generator.config.mapping_widths, self.seed)
        equalize_scales(self.generator)
        self.generator.to(self.device)
        self.ema.load_state_dict(self.generator.state_dict())
        self.style_scale = CONTINUED_STYLE_SCALE
        self.muon, self.adam = self._make_optimizers()
        if discriminator is not None and discriminator.config == self.preset.discriminator:
            self.discriminator.load_state_dict(discriminator.state_dict())
            self.discriminator_trained = True

    def stage_at(self, step: int) -> tuple[TrainingStage, float] | None:
        """Return the stage of a step and the completed share of it (0 … 1), or None at the end of the run."""
        for stage in self.stages:
            length = stage.images // self.preset.batch
            if step < length:
                return stage, step / length
            step -= length
        return None

    @property
    def finished_stages(self) -> int:
        """If a stage has just ended, the number of the preset's stages that are finished or left out; otherwise 0."""
        now = self.stage_at(self.step)
        if now is not None and now[1] > 0:
            return 0
        left = 0 if now is None else len(self.stages) - self.stages.index(now[0])
        return len(self.preset.stages) - left

    @property
    def total_steps(self) -> int:
        return sum(stage.images // self.preset.batch for stage in self.stages)

    def steps(self) -> Iterator[TrainingStep]:
        """Train to the end of the last stage."""
        ahead = [
            (step, now[0].resolution, now[0].crop_faces)
            for step in range(self.step, self.total_steps)
            if (now := self.stage_at(step))
        ]
        for batch in training_batches(
            (self.seed, self.worker), self.preset.batch // self.workers, ahead, draw=self.draw
        ):
            now = self.stage_at(self.step)
            assert now is not None  # every batch belongs to a step of a stage
            yield self.train_step(now[0], now[1], batch.to(self.device))

    def train_step(self, stage: TrainingStage, stage_progress: float, batch: TrainingBatch) -> TrainingStep:
        """Learn from a batch. `stage_progress` is the completed share of the stage, 0 … 1."""
        ws = combine_rows(self.generator.mapping(batch.z), self.generator.mapping(batch.colouring))
        lr_scale = 1 - 0.92 * stage_progress
        noise = torch.randn(ws.shape, generator=self._random()).to(ws.device)
        jitter = face_crops.WINDOW_JITTER if stage.crop_faces else self.w_jitter
        ws = ws + jitter * lr_scale * ws.detach().std(dim=(0, 1)) * noise
        if batch.corners is None:
            images = self.generator.synthesis(ws, image=stage.resolution).image
            assert images is not None
            loss = distillation_loss(images, batch.images, batch.weight)
        else:
            images = face_crops.generate_windows(self.generator.synthesis, ws, batch.corners)
            loss = distillation_loss(
                images, batch.images, batch.weight, face_crops.WINDOW_SQUARED_WEIGHT, face_crops.WINDOW_EDGE_WEIGHT
            )
        distillation_value, adversarial_value = loss.detach(), loss.new_zeros(())
        if stage.adversarial:
            fakes = torch.cat([images, self._mix_styles(ws, stage)])
            self._train_discriminator(batch.images, fakes.detach())
            self.discriminator.requires_grad_(False)
            adversarial = generator_loss(self.discriminator(fakes))
            self.discriminator.requires_grad_(True)
            loss, adversarial_value = loss + stage.adversarial * adversarial, adversarial.detach()
        self.generator.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._average_gradients(self.generator)
        for group in self.adam.param_groups:
            group["lr"] = stage.adam_lr * lr_scale * group["scale"]
        self.adam.step()
        self.step_matrices(stage.muon_lr * lr_scale)
        with torch.no_grad():
            for average, p in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(p, 1 - self.preset.ema)
        self.step += 1
        return TrainingStep(stage, float(distillation_value), float(adversarial_value))

    @torch.no_grad()
    def step_matrices(self, lr: float) -> None:
        """Make Muon's step, then restore the mean output of each dense layer.

        The mean of a dense layer's inputs is far from zero, so that a step would otherwise change mostly the mean.
        """
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

    def _mix_styles(self, ws: Tensor, stage: TrainingStage) -> Tensor:
        """Return images whose upper rows come from another latent of the batch, so that they show no scene."""
        count = round(len(ws) * STYLE_MIXING_SHARE)
        cuts = torch.randint(1, ws.shape[1], (count, 1, 1), generator=self._random()).to(ws.device)
        rows = torch.arange(ws.shape[1], device=ws.device)[None, :, None]
        mixed = torch.where(rows < cuts, ws[:count], ws.roll(1, dims=0)[:count])
        image: Tensor | None = self.generator.synthesis(mixed, image=stage.resolution).image
        assert image is not None
        return image

    def _random(self) -> torch.Generator:
        """Return the random numbers of this step, which are the same in a resumed run."""
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
        """Replace the gradients by their means over all workers."""
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
        """Save all weights, optimizers and counters.

        Raises:
            StorageError: the file cannot be written.
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
        """Load a state that was saved by a trainer of the same preset and seed."""
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
