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

from draggan_engine.core.errors import InputError
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
        for network_module in self.generator.modules():
            if isinstance(network_module, ToRGB):
                nn.init.zeros_(network_module.weight)  # so that growing changes no image
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
            stage_steps = stage.images // self.preset.batch
            if step < stage_steps:
                return stage, step / stage_steps
            step -= stage_steps
        return None

    @property
    def finished_stages(self) -> int:
        """If a stage has just ended, the number of the preset's stages that are finished or left out; otherwise 0."""
        stage_position = self.stage_at(self.step)
        if stage_position is not None and stage_position[1] > 0:
            return 0
        remaining_stages = 0 if stage_position is None else len(self.stages) - self.stages.index(stage_position[0])
        return len(self.preset.stages) - remaining_stages

    @property
    def total_steps(self) -> int:
        return sum(stage.images // self.preset.batch for stage in self.stages)

    def steps(self) -> Iterator[TrainingStep]:
        """Train to the end of the last stage."""
        upcoming_steps = [
            (step, stage_position[0].resolution, stage_position[0].crop_faces)
            for step in range(self.step, self.total_steps)
            if (stage_position := self.stage_at(step))
        ]
        for training_batch in training_batches(
            (self.seed, self.worker), self.preset.batch // self.workers, upcoming_steps, draw=self.draw
        ):
            stage_position = self.stage_at(self.step)
            assert stage_position is not None  # every batch belongs to a step of a stage
            yield self.train_step(stage_position[0], stage_position[1], training_batch.to(self.device))

    def train_step(self, stage: TrainingStage, stage_progress: float, training_batch: TrainingBatch) -> TrainingStep:
        """Learn from a batch. `stage_progress` is the completed share of the stage, 0 … 1."""
        ws = combine_rows(self.generator.mapping(training_batch.z), self.generator.mapping(training_batch.colouring))
        lr_scale = 1 - 0.92 * stage_progress
        w_noise = torch.randn(ws.shape, generator=self._random()).to(ws.device)
        jitter_scale = face_crops.WINDOW_JITTER if stage.crop_faces else self.w_jitter
        ws = ws + jitter_scale * lr_scale * ws.detach().std(dim=(0, 1)) * w_noise
        if training_batch.corners is None:
            generated_images = self.generator.synthesis(ws, image=stage.resolution).image
            assert generated_images is not None
            loss = distillation_loss(generated_images, training_batch.images, training_batch.weight)
        else:
            generated_images = face_crops.generate_windows(self.generator.synthesis, ws, training_batch.corners)
            loss = distillation_loss(
                generated_images,
                training_batch.images,
                training_batch.weight,
                face_crops.WINDOW_SQUARED_WEIGHT,
                face_crops.WINDOW_EDGE_WEIGHT,
            )
        distillation_value, adversarial_value = loss.detach(), loss.new_zeros(())
        if stage.adversarial:
            fake_images = torch.cat([generated_images, self._mix_styles(ws, stage)])
            self._train_discriminator(training_batch.images, fake_images.detach())
            self.discriminator.requires_grad_(False)
            adversarial_loss = generator_loss(self.discriminator(fake_images))
            self.discriminator.requires_grad_(True)
            loss, adversarial_value = loss + stage.adversarial * adversarial_loss, adversarial_loss.detach()
        self.generator.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._average_gradients(self.generator)
        for parameter_group in self.adam.param_groups:
            parameter_group["lr"] = stage.adam_lr * lr_scale * parameter_group["scale"]
        self.adam.step()
        self.step_matrices(stage.muon_lr * lr_scale)
        with torch.no_grad():
            for average_parameter, p in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
                average_parameter.lerp_(p, 1 - self.preset.ema)
        self.step += 1
        return TrainingStep(stage, float(distillation_value), float(adversarial_value))

    @torch.no_grad()
    def step_matrices(self, lr: float) -> None:
        """Make Muon's step, then restore the mean output of each dense layer.

        The mean of a dense layer's inputs is far from zero, so that a step would otherwise change mostly the mean.
        """
        x = normalize_rms(sample_z(self.generator, MEAN_LATENTS))
        dense_layers: list[tuple[DenseLayer, Tensor]] = []
        for i in range(self.preset.generator.mapping_layers):
            dense_layer = mapping_layer(self.generator.mapping, i)
            dense_layers.append((dense_layer, x.mean(dim=0)))
            x = dense_layer(x)
        dense_layers += [(dense_layer, x.mean(dim=0)) for dense_layer in style_layers(self.generator)]
        old_weights = [dense_layer.weight.clone() for dense_layer, _ in dense_layers]
        self.muon.step(lr)
        for (dense_layer, mean_input), old_weight in zip(dense_layers, old_weights, strict=True):
            dense_layer.bias.sub_(
                (dense_layer.weight - old_weight) @ mean_input, alpha=dense_layer.gain / dense_layer.lr_multiplier
            )

    def _mix_styles(self, ws: Tensor, stage: TrainingStage) -> Tensor:
        """Return images whose upper rows come from another latent of the batch, so that they show no scene."""
        mixed_count = round(len(ws) * STYLE_MIXING_SHARE)
        cut_rows = torch.randint(1, ws.shape[1], (mixed_count, 1, 1), generator=self._random()).to(ws.device)
        row_numbers = torch.arange(ws.shape[1], device=ws.device)[None, :, None]
        mixed_ws = torch.where(row_numbers < cut_rows, ws[:mixed_count], ws.roll(1, dims=0)[:mixed_count])
        mixed_images: Tensor | None = self.generator.synthesis(mixed_ws, image=stage.resolution).image
        assert mixed_images is not None
        return mixed_images

    def _random(self) -> torch.Generator:
        """Return the random numbers of this step, which are the same in a resumed run."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + self.step) * self.workers + self.worker)

    def _train_discriminator(self, real_images: Tensor, fake_images: Tensor) -> None:
        self.discriminator_trained = True
        loss = discriminator_loss(self.discriminator(real_images), self.discriminator(fake_images))
        if self.step % R1_INTERVAL == 0:
            loss = loss + R1_INTERVAL * R1_WEIGHT / 2 * gradient_penalty(self.discriminator, real_images)
        self.discriminator_adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._average_gradients(self.discriminator)
        self.discriminator_adam.step()

    def _average_gradients(self, network: nn.Module) -> None:
        """Replace the gradients by their means over all workers."""
        if self.workers == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        joined_gradients = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(joined_gradients)
        joined_gradients /= self.workers
        for gradient, mean_gradient in zip(
            gradients, torch.split(joined_gradients, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(mean_gradient.view_as(gradient))

    def _make_optimizers(self) -> tuple[Muon, torch.optim.Adam]:
        matrix_parameters: list[tuple[Tensor, float]] = []
        other_parameters: list[dict[str, Any]] = []
        for parameter_name, p in self.generator.named_parameters():
            step_scale = (
                1 / self.preset.generator.mapping_lr_multiplier if parameter_name.startswith("mapping.") else 1.0
            )
            if parameter_name.endswith("affine.weight"):
                step_scale = self.style_scale
            if parameter_name.endswith("noise_strength"):
                p.requires_grad_(False)  # the critters have no noise
            elif parameter_name.endswith("weight") and "torgb.weight" not in parameter_name:
                matrix_parameters.append((p, step_scale))
            else:
                other_parameters.append({"params": [p], "scale": step_scale})
        return Muon(matrix_parameters), torch.optim.Adam(other_parameters, lr=1.0, betas=(0.9, 0.99), fused=True)

    def save(self, state_path: Path) -> None:
        """Save all weights, optimizers and counters.

        Raises:
            StorageError: the file cannot be written.
        """
        run_state = {
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
        with atomic_write(state_path) as part_path:
            torch.save(run_state, part_path)

    def load(self, state_path: Path) -> None:
        """Load a state that was saved by a trainer of the same preset and seed.

        Raises:
            InputError: the file cannot be read.
        """
        run_state = read_state(state_path, self.device)
        self.step, self.stages = run_state["step"], self.preset.stages[-run_state["stages"] :]
        self.discriminator_trained, self.style_scale = run_state["has_judged"], run_state["styles"]
        self.muon, self.adam = self._make_optimizers()
        self.generator.load_state_dict(run_state["generator"])
        self.ema.load_state_dict(run_state["ema"])
        self.discriminator.load_state_dict(run_state["discriminator"])
        self.muon.buffers = run_state["muon"]
        self.adam.load_state_dict(run_state["adam"])
        self.discriminator_adam.load_state_dict(run_state["adam_of_discriminator"])


def read_state(state_path: Path, device: torch.device) -> Any:
    """Return the state of a run that `Trainer.save` has written.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        run_state = torch.load(state_path, map_location=device, weights_only=True)
    except Exception as read_error:  # torch does not document what it raises for damaged files
        raise _damaged_state(state_path) from read_error
    if not isinstance(run_state, dict) or "adam_of_discriminator" not in run_state:
        raise _damaged_state(state_path)
    return run_state


def _damaged_state(state_path: Path) -> InputError:
    return InputError(f"{state_path}: it is damaged; delete it to start the training again")
