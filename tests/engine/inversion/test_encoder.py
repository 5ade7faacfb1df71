"""The encoder: its guesses, its file, and the one that comes with the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.registry import bundled_encoders, bundled_models
from draggan_engine.core.errors import CheckpointError
from draggan_engine.inversion import encoder as encoder_module
from draggan_engine.inversion.encoder import (
    Encoder,
    EncoderConfig,
    encoder_of_model,
    fill_uncertain,
    guess_z,
    read_encoder,
    write_encoder,
)
from draggan_engine.inversion.latents import average_w, map_to_ws
from draggan_engine.inversion.losses import image_tensor
from draggan_engine.inversion.near_images import GUESS_COUNT, find_near_z
from draggan_engine.inversion.starts import SmallComparison
from scripts.held_out_renders import draw_render
from tests.support.tiny_models import save_tiny

CONFIG = EncoderConfig(models=("a" * 64, "b" * 64), z_dim=7)


@pytest.fixture
def small_encoder() -> Encoder:
    """An encoder with random weights."""
    torch.manual_seed(0)
    network = Encoder(CONFIG)
    network.uncertainty.copy_(torch.linspace(0.1, 0.7, 7))
    return network.eval().requires_grad_(False)


@pytest.fixture
def bundled_paths(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The files that take the place of the bundled encoders."""
    paths: list[Path] = []
    monkeypatch.setattr(encoder_module, "bundled_encoders", lambda: paths)
    encoder_of_model.cache_clear()
    yield paths
    encoder_of_model.cache_clear()


def test_guesses_have_the_length_that_the_mapping_expects_and_are_always_the_same(small_encoder: Encoder) -> None:
    image = torch.rand(1, 3, 96, 128) * 2 - 1
    guesses = guess_z(small_encoder, image, 5)
    assert guesses.shape == (5, 7)
    assert torch.allclose(guesses.square().mean(dim=1), torch.ones(5), atol=1e-3)
    assert torch.equal(guesses, guess_z(small_encoder, image, 5))
    assert len(torch.unique(guesses, dim=0)) == 5


def test_what_is_certain_is_the_same_in_all_guesses_but_the_first() -> None:
    mean_z, uncertainty = torch.tensor([[0.8, -0.4, 0.0, 0.1]]), torch.tensor([0.0, 0.0, 1.0, 0.5])
    guesses = fill_uncertain(mean_z, uncertainty, 4)
    assert torch.allclose(guesses[1:, :2], mean_z[:, :2].expand(3, -1), atol=1e-5)
    assert torch.allclose(guesses[0], mean_z[0] / mean_z.square().mean().sqrt(), atol=1e-5)
    assert guesses[1:, 2].std() > 0.1


def test_a_guess_that_is_too_long_is_scaled_down() -> None:
    mean_z = torch.tensor([[3.0, -2.0, 1.0]])
    guesses = fill_uncertain(mean_z, torch.full((3,), 0.5), 3)
    assert torch.allclose(guesses, guesses[:1].expand(3, -1), atol=1e-5)


def test_an_encoder_is_read_as_it_was_written(small_encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    write_encoder(path, small_encoder)
    read = read_encoder(path)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    assert read.config == CONFIG and not read.training
    assert torch.allclose(read(images), small_encoder(images), atol=0.01)
    assert torch.allclose(read.uncertainty, small_encoder.uncertainty, atol=1e-3)


def test_damaged_files_are_refused(small_encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    write_encoder(path, small_encoder)
    content = path.read_bytes()
    for damaged_content in (content[:-10], content[:50], b"", b"\x00" * 200):
        path.write_bytes(damaged_content)
        with pytest.raises(CheckpointError, match=r"encoder\.safetensors cannot be read: the file is damaged"):
            read_encoder(path)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_encoder(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "its metadata lack 'encoder'"),
        ({"encoder": "{"}, "its metadata 'encoder' are damaged"),
        ({"encoder": CONFIG.model_copy(update={"z_dim": 10**9}).model_dump_json()}, "its metadata 'encoder' are damaged"),
        ({"encoder": CONFIG.model_copy(update={"z_dim": 8}).model_dump_json()}, "its tensors are those of another network"),
    ],
)  # fmt: skip
def test_foreign_files_are_refused(
    small_encoder: Encoder, tmp_path: Path, metadata: dict[str, str], message: str
) -> None:
    path = tmp_path / "encoder.safetensors"
    write_encoder(path, small_encoder)
    save_file(load_file(path), path, metadata)
    with pytest.raises(CheckpointError, match=f"holds no encoder: {message}"):
        read_encoder(path)


