"""Windows of feature maps and their gradient equal those of the whole map, and images continue from them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from draggan_engine.core.geometry import Size
from draggan_engine.dragging.feature_sources import FeatureWindows, WholeMapSource, WindowedSource, feature_source
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.windows import MapWindow, chain_windows
from tests.support.map_windows import windows_of
from tests.support.references import relative_error
from tests.support.tiny_models import noisy_generator, random_stylegan3

generator_of = cache(noisy_generator)


def random_ws(generator: Generator, batch: int = 1, seed: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, generator.num_ws, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


def patches_of(features: FeatureWindows) -> list[Tensor]:
    """Return the features of each window, `[N, C, height, width]`."""
    parts = features.pixels.split([window.area for window in features.windows], dim=1)
    return [
        part.transpose(1, 2).unflatten(2, (window.bottom - window.top, window.right - window.left))
        for part, window in zip(parts, features.windows, strict=True)
    ]


# Windows ------------------------------------------------------------------------------------------------


class WindowCase(NamedTuple):
    """Windows, which may overlap, of the last block of a generator; the `depth` highest blocks are computed in windows."""

    resolution: int
    const_width: int
    windows: list[MapWindow]
    depth: int


@st.composite
def window_cases(draw: st.DrawFn) -> WindowCase:
    resolution, const_width = draw(st.sampled_from([8, 16, 32, 64])), draw(st.integers(1, 6))
    map_size = Size(resolution * const_width // 4, resolution)
    windows = draw(st.lists(windows_of(map_size), min_size=1, max_size=4))
    return WindowCase(resolution, const_width, windows, draw(st.integers(1, resolution.bit_length() - 3)))


def check_windows(case: WindowCase, dtype: torch.dtype, limit: float) -> None:
    generator = generator_of(case.resolution, case.const_width, dtype)
    block_name = f"b{case.resolution}"
    source = WindowedSource(generator.synthesis, block_name, generator.num_ws)
    ws = random_ws(generator, batch=2, seed=0, dtype=dtype).requires_grad_()
    features = source.compute(ws, chain_windows(case.windows, source.shapes[len(source.shapes) - case.depth :]))
    assert all(any(window.contains(needed) for window in features.windows) for needed in case.windows)
    whole_map = generator.synthesis(ws, features=(block_name,)).features[block_name]
    assert features.map_size == source.map_size == (whole_map.shape[3], whole_map.shape[2])
    loss, expected_loss = ws.new_zeros(()), ws.new_zeros(())
    for window, patch in zip(features.windows, patches_of(features), strict=True):
        expected_patch = whole_map[:, :, window.top : window.bottom, window.left : window.right]
        assert relative_error(patch, expected_patch.detach()) <= limit
        weights = torch.randn(patch.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        loss, expected_loss = loss + (patch * weights).sum(), expected_loss + (expected_patch * weights).sum()
    (gradient,) = torch.autograd.grad(loss, ws)
    (expected_gradient,) = torch.autograd.grad(expected_loss, ws)
    assert relative_error(gradient, expected_gradient) <= limit


@given(window_cases())
@settings(max_examples=60)
def test_windows_and_their_gradient_equal_the_whole_maps_in_float64(case: WindowCase) -> None:
    check_windows(case, torch.float64, 1e-5)


@given(window_cases())
@settings(max_examples=20)
def test_windows_and_their_gradient_equal_the_whole_maps_in_float32(case: WindowCase) -> None:
    check_windows(case, torch.float32, 1e-4)


@pytest.mark.parametrize("corner", [(0, 0), (0, 59), (59, 0), (59, 59)])
def test_windows_in_the_corners_equal_the_whole_map(corner: tuple[int, int]) -> None:
    corner_window = MapWindow(corner[0], corner[1], corner[0] + 5, corner[1] + 5)
    check_windows(WindowCase(64, 4, [corner_window, MapWindow(28, 30, 33, 35)], 4), torch.float64, 1e-10)


@pytest.mark.parametrize("windows", [None, [MapWindow(20, 20, 30, 30)]])
def test_there_is_no_gradient_for_rows_that_are_not_optimized(windows: list[MapWindow] | None) -> None:
    generator = generator_of(64)
    ws = torch.randn(1, generator.num_ws, 8, dtype=torch.float64).requires_grad_()

    def gradient(optimized_rows: int) -> Tensor:
        features = WindowedSource(generator.synthesis, "b64", optimized_rows)(ws, windows)
        (ws_gradient,) = torch.autograd.grad(features.pixels.square().sum(), ws)
        return ws_gradient

    all_rows, six_rows = gradient(generator.num_ws), gradient(6)
    assert torch.equal(six_rows[:, :6], all_rows[:, :6])
    assert bool((all_rows[:, 6:9] != 0).any(dim=2).all()) and not six_rows[:, 6:].any()


def test_blocks_made_for_float16_are_computed_in_it_and_returned_in_float32() -> None:
    config = StyleGAN2Config(resolution=32, z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8), num_fp16_res=2)
    generator = Generator(config).requires_grad_(False)
    generator.synthesis.use_fp16 = True
    source = WindowedSource(generator.synthesis, "b32", generator.num_ws)
    ws = torch.randn(1, generator.num_ws, 8)
    features = source.compute(ws, chain_windows([MapWindow(9, 12, 17, 20)], source.shapes[-2:]))
    assert features.pixels.dtype == torch.float32
    expected_patch = generator.synthesis(ws, features=("b32",)).features["b32"][:, :, 12:20, 9:17]
    assert relative_error(patches_of(features)[0], expected_patch) < 2e-3


def test_bfloat16_features_and_their_gradient_are_close_to_those_in_float32() -> None:
    generator = generator_of(64, dtype=torch.float32)

    def features_and_gradient(dtype: torch.dtype | None) -> tuple[Tensor, Tensor]:
        source = WindowedSource(generator.synthesis, "b64", 6, dtype)
        ws = random_ws(generator, dtype=torch.float32).requires_grad_()
        features = source(ws, [MapWindow(20, 20, 28, 30)])
        assert features.windows != (MapWindow.whole(source.map_size),)
        assert features.pixels.dtype == torch.float32
        (gradient,) = torch.autograd.grad(features.pixels.square().sum(), ws)
        return features.pixels.detach(), gradient

    for rounded, exact in zip(features_and_gradient(torch.bfloat16), features_and_gradient(None), strict=True):
        assert 0 < relative_error(rounded, exact) < 0.05


def test_stylegan3_always_has_whole_maps() -> None:
    generator = random_stylegan3()
    block_name = generator.synthesis.block_names[1]
    source = feature_source(generator.synthesis, block_name, 6)
    ws = torch.randn(1, generator.num_ws, 8)
    features = source(ws, [MapWindow(1, 1, 3, 3)])
    assert torch.equal(features.whole_map, generator.synthesis(ws, features=(block_name,)).features[block_name])
    assert features.map_size == source.map_size


def test_windows_that_are_only_a_part_of_the_map_are_not_the_whole_map() -> None:
    features = torch.randn(1, 2, 4, 4)
    assert FeatureWindows.of(features).whole_map is features
    with pytest.raises(ValueError, match="whole map"):
        _ = FeatureWindows([features], [MapWindow(0, 0, 4, 4)], Size(8, 4)).whole_map


# Images -------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=40)
def test_an_image_of_any_height_continues_from_the_last_features(data: st.DataObject) -> None:
    """The image ends below, at or above the block of the features."""
    generator = generator_of(64, data.draw(st.integers(1, 6)))
    source = WindowedSource(generator.synthesis, data.draw(st.sampled_from(generator.synthesis.block_names)), 6)
    for seed in (0, 1):
        ws = random_ws(generator, seed=seed).requires_grad_()
        source(ws, data.draw(st.none() | st.lists(windows_of(source.map_size), min_size=1, max_size=3)))
        for height in generator.synthesis.image_heights:
            image = source.image_renderer()(height)
            assert not image.requires_grad
            assert relative_error(image, generator.synthesis(ws, image=height).image.detach()) < 1e-10


@pytest.mark.parametrize("is_windowed", [True, False])
def test_an_image_does_not_change_when_its_latent_is_overwritten(is_windowed: bool) -> None:
    """A recorded step writes the next latent into the same memory."""
    generator = generator_of(64)
    source = (
        WindowedSource(generator.synthesis, "b32", 6)
        if is_windowed
        else WholeMapSource(generator.synthesis, "b32", Size(32, 32))
    )
    ws = random_ws(generator)
    expected_image = generator.synthesis(ws, image=64).image
    features = source(ws)
    render = source.image_renderer()
    ws.zero_()
    features.whole_map.zero_()
    assert relative_error(render(64), expected_image) < 1e-10


def test_bfloat16_features_round_their_maps_but_not_the_image() -> None:
    generator = generator_of(64, dtype=torch.float32)
    ws = random_ws(generator, dtype=torch.float32)
    source = WindowedSource(generator.synthesis, "b32", 6, torch.bfloat16)
    source(ws, None)
    image, exact_image = source.image_renderer()(64), generator.synthesis(ws, image=64).image
    assert image.dtype == torch.float32
    assert 0 < relative_error(image, exact_image) < 0.01


def test_the_blocks_above_the_features_can_be_rendered_in_bfloat16() -> None:
    generator = generator_of(64, dtype=torch.float32)
    ws = random_ws(generator, dtype=torch.float32)
    source = WindowedSource(generator.synthesis, "b16", 6)
    source(ws, None)
    exact_image = generator.synthesis(ws, image=64).image
    for dtype, largest_error in ((torch.bfloat16, 0.02), (None, 1e-6), (torch.bfloat16, 0.02)):
        image = source.image_renderer(dtype)(64)
        assert image.dtype == torch.float32
        assert relative_error(image, exact_image) < largest_error
        assert (relative_error(image, exact_image) > 1e-4) == (dtype is not None)
