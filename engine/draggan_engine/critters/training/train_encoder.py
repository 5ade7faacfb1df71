"""Train the encoder of the bundled models, which guesses the z of an image.

Run `python -m draggan_engine.critters.training.train_encoder --out FILE`. Needs numba (extra `train`). Interrupting it is safe:
the same command continues the run from its last round, with the same result up to rounding.

The encoder begins with the first layers of the landmark detector, which know eyes, ears and mouths. Each round draws new
scenes, and the encoder learns to tell their z from disturbed images. In the last rounds it also learns that the images which
the model makes of its guesses are like the images that it got.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import DragganError
from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.evaluation.landmark_detector import bundled_detector
from draggan_engine.evaluation.training_rounds import read_run_state, train_rounds, write_run_state
from draggan_engine.inversion.encoder import Encoder, EncoderConfig, write_encoder
from draggan_engine.inversion.small_images import SmallImages

from .encoder_data import EncoderPairs, disturb_images, draw_pairs, from_levels
from .muon import Muon
from .presets import PRESETS

TEACHER = PRESETS["cpu"].name
"""The model whose images the encoder learns from."""
TRAINING_STREAM, VALIDATION_STREAM = 5, 6  # begin the seeds of the scenes; held-out drawings have other ones
VALIDATION_COUNT = 256
CALIBRATION_SEEDS = range(16)
IMAGE_WEIGHT = 4.0


@dataclass(frozen=True)
class EncoderPreset:
    """How much to train.

    Attributes:
        rounds: each round draws new scenes.
        image_rounds: how many of them, the last ones, also compare images.
        pairs: of a round.
        repetitions: how often a round uses each pair, disturbed anew every time.
        batch: pairs of a step.
        muon_step_size, adam_step_size: at the beginning.
        round_decay: the share of these by which they fall in each of the first rounds; in the last rounds they fall to 0.
    """

    rounds: int
    image_rounds: int
    pairs: int
    repetitions: int
    batch: int
    muon_step_size: float = 0.02
    adam_step_size: float = 2e-3
    round_decay: float = 0.125

    @property
    def round_steps(self) -> int:
        return self.pairs * self.repetitions // self.batch

    def step_share(self, step: int) -> float:
        """Return the share of the first step sizes that a step has."""
        first_rounds, finished_rounds = self.rounds - self.image_rounds, step / self.round_steps
        if finished_rounds < first_rounds:
            return 1 - self.round_decay * finished_rounds
        return (1 - self.round_decay * first_rounds) * (self.rounds - finished_rounds) / self.image_rounds


ENCODER_PRESETS = {"cpu": EncoderPreset(rounds=5, image_rounds=2, pairs=1536, repetitions=4, batch=16)}


class EncoderTrainer:
    """Trains an encoder. A run that is saved and loaded again gives the weights of one without a break, up to rounding.

    Attributes:
        encoder: the network that is trained.
        finished_rounds: how many rounds have been completed.
    """

    def __init__(self, preset: EncoderPreset, seed: int) -> None:
        torch.manual_seed(seed)
        self.preset, self.seed = preset, seed
        self._teacher = load_model(TEACHER, "cpu").generator
        self._small_images = SmallImages(self._teacher, CALIBRATION_SEEDS)
        checksums = tuple(
            load_model(name, "cpu").sha256 for name in sorted({preset.name for preset in PRESETS.values()})
        )
        self.encoder = Encoder(EncoderConfig(models=checksums, z_dim=Z_DIM))
        trunk = {name: x for name, x in bundled_detector().state_dict().items() if name.startswith("down")}
        self.encoder.load_state_dict(trunk, strict=False)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parameters = list(self.encoder.parameters())
        self._muon = Muon([(p, p[0].numel() ** -0.5) for p in parameters if p.dim() > 1])
        self._adam = torch.optim.Adam([p for p in parameters if p.dim() == 1], betas=(0.9, 0.99))
        self.finished_rounds = 0

    def train_round(self) -> Iterator[float]:
        """Train for one round. Return the mean squared error of z of each step: 1 for an encoder that guesses 0."""
        rng = random_numbers_of_round(self.seed, self.finished_rounds)
        pairs = draw_pairs(self._teacher, rng, self.preset.pairs)
        orders = torch.from_numpy(
            np.concatenate([rng.permutation(self.preset.pairs) for _ in range(self.preset.repetitions)])
        )
        self.encoder.train()
        for i in range(self.preset.round_steps):
            batch = pairs.subset(orders[i * self.preset.batch : (i + 1) * self.preset.batch])
            yield self._train_step(self.finished_rounds * self.preset.round_steps + i, batch, rng)
        self.encoder.eval()
        self.finished_rounds += 1

    def _train_step(self, step: int, pairs: EncoderPairs, rng: np.random.Generator) -> float:
        images = disturb_images(pairs.images, rng).contiguous(memory_format=torch.channels_last)
        z = self.encoder(images)
        z_loss = (z - pairs.z).square().mean()
        loss = z_loss
        if self.finished_rounds >= self.preset.rounds - self.preset.image_rounds:
            loss = loss + IMAGE_WEIGHT * self._image_loss(z, pairs.clean_images)
        self.encoder.zero_grad()
        loss.backward()
        step_share = self.preset.step_share(step)
        for parameter_group in self._adam.param_groups:
            parameter_group["lr"] = self.preset.adam_step_size * step_share
        self._adam.step()
        self._muon.step(self.preset.muon_step_size * step_share)
        return float(z_loss.detach())

    def _image_loss(self, z: Tensor, clean_images: Tensor) -> Tensor:
        """Return the mean difference of the images of guesses `[N, Z_DIM]` from `uint8 [N, 3, 32, 32]`."""
        ws = self._teacher.mapping(z)
        return (self._small_images(ws) - from_levels(clean_images)).abs().mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Measure the errors on scenes of their own, and keep those of z as the encoder's uncertainty.

        Returns:
            The mean squared error of z, and the mean difference of the images at 32 pixels.
        """
        rng = np.random.default_rng([VALIDATION_STREAM, self.seed])
        pairs = draw_pairs(self._teacher, rng, VALIDATION_COUNT)
        z = self.encoder(disturb_images(pairs.images, rng))
        squares = (z - pairs.z).square().mean(dim=0)
        self.encoder.uncertainty.copy_(squares.sqrt())
        return {"z": float(squares.mean()), "images": float(self._image_loss(z, pairs.clean_images))}

    def save(self, path: Path) -> None:
        """Save the run after a round.

        Raises:
            StorageError: the file cannot be written.
        """
        run_state = {
            "run": [self.seed, *astuple(self.preset)],
            "finished_rounds": self.finished_rounds,
            "encoder": self.encoder.state_dict(),
            "muon": self._muon.buffers,
            "adam": self._adam.state_dict(),
        }
        write_run_state(path, run_state)

    def load(self, path: Path) -> bool:
        """Continue a run that was saved. Return whether the file is of a run with the same preset and seed; nothing changes if
        it is not.

        Raises:
            InputError: the file cannot be read.
        """
        run_state = read_run_state(path)
        if run_state["run"] != [self.seed, *astuple(self.preset)]:
            return False
        self.finished_rounds = run_state["finished_rounds"]
        self.encoder.load_state_dict(run_state["encoder"])
        self._muon.buffers = run_state["muon"]
        self._adam.load_state_dict(run_state["adam"])
        return True


def random_numbers_of_round(seed: int, round_number: int) -> np.random.Generator:
    """Return the random numbers of a round, which are not those of held-out drawings for any seed of a run."""
    return np.random.default_rng([TRAINING_STREAM, seed, round_number])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m draggan_engine.critters.training.train_encoder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", choices=ENCODER_PRESETS, default="cpu")
    parser.add_argument("--out", type=Path, metavar="FILE", required=True)
    parser.add_argument("--seed", type=int, default=0, help="decides the initial weights and the data")
    args = parser.parse_args(arguments)
    try:
        _train(EncoderTrainer(ENCODER_PRESETS[args.preset], args.seed), args.out)
    except DragganError as training_error:
        parser.error(str(training_error))


def _train(trainer: EncoderTrainer, out_path: Path) -> None:
    state_path = out_path.with_suffix(".state")
    train_rounds(trainer, trainer.preset.rounds, state_path, trainer.validate)
    write_encoder(out_path, trainer.encoder)
    state_path.unlink(missing_ok=True)
    print(out_path)


if __name__ == "__main__":
    main()
