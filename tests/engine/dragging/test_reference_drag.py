"""The product's drag goes where the plain one goes: the same handles, by far less arithmetic."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.motion_supervision import ExactMaskLoss
from draggan_engine.dragging.optimizer import DragOptimizer
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


def noise_network(dtype: torch.dtype) -> Generator:
    """Of 64 × 64 pixels; what it shows is noise."""
    torch.manual_seed(1)
    config = StyleGAN2Config(resolution=64, z_dim=16, w_dim=16, mapping_layers=1, channels=(16, 16, 12, 12, 8))
    return Generator(config).eval().requires_grad_(False).to(dtype)


def latent(made: Generator, seed: int) -> Tensor:
    """Of the generator's type."""
    z = torch.randn(1, made.config.z_dim, generator=torch.Generator().manual_seed(seed))
    ws: Tensor = made.mapping(z.to(made.mapping.w_avg.dtype), None, psi=1.0)
    return ws


def half_held(size: int) -> NDArray[np.uint8]:
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[: size // 2 + 3] = 1
    return mask


def apart(made: Generator, settings: DragSettings, start: DragTask, steps: int = STEPS) -> tuple[float, float]:
    """How far the handles of the two drags ever are from each other, and how far the plain one's go, in pixels."""
    plain = ReferenceDrag(copy.deepcopy(made), settings, start)
    ours = DragOptimizer(
        made, settings, [start], mask_loss_type=ExactMaskLoss
    )  # the product's own term is not the paper's
    most, gone = 0.0, 0.0
    for _ in range(steps):
        before = np.array(plain.handles)
        plain.step()
        ours.step()
        handles = np.array(plain.handles)
        most = max(most, float(np.abs(handles - ours.pairs.handles[0].numpy()).max()))
        gone += float(np.abs(handles - before).sum())
    return most, gone


@pytest.mark.parametrize("block", ["b64", "b32"])
@pytest.mark.parametrize("space", ["w+", "w"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_same_handles_in_float64(block: str, space: str, masked: bool) -> None:
    made = noise_network(torch.float64)
    settings = DragSettings(feature_block=block, r1=3, r2=5, step_size=0.02, space=space)  # type: ignore[arg-type]
    start = DragTask(latent(made, 5), PAIRS, half_held(64) if masked else None)
    most, gone = apart(made, settings, start)
    assert most == 0
    assert gone > 10


@pytest.mark.parametrize("pairs", [1, 5])
def test_within_a_pixel_in_float32_on_the_bundled_model(pairs: int) -> None:
    model = load_model("critters-128", "cpu")
    places: list[tuple[Point, Point]] = [((40 + 9 * i, 50 + 7 * i), (46 + 9 * i, 54 + 5 * i)) for i in range(pairs)]
    start = DragTask(latent(model.generator, 3), places)
    most, gone = apart(model.generator, model.info.settings, start)
    assert most <= 1
    assert gone > 5
