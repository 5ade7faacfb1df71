"""Train UserControllableLT (Endo 2022) for a model.

Run `python -m draggan_engine.evaluation.baselines.latent_transformer_training --model MODEL`. Interrupting it is safe: the same
command continues the run from its last round, with the same result.

A latent is changed at random, so that it is known how points of its image move and how the latent has changed. From some of
the points, the network learns to tell the change of the latent. The bundled models have landmarks whose motions are known;
for other models they are measured by optical flow, which needs OpenCV (extra `eval`) and takes longer.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import DragganError, StorageError
from draggan_engine.evaluation.training_rounds import read_run_state, train_rounds, write_run_state

from .latent_transformer import LatentTransformer, LatentTransformerConfig, own_directory, save_transformer
from .latent_transformer_data import SampleRound, config_for, draw_round

TOKEN_COUNTS = ((1, 1), (2, 5), (6, 16), (17, 64))
"""The ranges of the number of points per sample. Each range is equally likely, so that drags of any number of points work."""
MAX_ANCHORS = 8
"""The most points of the backdrop that are added to a sample; half of the batches have none."""
MAX_BATCH_POINTS = 1024
"""A step has fewer samples than the preset says if they have many points, because its time grows with the points."""
LEARNING_RATE_WARM_UP_STEPS = 200
EMA_DECAY = 0.998
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class TransformerPreset:
    """How much to train.

    Attributes:
        rounds: each round draws new latents.
        latents, changes: of a round; see `draw_round`.
        steps: of a round.
        batch: samples of a step, at most.
        width, layers: of the network; see `LatentTransformerConfig`.
    """

    rounds: int
    latents: int
    changes: int
    steps: int
    batch: int
    step_size: float = 1e-3
    width: int = 256
    layers: int = 3

    @property
    def total_steps(self) -> int:
        return self.rounds * self.steps


TRANSFORMER_PRESETS = {
    "cpu": TransformerPreset(rounds=7, latents=512, changes=8, steps=300, batch=64),
}
"""`cpu` takes a quarter of an hour to half an hour on one thread."""


class MotionBatch(NamedTuple):
    """Samples, with the points of each as tokens; see `LatentTransformer.forward`.

    Attributes:
        changes: `[N, rows, w_dim]`, what is to be predicted.
    """

    w: Tensor
    motions: Tensor
    features: Tensor
    exists: Tensor
    changes: Tensor


def draw_motion_batch(samples: SampleRound, batch_size: int, rng: np.random.Generator) -> MotionBatch:
    """Return random samples of a round, each with some of its points. All have the same number of tokens, missing ones
    included; only samples with at least one usable point are drawn."""
    least, most = TOKEN_COUNTS[rng.integers(len(TOKEN_COUNTS))]
    point_count = int(rng.integers(least, most + 1))
    batch_size = min(batch_size, MAX_BATCH_POINTS // point_count)
    change_count = samples.changes.shape[1]
    is_sample = (samples.usable & ~samples.backdrop).any(dim=2).flatten().numpy()
    chosen = rng.choice(np.flatnonzero(is_sample), batch_size)
    latents, changes = torch.from_numpy(chosen // change_count), torch.from_numpy(chosen % change_count)
    usable = samples.usable[latents, changes]
    anchor_count = int(rng.integers(1, MAX_ANCHORS + 1)) if samples.backdrop.any() and rng.random() < 0.5 else 0
    scores = torch.from_numpy(rng.random(usable.shape)) - 2 * (~usable).double()
    points = torch.cat(
        [
            (scores - 4 * samples.backdrop).topk(min(point_count, int((~samples.backdrop).sum())), dim=1).indices,
            (scores - 4 * ~samples.backdrop).topk(anchor_count, dim=1).indices,
        ],
        dim=1,
    )
    return MotionBatch(
        w=samples.w[latents],
        motions=samples.motions[latents[:, None], changes[:, None], points],
        features=samples.features[latents[:, None], points].float(),
        exists=usable.gather(1, points),
        changes=samples.changes[latents, changes],
    )


class LatentTransformerTrainer:
    """Trains a network for a model. A run that is saved and loaded again gives the same weights as one without a break.

    Attributes:
        network: the weights that are trained.
        ema: their moving average, which is the result.
        finished_rounds: how many rounds have been completed.
    """

    def __init__(self, model: Model, preset: TransformerPreset, seed: int) -> None:
        torch.manual_seed(seed)
        self.model, self.preset, self.seed = model, preset, seed
        self.network = LatentTransformer(config_for(model, preset.width, preset.layers))
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=preset.step_size, betas=(0.9, 0.98))
        self.finished_rounds = 0

    @property
    def config(self) -> LatentTransformerConfig:
        return self.network.config

    def train_round(self) -> Iterator[float]:
        """Train for one round. Return the loss of each step: 1 for a network that predicts no change."""
        rng = np.random.default_rng([self.seed, self.finished_rounds])
        samples = draw_round(self.model, self.config, rng, self.preset.latents, self.preset.changes)
        if self.finished_rounds == 0:
            self._set_scales(samples)
        first_step = self.finished_rounds * self.preset.steps
        for step in range(first_step, first_step + self.preset.steps):
            yield self._train_step(step, draw_motion_batch(samples, self.preset.batch, rng))
        self.finished_rounds += 1

    def _set_scales(self, samples: SampleRound) -> None:
        motions = samples.motions[samples.usable & ~samples.backdrop]
        for network in (self.network, self.ema):
            network.set_scales(
                samples.features.flatten(0, 1).float(), samples.w, samples.changes.flatten(0, 1), motions
            )

    def _train_step(self, step: int, batch: MotionBatch) -> float:
        for parameter_group in self.optimizer.param_groups:
            parameter_group["lr"] = self._step_size(step)
        loss = prediction_loss(self.network, batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        ema_decay = min(EMA_DECAY, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 1 - ema_decay)
        return float(loss.detach())

    def _step_size(self, step: int) -> float:
        total_steps = self.preset.total_steps
        warm_up_share = min(1.0, (step + 1) / min(LEARNING_RATE_WARM_UP_STEPS, max(1, total_steps // 10)))
        return self.preset.step_size * warm_up_share * 0.5 * (1 + math.cos(math.pi * step / total_steps))

    def save(self, path: Path) -> None:
        """Save the run after a round.

        Raises:
            StorageError: the file cannot be written.
        """
        run_state = {
            "config": self.config.model_dump_json(),
            "run": [self.seed, *vars(self.preset).values()],
            "finished_rounds": self.finished_rounds,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        write_run_state(path, run_state)

    def load(self, path: Path) -> bool:
        """Continue a run that was saved. Return whether the file is of a run of the same model, preset and seed; nothing
        changes if it is not.

        Raises:
            InputError: the file cannot be read.
        """
        run_state = read_run_state(path)
        if run_state["config"] != self.config.model_dump_json():
            return False
        if run_state["run"] != [self.seed, *vars(self.preset).values()]:
            return False
        self.finished_rounds = run_state["finished_rounds"]
        self.network.load_state_dict(run_state["network"])
        self.ema.load_state_dict(run_state["ema"])
        self.optimizer.load_state_dict(run_state["optimizer"])
        return True


def prediction_loss(network: LatentTransformer, batch: MotionBatch) -> Tensor:
    """Return the mean squared error of the changes, in units of their own scale."""
    predictions = network(batch.w, batch.motions / network.motion_scale, batch.features, batch.exists)
    loss: Tensor = (predictions - batch.changes / network.change_scale).square().mean()
    return loss


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m draggan_engine.evaluation.baselines.latent_transformer_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="name or file of the model")
    parser.add_argument("--preset", choices=TRANSFORMER_PRESETS, default="cpu")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: where the evaluation looks for it")
    parser.add_argument("--seed", type=int, default=0, help="decides the initial weights and the data")
    args = parser.parse_args(arguments)
    try:
        model = load_model(args.model, "cpu")
        trainer = LatentTransformerTrainer(model, TRANSFORMER_PRESETS[args.preset], args.seed)
        out_path = args.out or own_directory() / f"{model.sha256[:12]}.safetensors"
        try:
            out_path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as write_error:
            raise StorageError.of(out_path.parent, write_error) from write_error
        _train(trainer, out_path)
    except DragganError as training_error:
        parser.error(str(training_error))


def _train(trainer: LatentTransformerTrainer, out_path: Path) -> None:
    state_path = out_path.with_suffix(".state")
    train_rounds(trainer, trainer.preset.rounds, state_path)
    save_transformer(trainer.ema, out_path)
    state_path.unlink(missing_ok=True)
    print(out_path)


if __name__ == "__main__":
    main()
