"""Least squares: it arrives in a few steps, alone or with other drags, and gives way to the paper's method if it fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.dragging.drag_task import DragTask, why_not_bfloat16
from draggan_engine.dragging.draggan_optimizer import DragganOptimizer
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.dragging.handle_jacobian import MAX_EXACT_PAIRS
from draggan_engine.dragging.least_squares_optimizer import LeastSquaresOptimizer
from draggan_engine.dragging.patch_tracking import PatchTracker
from draggan_engine.dragging.trust_region import FIRST_DAMPING
from draggan_engine.evaluation.cases import landmark_cases
from draggan_engine.evaluation.edit_runs import run_drags
from draggan_engine.evaluation.landmark_detector import detect_landmarks
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.w_statistics import w_statistics
from tests.support.tiny_models import noisy_generator, random_generator, random_stylegan3

SETTINGS_64 = DragSettings(feature_block="b32", space="w")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("critters-128", "cpu")


def first_cases(model: Model, points: int, count: int) -> list[DragTask]:
    cases = landmark_cases(model, points)
    return [next(cases).drag for _ in range(count)]


@pytest.mark.parametrize("space", ["w", "w+"])
def test_noses_arrive_in_few_steps(model: Model, space: str) -> None:
    drags = first_cases(model, 1, 6)
    settings = model.info.settings.model_copy(update={"space": space})
    results = run_drags(LeastSquaresOptimizer(model.generator, settings, drags))
    images = torch.cat([model.generator.synthesis(result.ws).image for result in results])
    noses = detect_landmarks(images).points[:, LANDMARKS.index("nose_tip")]
    distances_before = [np.hypot(*np.subtract(*drag.pairs[0])) for drag in drags]
    distances_after = [np.hypot(*(nose - drag.pairs[0][1])) for nose, drag in zip(noses, drags, strict=True)]
    assert np.mean(distances_before) > 8 and np.mean(distances_after) < 2.5
    assert np.mean([result.steps for result in results]) < 20
    lengths = w_statistics(model.generator.mapping).lengths(
        torch.cat([result.ws - drag.ws for result, drag in zip(results, drags, strict=True)])[:, :6]
    )
    assert float(lengths.mean()) < 4


def test_many_points_move_together(model: Model) -> None:
    _, drag = first_cases(model, 68, 2)
    assert len(drag.pairs) > MAX_EXACT_PAIRS
    optimizer = LeastSquaresOptimizer(model.generator, model.info.settings, [drag])
    distance_before = float(optimizer.pairs.distances().mean())
    (result,) = run_drags(optimizer)
    targets = torch.tensor([target for _, target in drag.pairs])
    assert float((result.handles - targets).norm(dim=1).mean()) < distance_before / 2


def test_drags_that_advance_together_equal_each_alone() -> None:
    generator = noisy_generator(64)
    latents = [latent_of_seed(generator.float(), seed, 1.0).double() for seed in range(3)]
    generator.double()
    mask = np.zeros((64, 64), np.uint8)
    mask[10:50, 10:50] = 1
    pairs: list[list[tuple[Point, Point]]] = [
        [((20, 30), (26, 34))], [((30, 12), (34, 16)), ((50, 40), (46, 44)), ((9, 9), (9, 9))], [((33, 33), (28, 30))],
    ]  # fmt: skip
    tasks = [DragTask(ws, task_pairs, mask) for ws, task_pairs in zip(latents, pairs, strict=True)]
    together = LeastSquaresOptimizer(generator, SETTINGS_64, tasks)
    alone = [LeastSquaresOptimizer(generator, SETTINGS_64, [task]) for task in tasks]
    for step in range(5):
        if step == 3:  # the second drag ends
            together.select(torch.tensor([True, False, True]))
            alone = [alone[0], alone[2]]
        _, is_finite = together.step()
        assert bool(is_finite.all())
        for index, single in enumerate(alone):
            single.step()
            pair_count = single.pairs.handles.shape[1]
            assert torch.allclose(together.pairs.handles[index, :pair_count], single.pairs.handles[0], atol=1e-6)
            assert torch.allclose(together.ws[index], single.ws[0], atol=1e-6)


def test_windows_give_the_result_of_whole_maps(model: Model) -> None:
    drags = first_cases(model, 1, 1)
    everything = np.ones((128, 128), np.uint8)
    everything[0, 0] = 0  # a mask that fixes one pixel makes the maps whole
    settings = model.info.settings
    windowed = LeastSquaresOptimizer(model.generator, settings, drags)
    whole = LeastSquaresOptimizer(
        model.generator,
        settings.model_copy(update={"mask_weight": 1e-9}),
        [DragTask(drags[0].ws, drags[0].pairs, everything)],
    )
    for _ in range(3):
        windowed.step()
        whole.step()
    assert torch.allclose(windowed.pairs.handles, whole.pairs.handles, atol=0.05)


class RunawayTracker(PatchTracker):
    """Reports that all handles move away from their targets."""

    def __init__(self, optimizer: LeastSquaresOptimizer) -> None:
        self.optimizer, self.search_radius = optimizer, optimizer.tracker.search_radius
        self.templates, self.shape = optimizer.tracker.templates, optimizer.tracker.shape
        self.image_size = optimizer.tracker.image_size

    def track(self, handles: Tensor, predicted_motion: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        pairs = self.optimizer.pairs
        return pairs.handles + (pairs.handles - pairs.targets) / 10


def test_a_step_that_leads_away_is_undone_and_the_image_stays(model: Model) -> None:
    optimizer = LeastSquaresOptimizer(model.generator, model.info.settings, first_cases(model, 1, 1))
    optimizer.tracker = RunawayTracker(optimizer)
    ws_before, handles_before = optimizer.ws.clone(), optimizer.pairs.handles.clone()
    _, is_finite = optimizer.step()
    assert bool(is_finite) and torch.equal(optimizer.ws, ws_before)
    assert torch.equal(optimizer.pairs.handles, handles_before)
    image = optimizer.source.image_renderer()(128)
    assert torch.allclose(image, model.generator.synthesis(ws_before).image, atol=1e-4)


def test_after_two_failed_steps_handles_are_where_the_tracker_finds_them(model: Model) -> None:
    optimizer = LeastSquaresOptimizer(model.generator, model.info.settings, first_cases(model, 1, 1))
    optimizer.tracker = RunawayTracker(optimizer)
    handles, targets = optimizer.pairs.handles.clone(), optimizer.pairs.targets
    optimizer.step()
    optimizer.step()
    assert torch.allclose(optimizer.pairs.handles, handles + (handles - targets) / 10)
    assert torch.equal(optimizer.trust.damping, torch.full_like(optimizer.trust.damping, FIRST_DAMPING))


def test_after_four_failed_steps_far_from_the_target_the_papers_method_continues(model: Model) -> None:
    (drag,) = first_cases(model, 1, 1)
    optimizer = LeastSquaresOptimizer(model.generator, model.info.settings, [drag])
    optimizer.tracker = RunawayTracker(optimizer)
    assert optimizer.settles_after < DragganOptimizer.settles_after
    for _ in range(4):
        assert not bool(optimizer.is_fallback)
        optimizer.step()
    assert bool(optimizer.is_fallback) and optimizer.settles_after == DragganOptimizer.settles_after
    expected = DragganOptimizer(model.generator, model.info.settings, [drag])
    expected.continue_from(optimizer.ws, optimizer.pairs.handles)
    for _ in range(4):
        loss, _ = optimizer.step()
        expected_loss, _ = expected.step()
        assert float(loss) == pytest.approx(float(expected_loss), rel=1e-4)
        assert torch.allclose(optimizer.ws, expected.ws, atol=1e-5)
        assert torch.equal(optimizer.pairs.handles, expected.pairs.handles)
    image = optimizer.source.image_renderer()(128)
    assert torch.allclose(image, model.generator.synthesis(optimizer.ws).image, atol=1e-4)


def test_a_drag_that_is_not_finite_is_reported_and_keeps_its_latent() -> None:
    generator = random_generator()
    task = DragTask(latent_of_seed(generator, 0, 1.0), [((10, 10), (16, 14))])
    optimizer = LeastSquaresOptimizer(generator, DragSettings(feature_block="b16", space="w"), [task])
    optimizer.jacobian.fill_(torch.nan)
    optimizer.jacobian_age.zero_()
    _, is_finite = optimizer.step()
    assert not bool(is_finite) and torch.equal(optimizer.ws, task.ws)
    assert optimizer.pairs.handles.tolist() == [[[10, 10]]]


@pytest.mark.parametrize(("stop_distance", "max_shortfall"), [(1.0, 0.5), (0.2, 0.1)])
def test_the_distribution_of_w_holds_a_handle_back_by_half_the_stop_distance_at_most(
    model: Model, stop_distance: float, max_shortfall: float
) -> None:
    settings = model.info.settings.model_copy(update={"stop_distance": stop_distance})
    optimizer = LeastSquaresOptimizer(model.generator, settings, first_cases(model, 1, 1))
    for length in [0.0, 0.5, 3.0, 20.0]:
        optimizer.coordinates = torch.zeros_like(optimizer.coordinates)
        optimizer.coordinates[:, 0] = length
        for row_length in [0.3, 4.0, 12.0]:
            prior_variance = float(optimizer.prior_variance(torch.tensor([row_length**2])))
            assert prior_variance * length / row_length <= max_shortfall * 1.001
            assert 0 < prior_variance <= (settings.stay * optimizer.shape.spacing) ** 2 * 1.001


def test_stay_keeps_edits_nearer_to_their_start(model: Model) -> None:
    lengths: dict[float, float] = {0.0: 0, 1.0: 0}
    for drag in first_cases(model, 5, 4):
        for stay in lengths:
            optimizer = LeastSquaresOptimizer(
                model.generator, model.info.settings.model_copy(update={"stay": stay}), [drag]
            )
            run_drags(optimizer)
            lengths[stay] += float(optimizer.coordinates.norm())
    assert lengths[1.0] < 0.9 * lengths[0.0]


def test_a_drag_does_not_end_outside_the_image(model: Model) -> None:
    task = DragTask(latent_of_seed(model.generator, 5, 1.0), [((6.0, 60.0), (0.0, 56.0)), ((120.0, 3.0), (127.0, 0.0))])
    optimizer = LeastSquaresOptimizer(model.generator, model.info.settings, [task])
    for _ in range(20):
        optimizer.step()
        assert bool((optimizer.pairs.handles >= 0).all()) and bool((optimizer.pairs.handles <= 127).all())


@pytest.mark.parametrize("make_generator", [random_generator, random_stylegan3])
def test_handles_of_random_networks_come_nearer(make_generator: object) -> None:
    generator: Generator = make_generator()  # type: ignore[operator]
    block = generator.synthesis.block_names[-2]
    task = DragTask(latent_of_seed(generator, 1, 1.0), [((10.0, 10.0), (13.0, 12.0))])
    optimizer = LeastSquaresOptimizer(generator, DragSettings(feature_block=block), [task])
    distance_before = float(optimizer.pairs.distances())
    for _ in range(8):
        optimizer.step()
    assert float(optimizer.pairs.distances()) < distance_before


def test_masks_keep_fixed_areas_better(model: Model) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[30:110, 30:110] = 1
    outside = torch.from_numpy(mask) == 0
    changes: dict[bool, float] = {False: 0, True: 0}
    for drag in first_cases(model, 1, 8):
        for is_masked in changes:
            task = DragTask(drag.ws, drag.pairs, mask if is_masked else None)
            optimizer = LeastSquaresOptimizer(model.generator, model.info.settings, [task])
            run_drags(optimizer)
            before, after = (model.generator.synthesis(ws).image[0] for ws in (drag.ws, optimizer.ws))
            changes[is_masked] += float((after - before).abs().mean(dim=0)[outside].mean())
    assert changes[True] < changes[False]


def test_the_block_must_exist(model: Model) -> None:
    with pytest.raises(EditError, match="this model has"):
        LeastSquaresOptimizer(model.generator, DragSettings(feature_block="b4096"), first_cases(model, 1, 1))


def test_least_squares_uses_and_records_float32(model: Model) -> None:
    settings = model.info.settings.model_copy(update={"precision": "bfloat16", "method": "draggan"})
    optimizer = LeastSquaresOptimizer(model.generator, settings, first_cases(model, 1, 1))
    assert (optimizer.settings.method, optimizer.settings.precision) == ("least-squares", "float32")
    assert why_not_bfloat16(model.generator, "least-squares") == "least squares needs the digits of float32"
