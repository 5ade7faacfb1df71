"""The reader of NVIDIA's files: configurations, default values and refusals."""

from __future__ import annotations

import io
import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from draggan_engine.checkpoints.formats import nvidia
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart
from draggan_engine.checkpoints.unpickling.pickle_stubs import PersistentObject, UnknownName, UnknownObject
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from tests.support.nvidia_files import persist_generator, persistence_module, write_nvidia_pickle
from tests.support.paths import CHECKPOINTS
from tests.support.read_pickle import read_pickle

PATH = Path("model.pkl")
Root = dict[str, Any]


def read_fixture(name: str) -> Root:
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
    return generator_part(root).build(PATH, torch.device("cpu"))


def refusal(root: Root, read: Callable[[Root], object] = generator) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(root)
    message = str(caught.value)
    assert message.startswith(("model.pkl: ", "model.pkl "))
    assert "\n" not in message
    return message


def remove_clamps(root: Root, *path: str) -> None:
    """Remove the clamp of a module and of the modules inside it, as if its class had no such attribute."""
    record = module(root, *path)
    record.state.pop("conv_clamp", None)
    for name in record.state["_modules"]:  # type: ignore[attr-defined]
        remove_clamps(root, *path, name)


def test_nested_and_flat_arguments_are_read() -> None:
    nested, flat = (
        generator_part(read_fixture("sg2ada_cond_32")).config,
        generator_part(read_fixture("sg2_flat_32")).config,
    )
    assert (nested.conv_clamp, nested.num_fp16_res, nested.mapping_layers, nested.c_dim) == (256, 2, 2, 5)
    assert (flat.conv_clamp, flat.num_fp16_res, flat.mapping_layers, flat.channels) == (256, 0, 8, (48, 48, 32, 16))


def test_the_two_repositories_have_different_defaults() -> None:
    nested, flat = read_fixture("sg2ada_32"), read_fixture("sg2_flat_32")
    del module(flat, "G_ema").init_kwargs["num_fp16_res"]
    remove_clamps(nested, "G_ema")
    remove_clamps(flat, "G_ema")
    configs = generator_part(nested).config, generator_part(flat).config
    assert [(config.num_fp16_res, config.conv_clamp) for config in configs] == [(0, None), (4, 256)]


def test_the_clamp_of_the_layer_itself_counts() -> None:
    root = read_fixture("sg2ada_32")
    module(root, "G_ema", "synthesis", "b4", "conv1").state["conv_clamp"] = 3
    module(root, "D", "b8", "conv0").state["conv_clamp"] = 5
    assert generator_part(root).config.conv_clamp == 3
    part = discriminator_part(root)
    assert part is not None
    assert part.config.conv_clamp == 5


def test_positional_arguments_are_read() -> None:
    root = read_fixture("sg2ada_32")
    record = root["G_ema"]
    positions = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
    root["G_ema"] = PersistentObject(
        "Generator", tuple(record.init_kwargs[name] for name in positions), {}, record.state
    )
    assert generator(root).num_ws == 8


def test_the_averaged_generator_is_preferred() -> None:
    root = read_fixture("sg2ada_32")
    root["G"], root["G_ema"] = root["G_ema"], None
    assert generator(root).image_shape == (32, 32)
    root["G_ema"] = root["D"]
    assert "Discriminator" in refusal(root)
    assert nvidia.read_nvidia_parts({}, PATH) is None


def test_a_constant_half_as_wide_makes_images_half_as_wide() -> None:
    root = read_fixture("sg2_flat_32")
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


