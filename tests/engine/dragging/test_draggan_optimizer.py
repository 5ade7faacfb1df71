"""Drags that advance together are the same as each alone, and a step needs one forward pass and no weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.feature_sources import FeatureWindows, WholeMapSource
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import StyleGAN2Layer
from draggan_engine.networks.windows import MapWindow
from tests.support.tiny_models import noisy_generator, random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02)
SETTINGS_64 = DragSettings(feature_block="b64", r1=1.5, r2=3, step_size=0.02)
PAIRS_64: list[tuple[Point, Point]] = [
    ((20, 30), (34, 38)), ((1, 2), (9, 12)), ((25, 33), (30, 22)), ((63, 40), (50, 44)),
]  # fmt: skip


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def tasks(generator: Generator) -> list[DragTask]:
    """Drags with one pair, with three pairs, and with one pair and a mask."""
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:20] = 1
    one_pair: list[tuple[Point, Point]] = [((10, 10), (16, 14))]
    three_pairs: list[tuple[Point, Point]] = [((5, 5), (5, 9)), ((20, 9), (25, 9)), ((12, 30), (9, 26))]
    latents = [latent_of_seed(generator, seed, 1.0) for seed in range(3)]
    return [
        DragTask(latents[0], one_pair), DragTask(latents[1], three_pairs), DragTask(latents[2], [((9, 9), (14, 9))], mask),
    ]  # fmt: skip


@pytest.mark.parametrize("space", ["w+", "w"])
def test_drags_that_advance_together_equal_each_alone(generator: Generator, tasks: list[DragTask], space: str) -> None:
    settings = SETTINGS.model_copy(update={"space": space})
    together = DragganOptimizer(generator, settings, tasks)
    alone = [DragganOptimizer(generator, settings, [task]) for task in tasks]
    for step in range(8):
        if step == 5:  # the second drag ends
            together.select(torch.tensor([True, False, True]))
            alone = [alone[0], alone[2]]
        losses, is_finite = together.step()
        assert bool(is_finite.all())
        distances = together.pairs.distances().sum(dim=1)
        for i, single in enumerate(alone):
            loss, _ = single.step()
            assert torch.allclose(loss[0], losses[i], rtol=2e-3)
            assert torch.allclose(single.ws[0], together.ws[i], atol=2e-3)
            pair_count = single.pairs.handles.shape[1]
            assert torch.equal(single.pairs.handles[0], together.pairs.handles[i, :pair_count])
            assert float(distances[i]) == pytest.approx(float(single.pairs.distances().sum()), abs=1e-4)


def test_a_drag_that_diverges_keeps_its_state_and_does_not_affect_the_others(
    generator: Generator, tasks: list[DragTask]
) -> None:
    together, alone = (
        DragganOptimizer(generator, SETTINGS, tasks[:2]),
        DragganOptimizer(generator, SETTINGS, tasks[1:2]),
    )
    together.step()
    alone.step()
    ws_before, handles_before = together.ws[0].clone(), together.pairs.handles[0].clone()
    together.pairs.targets[0] = torch.nan
    _, is_finite = together.step()
    alone.step()
    assert is_finite.tolist() == [False, True]
    assert torch.equal(together.ws[0], ws_before) and torch.equal(together.pairs.handles[0], handles_before)
    assert torch.allclose(together.ws[1], alone.ws[0], atol=2e-3)


def test_a_step_uses_only_what_was_computed_from_the_weights_before() -> None:
    generator = noisy_generator(64, dtype=torch.float32)
    latent = latent_of_seed(generator, 0, 1.0)
    tasks = [DragTask(latent, PAIRS_64), DragTask(latent, PAIRS_64, np.eye(64, dtype=np.uint8))]
    optimizers = [DragganOptimizer(generator, SETTINGS_64, [task]) for task in tasks]
    for layer in generator.synthesis.modules():
        if isinstance(layer, StyleGAN2Layer):
            layer.weight = nn.Parameter(torch.full_like(layer.weight, torch.nan), requires_grad=False)
            layer.noise_strength = nn.Parameter(torch.tensor(torch.nan), requires_grad=False)
    assert [bool(optimizer.step()[1]) for optimizer in optimizers] == [True, True]


@pytest.mark.parametrize(("mask_weight", "needs_whole_map"), [(20.0, True), (0.0, False)])
def test_a_mask_needs_the_whole_map_unless_its_weight_is_0(mask_weight: float, needs_whole_map: bool) -> None:
    generator = noisy_generator(64, dtype=torch.float32)
    mask = np.ones((64, 64), np.uint8)
    mask[:9] = 0
    settings = SETTINGS_64.model_copy(update={"mask_weight": mask_weight})
    optimizer = DragganOptimizer(generator, settings, [DragTask(latent_of_seed(generator, 0, 1.0), PAIRS_64[:1], mask)])
    optimizer.step()
    assert (optimizer.features.windows == (MapWindow.whole(optimizer.source.map_size),)) == needs_whole_map


class UnlimitedTracker:
    """Looks anywhere, and gives each handle the place of another."""

    search_radius = float("inf")

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        assert features.whole_map.shape[2:] == (64, 64)
        return handles.roll(1, dims=1)

    def select(self, kept: Tensor) -> None: ...


def test_a_tracker_without_a_search_radius_gets_the_whole_map() -> None:
    generator = noisy_generator(64, dtype=torch.float32)
    optimizer = DragganOptimizer(generator, SETTINGS_64, [DragTask(latent_of_seed(generator, 0, 1.0), PAIRS_64)])
    optimizer.tracker = UnlimitedTracker()
    assert bool(optimizer.step()[1].all())


def check_windows_change_nothing(generator: Generator, settings: DragSettings, task: DragTask) -> float:
    """Run fifty steps in windows and on whole maps, compare them, and return how far the handles have moved in all."""
    windowed, whole = (DragganOptimizer(generator, settings, [task]) for _ in range(2))
    whole.source = WholeMapSource(generator.synthesis, settings.feature_block, whole.source.map_size)
    path_length = 0.0
    for _ in range(50):
        handles_before = windowed.pairs.handles.clone()
        loss, is_finite = windowed.step()
        expected_loss, _ = whole.step()
        assert bool(is_finite.all())
        assert torch.allclose(loss, expected_loss, rtol=1e-6)
        assert torch.equal(windowed.pairs.handles, whole.pairs.handles)
        assert windowed.features.windows != whole.features.windows == (MapWindow.whole(whole.source.map_size),)
        path_length += float((windowed.pairs.handles - handles_before).norm(dim=2).sum())
    assert windowed.ws.dtype == torch.float64
    assert torch.allclose(windowed.ws, whole.ws, rtol=0, atol=1e-6)
    return path_length


@pytest.mark.parametrize("space", ["w+", "w"])
def test_fifty_steps_in_windows_equal_those_on_whole_maps(space: str) -> None:
    generator = noisy_generator(64)
    ws = torch.randn(1, generator.num_ws, 8, generator=torch.Generator().manual_seed(3)).double()
    settings = SETTINGS_64.model_copy(update={"space": space})
    assert check_windows_change_nothing(generator, settings, DragTask(ws, PAIRS_64)) > 10


@pytest.mark.parametrize("pairs", [[((60, 60), (90, 64))], [((0, 3), (40, 9)), ((64, 70), (64, 50))]])
def test_fifty_steps_of_the_bundled_model_in_windows_equal_those_on_whole_maps(
    pairs: list[tuple[Point, Point]],
) -> None:
    model = load_model("critters-128", "cpu")
    ws = latent_of_seed(model.generator, 3, 1.0).double()
    settings = model.info.settings.model_copy(update={"step_size": 0.02})
    assert check_windows_change_nothing(model.generator.double(), settings, DragTask(ws, pairs)) > 5
