"""The reader of StyleGAN-XL: class embeddings, layers that are read from the modules, and refusals.

That its images are those of StyleGAN-XL's own code is shown in `test_zoo_files`. These files have no classes, so a conditional
one is made of one of them here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.formats.nvidia import read_nvidia_parts
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord, PersistentObject, ReadBudget
from draggan_engine.core.errors import CheckpointError
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.networks.config import StyleGAN3Config
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support import pickle_assembler as asm
from tests.support.commands import run_here
from tests.support.paths import FIXTURES
from tests.support.read_pickle import read_pickle

PATH = FIXTURES / "zoo" / "xl-superres" / "pokemon64.pkl"
CLASSES, EMBEDDINGS, FEATURES = 3, 5, 320
Root = dict[str, Any]


def read_root() -> Root:
    root = read_pickle(PATH)
    assert isinstance(root, dict)
    return root


def module(root: Root, *names: str) -> Any:
    record = root["G_ema"]
    for name in names:
        record = record.state["_modules"][name]
    return record


def conditional_root() -> Root:
    """Return a file's root object with embeddings of 5 classes, 3 of which the model knows."""
    root = read_root()
    random = torch.Generator().manual_seed(0)
    mapping = module(root, "mapping")
    mapping.state["c_dim"] = CLASSES
    projection = {"weight": torch.randn(64, FEATURES, generator=random), "bias": torch.randn(64, generator=random)}
    mapping.state["_modules"] |= {
        "embed_proj": PersistentObject("FullyConnectedLayer", (), {}, {"_parameters": projection})
    }
    mapping.state["_buffers"]["w_avg"] = torch.randn(CLASSES, 64, generator=random)
    module(root, "mapping", "embed").state["_parameters"]["weight"] = torch.randn(
        EMBEDDINGS, FEATURES, generator=random
    )
    module(root, "mapping", "fc0").state["_parameters"]["weight"] = 100 * torch.randn(64, 128, generator=random)
    return root


def generator_part(root: Root) -> GeneratorPart:
    parts = read_nvidia_parts(root, PATH)
    assert parts is not None
    return parts.generator


def build(root: Root) -> Generator:
    return generator_part(root).build(PATH, torch.device("cpu"))


def refusal(root: Root) -> str:
    with pytest.raises(CheckpointError) as caught:
        build(root)
    assert str(caught.value).startswith(f"{PATH}: ")
    return str(caught.value).removeprefix(f"{PATH}: ")


