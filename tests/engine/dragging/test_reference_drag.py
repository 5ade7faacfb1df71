"""The drag moves its handles exactly where the reference drag does."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.motion_supervision import ExactMaskLoss
from draggan_engine.dragging.reference_drag import ReferenceDrag
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator

STEPS = 50
PAIRS: list[tuple[Point, Point]] = [
    ((20.25, 30), (34, 38)),
    ((1, 2), (9, 12)),
    ((25, 33.5), (30, 22)),
    ((62, 40), (50, 44)),
]


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A generator of 64×64 pixels in float64; its images are noise."""
    torch.manual_seed(1)
    config = StyleGAN2Config(resolution=64, z_dim=16, w_dim=16, mapping_layers=1, channels=(16, 16, 12, 12, 8))
    return Generator(config).eval().requires_grad_(False).double()


def random_latent(generator: Generator, seed: int) -> Tensor:
    """Return a latent in the generator's number type."""
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    ws: Tensor = generator.mapping(z.to(generator.mapping.w_avg.dtype), None, psi=1.0)
    return ws


def compare_drags(generator: Generator, settings: DragSettings, task: DragTask) -> tuple[float, float]:
    """Run both drags, and return how far their handles were apart at most, and how far the reference's moved in all.

    Both in image pixels.
    """
    reference = ReferenceDrag(copy.deepcopy(generator), settings, task)
    optimizer = DragganOptimizer(generator, settings, [task], mask_loss_type=ExactMaskLoss)
    max_difference, path_length = 0.0, 0.0
    for _ in range(STEPS):
        handles_before = np.array(reference.handles)
        reference.step()
        optimizer.step()
        handles = np.array(reference.handles)
        max_difference = max(max_difference, float(np.abs(handles - optimizer.pairs.handles[0].numpy()).max()))
        path_length += float(np.abs(handles - handles_before).sum())
    return max_difference, path_length


@pytest.mark.parametrize("block", ["b64", "b32"])
@pytest.mark.parametrize("space", ["w+", "w"])
@pytest.mark.parametrize("has_mask", [False, True])
def test_in_float64_the_handles_are_the_same(generator: Generator, block: str, space: str, has_mask: bool) -> None:
    settings = DragSettings(feature_block=block, r1=3, r2=5, step_size=0.02, space=space)  # type: ignore[arg-type]
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[:35] = 1
    task = DragTask(random_latent(generator, 5), PAIRS, mask if has_mask else None)
    max_difference, path_length = compare_drags(generator, settings, task)
    assert max_difference == 0
    assert path_length > 10


@pytest.mark.parametrize("pair_count", [1, 5])
def test_on_the_bundled_model_in_float32_the_handles_are_within_a_pixel(pair_count: int) -> None:
    model = load_model("critters-128", "cpu")
    pairs: list[tuple[Point, Point]] = [((40 + 9 * i, 50 + 7 * i), (46 + 9 * i, 54 + 5 * i)) for i in range(pair_count)]
    task = DragTask(random_latent(model.generator, 3), pairs)
    max_difference, path_length = compare_drags(model.generator, model.info.settings, task)
    assert max_difference <= 1
    assert path_length > 5
