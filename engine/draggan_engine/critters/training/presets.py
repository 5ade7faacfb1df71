"""The networks that can be trained, and the stages of their training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config, pyramid_channels


@dataclass(frozen=True)
class TrainingStage:
    """A number of images at one resolution. Both learning rates fall linearly to 8 % within a stage.

    Attributes:
        muon_lr, adam_lr: learning rates of the generator's kernels and of its other parameters.
        adversarial: weight of the adversarial loss beside the distillation; 0: the discriminator is not used.
        crop_faces: whether to train on windows, most of them around faces, instead of whole images.
    """

    resolution: int
    images: int
    muon_lr: float
    adam_lr: float
    adversarial: float = 0.0
    crop_faces: bool = False


@dataclass(frozen=True)
class TrainingPreset:
    """A model and how it is trained.

    Attributes:
        name: the model's name.
        batch: images per step, of all workers together.
        workers: how many processes train together; on a CPU each has one thread. Networks this small are no faster with
            two threads in one process.
        ema: decay per step of the moving average of the weights.
    """

    name: str
    generator: StyleGAN2Config
    discriminator: DiscriminatorConfig
    batch: int
    workers: int
    ema: float
    stages: tuple[TrainingStage, ...]

    @property
    def resolution(self) -> int:
        return self.generator.resolution


def _generator(
    resolution: int, channel_base: int, channel_max: int, mapping_layers: int = 4, mapping_features: int | None = None
) -> StyleGAN2Config:
    return StyleGAN2Config(
        resolution=resolution,
        z_dim=Z_DIM,
        w_dim=256,
        mapping_layers=mapping_layers,
        mapping_features=mapping_features,
        channels=pyramid_channels(resolution, channel_base, channel_max),
    )


LARGE_GENERATOR = _generator(256, 8192, 192, mapping_layers=5, mapping_features=512)


def _discriminator(resolution: int, channel_base: int, channel_max: int) -> DiscriminatorConfig:
    return DiscriminatorConfig(
        resolution=resolution, channels=pyramid_channels(resolution, channel_base, channel_max), mapping_layers=0
    )


PRESETS: Mapping[str, TrainingPreset] = {
    "cpu": TrainingPreset(
        name="critters-128",
        generator=_generator(128, 2048, 96),
        discriminator=_discriminator(128, 2048, 96),
        batch=16,
        workers=2,
        ema=0.995,
        stages=(
            TrainingStage(32, 128_000, 0.02, 0.004),
            TrainingStage(64, 128_000, 0.012, 0.002),
            TrainingStage(128, 400_000, 0.008, 0.002),
            TrainingStage(128, 80_000, 0.003, 0.0005, adversarial=0.01),
        ),
    ),
    "cpu-256": TrainingPreset(
        name="critters-256",
        generator=LARGE_GENERATOR,
        discriminator=_discriminator(256, 2048, 96),
        batch=16,
        workers=2,
        ema=0.995,
        stages=(
            TrainingStage(128, 44_000, 0.008, 0.002),
            TrainingStage(256, 72_000, 0.0035, 0.0015),
            TrainingStage(256, 20_000, 0.003, 0.0005, adversarial=0.01),
        ),
    ),
    "cpu-faces": TrainingPreset(
        name="critters-256",
        generator=LARGE_GENERATOR,
        discriminator=_discriminator(256, 2048, 96),
        batch=48,
        workers=2,
        ema=0.99,
        stages=(TrainingStage(256, 77_000, 0.002, 0.0005, crop_faces=True),),
    ),
    "gpu": TrainingPreset(
        name="critters-256",
        generator=LARGE_GENERATOR,
        discriminator=_discriminator(256, 2048, 96),
        batch=64,
        workers=1,
        ema=0.995,
        stages=(
            TrainingStage(32, 48_000, 0.02, 0.004),
            TrainingStage(64, 48_000, 0.012, 0.002),
            TrainingStage(128, 48_000, 0.008, 0.002),
            TrainingStage(256, 144_000, 0.006, 0.002),
            TrainingStage(256, 24_000, 0.003, 0.0005, adversarial=0.01),
        ),
    ),
}
"""`cpu` takes hours on two cores; `cpu-256` continues from its result and takes hours more; `cpu-faces` continues from
that for an hour. `gpu` takes about ten minutes on a data-centre GPU."""
