"""StyleGAN2 and its discriminator: their outputs equal those of the original networks, for files with random weights.

Two of the references were computed with the `num_fp16_res` highest blocks in float16, also on a CPU, so that our float32
can only agree with them to the rounding of float16. To hold these blocks to 1e-4 as well, a test computes each of them
once more from its reference input in the original's arithmetic (`float16_layer`).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.networks.ops import fir_filter, scaled_leaky_relu
from draggan_engine.networks.stylegan2 import StyleGAN2Block, StyleGAN2Layer
from tests.support.paths import CHECKPOINTS
from tests.support.references import MAX_RELATIVE_ERROR, Record, check_relative_error, load_reference, reference_tensor

NVIDIA_FILES = ("sg2ada_32", "sg2ada_cond_32", "sg2ada_64_clamp", "sg2_flat_32")
OTHER_FILES = ("tf_legacy_32", "rosinality_converted_32", "rosinality_trained_16")
BLOCKS = [(name, r) for name in NVIDIA_FILES for r in (4, 8, 16, 32, 64) if r < 64 or name == "sg2ada_64_clamp"]
FLOAT16_BLOCKS = [*(("sg2ada_cond_32", r) for r in (16, 32)), *(("sg2ada_64_clamp", r) for r in (8, 16, 32, 64))]
FLOAT16_FILES = {name for name, _ in FLOAT16_BLOCKS}
MAX_FLOAT16_ERROR, MAX_FLOAT16_GRADIENT_ERROR = 2e-3, 3e-2


@cache
def model(name: str) -> Model:
    return load_model(str(next(path for path in CHECKPOINTS.glob(f"{name}.*") if path.suffix != ".npz")), "cpu")


def labels(name: str) -> Tensor | None:
    return reference_tensor(name, "c") if name == "sg2ada_cond_32" else None


@pytest.mark.parametrize("name", NVIDIA_FILES)
@pytest.mark.parametrize(
    ("key", "psi", "cutoff"), [("w_psi1", 1, None), ("w_psi07", 0.7, None), ("w_psi05_cutoff4", 0.5, 4)]
)
def test_latents_equal_the_references(
    name: str, key: str, psi: float, cutoff: int | None, record_property: Record
) -> None:
    ws = model(name).generator.mapping(reference_tensor(name, "z"), labels(name), psi=psi, cutoff=cutoff)
    check_relative_error(record_property, name, key, ws, reference_tensor(name, key))


@pytest.mark.parametrize("name", NVIDIA_FILES)
@pytest.mark.parametrize(
    ("key", "ws", "noise"),
    [
        ("image_psi07_const", "w_psi07", "const"),
        ("image_psi07_none", "w_psi07", "none"),
        ("image_wplus_const", "wplus", "const"),
    ],
)
def test_images_equal_the_references(name: str, key: str, ws: str, noise: str, record_property: Record) -> None:
    image = model(name).generator.synthesis(reference_tensor(name, ws), noise_mode=noise).image
    check_relative_error(
        record_property,
        name,
        key,
        image,
        reference_tensor(name, key),
        MAX_FLOAT16_ERROR if name in FLOAT16_FILES else MAX_RELATIVE_ERROR,
    )


@pytest.mark.parametrize(("name", "resolution"), BLOCKS)
def test_feature_maps_equal_the_references(name: str, resolution: int, record_property: Record) -> None:
    block = f"b{resolution}"
    theirs = reference_tensor(name, f"features_{block}")
    result = model(name).generator.synthesis(reference_tensor(name, "w_psi07")[:1], features=[block])
    assert result.image is None
    limit = MAX_FLOAT16_ERROR if (name, resolution) in FLOAT16_BLOCKS else MAX_RELATIVE_ERROR
    check_relative_error(record_property, name, f"features_{block}", result.features[block], theirs, limit)


@pytest.mark.parametrize("name", NVIDIA_FILES)
def test_gradients_equal_the_references(name: str, record_property: Record) -> None:
    ws = reference_tensor(name, "w_psi07")[:1].clone().requires_grad_()
    image = model(name).generator.synthesis(ws).image
    weights = np.random.RandomState(3).randn(1, 3, *image.shape[2:]).astype(np.float32)
    (gradient,) = torch.autograd.grad((image * torch.from_numpy(weights)).sum(), ws)
    limit = MAX_FLOAT16_GRADIENT_ERROR if name in FLOAT16_FILES else MAX_RELATIVE_ERROR
    check_relative_error(
        record_property, name, "grad_w_psi07_const", gradient, reference_tensor(name, "grad_w_psi07_const"), limit
    )


@pytest.mark.parametrize("name", OTHER_FILES)
def test_networks_of_other_formats_equal_the_references(name: str, record_property: Record) -> None:
    """There are fewer references for these files, and one w may stand for all rows of ws."""
    generator, arrays = model(name).generator, load_reference(name)
    for key, psi in (("w_psi1", 1.0), ("w_psi07", 0.7)):
        if key in arrays and (name, key) != (
            "rosinality_trained_16",
            "w_psi07",
        ):  # its w_psi07 is w_psi1, because the file has no average
            ws = generator.mapping(reference_tensor(name, "z"), psi=psi)
            check_relative_error(
                record_property, name, key, ws if arrays[key].ndim == 3 else ws[:, 0], reference_tensor(name, key)
            )
    ws = reference_tensor(name, "w_psi07")
    ws = ws if ws.ndim == 3 else ws[:, None].expand(-1, generator.num_ws, -1)
    key = "image_const" if "image_const" in arrays else "image_psi07_const"
    check_relative_error(record_property, name, key, generator.synthesis(ws).image, reference_tensor(name, key))


def test_an_average_that_the_file_lacks_is_estimated_when_needed() -> None:
    mapping = load_model(str(CHECKPOINTS / "rosinality_trained_16.pt"), "cpu").generator.mapping
    z = torch.from_numpy(np.random.RandomState(5).randn(20_000, mapping.z_dim).astype(np.float32))
    assert mapping.w_avg.isnan().all()
    average = mapping(z)[:, 0].mean(dim=0)
    assert mapping.w_avg.isnan().all()  # nothing was truncated
    centre = mapping(z[:1], psi=0)[0, 0]
    spread = mapping(z)[:, 0].std(dim=0).mean()
    assert (centre - average).abs().max() < 0.05 * spread
    assert torch.equal(mapping(z[:1], psi=0)[0, 0], centre)


@pytest.mark.parametrize("name", NVIDIA_FILES)
def test_float16_blocks_change_the_image_only_a_little(name: str) -> None:
    """With `use_fp16` the blocks that the file marks are computed in float16, and the results are still float32."""
    generator = load_model(str(CHECKPOINTS / f"{name}.pkl"), "cpu").generator
    assert not generator.synthesis.use_fp16
    ws, block = reference_tensor(name, "w_psi07")[:1], generator.synthesis.block_names[-1]
    full = generator.synthesis(ws, features=[block], image=generator.image_shape[0])
    generator.synthesis.use_fp16 = True
    half = generator.synthesis(ws, features=[block], image=generator.image_shape[0])
    assert half.image.dtype == half.features[block].dtype == torch.float32
    levels = {r for n, r in FLOAT16_BLOCKS if n == name}
    assert set(generator.synthesis.fp16_resolutions) == levels
    rounded = half.features[block].half().float()
    assert torch.equal(half.features[block], rounded) == bool(levels)
    assert torch.equal(half.image, full.image) == (not levels)
    error = float((half.image - full.image).norm() / full.image.norm())
    assert error < MAX_FLOAT16_ERROR


@pytest.mark.parametrize("name", ["sg2ada_32", "sg2ada_cond_32"])
def test_logits_equal_the_references(name: str, record_property: Record) -> None:
    theirs = reference_tensor(name, "logits")
    discriminator = model(name).load_discriminator()
    assert discriminator is not None
    logits = discriminator(reference_tensor(name, "image_psi07_const"), labels(name))
    check_relative_error(record_property, name, "logits", logits, theirs)


def test_a_file_may_have_no_discriminator() -> None:
    assert model("sg2_flat_32").load_discriminator() is None


@pytest.mark.parametrize(("name", "resolution"), BLOCKS)
def test_the_references_of_float16_blocks_are_float16_numbers(name: str, resolution: int) -> None:
    features = load_reference(name)[f"features_b{resolution}"]
    assert bool((features.astype(np.float16) == features).all()) == ((name, resolution) in FLOAT16_BLOCKS)


def float16_layer(layer: StyleGAN2Layer, x: Tensor, w: Tensor) -> Tensor:
    """Return a float16 layer's output for one sample as the original computes it.

    W and s are divided by their largest magnitudes, W·s is demodulated and rounded, the convolution sums in float32 and
    rounds, and everything after it is rounded too.
    """
    style = layer.affine(w)
    weight = layer.weight / (layer.weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(layer.weight[0].numel()))
    weight = weight * (style / style.abs().max())[:, :, None, None]
    weight = (weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)).half()
    if layer.up:
        y = fir_filter(float16_conv_transpose(x, weight).float(), 4 * layer.resample_filter, 1).half()
    else:
        y = F.conv2d(x.float(), weight.float(), padding=1).half()
    y = (y.float() + layer.noise_const * layer.noise_strength).half()
    return scaled_leaky_relu(y + layer.bias[:, None, None].half(), layer.clamp)


def float16_conv_transpose(x: Tensor, weight: Tensor) -> Tensor:
    """Return `conv_transpose2d` of stride 2, summing its nine taps in float16."""
    _, _, height, width = x.shape
    total = x.new_zeros(1, len(weight), 2 * height + 1, 2 * width + 1)
    for row in range(3):
        for column in range(3):
            tap = F.conv2d(x.float(), weight[:, :, row, column, None, None].float()).half()
            total[:, :, row : row + 2 * height - 1 : 2, column : column + 2 * width - 1 : 2] += tap
    return total


@pytest.mark.parametrize(("name", "resolution"), FLOAT16_BLOCKS)
def test_a_float16_block_in_the_originals_arithmetic_equals_the_reference(
    name: str, resolution: int, record_property: Record
) -> None:
    block = model(name).generator.synthesis.get_submodule(f"b{resolution}")
    assert isinstance(block, StyleGAN2Block)
    row = 2 * int(math.log2(resolution)) - 5
    ws = reference_tensor(name, "w_psi07")[:1]
    x = float16_layer(block.conv0, reference_tensor(name, f"features_b{resolution // 2}").half(), ws[:, row])
    features = float16_layer(block.conv1, x, ws[:, row + 1])
    check_relative_error(
        record_property,
        name,
        f"b{resolution} alone in float16",
        features.float(),
        reference_tensor(name, f"features_b{resolution}"),
    )


def test_features_need_no_block_above_theirs() -> None:
    generator = load_model(str(CHECKPOINTS / "sg2ada_32.pkl"), "cpu").generator
    expected = generator.synthesis(torch.zeros(1, 8, 64), features=["b8"]).features["b8"]
    generator.synthesis.b16 = generator.synthesis.b32 = torch.nn.Identity()  # calling these as blocks would fail
    for name in ("b4", "b8"):
        generator.synthesis.get_submodule(name).torgb = torch.nn.Identity()
    assert torch.equal(generator.synthesis(torch.zeros(1, 8, 64), features=["b8"]).features["b8"], expected)
