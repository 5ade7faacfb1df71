"""The StyleGAN3 networks: they give what NVIDIA's own give, their maps lie where the picture does, and every layer
fits the next one whatever a file says."""

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
    """For tests that leave it as it is."""
    return load(name)


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(
    ("key", "psi", "cutoff"), [("w_psi1", 1, None), ("w_psi07", 0.7, None), ("w_psi05_cutoff4", 0.5, 4)]
)
def test_mapping(name: str, key: str, psi: float, cutoff: int | None, record_property: Record) -> None:
    generator = load_model(str(CHECKPOINTS / f"{name}.pkl"), "cpu").generator
    assert generator.num_ws == 8
    ws = generator.mapping(reference_tensor(name, "z"), psi=psi, cutoff=cutoff)
    check_relative_error(record_property, name, key, ws, reference_tensor(name, key))


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(("key", "ws"), [("image_psi07_const", "w_psi07"), ("image_wplus_const", "wplus")])
def test_picture(name: str, key: str, ws: str, record_property: Record) -> None:
    image = shared(name)(reference_tensor(name, ws)).image
    check_relative_error(record_property, name, key, image, reference_tensor(name, key))


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("layer", LAYERS)
def test_features(name: str, layer: str, record_property: Record) -> None:
    """The whole map is the reference's; what is given out is the part of it that shows the picture."""
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
def test_gradient(name: str, record_property: Record) -> None:
    ws = reference_tensor(name, "w_psi07")[:1].clone().requires_grad_()
    image = shared(name)(ws).image
    weights = np.random.RandomState(3).randn(*image.shape).astype(np.float32)
    (gradient,) = torch.autograd.grad((image * torch.from_numpy(weights)).sum(), ws)
    check_relative_error(
        record_property, name, "grad_w_psi07_const", gradient, reference_tensor(name, "grad_w_psi07_const")
    )


@pytest.mark.parametrize("name", FIXTURES)
def test_names(name: str) -> None:
    synthesis = shared(name)
    assert synthesis.block_names == LAYERS
    assert tuple(map(synthesis.feature_height, LAYERS)) == HEIGHTS
    assert synthesis.row_names == ("input", *LAYERS, "L6_32_3")
    assert synthesis.image_heights == (32,)
    for unknown in ({"features": ["L6_32_3"]}, {"features": ["input"]}, {"image": 16}):
        with pytest.raises(KeyError, match="there are"):
            synthesis(reference_tensor(name, "wplus"), **unknown)


@pytest.mark.parametrize("name", FIXTURES)
def test_same_numbers_every_time_and_in_any_company(name: str) -> None:
    synthesis, ws = shared(name), reference_tensor(name, "w_psi07")
    image = synthesis(ws).image
    assert torch.equal(image, synthesis(ws, noise_mode="random").image)
    assert relative_error(synthesis(ws[1:2]).image, image[1:2]) < 1e-6


def test_features_do_no_work_beyond_their_layer() -> None:
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


def test_picture_with_features() -> None:
    synthesis, ws = shared("sg3t_32"), reference_tensor("sg3t_32", "wplus")
    result = synthesis(ws, features=LAYERS, image=32)
    assert torch.equal(result.image, synthesis(ws).image)
    assert tuple(result.features) == LAYERS
    assert all(
        result.features[name].shape == (1, 32, height, height) for name, height in zip(LAYERS, HEIGHTS, strict=True)
    )


def _placed(name: str, transform: list[list[float]]) -> dict[str, Tensor]:
    """Picture and features with another `transform` of the input than the file's, which does nothing."""
    synthesis = load(name)
    assert torch.equal(synthesis.input.transform, torch.eye(3))
    synthesis.input.transform.copy_(torch.tensor(transform))
    result = synthesis(reference_tensor(name, "w_psi07")[:1], features=LAYERS, image=32)
    return {**result.features, "picture": result.image}