def test_a_class_is_embedded_in_as_many_features_as_the_file_has(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = StyleGAN2Config(
        resolution=8, z_dim=6, w_dim=4, c_dim=3, embed_features=10, mapping_layers=2, channels=(4, 4)
    )
    network = Generator(config)
    mapping = load_model(str(write_nvidia_pickle(tmp_path / "model.pkl", network)), "cpu").generator.mapping
    z, label = torch.randn(1, 6), torch.tensor([[0.0, 0.0, 1.0]])
    embedded = mapping.embed.weight[:, 2] / 3**0.5 + mapping.embed.bias
    x = torch.cat([v / v.square().mean().sqrt() for v in (z[0], embedded)])
    for layer in (mapping.fc0, mapping.fc1):
        x = layer.weight @ x * 0.01 / len(x) ** 0.5 + layer.bias * 0.01
        x = torch.where(x > 0, x, 0.2 * x) * 2**0.5
    assert torch.allclose(mapping(z, label)[0, 0], x, rtol=1e-4)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    assert torch.equal(load_model(str(tmp_path / "state.pt"), "cpu").generator.mapping(z, label), mapping(z, label))


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], {}])
def test_an_unknown_argument_that_is_idle_is_noted_in_the_log(value: object, caplog: pytest.LogCaptureFixture) -> None:
    root = read_fixture("sg2_flat_32")
    module(root, "G_ema").init_kwargs["an_option"] = value
    with caplog.at_level("INFO", logger="draggan_engine"):
        assert generator(root).image_shape == (32, 32)
    assert "the argument an_option is unknown and has no effect" in caplog.text


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (True, "True"),
        (1, "1"),
        pytest.param(10**5000, "a huge number", id="huge"),
        (0.5, "0.5"),
        ("wide\n", "wide?"),
        ([1], "a list"),
        (UnknownObject(UnknownName("torch", "device")), "an object of torch.device"),
    ],
)
def test_an_unknown_argument_that_may_change_the_network_is_named_in_the_refusal(
    value: object, description: str
) -> None:
    root = read_fixture("sg2_flat_32")
    module(root, "G_ema").init_kwargs["an_option"] = value
    assert f"the argument an_option, whose value is {description}, may make it another network" in refusal(root)


def test_an_unknown_object_is_refused_only_in_the_generator() -> None:
    unknown = UnknownObject(UnknownName("torch.nn.modules.conv", "Conv2d"))
    root = read_fixture("sg2ada_32") | {"D": unknown, "augment_pipe": unknown}
    module(root, "G_ema", "mapping").state["helper"] = unknown
    assert generator(root).image_shape == (32, 32)
    module(root, *CONV).state["_modules"]["extra"] = unknown  # type: ignore[index]
    assert "synthesis.b8.conv0.extra is an object of torch.nn.modules.conv.Conv2d" in refusal(root)


@pytest.mark.parametrize("protocol", range(6))
def test_every_pickle_protocol_is_read(protocol: int, tmp_path: Path) -> None:
    network = generator(read_fixture("sg2_flat_32"))
    with persistence_module():
        root = {"G_ema": persist_generator(network), "D": torch.nn.Sequential(), "args": Namespace(path=Path("/data"))}
        contents = {"a pickle": pickle.dumps(root, protocol)}
        if protocol:  # torch.save and torch.load cannot use protocol 0 either
            for name, is_zip in (("an archive", True), ("a legacy file", False)):
                buffer = io.BytesIO()
                torch.save(root, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
                contents[name] = buffer.getvalue()
    for name, content in contents.items():
        (tmp_path / "model").write_bytes(content)
        state = load_model(str(tmp_path / "model"), "cpu").generator.state_dict()
        assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items()), name


def test_half_precision_weights_become_float32() -> None:
    root = read_fixture("sg2_flat_32")
    parameters: Any = module(root, "G_ema", "synthesis", "b8", "conv0").state["_parameters"]
    parameters["weight"] = parameters["weight"].half()
    assert {p.dtype for p in generator(root).parameters()} == {torch.float32}


