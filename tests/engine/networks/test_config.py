"""Configurations of networks: which are refused, and what follows from those of published models."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config


def test_a_stylegan2_needs_channels_for_each_block() -> None:
    with pytest.raises(ValidationError, match="channels has 2 values, but there are 3 blocks"):
        StyleGAN2Config(resolution=16, channels=(8, 8))


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
def test_a_network_that_cannot_be_built_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StyleGAN3Config.model_validate({"resolution": 256} | arguments)


def listed_layers(*layers: tuple[int, int, int]) -> list[dict[str, int]]:
    """Return layers from their numbers, rates and channels."""
    return [{"number": number, "rate": rate, "channels": channels} for number, rate, channels in layers]


LAYERS = ((0, 16, 8), (1, 16, 8), (3, 32, 8), (4, 32, 8), (5, 32, 3))


def test_listed_layers_replace_the_rule() -> None:
    config = StyleGAN3Config.model_validate({"resolution": 32, "num_layers": 4, "layers": listed_layers(*LAYERS)})
    assert [layer.name for layer in config.layer_shapes] == ["L0_36_8", "L1_36_8", "L3_52_8", "L4_32_8", "L5_32_3"]
    assert config.num_ws == 6


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (LAYERS[:-1], "layers has 4 entries, but num_layers is 4"),
        ((*LAYERS[:-1], (5, 64, 3)), "rates that are not powers of two up to resolution 32"),
        ((*LAYERS[:2], (3, 24, 8), *LAYERS[3:]), "rates that are not powers of two up to resolution 32"),
        (((0, 32, 8), *LAYERS[1:]), "rates that are not powers of two up to resolution 32"),
        ((*LAYERS[:3], (3, 16, 8), LAYERS[4]), "rates that are not powers of two up to resolution 32"),
        ((LAYERS[0], LAYERS[0], *LAYERS[2:]), "layers has a number twice"),
        ((*LAYERS[:3], (4, 32, 8), (5, 32, 4)), "layers ends with 4 channels, but img_channels is 3"),
        ((*LAYERS[:3], (4, 32, 0), LAYERS[4]), "layers.3.channels"),
        ((), "layers has 0 entries"),
        (LAYERS * 20, "at most 65 items"),
    ],
)
def test_listed_layers_that_do_not_fit_are_refused(layers: tuple[tuple[int, int, int], ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StyleGAN3Config.model_validate({"resolution": 32, "num_layers": 4, "layers": listed_layers(*layers)})


@pytest.mark.parametrize(("c_dim", "embedding"), [(0, (5, 8)), (6, (5, 8))])
def test_a_table_of_embeddings_has_a_row_for_each_class(c_dim: int, embedding: tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match=f"class_embedding has 5 classes, but c_dim is {c_dim}"):
        StyleGAN3Config(resolution=256, c_dim=c_dim, class_embedding=embedding)
    assert StyleGAN3Config(resolution=256, c_dim=5, class_embedding=embedding).class_embedding == embedding


@pytest.mark.parametrize(
    "arguments", [{}, {"conv_kernel": 1, "use_radial_filters": True, "channel_base": 65536, "channel_max": 1024}]
)
@pytest.mark.parametrize("resolution", [256, 512, 1024])
def test_the_published_sizes_are_accepted(resolution: int, arguments: dict[str, object]) -> None:
    assert len(StyleGAN3Config.model_validate({"resolution": resolution} | arguments).layer_shapes) == 15


def test_the_layers_have_the_names_of_the_published_ffhq_model() -> None:
    """The names are those in stylegan3-t-ffhq-1024x1024.pkl."""
    assert [layer.name for layer in StyleGAN3Config(resolution=1024).layer_shapes] == [
        "L0_36_512", "L1_36_512", "L2_52_512", "L3_52_512", "L4_84_512", "L5_148_512", "L6_148_512", "L7_276_323",
        "L8_276_203", "L9_532_128", "L10_1044_81", "L11_1044_51", "L12_1044_32", "L13_1024_32", "L14_1024_3",
    ]  # fmt: skip
