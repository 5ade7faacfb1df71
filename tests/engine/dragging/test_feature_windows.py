"""Windows of feature maps are the whole map's, with its gradient; a drag notices no difference."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.feature_sampling import sample_features, sample_grids, window_around
from draggan_engine.dragging.feature_sources import FeatureWindows, WholeMapSource, WindowedSource, feature_source
from draggan_engine.dragging.optimizer import DragOptimizer
from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import StyleGAN2Layer
from draggan_engine.networks.windows import (
    BlockShape,
    MapWindow,
    chain_windows,
    merge_windows,
    plan_windows,
    window_below,
    window_cost,
)
from tests.support.references import relative_error


@cache
def generator(resolution: int, width: int = 4, dtype: torch.dtype = torch.float64) -> Generator:
    """With noise, and clamped, so that a slip in either shows."""
    torch.manual_seed(resolution + width)
    channels = (8, 12, 8, 6, 5)[: resolution.bit_length() - 2]
    config = StyleGAN2Config(
        resolution=resolution, z_dim=8, w_dim=8, mapping_layers=1, channels=channels, const_size=(4, width),
        conv_clamp=4.0,
    )  # fmt: skip
    made = Generator(config).eval().requires_grad_(False)
    for name, parameter in made.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            parameter.copy_(torch.randn(parameter.shape) * 0.3 + 0.1)
    return made.to(dtype)


@st.composite
def boxes_of(draw: st.DrawFn, size: Size) -> MapWindow:
    """Anywhere, at borders and in corners too."""
    left, top = draw(st.integers(0, size.width - 1)), draw(st.integers(0, size.height - 1))
    right, bottom = draw(st.integers(left + 1, size.width)), draw(st.integers(top + 1, size.height))
    return MapWindow(left, top, right, bottom)


def patches(features: FeatureWindows) -> list[Tensor]:
    parts = features.pixels.split([box.area for box in features.windows], dim=1)
    return [
        part.transpose(1, 2).unflatten(2, (box.bottom - box.top, box.right - box.left))
        for part, box in zip(parts, features.windows, strict=True)
    ]


def check(dtype: torch.dtype, resolution: int, width: int, wanted: list[MapWindow], depth: int, limit: float) -> None:
    made = generator(resolution, width, dtype)
    name = f"b{resolution}"
    source = WindowedSource(made.synthesis, name, made.num_ws)
    ws = torch.randn(2, made.num_ws, 8, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    levels = chain_windows(wanted, source.shapes[len(source.shapes) - depth :])
    ours = source.compute(ws, levels)
    assert all(any(box.contains(other) for box in ours.windows) for other in wanted)
    map_ = made.synthesis(ws, features=(name,)).features[name]
    assert ours.map_size == source.map_size == (map_.shape[3], map_.shape[2])
    loss, reference = ws.new_zeros(()), ws.new_zeros(())
    for box, patch in zip(ours.windows, patches(ours), strict=True):
        theirs = map_[:, :, box.top : box.bottom, box.left : box.right]
        assert relative_error(patch, theirs.detach()) <= limit
        pull = torch.randn(patch.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        loss, reference = loss + (patch * pull).sum(), reference + (theirs * pull).sum()
    (gradient,) = torch.autograd.grad(loss, ws)
    (expected,) = torch.autograd.grad(reference, ws)
    assert relative_error(gradient, expected) <= limit


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, list[MapWindow], int]:
    """Resolution, width of the constant, windows (they may overlap), how many blocks are computed in windows."""
    resolution, width = draw(st.sampled_from([8, 16, 32, 64])), draw(st.integers(1, 6))
    size = Size(resolution * width // 4, resolution)
    blocks = resolution.bit_length() - 3
    return resolution, width, draw(st.lists(boxes_of(size), min_size=1, max_size=4)), draw(st.integers(1, blocks))


@given(cases())
@settings(max_examples=60)
def test_windows_are_the_whole_maps_and_so_is_their_gradient(case: tuple[int, int, list[MapWindow], int]) -> None:
    resolution, width, wanted, depth = case
    check(torch.float64, resolution, width, wanted, depth, 1e-5)


@given(cases())
@settings(max_examples=20)
def test_in_float32_too(case: tuple[int, int, list[MapWindow], int]) -> None:
    resolution, width, wanted, depth = case
    check(torch.float32, resolution, width, wanted, depth, 1e-4)


@pytest.mark.parametrize("corner", [(0, 0), (0, 59), (59, 0), (59, 59)])
def test_corners(corner: tuple[int, int]) -> None:
    box = MapWindow(corner[0], corner[1], corner[0] + 5, corner[1] + 5)
    check(torch.float64, 64, 4, [box, MapWindow(28, 30, 33, 35)], 4, 1e-10)


@pytest.mark.parametrize("boxes", [None, [MapWindow(20, 20, 30, 30)]])
def test_no_gradient_where_nothing_moves(boxes: list[MapWindow] | None) -> None:
    made = generator(64)
    ws = torch.randn(1, made.num_ws, 8, dtype=torch.float64).requires_grad_()
    gradients = []
    for moving in (made.num_ws, 6):
        features = WindowedSource(made.synthesis, "b64", moving)(ws, boxes)
        gradients += torch.autograd.grad(features.pixels.square().sum(), ws)
    assert torch.equal(gradients[1][:, :6], gradients[0][:, :6])
    assert bool((gradients[0][:, 6:9] != 0).any(dim=2).all()) and not gradients[1][:, 6:].any()


def test_levels_made_for_float16() -> None:
    """Computed in it, given in float32."""
    made = Generator(
        StyleGAN2Config(resolution=32, z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8), num_fp16_res=2)
    ).requires_grad_(False)
    made.synthesis.use_fp16 = True
    source, ws = WindowedSource(made.synthesis, "b32", made.num_ws), torch.randn(1, made.num_ws, 8)
    ours = source.compute(ws, chain_windows([MapWindow(9, 12, 17, 20)], source.shapes[-2:]))
    assert ours.pixels.dtype == torch.float32
    theirs = made.synthesis(ws, features=("b32",)).features["b32"][:, :, 12:20, 9:17]
    assert relative_error(patches(ours)[0], theirs) < 2e-3


# The plan -----------------------------------------------------------------------------------------------

SHAPES = [BlockShape(Size(2**i, 2**i), 2 ** (11 - i), 2 ** (10 - i)) for i in range(3, 8)]  # b8 … b128


@given(st.lists(boxes_of(Size(128, 128)), min_size=1, max_size=6))
def test_a_plan_holds_what_is_wanted_and_is_never_dearer_than_the_whole(wanted: list[MapWindow]) -> None:
    levels = plan_windows(wanted, SHAPES)
    windowed = SHAPES[len(SHAPES) - len(levels) :]
    spent = sum(window_cost(box, shape) for level, shape in zip(levels, windowed, strict=True) for box in level.windows)
    assert spent < sum(window_cost(MapWindow.whole(shape.size), shape) for shape in windowed) or not levels
    if levels:
        assert all(any(box.contains(other) for box in levels[-1].windows) for other in wanted)
        assert set(levels[0].sources) == {0}
    for below, level, shape in zip(levels, levels[1:], windowed[1:], strict=False):
        for box, source in zip(level.windows, level.sources, strict=True):
            assert below.windows[source].contains(window_below(box, shape))


def test_small_windows_pay_and_large_ones_do_not() -> None:
    small = plan_windows([MapWindow(60, 60, 70, 70)], SHAPES)
    assert len(small) >= 3
    assert small[-1].windows == (MapWindow(60, 60, 70, 70),)
    assert plan_windows([MapWindow(0, 0, 128, 128)], SHAPES) == ()


def test_windows_that_overlap_become_one() -> None:
    level = plan_windows([MapWindow(60, 60, 70, 70), MapWindow(63, 62, 73, 72), MapWindow(5, 5, 15, 15)], SHAPES)[-1]
    assert sorted(level.windows) == [MapWindow(5, 5, 15, 15), MapWindow(60, 60, 73, 72)]
    assert merge_windows(
        [MapWindow(0, 0, 4, 4), MapWindow(0, 0, 4, 4), MapWindow(1, 1, 3, 3)], lambda box: box.area
    ) == (MapWindow(0, 0, 4, 4),)


# Sampling -----------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(-2, 66), st.floats(-2, 34)), min_size=1, max_size=4),
    st.sampled_from([Size(64, 32), Size(32, 16), Size(16, 8), Size(128, 64)]),
    st.integers(1, 6),
)
def test_samples_of_windows_are_the_whole_maps(points: list[Point], grid: Size, reach: int) -> None:
    picture = Size(64, 32)
    torch.manual_seed(8)
    map_ = torch.randn(2, 3, grid.height, grid.width, dtype=torch.float64)
    boxes = merge_windows([window_around(point, reach, picture, grid) for point in points], lambda box: box.area)
    windows = FeatureWindows([map_[..., b.top : b.bottom, b.left : b.right] for b in boxes], boxes, grid)
    first = torch.tensor(points).expand(2, -1, -1) - reach
    ours = sample_grids(windows, first, 2 * reach + 1, picture)
    assert torch.allclose(ours, sample_grids(map_, first, 2 * reach + 1, picture), rtol=0, atol=1e-12)
    middle = sample_grids(windows, first + reach, 1, picture)[:, :, 0, 0]
    assert torch.allclose(middle, sample_features(map_, first + reach, picture), rtol=0, atol=1e-4)  # placed in float32


def test_only_a_whole_map_is_one() -> None:
    map_ = torch.randn(1, 2, 4, 4)
    assert FeatureWindows.of(map_).whole_map is map_
    with pytest.raises(ValueError, match="whole map"):
        _ = FeatureWindows([map_], [MapWindow(0, 0, 4, 4)], Size(8, 4)).whole_map


# The drag -----------------------------------------------------------------------------------------------

SETTINGS = DragSettings(feature_block="b64", r1=1.5, r2=3, step_size=0.02)
PAIRS: list[tuple[Point, Point]] = [((20, 30), (34, 38)), ((1, 2), (9, 12)), ((25, 33), (30, 22)), ((63, 40), (50, 44))]


def check_drag(made: Generator, start: DragTask, changed: DragSettings) -> float:
    """Fifty steps, twice; how far the handles have gone."""
    ours, theirs = (DragOptimizer(made, changed, [start]) for _ in range(2))
    theirs.source = WholeMapSource(made.synthesis, changed.feature_block, theirs.source.map_size)
    gone = 0.0
    for _ in range(50):
        before = ours.pairs.handles.clone()
        loss, finite = ours.step()
        reference, _ = theirs.step()
        assert bool(finite.all())
        assert torch.allclose(loss, reference, rtol=1e-6)
        assert torch.equal(ours.pairs.handles, theirs.pairs.handles)
        assert ours.features.windows != theirs.features.windows == (MapWindow.whole(ours.source.map_size),)
        gone += float((ours.pairs.handles - before).norm(dim=2).sum())
    assert ours.ws.dtype == torch.float64
    assert torch.allclose(ours.ws, theirs.ws, rtol=0, atol=1e-6)
    return gone


@pytest.mark.parametrize("space", ["w+", "w"])
def test_fifty_steps_in_windows_are_those_on_whole_maps(space: str) -> None:
    made = generator(64)
    start = DragTask(torch.randn(1, made.num_ws, 8, generator=torch.Generator().manual_seed(3)).double(), PAIRS)
    assert check_drag(made, start, SETTINGS.model_copy(update={"space": space})) > 10


@pytest.mark.parametrize("pairs", [[((60, 60), (90, 64))], [((0, 3), (40, 9)), ((64, 70), (64, 50))]])
def test_so_are_the_bundled_models(pairs: list[tuple[Point, Point]]) -> None:
    model = load_model("critters-128", "cpu")
    ws = latent_of_seed(model.generator, 3, 1.0).double()
    changed = model.info.settings.model_copy(update={"step_size": 0.02})
    assert check_drag(model.generator.double(), DragTask(ws, pairs), changed) > 5


def test_a_step_computes_nothing_from_the_weights_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = generator(64, dtype=torch.float32)
    starts = [
        DragTask(latent_of_seed(made, 0, 1.0), PAIRS),
        DragTask(latent_of_seed(made, 0, 1.0), PAIRS, np.eye(64, dtype=np.uint8)),
    ]
    steppers = [DragOptimizer(made, SETTINGS, [start]) for start in starts]
    monkeypatch.setattr(StyleGAN2Layer, "constants", None)
    for stepper in steppers:
        stepper.step()


def test_a_mask_looks_at_the_whole_map() -> None:
    made = generator(64, dtype=torch.float32)
    mask = np.ones((64, 64), np.uint8)
    mask[:9] = 0
    ws = latent_of_seed(made, 0, 1.0)
    for weight, everything in ((20.0, True), (0.0, False)):
        stepper = DragOptimizer(
            made, SETTINGS.model_copy(update={"mask_weight": weight}), [DragTask(ws, PAIRS[:1], mask)]
        )
        stepper.step()
        assert (stepper.features.windows == (MapWindow.whole(stepper.source.map_size),)) == everything


def test_a_tracker_that_may_look_anywhere_has_the_whole_map() -> None:
    class Far:
        search_radius = float("inf")

        def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
            assert features.whole_map.shape[2:] == (64, 64)
            return handles.roll(1, dims=1)

        def select(self, kept: Tensor) -> None: ...

    made = generator(64, dtype=torch.float32)
    stepper = DragOptimizer(made, SETTINGS, [DragTask(latent_of_seed(made, 0, 1.0), PAIRS)])
    stepper.tracker = Far()
    assert bool(stepper.step()[1].all())


def test_stylegan3_has_whole_maps() -> None:
    made = Generator(
        StyleGAN3Config(
            resolution=32, z_dim=8, w_dim=8, mapping_layers=1, num_layers=4, channel_base=256, channel_max=8
        )
    )
    name = made.synthesis.block_names[1]
    source = feature_source(made.synthesis, name, 6)
    ws = torch.randn(1, made.num_ws, 8)
    expected = made.synthesis(ws, features=(name,)).features[name]
    features = source(ws, [MapWindow(1, 1, 3, 3)])
    assert torch.equal(features.whole_map, expected)
    assert features.map_size == source.map_size


def test_bfloat16_features_are_nearly_those_of_float32() -> None:
    made = generator(64, dtype=torch.float32)
    ws = torch.randn(1, made.num_ws, 8, generator=torch.Generator().manual_seed(2))
    found: dict[torch.dtype | None, tuple[Tensor, Tensor]] = {}
    for precision in (None, torch.bfloat16):
        source = WindowedSource(made.synthesis, "b64", 6, precision)
        leaf = ws.clone().requires_grad_()
        features = source(leaf, [MapWindow(20, 20, 28, 30)])
        assert features.windows != (MapWindow.whole(source.map_size),)
        assert features.pixels.dtype == torch.float32
        (gradient,) = torch.autograd.grad(features.pixels.square().sum(), leaf)
        found[precision] = features.pixels.detach(), gradient
    for ours, theirs in zip(found[torch.bfloat16], found[None], strict=True):
        assert 0 < relative_error(ours, theirs) < 0.05


@given(st.data())
@settings(max_examples=40)
def test_a_picture_goes_on_from_whatever_the_features_took(data: st.DataObject) -> None:
    """Below, at and above the block of the features; of the last ws."""
    made = generator(64, data.draw(st.integers(1, 6)))
    source = WindowedSource(made.synthesis, data.draw(st.sampled_from(made.synthesis.block_names)), 6)
    for seed in (0, 1):
        ws = torch.randn(1, made.num_ws, 8, generator=torch.Generator().manual_seed(seed)).double().requires_grad_()
        source(ws, data.draw(st.none() | st.lists(boxes_of(source.map_size), min_size=1, max_size=3)))
        for height in made.synthesis.image_heights:
            picture = source.image_renderer()(height)
            assert not picture.requires_grad
            assert relative_error(picture, made.synthesis(ws, image=height).image.detach()) < 1e-10


@pytest.mark.parametrize("local", [True, False])
def test_a_picture_is_of_its_moment(local: bool) -> None:
    """Whatever becomes of what the features left: a recorded step writes over it."""
    made = generator(64)
    source = WindowedSource(made.synthesis, "b32", 6) if local else WholeMapSource(made.synthesis, "b32", Size(32, 32))
    ws = torch.randn(1, made.num_ws, 8, generator=torch.Generator().manual_seed(2)).double()
    expected = made.synthesis(ws, image=64).image
    source(ws)
    still = source.image_renderer()
    for left in (source._ws, *(source._whole_maps if isinstance(source, WindowedSource) else [])):
        left.zero_()
    assert relative_error(still(64), expected) < 1e-10


def test_a_picture_beside_bfloat16_features() -> None:
    """Only the maps are rounded, not the picture."""
    made = generator(64, dtype=torch.float32)
    ws = torch.randn(1, made.num_ws, 8, generator=torch.Generator().manual_seed(2))
    source = WindowedSource(made.synthesis, "b32", 6, torch.bfloat16)
    source(ws, None)
    picture, exact = source.image_renderer()(64), made.synthesis(ws, image=64).image
    assert picture.dtype == torch.float32
    assert 0 < relative_error(picture, exact) < 0.01