def test_numbers_that_are_not_finite_are_refused(small_encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    small_encoder.output.bias[0] = torch.nan
    write_encoder(path, small_encoder)
    with pytest.raises(CheckpointError, match="holds no encoder: some of its numbers are not finite"):
        read_encoder(path)


def test_only_the_models_that_an_encoder_names_have_it(
    small_encoder: Encoder, tmp_path: Path, bundled_paths: list[Path]
) -> None:
    bundled_paths.append(tmp_path / "encoder.safetensors")
    write_encoder(bundled_paths[0], small_encoder)
    for sha256 in CONFIG.models:
        found = encoder_of_model(sha256)
        assert found is not None and found.config == CONFIG
    assert encoder_of_model("c" * 64) is None


def test_an_inversion_of_another_model_gets_no_guess(tmp_path: Path) -> None:
    model = load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")
    messages: list[str] = []
    assert len(find_near_z(model, 0, np.zeros((32, 32, 3), np.uint8), messages.append)) == 0
    assert not messages


def test_without_its_encoder_an_inversion_says_so_and_starts_elsewhere(
    tmp_path: Path, bundled_paths: list[Path]
) -> None:
    bundled_paths.append(tmp_path / "encoder.safetensors")
    bundled_paths[0].write_bytes(b"damaged")
    messages: list[str] = []
    model = load_model("critters-128", "cpu")
    assert len(find_near_z(model, 0, np.zeros((128, 128, 3), np.uint8), messages.append)) == 0
    assert messages == [
        f"{bundled_paths[0]} cannot be read: the file is damaged; the search starts without its guess; "
        "install draggan-tui again"
    ]


def test_the_bundled_encoder_is_small_and_belongs_to_the_bundled_models() -> None:
    (path,) = bundled_encoders()
    assert path.stat().st_size <= 4_000_000
    models = [load_model(name, "cpu") for name in bundled_models()]
    assert {model.sha256 for model in models} == set(read_encoder(path).config.models)
    assert {model.generator.config.z_dim for model in models} == {read_encoder(path).config.z_dim}


@pytest.mark.parametrize(
    ("model_name", "number", "loss_share"),
    [
        ("critters-128", 0, 0.8),
        ("critters-128", 3, 0.8),
        ("critters-128", 9, 0.8),
        ("critters-128", 17, 1.0),  # before a photograph, which no image of the model resembles
        ("critters-256", 1, 0.8),
        ("critters-256", 10, 0.8),
    ],
)
def test_the_bundled_encoder_guesses_held_out_drawings_better_than_the_average_image(
    model_name: str, number: int, loss_share: float
) -> None:
    model = load_model(model_name, "cpu")
    generator = model.generator
    image = draw_render(number, model.info.size.height).image
    z = find_near_z(model, 0, image, print)
    assert len(z) == GUESS_COUNT
    w = torch.cat([average_w(generator)[None], map_to_ws(generator, z, 0)[:, 0]])
    with torch.no_grad():
        _, losses = SmallComparison(generator, image_tensor(image))(w[:, None].expand(-1, generator.num_ws, -1))
    assert losses[1:].min() < loss_share * losses[0]
