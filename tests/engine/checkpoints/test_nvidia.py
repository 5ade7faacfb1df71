"""What the reader makes of an NVIDIA file's records: configurations, defaults, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from draggan_engine.checkpoints.formats import nvidia
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart
from draggan_engine.checkpoints.unpickling.pickle_stubs import PersistentObject
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.generator import Generator
from tests.support.paths import CHECKPOINTS
from tests.support.read_pickle import read_pickle

PATH = Path("model.pkl")
Root = dict[str, Any]


def read(name: str) -> Root:
    root = read_pickle(CHECKPOINTS / f"{name}.pkl")
    assert isinstance(root, dict)
    return root


def module(root: Root, *names: str) -> PersistentObject:
    record: Any = root
    for name in names:
        record = (record if isinstance(record, dict) else record.state["_modules"])[name]
    assert isinstance(record, PersistentObject)
    return record


def generator_part(root: Root, path: Path = PATH) -> GeneratorPart:
    parts = nvidia.read_nvidia_parts(root, path)
    assert parts is not None
    return parts.generator


def discriminator_part(root: Root, path: Path = PATH) -> DiscriminatorPart | None:
    parts = nvidia.read_nvidia_parts(root, path)
    assert parts is not None
    return parts.discriminator()


def generator(root: Root) -> Generator:
    return generator_part(root, PATH).build(PATH, torch.device("cpu"))


def refusal(root: Root, read_it: Callable[[Root], object] = generator) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_it(root)
    message = str(caught.value)
    assert message.startswith("model.pkl: ")
    assert "\n" not in message
    return message


def silence(root: Root, *path: str) -> None:
    """Makes a module and those inside it say nothing of their clamp, as if its class had no such attribute."""
    record = module(root, *path)
    record.state.pop("conv_clamp", None)
    for name in record.state["_modules"]:  # type: ignore[attr-defined]
        silence(root, *path, name)


def test_nested_and_flat_arguments() -> None:
    nested, flat = generator_part(read("sg2ada_cond_32"), PATH).config, generator_part(read("sg2_flat_32"), PATH).config
    assert (nested.conv_clamp, nested.num_fp16_res, nested.mapping_layers, nested.c_dim) == (256, 2, 2, 5)
    assert (flat.conv_clamp, flat.num_fp16_res, flat.mapping_layers, flat.channels) == (256, 0, 8, (48, 48, 32, 16))


def test_the_two_repositories_have_different_defaults() -> None:
    nested, flat = read("sg2ada_32"), read("sg2_flat_32")
    del module(flat, "G_ema").init_kwargs["num_fp16_res"]
    silence(nested, "G_ema")
    silence(flat, "G_ema")
    configs = generator_part(nested, PATH).config, generator_part(flat, PATH).config
    assert [(config.num_fp16_res, config.conv_clamp) for config in configs] == [(0, None), (4, 256)]


def test_a_layers_own_clamp_wins() -> None:
    root = read("sg2ada_32")
    module(root, "G_ema", "synthesis", "b4", "conv1").state["conv_clamp"] = 3
    module(root, "D", "b8", "conv0").state["conv_clamp"] = 5
    assert generator_part(root, PATH).config.conv_clamp == 3
    part = discriminator_part(root, PATH)
    assert part is not None
    assert part.config.conv_clamp == 5


def test_positional_arguments() -> None:
    root = read("sg2ada_32")
    old = root["G_ema"]
    positions = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
    root["G_ema"] = PersistentObject("Generator", tuple(old.init_kwargs[p] for p in positions), {}, old.state)
    assert generator(root).num_ws == 8


def test_the_average_is_taken_where_there_is_one() -> None:
    root = read("sg2ada_32")
    root["G"], root["G_ema"] = root["G_ema"], None
    assert generator(root).image_shape == (32, 32)
    root["G_ema"] = root["D"]
    assert "Discriminator" in refusal(root)
    assert nvidia.read_nvidia_parts({}, PATH) is None


def test_a_constant_half_as_wide_makes_pictures_half_as_wide() -> None:
    root = read("sg2_flat_32")
    synthesis = module(root, "G_ema", "synthesis")
    module(root, "G_ema").init_kwargs["square"] = False
    for name, block in synthesis.state["_modules"].items():  # type: ignore[attr-defined]
        if name == "b4":
            block.state["_parameters"]["const"] = block.state["_parameters"]["const"][:, :, :2]
        for layer in ("conv0", "conv1"):
            if layer in block.state["_modules"]:
                buffers = block.state["_modules"][layer].state["_buffers"]
                buffers["noise_const"] = buffers["noise_const"][:, : len(buffers["noise_const"]) // 2]
    network = generator(root)
    assert network.image_shape == (32, 16)
    image = network.synthesis(torch.zeros(1, 8, 64)).image
    assert image is not None
    assert image.shape == (1, 3, 32, 16)


def test_half_precision_weights_become_float32() -> None:
    root = read("sg2_flat_32")
    parameters: Any = module(root, "G_ema", "synthesis", "b8", "conv0").state["_parameters"]
    parameters["weight"] = parameters["weight"].half()
    assert {p.dtype for p in generator(root).parameters()} == {torch.float32}


def change(
    *path: str, kwargs: Any = None, parameters: Any = None, buffers: Any = None, modules: Any = None
) -> Callable[[Root], None]:
    def apply(root: Root) -> None:
        record = module(root, *path)
        record.init_kwargs.update(kwargs or {})
        for kind, values in (("_parameters", parameters), ("_buffers", buffers), ("_modules", modules)):
            record.state[kind].update(values or {})  # type: ignore[attr-defined]

    return apply


def without(*path: str, kind: str, key: str) -> Callable[[Root], None]:
    def apply(root: Root) -> None:
        del module(root, *path).state[kind][key]  # type: ignore[attr-defined]

    return apply


G, CONV = ("G_ema",), ("G_ema", "synthesis", "b8", "conv0")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (change(*G, kwargs={"synthesis_kwargs": {"architecture": "resnet"}}), "architecture is resnet"),
        (change(*G, kwargs={"synthesis_kwargs": {"architecture": "orig"}}), "architecture is orig"),
        (change(*G, kwargs={"synthesis_kwargs": {"activation": "relu"}}), "activation"),
        (change(*G, kwargs={"synthesis_kwargs": {"use_noise": False}}), "use_noise"),
        (change(*G, kwargs={"mapping_kwargs": {"activation": "linear"}}), "activation"),
        (change(*G, kwargs={"mapping_kwargs": {"lr_multiplier": -1}}), "mapping_lr_multiplier"),
        (change(*G, kwargs={"mapping_kwargs": 3}), "mapping_kwargs"),
        (change(*G, kwargs={"an_option\n": 1}), "an_option?"),
        (change(*G, kwargs={"img_resolution": 33}), "resolution 33"),
        (change(*G, kwargs={"img_resolution": 2**40}), "resolution"),
        (change(*G, kwargs={"img_resolution": 10**5000}), "resolution"),
        (change(*G, kwargs={"img_resolution": "big"}), "resolution"),
        (change(*G, kwargs={"z_dim": torch.zeros(3)}), "z_dim"),
        (change(*G, kwargs={"mapping_kwargs": {"lr_multiplier": float("nan")}}), "mapping_lr_multiplier"),
        (change(*G, kwargs={"synthesis_kwargs": {"channel_base": 16}}), "channel_base 16"),
        (change(*G, kwargs={"synthesis_kwargs": {"channel_base": 65536, "channel_max": 65536}}), "has the shape"),
        (change(*CONV, parameters={"weight": torch.zeros(3)}), "synthesis.b8.conv0.weight has the shape [3]"),
        (change(*CONV, parameters={"more": torch.zeros(3)}), "synthesis.b8.conv0.more"),
        (change(*CONV, parameters={"bias": "text"}), "synthesis.b8.conv0.bias"),
        (change(*CONV, parameters={7: torch.zeros(1)}), "synthesis.b8.conv0."),
        (without(*CONV, kind="_parameters", key="weight"), "synthesis.b8.conv0.weight is missing"),
        (without(*CONV, kind="_buffers", key="noise_const"), "synthesis.b8.conv0.noise_const is missing"),
        (without("G_ema", "mapping", kind="_modules", key="fc3"), "mapping.fc3.weight is missing"),
        (without("G_ema", "mapping", kind="_buffers", key="w_avg"), "mapping.w_avg is missing"),
        (without("G_ema", "synthesis", kind="_modules", key="b4"), "synthesis.b4.const is missing"),
        (without(*G, kind="_modules", key="synthesis"), "is a Generator"),
    ],
)
def test_what_is_not_a_stylegan2_is_refused_by_name(spoil: Callable[[Root], None], named: str) -> None:
    root = read("sg2ada_32")
    spoil(root)
    assert named in refusal(root)


def test_an_input_module_makes_it_a_stylegan3() -> None:
    root = read("sg2_flat_32")
    module(root, "G_ema", "synthesis").state["_modules"]["input"] = PersistentObject("SynthesisInput", (), {}, {})  # type: ignore[index]
    assert "StyleGAN3" in refusal(root)


def test_a_discriminator_that_cannot_be_read_leaves_the_generator_alone() -> None:
    root = read("sg2ada_32")
    module(root, "D").init_kwargs["architecture"] = "orig"
    assert generator(root).image_shape == (32, 32)


def test_a_module_inside_itself() -> None:
    root = read("sg2ada_32")
    module(root, *CONV).state["_modules"]["affine"] = module(root, "G_ema")  # type: ignore[index]
    assert "synthesis.b8.conv0.affine" in refusal(root)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"architecture": "skip"}, "architecture is skip"),
        ({"epilogue_kwargs": {"mbstd_num_channels": 5}}, "mbstd_channels 5"),
        ({"epilogue_kwargs": {"mbstd_group_size": 0}}, "mbstd_group_size"),
        ({"mapping_kwargs": {"lr_multiplier": 0.5}}, "lr_multiplier"),
        ({"channel_max": 16}, "has the shape"),
    ],
)
def test_discriminators_that_are_refused(kwargs: dict[str, object], named: str) -> None:
    root = read("sg2ada_32")
    module(root, "D").init_kwargs.update(kwargs)

    def build(root: Root) -> object:
        part = discriminator_part(root, PATH)
        assert part is not None
        return part.build(PATH, torch.device("cpu"))

    assert named in refusal(root, build)
