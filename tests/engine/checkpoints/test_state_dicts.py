"""State dicts: where a file has its generator, whose names the tensors have, and what the shapes show."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.generate import latent_of_seed
from draggan_tui.cli.model_facts import model_facts
from tests.support.contained_reader import try_file
from tests.support.paths import FIXTURES

ZOO = FIXTURES / "zoo"
ROSINALITY = ZOO / "rosi-g-only/jojo_preserve_color.pt"
NVIDIA = ZOO / "ada-state-dict/ffhq_state.pt"
STYLEGAN3 = ZOO / "sg3-r-state-dict/final_pti_model.pt"
FILES = {
    "NVIDIA StyleGAN2": NVIDIA,
    "NVIDIA StyleGAN3": STYLEGAN3,
    "rosinality": ROSINALITY,
    "BasicSR": ZOO / "basicsr-sg2/net_g_800000.pth",
    "MMGeneration": ZOO / "mmgen-sg2/stylegan2_c2_ffhq_1024_b4x8.pth",
    "GenForce": ZOO / "genforce-sg2/stylegan2_ffhq1024.pth",
}
StateDict = dict[str, Tensor]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def read_state_dict(path: Path) -> StateDict:
    """Return the averaged generator of a file of `FILES`."""
    root: dict[str, Any] = torch.load(path, weights_only=True)
    places = ("g", "params_ema", "state_dict", "generator_smooth")
    state = next((root[place] for place in places if place in root), root)
    averaged = {key.removeprefix("generator_ema."): state[key] for key in state if key.startswith("generator_ema.")}
    return averaged or dict(state)


def saved(path: Path, root: object) -> Path:
    torch.save(root, path)
    return path


def load(path: Path) -> Model:
    return load_model(str(path), "cpu")


def image_of(path: Path, psi: float = 0.7) -> Tensor:
    generator = load(path).generator
    image = generator.synthesis(latent_of_seed(generator, 3, psi)).image
    assert isinstance(image, Tensor)
    return image


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: generator: ")
    assert message.isprintable()
    return message


@pytest.mark.parametrize("program", FILES)
def test_safetensors_files_with_the_same_names_hold_the_same_generator(program: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({key: tensor.contiguous().clone() for key, tensor in read_state_dict(FILES[program]).items()}, path)
    assert torch.equal(image_of(path, psi=1), image_of(FILES[program], psi=1))
    assert load(path).info.format == f"state dict with {program} names"


def test_a_safetensors_file_is_converted_once(tmp_path: Path) -> None:
    path = tmp_path / "faces.safetensors"
    save_file(read_state_dict(NVIDIA), path)
    first_info = load(path).info
    (copy_path,) = (tmp_path / "cache/draggan-tui/models").glob("*.safetensors")
    assert copy_path.stem == first_info.sha256
    assert load(path).info == first_info
    assert first_info.name == "faces"


def test_a_safetensors_file_without_a_generator_lists_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"layer.weight": torch.zeros(2, 2, 3, 3)}, path)
    with pytest.raises(CheckpointError, match=r"its top-level keys are layer\.weight"):
        load(path)


@pytest.mark.parametrize(
    "arrange",
    [
        lambda averaged, other: {"g": other, "d": {}, "g_ema": averaged},
        lambda averaged, other: {"params_ema": averaged, "params": other},
        lambda averaged, other: {"generator": other, "generator_smooth": averaged},
        lambda averaged, other: {"state_dict": {"generator.module." + key: other[key] for key in other}
            | {"generator_ema.module." + key: averaged[key] for key in averaged}},
        lambda averaged, other: {"G": other, "G_ema": averaged},
    ],
)  # fmt: skip
def test_of_several_generators_the_averaged_one_is_taken(
    arrange: Callable[[StateDict, StateDict], dict[str, object]], tmp_path: Path
) -> None:
    averaged = read_state_dict(ROSINALITY)
    other = averaged | {"input.input": torch.zeros_like(averaged["input.input"])}
    path = saved(tmp_path / "both.pt", arrange(averaged, other))
    assert torch.equal(image_of(path), image_of(ROSINALITY))


# The average w -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("is_encoder", [False, True])
def test_the_average_w_is_read_from_beside_the_generator(repeat: bool, is_encoder: bool, tmp_path: Path) -> None:
    state, average = read_state_dict(ROSINALITY), torch.linspace(-1, 1, 64)
    root: dict[str, object] = {"g_ema": state}
    if is_encoder:
        root = {"state_dict": {f"decoder.{key}": state[key] for key in state} | {"encoder.body": torch.zeros(1)}}
    path = saved(tmp_path / "e4e.pt", root | {"latent_avg": average.repeat(10, 1) if repeat else average})
    model = load(path)
    assert torch.equal(model.generator.mapping.w_avg, average)
    assert not model.info.is_w_average_estimated


@pytest.mark.parametrize("path", [NVIDIA, STYLEGAN3])
def test_a_missing_average_is_estimated_and_said_so(path: Path, tmp_path: Path) -> None:
    state = read_state_dict(path)
    average = state.pop("mapping.w_avg")
    model = load(saved(tmp_path / "model.pt", state))
    assert model.info.is_w_average_estimated
    facts = dict(model_facts(model.info, model.path, "none", 8))
    assert facts["average w"] == "not in the file; estimated from 10,000 random z when ψ is not 1"
    truncated = latent_of_seed(model.generator, 0, psi=0.0)
    assert torch.equal(truncated[0, 0], model.generator.mapping.w_avg)
    assert average.shape == model.generator.mapping.w_avg.shape
    assert dict(model_facts(load(path).info, path, "none", 8))["average w"] == "from the file"


# What the shapes show -------------------------------------------------------------------------------------------------


def test_a_conditional_generator_has_the_classes_of_its_embedding(tmp_path: Path) -> None:
    state = read_state_dict(NVIDIA)
    torch.manual_seed(0)
    state |= {
        "mapping.embed.weight": torch.randn(64, 5),
        "mapping.embed.bias": torch.randn(64),
        "mapping.fc0.weight": torch.randn(64, 128) * 100,
    }
    model = load(saved(tmp_path / "model.pt", state))
    assert (model.info.classes, model.info.z_dim) == (5, 64)
    latents = [latent_of_seed(model.generator, 0, 1, label) for label in range(5)]
    assert not torch.equal(latents[0], latents[4])


def test_tall_images_without_noise_have_the_width_of_the_constant(tmp_path: Path) -> None:
    state = {key: tensor for key, tensor in read_state_dict(ROSINALITY).items() if not key.startswith("noises.")}
    model = load(saved(tmp_path / "model.pt", {"g_ema": state | {"input.input": state["input.input"][..., :2]}}))
    assert (model.info.width, model.info.height) == (32, 64)
    assert not any(layer.any() for key, layer in model.generator.state_dict().items() if key.endswith("noise_const"))


def test_missing_filters_are_the_usual_ones(tmp_path: Path) -> None:
    state = read_state_dict(NVIDIA)
    path = saved(tmp_path / "model.pt", {key: state[key] for key in state if not key.endswith("resample_filter")})
    assert torch.equal(image_of(path), image_of(NVIDIA))


@pytest.mark.parametrize(
    ("path", "key", "tensor", "expected_text"),
    [
        (ROSINALITY, "noises.noise_3", None, "synthesis.b16.conv0.noise_const is missing"),
        (ROSINALITY, "style.3.weight", None, "mapping.fc2.weight is missing"),
        (ROSINALITY, "convs.0.conv.blur.kernel", torch.rand(4, 4), "synthesis.b8.conv0.resample_filter is not symmetric"),
        (ROSINALITY, "to_rgbs.1.upsample.kernel", torch.ones(6, 6), "synthesis.b16.resample_filter has the shape [6, 6]"),
        (ROSINALITY, "attention.weight", torch.ones(2), "attention.weight is not part of a StyleGAN2"),
        (ROSINALITY, "noise_level", 3, "noise_level is not a tensor"),
        (NVIDIA, "synthesis.b8.skip.weight", torch.ones(2), "synthesis.b8.skip.weight is not part of a StyleGAN2"),
        (STYLEGAN3, "synthesis.L3_36_32.weight", None, "use the .pkl that it was made from"),
        (STYLEGAN3, "mapping.fc1.weight", torch.ones(3), "mapping.fc1.weight is missing or of another shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(path: Path, key: str, tensor: object, expected_text: str, tmp_path: Path) -> None:
    state: dict[str, object] = read_state_dict(path) | {key: tensor}  # type: ignore[dict-item]
    if tensor is None:
        del state[key]
    assert expected_text in refusal(saved(tmp_path / "model.pt", {"G_ema": state}))


def test_a_stylegan3_with_other_settings_is_refused_with_the_layer(tmp_path: Path) -> None:
    state = {re.sub("L2_36", "L2_52", key): tensor for key, tensor in read_state_dict(STYLEGAN3).items()}
    assert "its layer L2_52_32 would be L2_36_32" in refusal(saved(tmp_path / "model.pt", state))


# Hostile files --------------------------------------------------------------------------------------------------------


def test_dictionaries_in_a_circle_end(tmp_path: Path) -> None:
    root: dict[str, object] = {}
    for place in ("g_ema", "G_ema", "g", "G", "params", "generator", "decoder", "module", "state_dict"):
        root[place] = root
    with pytest.raises(CheckpointError, match="holds no generator"):
        load(saved(tmp_path / "model.pt", root))


def test_a_large_dictionary_at_many_places_is_searched_once(tmp_path: Path) -> None:
    """Each level holds the next one at every place; without care, the last one would be searched 8³ times."""
    dictionary: dict[str, object] = {f"{i}.input.input": i for i in range(20_000)}
    for _ in range(3):
        dictionary = dict.fromkeys(("g_ema", "G_ema", "g", "G", "params", "generator", "decoder", "module"), dictionary)
    with pytest.raises(CheckpointError, match="holds no generator"):
        load(saved(tmp_path / "model.pt", dictionary))


SHAPES = [
    (),
    (0,),
    (2,),
    (4, 4),
    (0, 3),
    (64, 64),
    (1, 3, 1, 1),
    (8, 8, 3, 3),
    (1, 24, 4, 16),
    (1, 2, 3, 4, 5),
    (65, 64),
]
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]


def random_member(chance: random.Random) -> object:
    """Return what may be in the place of a tensor."""
    tensor = torch.full(chance.choice(SHAPES), chance.choice([0, 1, math.nan])).to(chance.choice(DTYPES))
    return chance.choice([tensor, tensor, tensor, torch.zeros(1).expand(1000, 1000), None, 3, "x", {"g": tensor}])


def change(state: dict[str, object], names: list[str], chance: random.Random) -> None:
    """Remove, replace, rename, add or share one member of a state dict."""
    key = chance.choice(list(state))
    match chance.randrange(5):
        case 0:
            del state[key]
        case 1:
            state[key] = random_member(chance)
        case 2:
            state[key.replace(chance.choice("0123456789b."), chance.choice(["99", "", "9999", "."]), 1)] = state.pop(
                key
            )
        case 3:
            state[chance.choice([*names, "latent_avg"])] = random_member(chance)
        case 4:
            state[chance.choice(names)] = state[key]


@pytest.mark.parametrize("program", FILES)
def test_changed_state_dicts_keep_the_promise(program: str, tmp_path: Path) -> None:
    original = read_state_dict(FILES[program])
    names = [name for path in FILES.values() for name in read_state_dict(path)]
    for seed in range(15):
        chance = random.Random(f"{program} {seed}")
        state: dict[str, object] = dict(original)
        for _ in range(chance.choice([1, 1, 3])):
            change(state, names, chance)
        path = saved(tmp_path / "model.pt", {"latent_avg": random_member(chance), "g_ema": state})
        _, problem = try_file(path, thoroughly=False)
        assert not problem, seed