def normalize(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / np.sqrt((values**2).mean() + 1e-8)


def activate(values: NDArray[np.float64]) -> NDArray[np.float64]:
    activated: NDArray[np.float64] = np.where(values > 0, values, 0.2 * values) * np.sqrt(2)
    return activated


def expected_w(root: Root, z: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """Return w as StyleGAN-XL's mapping network defines it, in float64."""

    def parameter(name: str, key: str) -> NDArray[np.float64]:
        tensor: torch.Tensor = module(root, "mapping", name).state["_parameters"][key]
        values: NDArray[np.float64] = tensor.detach().double().numpy()
        return values

    features = parameter("embed", "weight")[label]
    projected = activate(
        parameter("embed_proj", "weight") @ features / np.sqrt(FEATURES) + parameter("embed_proj", "bias")
    )
    x = np.concatenate([normalize(z), normalize(projected)])
    for name in ("fc0", "fc1"):
        x = activate(parameter(name, "weight") @ x * 0.01 / np.sqrt(len(x)) + 0.01 * parameter(name, "bias"))
    return x


@pytest.mark.parametrize("label", range(CLASSES))
def test_a_class_has_its_own_embedding_and_average(label: int) -> None:
    root = conditional_root()
    generator = build(root)
    assert generator.config.class_embedding == (EMBEDDINGS, FEATURES)
    w = expected_w(root, np.random.RandomState(7).randn(64), label)
    average = module(root, "mapping").state["_buffers"]["w_avg"][label].double().numpy()
    for psi in (1.0, 0.7, -0.5):
        ws = latent_of_seed(generator, 7, psi, label)[0].double().numpy()
        assert ws.shape == (generator.num_ws, 64)
        assert np.allclose(ws, average + psi * (w - average), atol=1e-4)


def save_conditional(path: Path) -> Path:
    save_native(path, generator_part(conditional_root()), None, NativeInfo(name="kinds", psi=0.7))
    return path


def test_a_conditional_model_is_converted_without_loss_and_dragged(tmp_path: Path) -> None:
    model = load_model(str(save_conditional(tmp_path / "kinds.safetensors")), "cpu")
    original = build(conditional_root())
    assert (model.info.family, model.info.classes, model.generator.config) == ("StyleGAN-XL", CLASSES, original.config)
    assert all(torch.equal(tensor, original.state_dict()[key]) for key, tensor in model.generator.state_dict().items())
    start_ws = latent_of_seed(model.generator, 1, 0.7, 2)
    settings = model.info.settings.model_copy(update={"max_steps": 2})
    *steps, end = DragLoop(model.generator, start_ws, [((20, 20), (40, 30))], None, settings).steps()
    assert isinstance(end, DragEnd)
    assert len(steps) == 2
    assert not torch.equal(end.ws, start_ws)


def test_the_command_line_chooses_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_conditional(tmp_path / "kinds.safetensors")
    for label in ("0", "2"):
        arguments = ("render", "--model", "kinds.safetensors", "--class", label, "--out", f"{label}.png")
        assert run_here(monkeypatch, *arguments, directory=tmp_path)[0] == 0
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "2.png").read_bytes()
    arguments = ("render", "--model", "kinds.safetensors", "--class", "3", "--out", "3.png")
    exit_status, _, error_text = run_here(monkeypatch, *arguments, directory=tmp_path)
    assert exit_status == 2
    assert "class 3: kinds has the classes 0 to 2" in error_text


def test_the_layers_are_those_of_the_modules() -> None:
    root = read_root()
    root["G_ema"].init_kwargs.clear()
    module(root, "synthesis").init_kwargs.clear()
    config = generator_part(root).config
    assert isinstance(config, StyleGAN3Config)
    assert [layer.name for layer in config.layer_shapes] == module(root, "synthesis").state["layer_names"]
    assert [layer.rate for layer in config.layer_shapes] == [16, 16, 16, 32, 32, 32, 64, 64, 64, 64]


def test_an_array_of_dill_is_an_array_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "arrays.pkl"
    create = asm.global_name("dill._dill", "_create_array")
    reconstruct = asm.global_name("numpy.core.multiarray", "_reconstruct")
    dtype = asm.call(asm.global_name("numpy", "dtype"), asm.text("u1"))
    state = asm.tuple_of(asm.number(1), asm.tuple_of(asm.number(2)), dtype, b"\x89", asm.byte_string(b"ab"))
    path.write_bytes(asm.pickle_file(asm.call(create, reconstruct, asm.tuple_of(), state, b"N")))
    record = read_pickle(path)
    assert isinstance(record, ArrayRecord)
    assert record.array.tolist() == [97, 98]
    for arguments in (
        (asm.global_name("os", "system"), asm.tuple_of(asm.text("touch canary")), state),
        (create, asm.tuple_of(reconstruct, asm.tuple_of(), state), state),
        (reconstruct, asm.tuple_of(), state, asm.dictionary(attribute=asm.number(1))),
        (reconstruct, asm.tuple_of(), asm.number(1)),
    ):
        path.write_bytes(asm.pickle_file(asm.call(create, *arguments)))
        with pytest.raises(CheckpointError):
            read_pickle(path)


def of_layer(name: str, **attributes: object) -> Callable[[Root], None]:
    return lambda root: module(root, "synthesis", name).state.update(attributes)


def of_synthesis(**attributes: object) -> Callable[[Root], None]:
    return lambda root: module(root, "synthesis").state.update(attributes)


def of_mapping(**attributes: object) -> Callable[[Root], None]:
    return lambda root: module(root, "mapping").state.update(attributes)


def without(*names: str) -> Callable[[Root], None]:
    return lambda root: module(root, *names[:-1]).state["_modules"].pop(names[-1])


SIZES = ArrayRecord(ReadBudget(0), np.array([84, 52]))
SPOILED: dict[str, tuple[Callable[[Root], Any], str]] = {
    "no list of layers": (of_synthesis(layer_names=7), "synthesis.layer_names does not list its layers"),
    "too many layers": (of_synthesis(layer_names=["L0"] * 99), "synthesis.layer_names does not list its layers"),
    "no text": (of_synthesis(layer_names=[[], "L0", "L1"]), "synthesis.<list> is missing"),
    "no layer": (without("synthesis", "L3_52_32"), "synthesis.L3_52_32 is missing"),
    "no input": (without("synthesis", "input"), "synthesis.input is missing"),
    "no mapping layer": (without("mapping", "fc0"), "mapping.fc0 is missing"),
    "another kernel": (of_layer("L3_52_32", conv_kernel=1), "synthesis.L3_52_32 differs from the other layers"),
    "a tensor": (of_layer("L3_52_32", conv_clamp=torch.zeros(2)), "synthesis.L3_52_32 differs from the other layers"),
    "critical": (of_layer("L3_52_32", is_critically_sampled=True), "a layer before the last ones is critically sampled"),
    "not connected": (of_layer("L7_84_28", in_sampling_rate=16), "synthesis.L7_84_28 does not take the map"),
    "not square": (of_layer("L7_84_28", out_size=SIZES), "synthesis.L7_84_28 has another size than its name says"),
    "first map": (of_layer("input", size=20), "synthesis.L0_36_32 changes the size of its map"),
    "channels": (of_layer("L10_64_3", out_channels=4), "synthesis.L10_64_3 has another size than its name says"),
    "rate": (of_layer("L10_64_3", out_sampling_rate=48), "layers has rates that are not powers of two"),
    "rate of a tensor": (of_layer("L10_64_3", out_sampling_rate=torch.zeros(2)), "rate: Input should be"),
    "margin": (of_synthesis(margin_size=4), "synthesis.L0_24_32.weight is missing"),
    "resolution": (of_synthesis(img_resolution=32), "layers has rates that are not powers of two up to resolution 32"),
    "cutoff": (of_layer("input", bandwidth=-1.0), "first_cutoff"),
    "learning rate": (lambda root: module(root, "mapping", "fc0").state.update(bias_gain="1"), "mapping_lr_multiplier"),
    "more classes": (of_mapping(c_dim=6), "class_embedding has 1 classes, but c_dim is 6"),
    "no classes": (of_mapping(c_dim=torch.ones(1)), "c_dim"),
    "one average": (of_mapping(c_dim=1), "mapping.w_avg has the shape [64] instead of [1, 64]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILED)
def test_modules_that_do_not_fit_are_refused(kind: str) -> None:
    spoil, expected_text = SPOILED[kind]
    root = read_root()
    spoil(root)
    assert expected_text in refusal(root)


def test_no_module_of_a_hostile_kind_breaks_the_reader() -> None:
    """Every attribute that the reader takes is replaced by values of other kinds: it is ignored or refused."""
    hostile_values = [
        None,
        [],
        {},
        "x",
        -1,
        0,
        1e300,
        float("nan"),
        2**70,
        torch.zeros(2),
        ((((),),),),
        SIZES,
        object(),
    ]
    holders = (("mapping",), ("mapping", "fc0"), ("synthesis",), ("synthesis", "input"), ("synthesis", "L3_52_32"))
    root = read_root()
    refused_attributes = set()
    for names in holders:
        state = module(root, *names).state
        for attribute, true_value in list(state.items()):
            for value in hostile_values:
                state[attribute] = value
                try:
                    generator_part(root)
                except CheckpointError as error:
                    assert len(str(error)) < 500 + len(str(PATH))
                    refused_attributes.add((names[-1], attribute))
            state[attribute] = true_value
    assert {("synthesis", "layer_names"), ("mapping", "c_dim"), ("input", "size")} <= refused_attributes
