"""Two processes that train together."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from draggan_engine.critters.scene.animal_parameters import Z_DIM
from draggan_engine.critters.training.presets import TrainingPreset, TrainingStage
from draggan_engine.critters.training.trainer import Trainer
from draggan_engine.critters.training.training_data import SCHEDULE, TrainingBatch
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config

TOY = TrainingPreset(
    name="toy",
    generator=StyleGAN2Config(resolution=8, z_dim=Z_DIM, w_dim=32, mapping_layers=2, channels=(32, 32)),
    discriminator=DiscriminatorConfig(resolution=8, channels=(16, 16), mapping_layers=0, mbstd_group_size=1),
    batch=8,
    workers=2,
    ema=0.9,
    stages=(TrainingStage(8, 16, 0.01, 0.002), TrainingStage(8, 8, 0.003, 0.0005, adversarial=0.01)),
)


def noise_batch(
    seed: tuple[int, ...],
    step: int,
    count: int,
    resolution: int,
    crop_faces: bool = False,  # noqa: ARG001
) -> TrainingBatch:
    """Return noise. Drawing scenes would be compiled in each process, which takes long."""
    rng = np.random.default_rng([*seed, step])

    def random(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    size = (resolution, resolution)
    z = random(count, Z_DIM)
    return TrainingBatch(z, z, random(count, 3, *size).tanh(), random(count, 1, *size).abs() + 1)


def work(worker: int, port: int, directory: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", world_size=2, rank=worker)
    trainer = Trainer(TOY, seed=3, worker=worker, workers=2, w_jitter=0.0, draw=noise_batch)
    for _ in trainer.steps():
        if trainer.step == 1:
            torch.save({n: p.grad for n, p in trainer.generator.named_parameters()}, directory / f"first{worker}.pt")
    trainer.save(directory / f"{worker}.pt")
    torch.distributed.destroy_process_group()


def test_two_workers_have_the_same_weights_and_learn_from_both_halves(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(work, (port, tmp_path), 2)
    a, b = (torch.load(tmp_path / f"{worker}.pt", weights_only=True) for worker in (0, 1))
    assert a["step"] == b["step"] == 3
    for part in ("ema", "generator", "discriminator"):
        assert all(torch.equal(a[part][name], b[part][name]) for name in a[part])
    # Compare with one worker that learns from both halves.
    alone = Trainer(TOY, seed=3, w_jitter=0.0)
    halves = [noise_batch((3, worker), SCHEDULE.batch_number(0), 4, 8) for worker in (0, 1)]
    weight = [half.weight / half.weight.mean() for half in halves]  # each worker takes the mean of its own images
    both = TrainingBatch(*(torch.cat(parts) for parts in zip(*(half[:4] for half in halves), strict=True)))
    alone.train_step(TOY.stages[0], 0.0, both._replace(weight=torch.cat(weight)))
    first = torch.load(tmp_path / "first0.pt", weights_only=True)
    for name, parameter in alone.generator.named_parameters():
        if name.endswith("torgb.weight"):  # they begin as zeros, so no other weights have gradients yet
            assert float(parameter.grad.norm()) > 0
            assert float((first[name] - parameter.grad).norm() / parameter.grad.norm()) < 1e-3, name
