"""Packed kernels convolve as torch does, with the same gradient, and are used where they are faster."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.dragging.feature_sources import WindowedSource
from draggan_engine.networks import mkldnn_conv
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mkldnn_conv import PackedKernel, packed_conv2d, packed_conv_transpose2d
from draggan_engine.networks.windows import MapWindow
from tests.support.references import relative_error

pytestmark = pytest.mark.skipif(not mkldnn_conv.MKLDNN_AVAILABLE, reason="this torch lacks the operations")


def gradient_of(y: Tensor, leaf: Tensor) -> Tensor:
    """Return the gradient of a weighted sum of y."""
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
    (gradient,) = torch.autograd.grad((y * weights).sum(), leaf)
    return gradient


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("input_shape", [(1, 4, 4), (2, 10, 9), (1, 33, 40)])
@pytest.mark.parametrize("channels", [(256, 256), (320, 256), (256, 320)])
def test_packed_convolutions_and_their_gradients_equal_those_of_torch(
    channels: tuple[int, int], input_shape: tuple[int, int, int], dtype: torch.dtype, limit: float
) -> None:
    if dtype == torch.bfloat16 and not supports_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no bfloat16, and oneDNN no kernels for it")
    torch.manual_seed(0)
    weight = (torch.randn(*channels, 3, 3) / 48).to(dtype)
    assert PackedKernel.is_faster_for(weight)
    batch, height, width = input_shape
    conv_input = torch.randn(batch, channels[1], height, width).to(dtype).requires_grad_()
    up_input = torch.randn(batch, channels[0], height, width).to(dtype).requires_grad_()
    conv_kernel, up_kernel = PackedKernel(weight, 1), PackedKernel(weight, 2)
    for packed, expected, leaf in (
        (packed_conv2d(conv_input, conv_kernel), F.conv2d(conv_input, weight), conv_input),
        (packed_conv2d(conv_input, conv_kernel, 1), F.conv2d(conv_input, weight, padding=1), conv_input),
        (packed_conv_transpose2d(up_input, up_kernel), F.conv_transpose2d(up_input, weight, stride=2), up_input),
    ):
        assert relative_error(packed, expected.detach()) <= limit
        assert relative_error(gradient_of(packed, leaf), gradient_of(expected, leaf)) <= limit


@pytest.mark.parametrize("channels", [(336, 256), (256, 48), (128, 128)])
def test_kernels_with_few_or_odd_channels_are_not_packed(channels: tuple[int, int]) -> None:
    assert not PackedKernel.is_faster_for(torch.randn(*channels, 3, 3))


def test_kernels_in_float64_are_not_packed() -> None:
    weight = torch.randn(256, 256, 3, 3)
    assert PackedKernel.is_faster_for(weight)
    assert not PackedKernel.is_faster_for(weight.double())


def test_nothing_is_packed_without_the_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mkldnn_conv, "MKLDNN_AVAILABLE", False)
    assert not PackedKernel.is_faster_for(torch.randn(256, 256, 3, 3))


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_bfloat16_kernels_are_packed_only_where_the_processor_has_bfloat16(
    has_bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = torch.randn(256, 256, 3, 3)
    monkeypatch.setattr(mkldnn_conv, "supports_bfloat16", lambda _: has_bfloat16)
    assert PackedKernel.is_faster_for(weight.bfloat16()) == has_bfloat16
    assert PackedKernel.is_faster_for(weight)


@pytest.fixture(scope="module")
def wide_generator() -> Generator:
    torch.manual_seed(0)
    config = StyleGAN2Config(resolution=32, z_dim=8, w_dim=8, mapping_layers=1, channels=(256, 256, 256, 256))
    return Generator(config).eval().requires_grad_(False)


def has_packed_kernels(source: WindowedSource) -> bool:
    return source.constants[1].conv1.kernel.packed is not None


@pytest.mark.parametrize("windows", [None, [MapWindow(3, 4, 9, 12)]])
def test_features_with_packed_kernels_equal_those_without(
    wide_generator: Generator, windows: list[MapWindow] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def features_and_gradient(source: WindowedSource) -> tuple[Tensor, Tensor]:
        ws = torch.randn(1, wide_generator.num_ws, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
        features = source(ws, windows)
        return features.pixels.detach(), gradient_of(features.pixels, ws)

    packed_source = WindowedSource(wide_generator.synthesis, "b32", 6)
    monkeypatch.setattr(mkldnn_conv, "MKLDNN_AVAILABLE", False)
    plain_source = WindowedSource(wide_generator.synthesis, "b32", 6)
    assert has_packed_kernels(packed_source) and not has_packed_kernels(plain_source)
    features, gradient = features_and_gradient(packed_source)
    expected_features, expected_gradient = features_and_gradient(plain_source)
    assert relative_error(features, expected_features) <= 1e-5
    assert relative_error(gradient, expected_gradient) <= 1e-4


def test_a_source_of_whole_maps_packs_no_kernels(wide_generator: Generator) -> None:
    assert not has_packed_kernels(WindowedSource(wide_generator.synthesis, "b32", 6, whole_maps=True))
