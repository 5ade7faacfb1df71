"""Drags that advance together are the drags that they are alone; the descent is Adam's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from draggan_engine.core.edit import DragSettings
from draggan_engine.dragging import optimizer
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.optimizer import DragOptimizer
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def starts(generator: Generator) -> list[DragTask]:
    """One pair, three pairs, one under a mask."""
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:20] = 1
    pairs = [[((10, 10), (16, 14))], [((5, 5), (5, 9)), ((20, 9), (25, 9)), ((12, 30), (9, 26))], [((9, 9), (14, 9))]]
    latents = [latent_of_seed(generator, seed, 1.0) for seed in range(3)]
    return [DragTask(ws, pair, m) for ws, pair, m in zip(latents, pairs, (None, None, mask), strict=True)]


@pytest.mark.parametrize("space", ["w+", "w"])
def test_together_is_alone(generator: Generator, starts: list[DragTask], space: str) -> None:
    settings = SETTINGS.model_copy(update={"space": space})
    together = DragOptimizer(generator, settings, starts)
    alone = [DragOptimizer(generator, settings, [start]) for start in starts]
    for step in range(8):
        if step == 5:  # the one in the middle leaves
            which = torch.tensor([True, False, True])
            together.select(which)
            alone = [alone[0], alone[2]]
        losses, finite = together.step()
        assert bool(finite.all())
        for i, one in enumerate(alone):
            loss, _ = one.step()
            assert torch.allclose(loss[0], losses[i], rtol=2e-3)
            assert torch.allclose(one.ws[0], together.ws[i], atol=2e-3)
            assert torch.equal(one.pairs.handles[0], together.pairs.handles[i, : one.pairs.handles.shape[1]])
            assert float(together.pairs.distances()[i].sum()) == pytest.approx(
                float(one.pairs.distances().sum()), abs=1e-4
            )


def test_the_descent_is_torchs_adam(generator: Generator, starts: list[DragTask]) -> None:
    ours = DragOptimizer(generator, SETTINGS, starts[:1])
    theirs = torch.zeros_like(ours.offset, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=SETTINGS.step_size)
    for seed in range(5):
        gradient = torch.from_numpy(np.random.RandomState(seed).randn(*theirs.shape).astype(np.float32))
        ours.adam.descend(ours.offset, gradient)
        theirs.grad = gradient
        adam.step()
        assert torch.allclose(ours.offset, theirs, atol=1e-6)


def test_one_that_breaks_keeps_what_it_had_and_disturbs_no_other(
    generator: Generator, starts: list[DragTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    together, alone = DragOptimizer(generator, SETTINGS, starts[:2]), DragOptimizer(generator, SETTINGS, starts[1:2])
    together.step()
    alone.step()
    before = together.ws[0].clone(), together.pairs.handles[0].clone()
    loss = optimizer.supervision_loss

    def broken(*arguments: object) -> torch.Tensor:
        return loss(*arguments) * torch.tensor([float("nan"), 1])  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(optimizer, "supervision_loss", broken)
        _, finite = together.step()
    alone.step()
    assert finite.tolist() == [False, True]
    assert torch.equal(together.ws[0], before[0]) and torch.equal(together.pairs.handles[0], before[1])
    assert torch.allclose(together.ws[1], alone.ws[0], atol=2e-3)
