"""FreeDrag: its formulas, the same drag written slowly, and what it does to images of the bundled model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.feature_sources import WholeMapSource
from draggan_engine.dragging.freedrag_optimizer import FreeDragOptimizer
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss
from draggan_engine.dragging.moving_templates import blend_weights, search_line
from draggan_engine.evaluation.edit_runs import EditResult, run_drags
from draggan_engine.evaluation.landmark_detector import detect_landmarks
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.windows import MapWindow
from tests.support.tiny_models import noisy_generator, random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, step_size=0.02)
SETTINGS_64 = DragSettings(feature_block="b32", r1=3, step_size=0.02)
PAIRS_64: list[tuple[Point, Point]] = [
    ((20.25, 30), (34, 38)), ((1, 2), (9, 12)), ((25, 33.5), (30, 22)), ((40, 50), (40, 50)),
]  # fmt: skip


# Formulas -----------------------------------------------------------------------------------------------


def test_the_weight_of_an_update_has_the_published_values() -> None:
    losses = torch.tensor([[0.0, 0.2, 0.8], [0.0, 0.06, 0.24]], dtype=torch.float64)
    weights = blend_weights(losses, torch.tensor([1.0, 0.3], dtype=torch.float64))
    expected_weights = torch.tensor([1 / (1 + 9 ** (-1 / 3)), 0.5, 0.1], dtype=torch.float64)
    assert torch.allclose(weights, expected_weights.expand(2, 3))


def search_one(
    losses_at: Callable[[Tensor], Tensor], start: Point, target: Point, length: float, goal: float
) -> list[float]:
    """Search one line in an image of 100×50 pixels; return the chosen point."""
    points = search_line(
        losses_at,
        torch.tensor([[start]], dtype=torch.float64),
        torch.tensor([[target]], dtype=torch.float64),
        torch.tensor([[length]], dtype=torch.float64),
        torch.tensor([[goal]], dtype=torch.float64),
        Size(100, 50),
    )
    return [round(float(coordinate), 6) for coordinate in points[0, 0]]


def loss_by_x(points: Tensor) -> Tensor:
    return points[..., 0]


def test_a_search_chooses_the_candidate_whose_loss_is_nearest_to_the_goal() -> None:
    assert search_one(loss_by_x, (10, 20), (60, 20), 5, 12.6) == [12.5, 20]
    assert search_one(loss_by_x, (10, 20), (60, 20), 5, 99) == [15, 20]
    assert search_one(loss_by_x, (10, 20), (40, 60), 5, 0) == [10.3, 20.4]


def test_a_search_does_not_go_beyond_the_target() -> None:
    assert search_one(loss_by_x, (10, 20), (12, 20), 5, 99) == [12, 20]
    assert search_one(loss_by_x, (10, 20), (10, 20), 5, 99) == [10, 20]


def test_a_search_leaves_out_points_outside_the_image() -> None:
    assert search_one(loss_by_x, (-4, 20), (60, 20), 10, -99) == [0, 20]


# The same drag, written slowly --------------------------------------------------------------------------


class SlowFreeDrag:
    """One drag, pair by pair and point by point, with torch's own Adam and grid_sample."""

    def __init__(self, generator: Generator, settings: DragSettings, task: DragTask) -> None:
        self.generator, self.settings, self.targets = generator, settings, [np.array(t) for _, t in task.pairs]
        self.height, self.width = generator.image_shape
        self.start_ws, self.offset = task.ws, torch.zeros_like(task.ws[:, : settings.layers]).requires_grad_()
        self.adam = torch.optim.Adam([self.offset], lr=settings.step_size)
        self.starts = [np.array(handle, dtype=float) for handle, _ in task.pairs]
        self.positions, self.handles = list(self.starts), list(self.starts)
        self.features = self.compute_features()
        self.templates = [self.patch(position).detach() for position in self.positions]
        self.stride = 3 * self.height / 128
        angles = np.arange(8) * np.pi / 4
        self.scale = float(
            torch.stack([
                self.loss(i, self.positions[i] + self.stride * np.array([np.cos(angle), np.sin(angle)]))
                for i in range(len(self.positions)) for angle in angles
            ]).detach().median()
        )  # fmt: skip
        self.mask_loss = None
        if task.mask is not None:
            fixed = 1 - torch.from_numpy(task.mask).float()[None]
            self.mask_loss = AveragedMaskLoss(self.features.detach(), fixed)
        self.first_losses = self.last_losses = [0.0] * len(self.positions)
        self.step_in_stage, self.stage_has_ended = 0, True
        self.branches: list[str] = []

    @property
    def ws(self) -> Tensor:
        layers = self.settings.layers
        return torch.cat([self.start_ws[:, :layers] + self.offset, self.start_ws[:, layers:]], dim=1)

    def compute_features(self) -> Tensor:
        block = self.settings.feature_block
        features: Tensor = self.generator.synthesis(self.ws, features=(block,)).features[block]
        return features

    def patch(self, center: NDArray[np.float64]) -> Tensor:
        """Return the features at 5×5 points, 1.5 pixels apart."""
        points = [[center[0] + 1.5 * i, center[1] + 1.5 * j] for j in range(-2, 3) for i in range(-2, 3)]
        image_size = torch.tensor([self.width, self.height], dtype=torch.float64)
        grid = (2 * torch.tensor(points, dtype=torch.float64) + 1) / image_size - 1
        return F.grid_sample(self.features, grid[None, None], padding_mode="border", align_corners=False)

    def loss(self, i: int, position: NDArray[np.float64]) -> Tensor:
        return (self.patch(position) - self.templates[i]).abs().mean()

    def search(self, i: int, start: NDArray[np.float64], length: float, goal: float) -> NDArray[np.float64]:
        line = self.targets[i] - start
        distance = float(np.hypot(*line))
        if distance == 0:
            return start
        candidates = [start + j / 10 * min(length, distance) * line / distance for j in range(1, 11)]
        candidates = [q for q in candidates if -0.5 < q[0] < self.width - 0.5 and -0.5 < q[1] < self.height - 0.5]
        return min(candidates, key=lambda q: abs(float(self.loss(i, q).detach()) - goal))

    def begin_stage(self, i: int) -> None:
        position, last_loss = self.positions[i], self.last_losses[i]
        if not np.array_equal(position, self.starts[i]):
            blend = 1 / (1 + np.exp(np.log(9) / (0.6 * self.scale) * (last_loss - 0.2 * self.scale)))
            self.templates[i] = blend * self.patch(position).detach() + (1 - blend) * self.templates[i]
        if last_loss <= 0.5 * self.scale:
            self.branches.append("on")
            self.positions[i] = self.search(i, position, self.stride, self.scale)
        elif last_loss <= self.first_losses[i]:
            self.branches.append("stay")
        else:
            self.branches.append("back")
            line = self.targets[i] - position
            direction = line / max(float(np.hypot(*line)), 1e-12)
            self.positions[i] = self.search(i, position - self.stride * direction, 2 * self.stride, 0.0)

    def step(self) -> float:
        indices = range(len(self.positions))
        if self.stage_has_ended:
            for i in indices:
                self.begin_stage(i)
            self.step_in_stage = 0
        losses = [self.loss(i, self.positions[i]) for i in indices]
        total = torch.stack(losses).sum()
        if self.mask_loss is not None:
            total = total + self.settings.mask_weight / 2 * self.mask_loss(self.features).sum()
        if self.step_in_stage == 0:
            self.first_losses = [float(loss.detach()) for loss in losses]
        self.adam.zero_grad()
        torch.autograd.backward(total)
        self.adam.step()
        self.features = self.compute_features()
        self.last_losses = [float(self.loss(i, self.positions[i]).detach()) for i in indices]
        self.step_in_stage += 1
        self.stage_has_ended = self.step_in_stage == 5 or max(self.last_losses) < 0.25 * self.scale
        for i in indices:
            is_at_target = np.hypot(*(self.positions[i] - self.targets[i])) < 1
            bound = (0.25 if is_at_target else 0.5) * self.scale
            if self.stage_has_ended and self.last_losses[i] <= bound:
                self.handles[i] = self.positions[i]
        return float(total.detach())