def changed(
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
    ("spoil", "expected_text"),
    [
        (changed(*G, kwargs={"synthesis_kwargs": {"architecture": "resnet"}}), "architecture is resnet"),
        (changed(*G, kwargs={"synthesis_kwargs": {"architecture": "orig"}}), "architecture is orig"),
        (changed(*G, kwargs={"synthesis_kwargs": {"activation": "relu"}}), "activation"),
        (changed(*G, kwargs={"synthesis_kwargs": {"use_noise": False}}), "use_noise"),
        (changed(*G, kwargs={"mapping_kwargs": {"activation": "linear"}}), "activation"),
        (changed(*G, kwargs={"mapping_kwargs": {"lr_multiplier": -1}}), "mapping_lr_multiplier"),
        (changed(*G, kwargs={"mapping_kwargs": 3}), "mapping_kwargs"),
        (changed(*G, kwargs={"an_option\n": 1}), "an_option?"),
        (changed(*G, kwargs={"img_resolution": 33}), "resolution 33"),
        (changed(*G, kwargs={"img_resolution": 2**40}), "resolution"),
        (changed(*G, kwargs={"img_resolution": 10**5000}), "resolution"),
        (changed(*G, kwargs={"img_resolution": "big"}), "resolution"),
        (changed(*G, kwargs={"z_dim": torch.zeros(3)}), "z_dim"),
        (changed(*G, kwargs={"mapping_kwargs": {"lr_multiplier": float("nan")}}), "mapping_lr_multiplier"),
        (changed(*G, kwargs={"synthesis_kwargs": {"channel_base": 16}}), "channel_base 16"),
        (changed(*G, kwargs={"synthesis_kwargs": {"channel_base": 65536, "channel_max": 65536}}), "has the shape"),
        (changed(*CONV, parameters={"weight": torch.zeros(3)}), "synthesis.b8.conv0.weight has the shape [3]"),
        (changed(*CONV, parameters={"more": torch.zeros(3)}), "synthesis.b8.conv0.more"),
        (changed(*CONV, parameters={"bias": "text"}), "synthesis.b8.conv0.bias"),
        (changed(*CONV, parameters={7: torch.zeros(1)}), "synthesis.b8.conv0."),
        (without(*CONV, kind="_parameters", key="weight"), "synthesis.b8.conv0.weight is missing"),
        (without(*CONV, kind="_buffers", key="noise_const"), "synthesis.b8.conv0.noise_const is missing"),
        (without("G_ema", "mapping", kind="_modules", key="fc3"), "mapping.fc3.weight is missing"),
        (without("G_ema", "mapping", kind="_buffers", key="w_avg"), "mapping.w_avg is missing"),
        (without("G_ema", "synthesis", kind="_modules", key="b4"), "synthesis.b4.const is missing"),
        (without(*G, kind="_modules", key="synthesis"), "is a Generator"),
    ],
)
def test_an_argument_or_tensor_of_another_network_is_named_in_the_refusal(
    spoil: Callable[[Root], None], expected_text: str
) -> None:
    root = read_fixture("sg2ada_32")
    spoil(root)
    assert expected_text in refusal(root)


def test_an_input_module_makes_it_a_stylegan3() -> None:
    root = read_fixture("sg2_flat_32")
    module(root, "G_ema", "synthesis").state["_modules"]["input"] = PersistentObject("SynthesisInput", (), {}, {})  # type: ignore[index]
    assert "StyleGAN3" in refusal(root)


def test_a_discriminator_that_cannot_be_read_leaves_the_generator_alone() -> None:
    root = read_fixture("sg2ada_32")
    module(root, "D").init_kwargs["architecture"] = "orig"
    assert generator(root).image_shape == (32, 32)


def test_a_module_that_contains_itself_is_refused() -> None:
    root = read_fixture("sg2ada_32")
    module(root, *CONV).state["_modules"]["affine"] = module(root, "G_ema")  # type: ignore[index]
    assert "synthesis.b8.conv0.affine" in refusal(root)


@pytest.mark.parametrize(
    ("kwargs", "expected_text"),
    [
        ({"architecture": "skip"}, "architecture is skip"),
        ({"epilogue_kwargs": {"mbstd_num_channels": 5}}, "mbstd_channels 5"),
        ({"epilogue_kwargs": {"mbstd_group_size": 0}}, "mbstd_group_size"),
        ({"mapping_kwargs": {"lr_multiplier": 0.5}}, "lr_multiplier"),
        ({"channel_max": 16}, "has the shape"),
    ],
)
def test_hostile_arguments_of_a_discriminator_are_refused(kwargs: dict[str, object], expected_text: str) -> None:
    root = read_fixture("sg2ada_32")
    module(root, "D").init_kwargs.update(kwargs)

    def build(root: Root) -> object:
        part = discriminator_part(root)
        assert part is not None
        return part.build(PATH, torch.device("cpu"))

    assert expected_text in refusal(root, build)
