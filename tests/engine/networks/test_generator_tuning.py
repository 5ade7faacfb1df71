"""Tuned generators: free features beside the generator's own, in whole maps, in windows and in previews."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from draggan_engine.dragging.feature_sources import feature_source
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import (
    GeneratorTuning,
    blend_shapes,
    choose_blend_block,
    compact_tuning,
    own_feature_area,
    own_features,
    tuned_generator,
)
from draggan_engine.networks.windows import MapWindow
from tests.support.tiny_models import noisy_generator, random_generator, random_stylegan3
from tests.support.tuned_models import left_half, random_tuning


def random_ws(generator: Generator, seed: int = 1) -> Tensor:
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    return generator.mapping(z.to(generator.mapping.w_avg)).clone()


@pytest.mark.parametrize("make_generator", [random_generator, random_stylegan3])
def test_free_features_that_are_the_generators_own_change_nothing(make_generator: type[Generator]) -> None:
    generator = make_generator()
    ws = random_ws(generator)
    block_name = choose_blend_block(generator.synthesis)
    blend = own_features(generator.synthesis, block_name, ws, left_half(generator))
    shapes = blend_shapes(generator.synthesis, block_name)
    assert {name: getattr(blend, name).shape for name in shapes} == shapes
    tuned = tuned_generator(generator, GeneratorTuning({}, blend))
    assert torch.allclose(tuned.synthesis(ws).image, generator.synthesis(ws).image, atol=1e-5)


@pytest.mark.parametrize("make_generator", [random_generator, random_stylegan3])
def test_a_tuning_changes_a_copy_and_leaves_the_loaded_generator_as_it_is(make_generator: type[Generator]) -> None:
    generator = make_generator()
    ws = random_ws(generator)
    image = generator.synthesis(ws).image
    weights = {name: parameter.clone() for name, parameter in generator.named_parameters()}
    tuned = tuned_generator(generator, random_tuning(generator, ws))
    assert not torch.allclose(tuned.synthesis(ws).image, image, atol=0.01)
    assert torch.equal(generator.synthesis(ws).image, image)
    assert all(torch.equal(weights[name], parameter) for name, parameter in generator.named_parameters())
    assert tuned.mapping is generator.mapping
    assert not any(parameter.requires_grad for parameter in tuned.parameters())


def test_outside_the_mask_the_image_does_not_depend_on_the_rows_that_drags_move() -> None:
    generator = random_generator()
    ws = random_ws(generator)
    tuned = tuned_generator(generator, random_tuning(generator, ws))
    moved_ws = ws.clone()
    moved_ws[:, :3] = random_ws(generator, seed=2)[:, :3]
    difference = (tuned.synthesis(moved_ws).image - tuned.synthesis(ws).image).abs().amax(dim=(0, 1, 2))
    assert float(difference[:14].min()) > 1e-3  # the columns in the left half
    assert torch.equal(difference[28:], torch.zeros(4))


@pytest.mark.parametrize("make_generator", [random_generator, random_stylegan3])
def test_the_area_of_the_generators_own_features_is_that_of_the_blend(make_generator: type[Generator]) -> None:
    generator = make_generator()
    assert own_feature_area(generator.synthesis) is None
    tuned = tuned_generator(generator, random_tuning(generator, random_ws(generator)))
    area = own_feature_area(tuned.synthesis)
    assert area is not None
    assert torch.equal(area >= 0.5, left_half(generator) == 1)


def test_windows_and_previews_of_a_tuned_generator_are_parts_of_its_whole_maps() -> None:
    generator = noisy_generator(64)
    ws = random_ws(generator)
    tuned = tuned_generator(generator, random_tuning(generator, ws))
    assert choose_blend_block(tuned.synthesis) == "b16"
    for block_name in ("b16", "b32"):
        source = feature_source(tuned.synthesis, block_name, optimized_rows=5)
        whole_map = tuned.synthesis(ws, features=(block_name,)).features[block_name]
        window = MapWindow(4, 3, 12, 10)
        features = source.compute(ws, chain_of_one_window(source, window))  # type: ignore[attr-defined]
        (patch,) = features._patches
        assert torch.allclose(patch, whole_map[:, :, window.top : window.bottom, window.left : window.right])
        render = source.image_renderer()
        for height in tuned.synthesis.image_heights:
            assert torch.allclose(render(height), tuned.synthesis(ws, image=height).image)


def chain_of_one_window(source: object, window: MapWindow) -> object:
    from draggan_engine.networks.windows import chain_windows

    return chain_windows([window], source.shapes[-1:])  # type: ignore[attr-defined]


def test_small_changes_are_kept_in_float16_and_features_beyond_its_range_are_not() -> None:
    generator = random_generator()
    ws = random_ws(generator)
    tuning = random_tuning(generator, ws)
    compact = compact_tuning(generator, tuning, ws)
    assert {change.dtype for change in compact.weight_changes.values()} == {torch.float16}
    assert compact.blend is not None and compact.blend.features.dtype == torch.float16
    images = [tuned_generator(generator, each).synthesis(ws).image.clamp(-1, 1) for each in (tuning, compact)]
    assert float((images[1] - images[0]).abs().max()) * 127.5 <= 1
    assert tuning.blend is not None
    tuning.blend.features.mul_(1e6)
    large = compact_tuning(generator, tuning, ws)
    assert large.blend is not None and large.blend.features.dtype == torch.float32