@pytest.mark.parametrize("has_mask", [False, True])
def test_the_drag_equals_a_slow_one(has_mask: bool) -> None:
    generator = noisy_generator(64)
    mask = np.zeros((64, 64), np.uint8)
    mask[:45] = 1
    ws = torch.randn(1, generator.num_ws, 8, generator=torch.Generator().manual_seed(3)).double()
    task = DragTask(ws, PAIRS_64, mask if has_mask else None)
    slow = SlowFreeDrag(generator, SETTINGS_64, task)
    optimizer = FreeDragOptimizer(generator, SETTINGS_64, [task])
    assert float(optimizer.templates.scales) == pytest.approx(slow.scale)
    path_length = 0.0
    for _ in range(60):
        positions_before = optimizer.templates.positions
        expected_loss = slow.step()
        loss, is_finite = optimizer.step()
        assert bool(is_finite)
        assert float(loss) == pytest.approx(expected_loss, rel=1e-6)
        assert np.allclose(optimizer.templates.positions[0], np.stack(slow.positions), atol=1e-6)
        assert np.allclose(optimizer.pairs.handles[0], np.stack(slow.handles), atol=1e-6)
        assert torch.allclose(optimizer.ws, slow.ws, rtol=0, atol=1e-7)
        path_length += float((optimizer.templates.positions - positions_before).norm(dim=2).sum())
    assert path_length > 5
    assert set(slow.branches) == {"on", "stay", "back"}


