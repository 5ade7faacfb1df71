"""The file of a generator's tuning: what is written is read again, and what does not belong to the model is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from draggan_engine.checkpoints.tuning_file import read_tuning, write_tuning
from draggan_engine.core.errors import InputError
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import GeneratorTuning, tuned_generator
from tests.support.tiny_models import random_generator, random_stylegan3
from tests.support.tuned_models import random_tuning


@pytest.fixture
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def tuning_path(generator: Generator, tmp_path: Path) -> Path:
    path = tmp_path / "tuning.safetensors"
    write_tuning(path, random_tuning(generator, latent_of_seed(generator, 1, psi=1.0)), "sha")
    return path


def change_file(path: Path, tensors: dict[str, Tensor] | None = None, metadata: dict[str, str] | None = None) -> None:
    """Write a file anew with some of its tensors and metadata replaced."""
    with safe_open(path, "pt") as file:
        stored_metadata = file.metadata()
    save_file({**load_file(path), **(tensors or {})}, path, {**stored_metadata, **(metadata or {})})


@pytest.mark.parametrize("make_generator", [random_generator, random_stylegan3])
def test_a_tuning_is_read_as_it_was_written(make_generator: type[Generator], tmp_path: Path) -> None:
    generator = make_generator()
    ws = latent_of_seed(generator, 1, psi=1.0)
    tuning = random_tuning(generator, ws)
    write_tuning(tmp_path / "tuning.safetensors", tuning, "sha")
    stored_tuning = read_tuning(tmp_path / "tuning.safetensors", generator, "sha")
    images = [tuned_generator(generator, each).synthesis(ws).image for each in (tuning, stored_tuning)]
    assert torch.equal(*images)


def test_weights_alone_are_a_tuning_too(generator: Generator, tmp_path: Path) -> None:
    ws = latent_of_seed(generator, 1, psi=1.0)
    changes = dict(random_tuning(generator, ws).weight_changes)
    write_tuning(tmp_path / "tuning.safetensors", GeneratorTuning(changes), "sha")
    stored_tuning = read_tuning(tmp_path / "tuning.safetensors", generator, "sha")
    assert stored_tuning.blend is None
    assert set(stored_tuning.weight_changes) == set(changes)


def test_the_tuning_of_another_model_is_refused(generator: Generator, tuning_path: Path) -> None:
    with pytest.raises(InputError, match="was tuned from another model file; open the session with the model"):
        read_tuning(tuning_path, generator, "another sha")


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"features": torch.zeros(1, 2, 3, 4)}, {}, "the tensor features does not fit the model"),
        ({"mask": torch.zeros(1, 1, 8, 8, dtype=torch.int64)}, {}, "the tensor mask does not fit the model"),
        ({"mask": torch.full((1, 1, 8, 8), torch.nan)}, {}, "the tensor mask has numbers that are not finite"),
        ({"weights.b4.unknown": torch.zeros(3)}, {}, "the tensor weights.b4.unknown is missing, or the model has none"),
        ({"weights.b4.conv1.bias": torch.zeros(3)}, {}, "the tensor weights.b4.conv1.bias does not fit the model"),
        ({}, {"block": "b999"}, "the model has no block of the name that it states"),
        ({}, {"block": ""}, "the tensor features is missing, or the model has none"),
        ({}, {"format": "another"}, "it has another format"),
    ],
)
def test_a_damaged_tuning_is_refused(
    generator: Generator, tuning_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], message: str
) -> None:
    change_file(tuning_path, tensors, metadata)
    with pytest.raises(InputError, match=rf"tuning.safetensors is damaged: {message}.*invert the photograph again"):
        read_tuning(tuning_path, generator, "sha")


def test_a_file_that_is_cut_off_or_has_lost_a_tensor_is_refused(generator: Generator, tuning_path: Path) -> None:
    tensors = load_file(tuning_path)
    del tensors["image"]
    with safe_open(tuning_path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, tuning_path, metadata)
    with pytest.raises(InputError, match="the tensor image is missing"):
        read_tuning(tuning_path, generator, "sha")
    tuning_path.write_bytes(tuning_path.read_bytes()[:-20])
    with pytest.raises(InputError, match="it cannot be read; restore the file"):
        read_tuning(tuning_path, generator, "sha")
    tuning_path.unlink()
    with pytest.raises(InputError, match="it cannot be read"):
        read_tuning(tuning_path, generator, "sha")