def _moved(name: str, right: int, down: int) -> dict[str, Tensor]:
    """By so many pixels of the picture: what was at u is at u + the move, so the input is read at u − the move."""
    return _placed(name, [[1, 0, -right / 32], [0, 1, -down / 32], [0, 0, 1]])


@pytest.mark.parametrize("name", FIXTURES)
def test_maps_move_with_the_picture(name: str) -> None:
    """A map of height h shows at (x, y)·h/32 what the picture shows at (x, y): a move of the scene by (4, −6) pixels
    moves each by so much, but for the border, where the maps end."""
    still, moved = _placed(name, torch.eye(3).tolist()), _moved(name, 4, -6)
    for before, after in zip(still.values(), moved.values(), strict=True):
        height = before.shape[2]
        inner = slice(height // 4, -height // 4)
        expected = before.roll((-6 * height // 32, 4 * height // 32), (2, 3))
        assert relative_error(after[:, :, inner, inner], expected[:, :, inner, inner]) < MAX_RELATIVE_ERROR


@pytest.mark.parametrize(("quarters", "cos", "sin"), [(1, 0, 1), (2, -1, 0), (3, 0, -1)])
def test_r_turns_with_the_picture(quarters: int, cos: float, sin: float) -> None:
    still = _placed("sg3r_32", torch.eye(3).tolist())
    turned = _placed("sg3r_32", [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    for before, after in zip(still.values(), turned.values(), strict=True):
        assert relative_error(after, before.rot90(quarters, (2, 3))) < MAX_RELATIVE_ERROR


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("place", [(0.75, 0.25), (0.375, 0.625)])
def test_a_spot_on_a_map_is_at_that_place_of_the_picture(name: str, layer: str, place: tuple[float, float]) -> None:
    """Places are fractions of the picture; the samples around one of a map are changed, and the picture changes
    around it."""
    synthesis, ws, height = load(name), reference_tensor(name, "w_psi07")[:1], HEIGHTS[LAYERS.index(layer)]
    before = synthesis(ws).image
    x, y = (int(u * height) for u in place)

    def spot(_: torch.nn.Module, __: object, full: Tensor) -> Tensor:
        full = full.clone()
        crop_margins(full, height)[:, :, y - 1 : y + 1, x - 1 : x + 1] *= 1.1
        return full

    synthesis.get_submodule(layer).register_forward_hook(spot)
    change = (synthesis(ws).image - before).square().sum(dim=(0, 1))
    at = torch.arange(32) + 0.5
    centre = ((change.sum(dim=0) @ at) / change.sum() / 32, (change.sum(dim=1) @ at) / change.sum() / 32)
    assert max(abs(float(a - u)) for a, u in zip(centre, place, strict=True)) < 1 / 32


def by_definition(x: Tensor, up: Tensor, down: Tensor, factors: tuple[int, int], convolved: int, out: int) -> Tensor:
    """The filtered leaky ReLU as the paper's code describes it, without the clamp: zeros inserted, one long filter."""
    n, c, h, _ = x.shape
    spread = x.new_zeros(n, c, h, factors[0], h, factors[0])
    spread[:, :, :, 0, :, 0] = x
    total = (out - 1) * factors[1] + 1 - convolved * factors[0] + len(up) + len(down) - 2
    before = (total + factors[0]) // 2
    y = F.pad(spread.flatten(4, 5).flatten(2, 3), (before, total - before) * 2)
    y = F.leaky_relu(F.conv2d(y, _plane(up).expand(c, 1, -1, -1), groups=c), 0.2)
    return F.conv2d(y, _plane(down).expand(c, 1, -1, -1), groups=c)[:, :, :: factors[1], :: factors[1]]


def _plane(taps: Tensor) -> Tensor:
    return torch.outer(taps, taps) if taps.ndim == 1 else taps


def symmetric(taps: int, dimensions: int) -> Tensor:
    half = torch.randn((taps,) * dimensions, dtype=torch.float64)
    return half + half.flip(tuple(range(dimensions)))


configs = st.builds(
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
)


def buildable(arguments: dict[str, object]) -> StyleGAN3Config:
    try:
        return StyleGAN3Config(channel_base=1024, channel_max=4, w_dim=4, **arguments)
    except ValidationError as error:
        assert "num_critical" in str(error)  # the only thing that these values can get wrong
        assume(False)
        raise


@given(configs)
def test_layers_fit(arguments: dict[str, object]) -> None:
    config = buildable(arguments)
    layers = config.layer_shapes
    assert len(layers) == config.num_layers + 1 == config.num_ws - 1
    assert [layer.size for layer in layers[-2:]] == [layer.rate for layer in layers[-2:]] == [config.resolution] * 2
    assert layers[-1].channels == 3
    for i, layer in enumerate(layers):
        sizes, source = layer_resampling(config, i), layers[max(i - 1, 0)]
        assert source.rate <= layer.rate <= config.resolution
        assert layer.name == f"L{i}_{layer.size}_{layer.channels}"
        assert crop_margins(torch.empty(1, 1, layer.size, layer.size), layer.rate).shape[2:] == (layer.rate, layer.rate)
        assert sizes.up * source.rate == sizes.down * layer.rate
        assert sizes.crop >= 0


@given(configs, st.integers(0, 14), st.integers(1, 40))
@settings(max_examples=25)
def test_filtered_lrelu_is_its_definition(arguments: dict[str, object], i: int, seed: int) -> None:
    config = buildable(arguments | {"resolution": min(32, arguments["resolution"])})
    i = min(i, config.num_layers)
    torch.manual_seed(seed)
    sizes, source, kernel = layer_resampling(config, i), config.layer_shapes[max(i - 1, 0)], config.conv_kernel
    convolved = source.size + (kernel - 1 if i < config.num_layers else 0)
    up, down = symmetric(sizes.taps_up, 1), symmetric(sizes.taps_down, 2 if config.use_radial_filters else 1)
    x = torch.randn(1, 2, convolved, convolved, dtype=torch.float64, requires_grad=True)
    ours = FilteredLrelu.apply(x, up, down, sizes, 0.2, math.inf)
    theirs = by_definition(x, up, down, (sizes.up, sizes.down), convolved, config.layer_shapes[i].size)
    assert ours.shape[2:] == (config.layer_shapes[i].size,) * 2
    assert torch.allclose(ours, theirs)
    weights = torch.randn_like(ours)
    assert torch.allclose(*(torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, theirs)))


def test_clamp_and_its_gradient() -> None:
    config = StyleGAN3Config(resolution=16, channel_base=64, num_layers=4, margin_size=2)
    sizes = layer_resampling(config, 1)
    up, down = symmetric(sizes.taps_up, 1), symmetric(sizes.taps_down, 1)
    height = config.layer_shapes[0].size + 2
    x = torch.randn(1, 1, height, height, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: FilteredLrelu.apply(x, up, down, sizes, 0.2, 1.5), x)


@pytest.mark.parametrize("name", FIXTURES)
def test_a_few_channels_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesis, ws = shared(name), reference_tensor(name, "w_psi07").clone().requires_grad_()
    (whole,) = torch.autograd.grad(synthesis(ws).image.square().sum(), ws)
    monkeypatch.setattr(stylegan3, "CPU_CHUNK_VALUES", 1)
    (parts,) = torch.autograd.grad(synthesis(ws).image.square().sum(), ws)
    assert relative_error(parts, whole) < 1e-6


@pytest.mark.parametrize("name", FIXTURES)
def test_half(name: str) -> None:
    synthesis, ws = load(name), reference_tensor(name, "w_psi07").clone().requires_grad_()
    full = synthesis(ws, features=LAYERS, image=32)
    (full_gradient,) = torch.autograd.grad(full.image.square().sum(), ws)
    synthesis.use_fp16 = True
    assert torch.equal(synthesis(ws).image, full.image)  # no layer of the file is made for it
    for layer in (*LAYERS[2:], "L6_32_3"):
        synthesis.get_submodule(layer).made_for_fp16 = True
    assert {x.dtype for key, x in synthesis.full_maps(ws) if key not in LAYERS[:2]} == {torch.float16}
    half = synthesis(ws, features=LAYERS, image=32)
    (half_gradient,) = torch.autograd.grad(half.image.square().sum(), ws)
    assert 0 < relative_error(half.image, full.image.detach()) < 5e-3
    assert all(relative_error(half.features[key], full.features[key].detach()) < 5e-3 for key in LAYERS)
    assert relative_error(half_gradient, full_gradient) < 2e-2


def test_half_does_not_overflow() -> None:
    """Maps of float16 may reach the clamp; what many large channels sum up to in a convolution stays in range."""
    config = StyleGAN3Config(resolution=16, num_layers=4, w_dim=8)
    layer = StyleGAN3Layer(config, 2)
    assert layer.made_for_fp16
    height = config.layer_shapes[1].size
    assert bool(layer(torch.full((1, 512, height, height), 256.0).half(), torch.zeros(1, 8)).isfinite().all())


def test_which_layers_are_made_for_half() -> None:
    config = StyleGAN3Config(resolution=256, channel_base=256, num_fp16_res=2, w_dim=4)
    synthesis = StyleGAN3Synthesis(config)
    made = [synthesis.get_submodule(name).made_for_fp16 for name in synthesis.row_names[1:]]
    assert made == [layer.rate > 64 for layer in config.layer_shapes]


def test_built_without_memory() -> None:
    """As a file's tensors are put in: no part of the network is outside its state."""
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 4, "num_critical": 4}, "num_critical 4 is not less than num_layers 4"),
        ({"num_layers": 2, "num_critical": 0}, "num_critical 0 gives a layer before the last of rate 64"),
        ({"first_cutoff": 128}, "first_cutoff 128.0 is not less than half of resolution 256"),
        ({"first_stopband": 2}, "first_stopband 2.0 is not between first_cutoff 2"),
        ({"first_stopband": 1e6}, "and the last stopband 157.586"),
        ({"first_stopband": 0.25, "first_cutoff": 0.125}, "first layer of rate 1"),
        ({"first_stopband": 1e-323, "first_cutoff": 5e-324}, "first layer of rate 1"),
        ({"last_stopband_rel": 0.5}, "last_stopband_rel 0.5 is less than 1"),
        ({"first_cutoff": math.nan}, "first_cutoff"),
        ({"channel_base": 100}, "channel_base 100 gives L12_276_0 no channels"),
        ({"channel_base": 65536, "channel_max": 65536}, "weights, more than any model's"),
        (
            {"resolution": 2048, "channel_base": 65536, "lrelu_upsampling": 4, "num_layers": 64},
            "larger than any model's",
        ),
        ({"resolution": 24}, "not a power of two"),
        ({"num_layers": 10**9}, "num_layers"),
        ({"channels": (1, 2)}, "channels"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StyleGAN3Config.model_validate({"resolution": 256} | arguments)


@pytest.mark.parametrize(
    "arguments", [{}, {"conv_kernel": 1, "use_radial_filters": True, "channel_base": 65536, "channel_max": 1024}]
)
@pytest.mark.parametrize("resolution", [256, 512, 1024])
def test_published_sizes_are_not_refused(resolution: int, arguments: dict[str, object]) -> None:
    assert len(StyleGAN3Config.model_validate({"resolution": resolution} | arguments).layer_shapes) == 15


def test_layers_of_the_published_ffhq_model() -> None:
    """Its layer names, by which anyone may know the file (stylegan3-t-ffhq-1024x1024.pkl)."""
    assert [layer.name for layer in StyleGAN3Config(resolution=1024).layer_shapes] == [
        "L0_36_512", "L1_36_512", "L2_52_512", "L3_52_512", "L4_84_512", "L5_148_512", "L6_148_512", "L7_276_323",
        "L8_276_203", "L9_532_128", "L10_1044_81", "L11_1044_51", "L12_1044_32", "L13_1024_32", "L14_1024_3",
    ]  # fmt: skip