# Several drags, windows, divergence ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def tasks(generator: Generator) -> list[DragTask]:
    """Drags with one pair, with three pairs, and with one pair and a mask."""
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:20] = 1
    three_pairs: list[tuple[Point, Point]] = [((5, 5), (5, 9)), ((20, 9), (25, 9)), ((12, 30), (9, 26))]
    latents = [latent_of_seed(generator, seed, 1.0) for seed in range(3)]
    return [
        DragTask(latents[0], [((10, 10), (16, 14))]), DragTask(latents[1], three_pairs),
        DragTask(latents[2], [((9, 9), (14, 9))], mask),
    ]  # fmt: skip


@pytest.mark.parametrize("space", ["w+", "w"])
def test_drags_that_advance_together_equal_each_alone(tasks: list[DragTask], space: str) -> None:
    generator = random_generator().double()
    tasks = [DragTask(task.ws.double(), task.pairs, task.mask) for task in tasks]
    settings = SETTINGS.model_copy(update={"space": space})
    together = FreeDragOptimizer(generator, settings, tasks)
    alone = [FreeDragOptimizer(generator, settings, [task]) for task in tasks]
    for step in range(16):
        if step == 8:  # the second drag ends
            together.select(torch.tensor([True, False, True]))
            alone = [alone[0], alone[2]]
        losses, is_finite = together.step()
        assert bool(is_finite.all())
        for i, single in enumerate(alone):
            loss, _ = single.step()
            pair_count = single.pairs.handles.shape[1]
            assert torch.allclose(loss[0], losses[i], rtol=1e-6)
            assert torch.allclose(single.ws[0], together.ws[i], atol=1e-6)
            assert torch.allclose(single.pairs.handles[0], together.pairs.handles[i, :pair_count])
            assert torch.allclose(single.templates.positions[0], together.templates.positions[i, :pair_count])
    assert torch.equal(together.ws[:, 6:], together.start_ws[:, 6:])


def test_a_drag_in_windows_equals_that_on_whole_maps() -> None:
    generator = noisy_generator(64)
    settings = SETTINGS_64.model_copy(update={"feature_block": "b64", "r1": 1.5})
    ws = torch.randn(1, generator.num_ws, 8, generator=torch.Generator().manual_seed(3)).double()
    windowed, whole = (FreeDragOptimizer(generator, settings, [DragTask(ws, PAIRS_64)]) for _ in range(2))
    whole.source = WholeMapSource(generator.synthesis, "b64", whole.source.map_size)
    path_length = 0.0
    for _ in range(40):
        positions_before = windowed.templates.positions
        loss, is_finite = windowed.step()
        expected_loss, _ = whole.step()
        assert bool(is_finite.all())
        assert torch.allclose(loss, expected_loss, rtol=1e-6)
        assert torch.allclose(windowed.templates.positions, whole.templates.positions)
        assert windowed.features.windows != whole.features.windows == (MapWindow.whole(whole.source.map_size),)
        path_length += float((windowed.templates.positions - positions_before).norm(dim=2).sum())
    assert torch.allclose(windowed.ws, whole.ws, rtol=0, atol=1e-6)
    assert path_length > 3


def test_a_drag_that_diverges_keeps_its_state_and_does_not_affect_the_others(
    generator: Generator, tasks: list[DragTask]
) -> None:
    together = FreeDragOptimizer(generator, SETTINGS, tasks[:2])
    alone = FreeDragOptimizer(generator, SETTINGS, tasks[1:2])
    together.step()
    alone.step()
    ws_before, handles_before = together.ws[0].clone(), together.pairs.handles[0].clone()
    together.start_ws[0] = torch.nan  # the features of the first drag are not finite from now on
    together.templates.patches[0] = torch.nan
    loss, is_finite = together.step()
    alone.step()
    assert not bool(torch.isfinite(loss[0]))
    assert is_finite.tolist() == [False, True]
    assert torch.equal(together.ws[0], ws_before) and torch.equal(together.pairs.handles[0], handles_before)
    assert torch.allclose(together.ws[1], alone.ws[0], atol=2e-3)


