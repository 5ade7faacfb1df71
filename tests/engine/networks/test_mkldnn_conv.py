"""Packed kernels convolve as torch does, and have the same gradient; the drag uses them where they serve."""

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

pytestmark = pytest.mark.skipif(not mkldnn_conv.MKLDNN_AVAILABLE, reason="this torch has no such operations")


def gradient(y: Tensor, x: Tensor) -> Tensor:
    pull = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
    (found,) = torch.autograd.grad((y * pull).sum(), x)
    return found


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("size", [(1, 4, 4), (2, 10, 9), (1, 33, 40)])
@pytest.mark.parametrize("channels", [(256, 256), (320, 256), (256, 320)])
def test_as_torch_convolves(
    channels: tuple[int, int], size: tuple[int, int, int], dtype: torch.dtype, limit: float
) -> None:
    if dtype == torch.bfloat16 and not supports_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no bfloat16, and oneDNN no kernels for it")
    torch.manual_seed(0)
    weight = (torch.randn(*channels, 3, 3) / 48).to(dtype)
    assert PackedKernel.is_faster_for(weight)
    count, height, width = size
    x = torch.randn(count, channels[1], height, width).to(dtype).requires_grad_()
    below = torch.randn(count, channels[0], height, width).to(dtype).requires_grad_()
    kernel, up = PackedKernel(weight, 1), PackedKernel(weight, 2)
    for ours, theirs, leaf in (
        (packed_conv2d(x, kernel), F.conv2d(x, weight), x),
        (packed_conv2d(x, kernel, 1), F.conv2d(x, weight, padding=1), x),
        (packed_conv_transpose2d(below, up), F.conv_transpose2d(below, weight, stride=2), below),
    ):
        assert relative_error(ours, theirs.detach()) <= limit
        assert relative_error(gradient(ours, leaf), gradient(theirs, leaf)) <= limit


def test_what_they_do_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in ((336, 256), (256, 48), (128, 128)):
        assert not PackedKernel.is_faster_for(torch.randn(*shape, 3, 3))
    weight = torch.randn(256, 256, 3, 3)
    assert not PackedKernel.is_faster_for(weight.double()) and PackedKernel.is_faster_for(weight)
    monkeypatch.setattr(mkldnn_conv, "MKLDNN_AVAILABLE", False)
    assert not PackedKernel.is_faster_for(weight)


def test_bfloat16_kernels_are_packed_only_where_the_processor_has_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(256, 256, 3, 3)
    for has_bfloat16 in (True, False):
        monkeypatch.setattr(mkldnn_conv, "supports_bfloat16", lambda _: has_bfloat16)  # noqa: B023
        assert PackedKernel.is_faster_for(weight.bfloat16()) == has_bfloat16
        assert PackedKernel.is_faster_for(weight)


def test_features_and_their_gradient_do_not_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = StyleGAN2Config(resolution=32, z_dim=8, w_dim=8, mapping_layers=1, channels=(256, 256, 256, 256))
    made = Generator(config).eval().requires_grad_(False)
    sources = [WindowedSource(made.synthesis, "b32", 6)]
    monkeypatch.setattr(mkldnn_conv, "MKLDNN_AVAILABLE", False)
    sources.append(WindowedSource(made.synthesis, "b32", 6))
    assert [source.constants[1].conv1.kernel.packed is None for source in sources] == [False, True]
    assert WindowedSource(made.synthesis, "b32", 6, whole_maps=True).constants[1].conv1.kernel.packed is None
    for boxes in (None, [MapWindow(3, 4, 9, 12)]):
        found = []
        for source in sources:
            ws = torch.randn(1, made.num_ws, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
            features = source(ws, boxes)
            found.append((features.pixels.detach(), gradient(features.pixels, ws)))
        (ours, pull), (theirs, expected) = found
        assert relative_error(ours, theirs) <= 1e-5
        assert relative_error(pull, expected) <= 1e-4
