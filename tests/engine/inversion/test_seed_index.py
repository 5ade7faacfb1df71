"""The seed index: that it finds seeds by their images, and which files of it are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch.nn.functional import avg_pool2d

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import CheckpointError
from draggan_engine.inversion.inversion import InversionSettings
from draggan_engine.inversion.latent_search import LatentSearchState
from draggan_engine.inversion.latents import z_of_seeds
from draggan_engine.inversion.losses import image_tensor
from draggan_engine.inversion.seed_thumbnails import SeedThumbnails, nearest_seeds
from draggan_engine.inversion.staged_inversion import StagedInversion
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.storage.seed_index_file import (
    IndexedModel,
    SeedIndex,
    read_index_of_model,
    read_seed_index,
    write_seed_index,
)
from tests.support.tiny_models import random_generator, random_stylegan3

MODEL = IndexedModel("critters-128", "a" * 64)
SEEDS = range(48)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_model("critters-128", "cpu").generator


@pytest.fixture(scope="module")
def index(generator: Generator) -> SeedIndex:
    renderer = SeedThumbnails(generator)
    return SeedIndex(MODEL, np.concatenate([renderer.render(SEEDS[i : i + 8]) for i in range(0, len(SEEDS), 8)]))


@pytest.mark.parametrize("seed", [0, 5, 17, 30, 47])
def test_the_image_of_a_seed_is_nearest_to_that_seed(generator: Generator, index: SeedIndex, seed: int) -> None:
    image = generate_image(generator, latent_of_seed(generator, seed, psi=1.0))
    assert nearest_seeds(index, image_tensor(image), 3)[0] == seed


def test_small_renderings_are_brought_to_the_colours_of_whole_images(generator: Generator, index: SeedIndex) -> None:
    fitted_errors, raw_errors = [], []
    for seed in range(20, 28):  # not among those of the fit
        ws = latent_of_seed(generator, seed, psi=1.0)
        whole_thumbnail = generate_image(generator, ws).astype(float).reshape(16, 8, 16, 8, 3).mean(axis=(1, 3))
        small_image = generator.synthesis(ws, image=32).image
        assert small_image is not None
        raw_thumbnail = (avg_pool2d(small_image[0], 2).permute(1, 2, 0).numpy() + 1) * 127.5
        fitted_errors.append(np.abs(index.thumbnails[seed] - whole_thumbnail).mean())
        raw_errors.append(np.abs(raw_thumbnail - whole_thumbnail).mean())
    assert np.mean(fitted_errors) < 0.7 * np.mean(raw_errors), (np.mean(fitted_errors), np.mean(raw_errors))


def test_models_without_small_images_and_classes_are_indexed_too() -> None:
    stylegan3 = random_stylegan3().eval().requires_grad_(False)
    image = generate_image(stylegan3, latent_of_seed(stylegan3, 3, psi=1.0))
    thumbnails = SeedThumbnails(stylegan3).render(range(6))
    assert nearest_seeds(SeedIndex(MODEL, thumbnails), image_tensor(image), 1) == [3]
    conditional = random_generator(classes=3)
    image = generate_image(conditional, latent_of_seed(conditional, 4, psi=1.0, label=2))
    thumbnails = SeedThumbnails(conditional, label=2).render(range(6))
    assert nearest_seeds(SeedIndex(MODEL, thumbnails), image_tensor(image), 1) == [4]


def test_an_inversion_starts_from_near_seeds() -> None:
    generator = random_generator()
    target = generate_image(generator, latent_of_seed(generator, 7, psi=1.0))
    inversion = StagedInversion(
        generator, target, InversionSettings("w", 10, 4), near_z=z_of_seeds(generator, [3, 7, 11])
    )
    first_step = next(iter(inversion.steps()))
    state = inversion.state
    assert isinstance(state, LatentSearchState)
    assert len(state.coordinates) == 3
    assert first_step.psnr > 40


def test_a_file_is_read_as_it_was_written(index: SeedIndex, tmp_path: Path) -> None:
    path = tmp_path / "index.safetensors"
    assert read_index_of_model(path, MODEL) is None
    write_seed_index(path, index)
    read_index = read_index_of_model(path, MODEL)
    assert read_index is not None
    assert read_index.model == MODEL
    assert not read_index.is_complete
    assert np.array_equal(read_index.thumbnails, index.thumbnails)


@pytest.mark.parametrize("other_model", [IndexedModel("b", "b" * 64), IndexedModel("a", "a" * 64, label=1)])
def test_the_index_of_another_model_or_class_is_refused(
    index: SeedIndex, tmp_path: Path, other_model: IndexedModel
) -> None:
    path = tmp_path / "index.safetensors"
    write_seed_index(path, index)
    with pytest.raises(CheckpointError, match="is the index of another model, critters-128"):
        read_index_of_model(path, other_model)


def test_damaged_files_are_refused(index: SeedIndex, tmp_path: Path) -> None:
    path = tmp_path / "index.safetensors"
    write_seed_index(path, index)
    content = path.read_bytes()
    for damaged_content in (content[:-10], content[:50], b"", b"\x00" * 200):
        path.write_bytes(damaged_content)
        with pytest.raises(CheckpointError, match="the file is damaged"):
            read_seed_index(path)
    for thumbnails in (np.zeros((5, 8, 8, 3), np.uint8), np.zeros((5, 16, 16, 3), np.float32)):
        write_seed_index(path, SeedIndex(MODEL, thumbnails))  # type: ignore[arg-type]
        with pytest.raises(CheckpointError, match="holds no index of seeds"):
            read_seed_index(path)