def test_a_target_that_is_no_number_makes_a_drag_diverge(generator: Generator, tasks: list[DragTask]) -> None:
    optimizer = FreeDragOptimizer(generator, SETTINGS, tasks[:1])
    optimizer.pairs.targets[0] = torch.nan
    _, is_finite = optimizer.step()
    assert is_finite.tolist() == [False]
    assert optimizer.pairs.handles[0].tolist() == [[10, 10]]


def test_a_drag_without_pairs_is_refused(generator: Generator) -> None:
    with pytest.raises(EditError, match="nothing to drag"):
        FreeDragOptimizer(generator, SETTINGS, [DragTask(latent_of_seed(generator, 0, 1.0), [])])


def test_a_pin_keeps_its_first_template(generator: Generator) -> None:
    pairs: list[tuple[Point, Point]] = [((10, 10), (20, 14)), ((25, 25), (25, 25))]
    optimizer = FreeDragOptimizer(generator, SETTINGS, [DragTask(latent_of_seed(generator, 0, 1.0), pairs)])
    start_templates = optimizer.templates.patches.clone()
    for _ in range(20):
        optimizer.step()
    assert not torch.equal(optimizer.templates.patches[0, 0], start_templates[0, 0])
    assert torch.equal(optimizer.templates.patches[0, 1], start_templates[0, 1])
    assert optimizer.pairs.handles[0, 1].tolist() == [25, 25]


def test_a_template_follows_a_target_that_moves(generator: Generator) -> None:
    task = DragTask(latent_of_seed(generator, 0, 1.0), [((10, 10), (10, 10))])
    optimizer = FreeDragOptimizer(generator, SETTINGS, [task])
    optimizer.step()
    assert optimizer.templates.positions.tolist() == [[[10, 10]]]
    optimizer.pairs.targets[0, 0] = torch.tensor([18.0, 10.0])
    optimizer.step()
    x, y = optimizer.templates.positions[0, 0].tolist()
    assert 10 < x <= 10.75 and y == 10


# Images -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def critters() -> Model:
    return load_model("critters-128", "cpu")


def landmark_of(model: Model, ws: Tensor, name: str) -> NDArray[np.float32]:
    with torch.no_grad():
        image = model.generator.synthesis(ws).image
    point: NDArray[np.float32] = detect_landmarks(image).points[0, LANDMARKS.index(name)]
    return point


def drag_by(
    model: Model, ws: Tensor, start: NDArray[np.float32], shift: Point, mask: NDArray[np.uint8] | None
) -> EditResult:
    handle = (float(start[0]), float(start[1]))
    task = DragTask(ws, [(handle, (handle[0] + shift[0], handle[1] + shift[1]))], mask)
    return run_drags(FreeDragOptimizer(model.generator, model.info.settings, [task]))[0]


@pytest.mark.parametrize(("seed", "shift"), [(0, (8, 0)), (3, (-6, 5))])
def test_the_nose_moves_to_its_target(critters: Model, seed: int, shift: Point) -> None:
    ws = latent_of_seed(critters.generator, seed, critters.info.psi)
    start = landmark_of(critters, ws, "nose_tip")
    edit_result = drag_by(critters, ws, start, shift, None)
    assert edit_result.reached
    end = landmark_of(critters, edit_result.ws, "nose_tip")
    assert np.linalg.norm(end - (start + shift)) < 0.35 * np.linalg.norm(shift)


def test_a_mask_keeps_the_rest_of_the_image_from_changing(critters: Model) -> None:
    ws = latent_of_seed(critters.generator, 0, critters.info.psi)
    start = landmark_of(critters, ws, "nose_tip")
    y, x = np.mgrid[:128, :128]
    mask = (np.hypot(x - start[0], y - start[1]) < 30).astype(np.uint8)

    def change_outside(drag_mask: NDArray[np.uint8] | None) -> float:
        edit_result = drag_by(critters, ws, start, (8, 0), drag_mask)
        with torch.no_grad():
            difference = critters.generator.synthesis(edit_result.ws).image - critters.generator.synthesis(ws).image
        return float(difference.abs().mean(dim=1)[0][torch.from_numpy(mask) == 0].mean())

    assert change_outside(mask) < 0.7 * change_outside(None)
