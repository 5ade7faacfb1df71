"""`draggan-tui models index`: an index is made, continued, made again when it is damaged, used, listed and removed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints import registry
from draggan_engine.inversion.seed_thumbnails import SeedThumbnails
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.storage import seed_index_file
from draggan_engine.storage.seed_index_file import read_seed_index
from draggan_tui.cli import model_index
from tests.support.commands import run_here
from tests.support.tiny_models import random_generator, save_generator


@pytest.fixture(autouse=True)
def few_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the index of 24 seeds in a cache directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (seed_index_file, model_index):
        monkeypatch.setattr(module, "SEED_COUNT", 24)
    save_generator(tmp_path / "tiny.safetensors", random_generator())


def run_models(monkeypatch: pytest.MonkeyPatch, directory: Path, *arguments: str) -> tuple[int, str, str]:
    return run_here(monkeypatch, "models", *arguments, directory=directory)


def only_index() -> Path:
    (path,) = registry.cached_seed_indexes()
    return path


def read_thumbnails() -> NDArray[np.uint8]:
    index = read_seed_index(only_index())
    assert index is not None
    return index.thumbnails


def test_an_index_is_made_once_listed_and_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status, stdout, stderr = run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")
    assert status == 0, stderr
    path = only_index()
    assert stdout.startswith(f"{path}: 24 seeds, 19 kB, ")
    assert run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")[1] == f"{path}: there already, 19 kB\n"
    (fields,) = json.loads(run_models(monkeypatch, tmp_path, "list", "--json")[1])["indexes"]
    assert fields == {"model": "tiny", "class": 0, "seeds": 24, "path": str(path), "bytes": path.stat().st_size}
    status, stdout, _ = run_models(monkeypatch, tmp_path, "remove", "tiny.safetensors")
    assert (status, stdout) == (0, f"{path}: removed\n19 kB freed\n")
    assert (tmp_path / "tiny.safetensors").exists()
    assert not registry.cached_seed_indexes()


def test_an_interrupted_index_is_continued(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")
    whole_thumbnails = read_thumbnails()
    only_index().unlink()
    render = SeedThumbnails.render

    def interrupted_render(renderer: SeedThumbnails, seeds: range) -> object:
        if seeds.start == 16:
            raise KeyboardInterrupt
        return render(renderer, seeds)

    with monkeypatch.context() as patched:
        patched.setattr(SeedThumbnails, "render", interrupted_render)
        status, _, stderr = run_models(patched, tmp_path, "index", "tiny.safetensors")
    assert status != 0
    assert "stopped; the part that was made is kept, and the same command continues it" in stderr
    assert len(read_thumbnails()) == 16
    status, _, stderr = run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")
    assert status == 0
    assert "continuing after 16 seeds" in stderr
    assert np.array_equal(read_thumbnails(), whole_thumbnails)


def test_a_damaged_index_is_made_again_and_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")
    path = only_index()
    whole_thumbnails = read_thumbnails()
    path.write_bytes(path.read_bytes()[:-7])
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "photo.png")
    invert = ("invert", "photo.png", "--model", "tiny.safetensors", "--out", "out", "--steps", "1", "--align", "none")
    status, _, stderr = run_here(monkeypatch, *invert, directory=tmp_path)
    assert status == 0
    assert f"{path} cannot be read: the file is damaged; the search starts without the index" in stderr
    status, _, stderr = run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")
    assert status == 0
    assert "the file is damaged; it is made again" in stderr
    assert np.array_equal(read_thumbnails(), whole_thumbnails)


def test_an_inversion_starts_from_the_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    generator = random_generator()
    rgb = generate_image(generator, latent_of_seed(generator, 20, psi=1.0))
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    run_models(monkeypatch, tmp_path, "index", "tiny.safetensors")
    invert = ("invert", "photo.png", "--model", "tiny.safetensors", "--steps", "1", "--align", "none", "--json")
    psnr = json.loads(run_here(monkeypatch, *invert, "--out", "out", directory=tmp_path)[1])["psnr"]
    assert psnr > 45


def test_the_index_of_a_class_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_generator(tmp_path / "classes.safetensors", random_generator(classes=3))
    for class_label in ("0", "2"):
        assert run_models(monkeypatch, tmp_path, "index", "classes.safetensors", "--class", class_label)[0] == 0
    assert len(registry.cached_seed_indexes()) == 2
    status, _, stderr = run_models(monkeypatch, tmp_path, "index", "classes.safetensors", "--class", "3")
    assert status == 2
    assert "class 3" in stderr
    assert run_models(monkeypatch, tmp_path, "remove", "classes.safetensors")[0] == 0
    assert not registry.cached_seed_indexes()
