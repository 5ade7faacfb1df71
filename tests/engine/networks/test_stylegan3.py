"""StyleGAN3: its outputs equal those of NVIDIA's network, its maps show what the image shows, and its layers fit together."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.networks import stylegan3
from draggan_engine.networks.config import StyleGAN3Config
from draggan_engine.networks.stylegan3 import (
    FilteredLrelu,
    Resampling,
    StyleGAN3Layer,
    StyleGAN3Synthesis,
    crop_margins,
    layer_resampling,
)
from tests.support.paths import CHECKPOINTS
from tests.support.references import MAX_RELATIVE_ERROR, Record, check_relative_error, reference_tensor, relative_error

FIXTURES = ("sg3t_32", "sg3r_32")
LAYERS = ("L0_36_32", "L1_36_32", "L2_52_32", "L3_52_32", "L4_52_32", "L5_32_32")
HEIGHTS = (16, 16, 32, 32, 32, 32)


def load(name: str) -> StyleGAN3Synthesis:
    synthesis = load_model(str(CHECKPOINTS / f"{name}.pkl"), "cpu").generator.synthesis
    assert isinstance(synthesis, StyleGAN3Synthesis)
    return synthesis


@cache
def shared(name: str) -> StyleGAN3Synthesis:
    """Return the network for tests that do not change it."""
    return load(name)


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(
    ("key", "psi", "cutoff"), [("w_psi1", 1, None), ("w_psi07", 0.7, None), ("w_psi05_cutoff4", 0.5, 4)]
)
def test_latents_equal_the_references(
    name: str, key: str, psi: float, cutoff: int | None, record_property: Record
) -> None:
    generator = load_model(str(CHECKPOINTS / f"{name}.pkl"), "cpu").generator
    assert generator.num_ws == 8
    ws = generator.mapping(reference_tensor(name, "z"), psi=psi, cutoff=cutoff)
    check_relative_error(record_property, name, key, ws, reference_tensor(name, key))


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(("key", "ws"), [("image_psi07_const", "w_psi07"), ("image_wplus_const", "wplus")])
def test_images_equal_the_references(name: str, key: str, ws: str, record_property: Record) -> None:
    image = shared(name)(reference_tensor(name, ws)).image
    check_relative_error(record_property, name, key, image, reference_tensor(name, key))


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("layer", LAYERS)
def test_feature_maps_equal_the_references(name: str, layer: str, record_property: Record) -> None:
    """The whole map equals the reference; the result is the part of it that shows the image."""
    synthesis, ws, theirs = (
        shared(name),
        reference_tensor(name, "w_psi07")[:1],
        reference_tensor(name, f"features_{layer}"),
    )
    check_relative_error(record_property, name, f"features_{layer}", dict(synthesis.full_maps(ws))[layer], theirs)
    result = synthesis(ws, features=[layer])
    height = synthesis.feature_height(layer)
    margin = (theirs.shape[2] - height) // 2
    assert result.image is None
    assert (
        relative_error(result.features[layer], theirs[:, :, margin : margin + height, margin : margin + height])
        <= MAX_RELATIVE_ERROR
    )


@pytest.mark.parametrize("name", FIXTURES)
def test_gradients_equal_the_references(name: str, record_property: Record) -> None:
    ws = reference_tensor(name, "w_psi07")[:1].clone().requires_grad_()
    image = shared(name)(ws).image
    weights = np.random.RandomState(3).randn(*image.shape).astype(np.float32)
    (gradient,) = torch.autograd.grad((image * torch.from_numpy(weights)).sum(), ws)
    check_relative_error(
        record_property, name, "grad_w_psi07_const", gradient, reference_tensor(name, "grad_w_psi07_const")
    )


@pytest.mark.parametrize("name", FIXTURES)
def test_the_blocks_rows_and_heights_have_names(name: str) -> None:
    synthesis = shared(name)
    assert synthesis.block_names == LAYERS
    assert tuple(map(synthesis.feature_height, LAYERS)) == HEIGHTS
    assert synthesis.row_names == ("input", *LAYERS, "L6_32_3")
    assert synthesis.image_heights == (32,)
    for unknown in ({"features": ["L6_32_3"]}, {"features": ["input"]}, {"image": 16}):
        with pytest.raises(KeyError, match="there are"):
            synthesis(reference_tensor(name, "wplus"), **unknown)


@pytest.mark.parametrize("name", FIXTURES)
def test_an_image_repeats_exactly_and_does_not_depend_on_the_batch(name: str) -> None:
    synthesis, ws = shared(name), reference_tensor(name, "w_psi07")
    image = synthesis(ws).image
    assert torch.equal(image, synthesis(ws, noise_mode="random").image)
    assert relative_error(synthesis(ws[1:2]).image, image[1:2]) < 1e-6


def test_features_need_no_layer_above_theirs() -> None:
    synthesis, ws = load("sg3t_32"), reference_tensor("sg3t_32", "w_psi07")
    expected = synthesis(ws, features=["L1_36_32", "L2_52_32"]).features
    for name in (*LAYERS[3:], "L6_32_3"):
        setattr(synthesis, name, torch.nn.Identity())  # calling these as layers would fail
    result = synthesis(ws, features=["L2_52_32", "L1_36_32"])
    assert result.image is None
    assert result.features.keys() == expected.keys()
    assert all(torch.equal(result.features[name], expected[name]) for name in expected)
    synthesis.input = torch.nn.Identity()
    assert synthesis(ws, image=0).image is None


def test_one_pass_gives_image_and_features() -> None:
    synthesis, ws = shared("sg3t_32"), reference_tensor("sg3t_32", "wplus")
    result = synthesis(ws, features=LAYERS, image=32)
    assert torch.equal(result.image, synthesis(ws).image)
    assert tuple(result.features) == LAYERS
    assert all(
        result.features[name].shape == (1, 32, height, height) for name, height in zip(LAYERS, HEIGHTS, strict=True)
    )


def maps_with_transform(name: str, transform: list[list[float]]) -> dict[str, Tensor]:
    """Return image and features with this `transform` of the input; that of the file is the identity."""
    synthesis = load(name)
    assert torch.equal(synthesis.input.transform, torch.eye(3))
    synthesis.input.transform.copy_(torch.tensor(transform))
    result = synthesis(reference_tensor(name, "w_psi07")[:1], features=LAYERS, image=32)
    return {**result.features, "image": result.image}


def moved_maps(name: str, right: int, down: int) -> dict[str, Tensor]:
    """Return image and features of a scene that is moved by image pixels.

    What was at u is now at u + movement, so the input is read at u − movement.
    """
    return maps_with_transform(name, [[1, 0, -right / 32], [0, 1, -down / 32], [0, 0, 1]])


@pytest.mark.parametrize("name", FIXTURES)
def test_feature_maps_move_with_the_image(name: str) -> None:
    """A map of height h shows at (x, y)·h/32 what the image shows at (x, y).

    Moving the scene by (4, −6) pixels therefore moves each map in proportion, except at the border, where the maps end.
    """
    maps_before, maps_after = maps_with_transform(name, torch.eye(3).tolist()), moved_maps(name, 4, -6)
    for before, after in zip(maps_before.values(), maps_after.values(), strict=True):
        height = before.shape[2]
        inner = slice(height // 4, -height // 4)
        expected = before.roll((-6 * height // 32, 4 * height // 32), (2, 3))
        assert relative_error(after[:, :, inner, inner], expected[:, :, inner, inner]) < MAX_RELATIVE_ERROR


@pytest.mark.parametrize(("quarter_turns", "cos", "sin"), [(1, 0, 1), (2, -1, 0), (3, 0, -1)])
def test_the_maps_of_r_turn_with_the_image(quarter_turns: int, cos: float, sin: float) -> None:
    maps_before = maps_with_transform("sg3r_32", torch.eye(3).tolist())
    maps_after = maps_with_transform("sg3r_32", [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    for before, after in zip(maps_before.values(), maps_after.values(), strict=True):
        assert relative_error(after, before.rot90(quarter_turns, (2, 3))) < MAX_RELATIVE_ERROR


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("position", [(0.75, 0.25), (0.375, 0.625)])
def test_a_change_of_a_feature_map_changes_the_same_place_of_the_image(
    name: str, layer: str, position: tuple[float, float]
) -> None:
    """Positions are fractions of the image."""
    synthesis, ws, height = load(name), reference_tensor(name, "w_psi07")[:1], HEIGHTS[LAYERS.index(layer)]
    image_before = synthesis(ws).image
    x, y = (int(u * height) for u in position)

    def change_map(_: torch.nn.Module, __: object, full_map: Tensor) -> Tensor:
        full_map = full_map.clone()
        crop_margins(full_map, height, height)[:, :, y - 1 : y + 1, x - 1 : x + 1] *= 1.1
        return full_map

    synthesis.get_submodule(layer).register_forward_hook(change_map)
    change = (synthesis(ws).image - image_before).square().sum(dim=(0, 1))
    pixels = torch.arange(32) + 0.5
    centre = ((change.sum(dim=0) @ pixels) / change.sum() / 32, (change.sum(dim=1) @ pixels) / change.sum() / 32)
    assert max(abs(float(u - expected_u)) for u, expected_u in zip(centre, position, strict=True)) < 1 / 32


def filtered_lrelu_by_definition(
    x: Tensor, taps_up: Tensor, taps_down: Tensor, resampling: Resampling, output_size: tuple[int, int]
) -> Tensor:
    """Return the filtered leaky ReLU as the paper's code describes it, without the clamp: insert zeros, then filter."""
    batch, channels, height, width = x.shape
    up, down = resampling.up, resampling.down
    spread = x.new_zeros(batch, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    paddings = []
    for size_in, size_out in ((width, output_size[1]), (height, output_size[0])):
        padding = (size_out - 1) * down + 1 - size_in * up + len(taps_up) + len(taps_down) - 2
        paddings += [(padding + up) // 2, padding - (padding + up) // 2]
    y = F.pad(spread.flatten(4, 5).flatten(2, 3), paddings)
    y = F.leaky_relu(F.conv2d(y, two_dimensional(taps_up).expand(channels, 1, -1, -1), groups=channels), 0.2)
    y = F.conv2d(y, two_dimensional(taps_down).expand(channels, 1, -1, -1), groups=channels)
    return y[:, :, ::down, ::down]


def two_dimensional(taps: Tensor) -> Tensor:
    return torch.outer(taps, taps) if taps.ndim == 1 else taps


def symmetric_filter(taps: int, dimensions: int) -> Tensor:
    """Return random taps `[taps]` or `[taps, taps]` that are the same in both directions."""
    half = torch.randn((taps,) * dimensions, dtype=torch.float64)
    return half + half.flip(tuple(range(dimensions)))


config_arguments = st.builds(
    dict,
    resolution=st.sampled_from([2**i for i in range(4, 11)]),
    num_layers=st.integers(4, 14),
    num_critical=st.integers(0, 3),
    margin_size=st.integers(0, 20),
    conv_kernel=st.sampled_from([1, 3]),
    filter_size=st.integers(2, 8),
    lrelu_upsampling=st.integers(1, 4),
    use_radial_filters=st.booleans(),
    first_stopband=st.floats(2.1, 6),
    last_stopband_rel=st.floats(1, 2),
    square=st.booleans(),
)


def valid_config(arguments: dict[str, object]) -> StyleGAN3Config:
    """Return the configuration, or skip the example if the values do not fit together."""
    try:
        return StyleGAN3Config(channel_base=1024, channel_max=4, w_dim=4, **arguments)
    except ValidationError as error:
        assert "num_critical" in str(error) or "margin_size" in str(error)  # no other field can be wrong
        assume(False)
        raise


@given(config_arguments)
def test_each_layer_fits_the_next_one(arguments: dict[str, object]) -> None:
    config = valid_config(arguments)
    layers = config.layer_shapes
    assert len(layers) == config.num_layers + 1 == config.num_ws - 1
    assert [layer.size for layer in layers[-2:]] == [layer.rate for layer in layers[-2:]] == [config.resolution] * 2
    height, width = config.image_shape
    assert height == width * (1 if config.square else 2) == config.resolution
    assert layers[-1].channels == 3
    for i, layer in enumerate(layers):
        resampling, source = layer_resampling(config, i), layers[max(i - 1, 0)]
        assert source.rate <= layer.rate <= config.resolution
        assert layer.name == f"L{i}_{layer.width}_{layer.channels}"
        margin, side_margin = layer.size - layer.rate, layer.width - layer.rate * width // height
        assert (margin % 2, side_margin % 2) == (0, 0)
        assert 0 <= side_margin <= margin
        assert resampling.up * source.rate == resampling.down * layer.rate
        assert min(resampling.crop) >= 0


@given(config_arguments, st.integers(0, 14), st.integers(1, 40))
@settings(max_examples=25)
def test_the_filtered_lrelu_and_its_gradient_equal_the_definition(
    arguments: dict[str, object], index: int, seed: int
) -> None:
    config = valid_config(arguments | {"resolution": min(32, arguments["resolution"])})
    index = min(index, config.num_layers)
    torch.manual_seed(seed)
    resampling, source = layer_resampling(config, index), config.layer_shapes[max(index - 1, 0)]
    output_size = (config.layer_shapes[index].size, config.layer_shapes[index].width)
    border = config.conv_kernel - 1 if index < config.num_layers else 0
    input_size = (source.size + border, source.width + border)
    taps_up = symmetric_filter(resampling.taps_up, 1)
    taps_down = symmetric_filter(resampling.taps_down, 2 if config.use_radial_filters else 1)
    x = torch.randn(1, 2, *input_size, dtype=torch.float64, requires_grad=True)
    y = FilteredLrelu.apply(x, taps_up, taps_down, resampling, 0.2, math.inf)
    expected = filtered_lrelu_by_definition(x, taps_up, taps_down, resampling, output_size)
    assert y.shape[2:] == output_size
    assert torch.allclose(y, expected)
    weights = torch.randn_like(y)
    (gradient,) = torch.autograd.grad((y * weights).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), x)
    assert torch.allclose(gradient, expected_gradient)


def test_the_gradient_of_the_clamp_is_right() -> None:
    config = StyleGAN3Config(resolution=16, channel_base=64, num_layers=4, margin_size=2)
    resampling = layer_resampling(config, 1)
    taps_up, taps_down = symmetric_filter(resampling.taps_up, 1), symmetric_filter(resampling.taps_down, 1)
    height = config.layer_shapes[0].size + 2
    x = torch.randn(1, 1, height, height, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: FilteredLrelu.apply(x, taps_up, taps_down, resampling, 0.2, 1.5), x)


@pytest.mark.parametrize("name", FIXTURES)
def test_the_gradient_does_not_depend_on_the_chunk_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesis, ws = shared(name), reference_tensor(name, "w_psi07").clone().requires_grad_()
    (gradient_at_once,) = torch.autograd.grad(synthesis(ws).image.square().sum(), ws)
    monkeypatch.setattr(stylegan3, "CPU_CHUNK_VALUES", 1)
    (gradient_in_chunks,) = torch.autograd.grad(synthesis(ws).image.square().sum(), ws)
    assert relative_error(gradient_in_chunks, gradient_at_once) < 1e-6


@pytest.mark.parametrize("name", FIXTURES)
def test_float16_layers_change_image_and_gradient_only_a_little(name: str) -> None:
    synthesis, ws = load(name), reference_tensor(name, "w_psi07").clone().requires_grad_()
    full = synthesis(ws, features=LAYERS, image=32)
    (full_gradient,) = torch.autograd.grad(full.image.square().sum(), ws)
    synthesis.use_fp16 = True
    assert torch.equal(synthesis(ws).image, full.image)  # the file marks no layer for float16
    for layer in (*LAYERS[2:], "L6_32_3"):
        synthesis.get_submodule(layer).made_for_fp16 = True
    assert {x.dtype for key, x in synthesis.full_maps(ws) if key not in LAYERS[:2]} == {torch.float16}
    half = synthesis(ws, features=LAYERS, image=32)
    (half_gradient,) = torch.autograd.grad(half.image.square().sum(), ws)
    assert 0 < relative_error(half.image, full.image.detach()) < 5e-3
    assert all(relative_error(half.features[key], full.features[key].detach()) < 5e-3 for key in LAYERS)
    assert relative_error(half_gradient, full_gradient) < 2e-2


def test_float16_does_not_overflow() -> None:
    """The values may reach the clamp, and their sum over many channels still stays in range."""
    config = StyleGAN3Config(resolution=16, num_layers=4, w_dim=8)
    layer = StyleGAN3Layer(config, 2)
    assert layer.made_for_fp16
    height = config.layer_shapes[1].size
    assert bool(layer(torch.full((1, 512, height, height), 256.0).half(), torch.zeros(1, 8)).isfinite().all())


def test_the_layers_of_the_highest_rates_are_made_for_float16() -> None:
    config = StyleGAN3Config(resolution=256, channel_base=256, num_fp16_res=2, w_dim=4)
    synthesis = StyleGAN3Synthesis(config)
    made_for_fp16 = [synthesis.get_submodule(name).made_for_fp16 for name in synthesis.row_names[1:]]
    assert made_for_fp16 == [layer.rate > 64 for layer in config.layer_shapes]


def test_a_network_built_without_memory_gets_everything_from_the_file() -> None:
    """A loader builds the network on the device "meta" and then puts the file's tensors in."""
    config = StyleGAN3Config(
        resolution=32, z_dim=32, w_dim=32, num_layers=6, channel_base=1024, channel_max=32, num_fp16_res=0
    )
    with torch.device("meta"):
        synthesis = StyleGAN3Synthesis(config)
    state = shared("sg3t_32").state_dict()
    assert "L6_32_3.up_filter" not in state
    synthesis.load_state_dict(state, assign=True)
    assert (
        relative_error(
            synthesis(reference_tensor("sg3t_32", "wplus")).image, reference_tensor("sg3t_32", "image_wplus_const")
        )
        < MAX_RELATIVE_ERROR
    )
