"""The method: each term of eq. 1 and eq. 2 against its definition, and the loop's promises."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop, DragStep
from draggan_engine.dragging.drag_task import PairBatch
from draggan_engine.dragging.feature_sampling import sample_features, sample_grids, square_offsets
from draggan_engine.dragging.feature_sources import FeatureWindows, WindowedSource
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, ExactMaskLoss, motion_loss, shift_towards
from draggan_engine.dragging.point_tracking import track_points
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator

IMAGE_SIZE = Size(32, 32)
SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=8)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


def drag(
    generator: Generator,
    settings: DragSettings = SETTINGS,
    pairs: list[tuple[Point, Point]] | None = None,
    mask: np.ndarray | None = None,
) -> tuple[list[DragStep], DragEnd, Tensor]:
    ws = latent_of_seed(generator, 1, 1.0)
    events = list(DragLoop(generator, ws, pairs or [((10, 10), (16, 14))], mask, settings).steps())
    end = events.pop()
    assert isinstance(end, DragEnd)
    return [event for event in events if isinstance(event, DragStep)], end, ws


def resized(features: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(features, size=(32, 32), mode="bilinear", align_corners=False)


def pair_batch(*pairs: tuple[Point, Point]) -> PairBatch:
    """Return the pairs of one drag."""
    handles, targets = torch.tensor([pairs], dtype=torch.float32).unbind(dim=2)
    return PairBatch(handles, targets, torch.ones(1, len(pairs), dtype=torch.bool), IMAGE_SIZE)


def test_sampling_is_the_resized_map_at_its_pixels() -> None:
    torch.manual_seed(1)
    features = torch.randn(1, 5, 16, 16)
    points = torch.tensor([[3.0, 4.0], [0.0, 31.0], [17.0, 9.0]])
    expected = resized(features)[0, :, points[:, 1].long(), points[:, 0].long()].t()
    assert torch.allclose(sample_features(features, points[None], IMAGE_SIZE)[0], expected, atol=1e-5)


def test_sampling_between_and_beyond_the_pixels_is_grid_samples() -> None:
    torch.manual_seed(7)
    features = torch.randn(1, 5, 16, 16, requires_grad=True)
    points = torch.rand(50, 2) * 40 - 4
    grid = ((points + 0.5) * 2 / 32 - 1)[None, None]
    expected = torch.nn.functional.grid_sample(features, grid, padding_mode="border", align_corners=False)[0, :, 0].t()
    ours = sample_features(features, points[None], IMAGE_SIZE)[0]
    assert torch.allclose(ours, expected, atol=1e-5)
    (gradient,) = torch.autograd.grad(ours.square().sum(), features)
    (reference,) = torch.autograd.grad(expected.square().sum(), features)
    assert torch.allclose(gradient, reference, atol=1e-4)


@given(
    st.sampled_from([(8, 8), (16, 16), (32, 32), (16, 8), (64, 64)]),
    st.tuples(st.floats(-12, 36), st.floats(-12, 36)),
    st.integers(1, 13),
)
def test_windows_are_the_points_one_by_one(grid: tuple[int, int], corner: Point, side: int) -> None:
    torch.manual_seed(6)
    generate_image = Size(32 * grid[1] // grid[0], 32)
    features = torch.randn(2, 3, *grid, dtype=torch.float64, requires_grad=True)
    first = torch.tensor([[corner, (3.5, 4.25)], [(0.0, 0.0), corner]], dtype=torch.float64)
    steps = torch.arange(side, dtype=torch.float64)
    points = first[:, :, None, None] + torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=2)
    ours, expected = (
        sample_grids(features, first, side, generate_image),
        sample_features(features, points, generate_image),
    )
    assert torch.allclose(ours, expected, atol=1e-12)
    (gradient,) = torch.autograd.grad(ours.square().sum(), features)
    (reference,) = torch.autograd.grad(expected.square().sum(), features)
    assert torch.allclose(gradient, reference, atol=1e-10)


def test_neighbourhoods() -> None:
    assert square_offsets(12, torch.device("cpu")).shape == (23, 23, 2)
    assert square_offsets(2.5, torch.device("cpu"))[0, -1].tolist() == [2, -2]


def test_shift_has_length_min_one_distance() -> None:
    handles = torch.tensor([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    targets = torch.tensor([[10.0, 0.0], [0.0, 0.25], [5.0, 5.0]])
    assert torch.allclose(shift_towards(handles, targets), torch.tensor([[1.0, 0.0], [0.0, 0.25], [0.0, 0.0]]))


def test_motion_loss_is_eq_1_with_means() -> None:
    torch.manual_seed(2)
    features = torch.randn(1, 4, 32, 32)
    pairs = pair_batch(((10, 12), (15, 12)), ((20, 20), (20, 10)))
    offsets = [(x, y) for x in range(-3, 4) for y in range(-3, 4) if x * x + y * y < 9]
    expected = 0.0
    for (x, y), (dx, dy) in (((10, 12), (1, 0)), ((20, 20), (0, -1))):
        terms = [
            (features[0, :, y + int(oy) + dy, x + int(ox) + dx] - features[0, :, y + int(oy), x + int(ox)]).abs().mean()
            for ox, oy in offsets
        ]
        expected += float(sum(terms) / len(terms))
    assert float(motion_loss(features, pairs, 3)) == pytest.approx(expected, rel=1e-5)


def test_no_gradient_through_the_features_at_the_handle() -> None:
    """Only F(q + d) is pulled: a pixel that no q + d touches has no gradient although q does."""
    features = torch.randn(1, 2, 32, 32, requires_grad=True)
    motion_loss(features, pair_batch(((8, 8), (20, 8))), 1).sum().backward()
    touched = features.grad.abs().sum(dim=1)[0] > 1e-9
    assert touched[8, 9]
    assert not touched[8, 8]


def test_pixels_outside_the_picture_do_not_count() -> None:
    features = torch.randn(1, 3, 32, 32)
    inside = [(x, y) for x in range(3) for y in range(3) if x * x + y * y < 9]
    terms = [(features[0, :, y, x + 1] - features[0, :, y, x]).abs().mean() for x, y in inside]
    loss = motion_loss(features, pair_batch(((0, 0), (10, 0))), 3)
    assert float(loss) == pytest.approx(float(sum(terms) / len(terms)), rel=1e-5)


@pytest.mark.parametrize("ratio", [1, 2, 2.5])
def test_the_exact_mask_term_is_the_mean_change_where_nothing_may_move(ratio: float) -> None:
    torch.manual_seed(3)
    now, start = torch.randn(2, 19, 16, 12), torch.randn(2, 19, 16, 12)
    size = (int(16 * ratio), int(12 * ratio))
    fixed = (torch.rand(2, *size) > 0.5).float()
    now.requires_grad_()
    change = torch.nn.functional.interpolate(now - start, size=size, mode="bilinear", align_corners=False)
    expected = (change.abs() * fixed[:, None]).mean(dim=(1, 2, 3))
    ours = ExactMaskLoss(start, fixed)(now)
    assert torch.allclose(ours, expected, rtol=1e-5)
    (theirs,), (gradient,) = (torch.autograd.grad(loss.sum(), now) for loss in (expected, ours))
    assert torch.allclose(gradient, theirs, rtol=0, atol=1e-8)


@given(st.integers(0, 2**16), st.sampled_from([(16, 16), (24, 16), (37, 41)]), st.integers(1, 8))
def test_the_averaged_mask_term_is_never_less_than_the_exact_one(seed: int, size: tuple[int, int], step: int) -> None:
    """And the same where the change has one sign."""
    noise = torch.Generator().manual_seed(seed)
    start, change = (torch.randn(2, 3, 8, 8, generator=noise, dtype=torch.float64) for _ in range(2))
    fixed = (torch.rand(2, *size, generator=noise) > 0.3).float()
    fixed[:, : size[0] // step] = 1
    averaged, exact = AveragedMaskLoss(start, fixed), ExactMaskLoss(start, fixed)
    assert bool((averaged(start + change) >= exact(start + change) - 1e-12).all())
    assert torch.allclose(averaged(start + change.abs()), exact(start + change.abs()), rtol=1e-12)


def test_a_mask_term_goes_on_with_a_part_of_the_drags() -> None:
    start, now, fixed = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), (torch.rand(3, 8, 8) > 0.5).float()
    for kind in (AveragedMaskLoss, ExactMaskLoss):
        term = kind(start, fixed)
        before = term(now)
        kept = torch.tensor([True, False, True])
        term.select(kept)
        assert torch.equal(term(now[kept]), before[kept])


def test_tracking_finds_content_that_has_moved() -> None:
    torch.manual_seed(4)
    before = torch.randn(1, 8, 32, 32)
    after = torch.roll(before, shifts=(2, -3), dims=(2, 3))  # 2 down, 3 left
    handles = torch.tensor([[[15.0, 15.0], [20.0, 9.0]]])
    for norm in ("l1", "l2"):
        found = track_points(after, sample_features(before, handles, IMAGE_SIZE), handles, 6, norm, IMAGE_SIZE)
        assert torch.equal(found, handles + torch.tensor([-3.0, 2.0]))


def test_tracking_stays_within_its_square() -> None:
    torch.manual_seed(5)
    before = torch.randn(1, 8, 32, 32)
    after = torch.roll(before, shifts=6, dims=3)
    handle = torch.tensor([[[15.0, 15.0]]])
    found = track_points(after, sample_features(before, handle, IMAGE_SIZE), handle, 6, "l1", IMAGE_SIZE)
    assert (found - handle).abs().max() < 6


def test_a_drag_moves_the_handle_and_only_the_first_rows(generator: Generator) -> None:
    steps, end, start = drag(generator)
    assert [event.step for event in steps] == list(range(1, len(steps) + 1))
    assert end.step == len(steps)
    assert not torch.equal(end.ws[:, :6], start[:, :6])
    assert torch.equal(end.ws[:, 6:], start[:, 6:])
    assert torch.equal(end.ws, steps[-1].ws)


def test_in_w_all_optimised_rows_move_alike(generator: Generator) -> None:
    _, end, start = drag(generator, SETTINGS.model_copy(update={"space": "w"}))
    moved = (end.ws - start)[0, :6]
    assert moved.abs().max() > 0
    assert torch.allclose(moved, moved[:1].expand(6, -1), atol=1e-6)


def test_the_same_drag_twice_is_the_same(generator: Generator) -> None:
    _, a, _ = drag(generator)
    _, b, _ = drag(generator)
    assert torch.equal(a.ws, b.ws)
    assert a.handles == b.handles


def test_reasons(generator: Generator) -> None:
    assert drag(generator)[1].reason in {"reached", "max_steps"}
    assert drag(generator, pairs=[((10, 10), (10.5, 10))])[1].reason == "reached"
    assert drag(generator, SETTINGS.model_copy(update={"max_steps": 1}))[1].reason == "max_steps"
    session = DragLoop(generator, latent_of_seed(generator, 1, 1.0), [((10, 10), (25, 25))], None, SETTINGS)
    events = session.steps()
    next(events)
    session.control.stop()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("stopped", 1)


def test_divergence_keeps_the_last_finite_latent(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    session = DragLoop(generator, latent_of_seed(generator, 1, 1.0), [((10, 10), (25, 25))], None, SETTINGS)
    events = session.steps()
    first = next(events)
    source = session._optimizer.source

    def broken(ws: Tensor, boxes: object) -> FeatureWindows:  # noqa: ARG001
        return FeatureWindows.of(source(ws).whole_map * float("nan"))

    monkeypatch.setattr(session._optimizer, "source", Mock(side_effect=broken, map_size=source.map_size))
    end = next(events)
    assert isinstance(first, DragStep)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step, end.handles) == ("diverged", 1, first.handles)
    assert torch.equal(end.ws, first.ws)
    assert torch.isfinite(end.ws).all()


def test_a_mask_holds_the_rest(generator: Generator) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:20] = 1

    def change_outside(mask_of_drag: np.ndarray | None) -> float:
        _, end, start = drag(
            generator,
            SETTINGS.model_copy(update={"max_steps": 30, "mask_weight": 100.0}),
            [((10, 10), (25, 10))],
            mask_of_drag,
        )
        with torch.no_grad():
            difference = generator.synthesis(end.ws).image - generator.synthesis(start).image
        return float(difference.abs().mean(dim=1)[0][torch.from_numpy(mask) == 0].mean())

    assert change_outside(mask) < 0.7 * change_outside(None)


def test_one_forward_pass_a_step(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    forward = WindowedSource.__call__

    def counted(self: WindowedSource, *args: object) -> FeatureWindows:
        nonlocal calls
        calls += 1
        return forward(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(WindowedSource, "__call__", counted)
    monkeypatch.setattr(type(generator.synthesis), "forward", None)  # there is no other
    steps, _, _ = drag(generator)
    assert calls == len(steps) + 1


@pytest.mark.parametrize("block", ["b4", "b8", "b16", "b32"])
def test_the_drags_picture_is_its_latents_at_each_step(generator: Generator, block: str) -> None:
    session = DragLoop(
        generator, latent_of_seed(generator, 1, 1.0), [((10, 10), (16, 14))], None,
        SETTINGS.model_copy(update={"feature_block": block, "max_steps": 2}),
    )  # fmt: skip
    for event in session.steps():
        for height in (16, 32):
            ours = session.image_renderer(height)().astype(int)
            assert abs(ours - generate_image(generator, event.ws, height)).max() <= 1  # a rounding


def test_what_does_not_fit_the_model_is_refused(generator: Generator) -> None:
    ws = latent_of_seed(generator, 1, 1.0)
    with pytest.raises(EditError, match="b4, b8, b16, b32"):
        DragLoop(generator, ws, [((1, 1), (9, 9))], None, SETTINGS.model_copy(update={"feature_block": "b64"}))
    with pytest.raises(EditError, match="nothing to drag"):
        DragLoop(generator, ws, [], None, SETTINGS)
    with pytest.raises(EditError, match="16×16"):
        DragLoop(generator, ws, [((1, 1), (9, 9))], np.ones((16, 16), np.uint8), SETTINGS)
