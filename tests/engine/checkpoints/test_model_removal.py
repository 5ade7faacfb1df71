"""Only what the program has downloaded or converted can be removed, and nothing of it stays."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.download.partial_download import lock_partial_download
from draggan_engine.checkpoints.loader import convert_model
from draggan_engine.checkpoints.model_removal import remove_model
from draggan_engine.core.errors import CheckpointError, DownloadError
from tests.support.paths import FIXTURES

PICKLE = FIXTURES / "checkpoints" / "sg2ada_cond_32.pkl"
SHA256 = hashlib.sha256(PICKLE.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    registry.create_user_models_directory()


def files_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def put_download(name: str = "five") -> Path:
    """Put a model where a download would have left it."""
    path = registry.user_models_directory() / f"{name}.pkl"
    shutil.copy(PICKLE, path)
    registry.download_checksums_path().write_text(json.dumps({"https://example.org/five.pkl": SHA256}))
    return path


def put_converted_copy(sha256: str = SHA256, name: str = "sg2ada_cond_32") -> Path:
    path = registry.cached_copy(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    convert_model(str(PICKLE), path, name)
    return path


def refusal(name: str) -> str:
    with pytest.raises(CheckpointError) as raised:
        remove_model(name)
    return str(raised.value)


def test_a_download_is_removed_with_what_was_made_of_it(tmp_path: Path) -> None:
    model_path, copy_path = put_download(), put_converted_copy()
    covariance_path = registry.cached_w_covariance(SHA256)
    covariance_path.parent.mkdir()
    covariance_path.write_bytes(b"123")
    sizes = {path: path.stat().st_size for path in (model_path, copy_path, covariance_path)}
    assert {file.path: file.size for file in remove_model("five")} == sizes
    assert files_below(tmp_path) == {"data/draggan-tui/models/checksums.json"}


def test_an_imported_model_is_removed() -> None:
    path = registry.new_model_path("mine")
    convert_model(str(PICKLE), path, "mine")
    assert [file.path for file in remove_model("mine")] == [path]
    assert not path.exists()


def test_an_interrupted_download_is_removed(tmp_path: Path) -> None:
    target = registry.download_path("five", ".pkl")
    for name in ("five.pkl.part", "five.pkl.part.json"):
        target.with_name(name).write_bytes(b"1234")
    assert [(file.path.name, file.size) for file in remove_model("five")] == [("five.pkl.part", 4)]
    assert files_below(tmp_path) == set()


def test_a_running_download_is_not_removed() -> None:
    model_path = put_download()
    with lock_partial_download(model_path) as part:
        part.append(b"1234")
        with pytest.raises(DownloadError, match="another process is downloading"):
            remove_model("five")
        assert model_path.exists()


@pytest.mark.parametrize("is_named", [True, False])
def test_a_converted_copy_is_removed_by_its_name_or_path(is_named: bool) -> None:
    copy_path = put_converted_copy()
    remove_model("sg2ada_cond_32" if is_named else str(copy_path))
    assert not copy_path.exists()
    assert PICKLE.exists()


def test_of_several_copies_with_one_name_the_path_chooses() -> None:
    paths = [put_converted_copy(digit * 64, "same") for digit in "ab"]
    assert refusal("same") == (
        f"same: 2 converted copies have this name; give the path of one of them: {paths[0]}, {paths[1]}"
    )
    remove_model(str(paths[0]))
    assert [path.exists() for path in paths] == [False, True]


def test_a_bundled_model_stays() -> None:
    assert refusal("critters-128") == "critters-128 comes with draggan-tui and cannot be removed"
    assert "critters-128" in registry.bundled_models()


@pytest.mark.parametrize("is_link", [True, False])
def test_a_file_that_the_program_has_not_made_stays(is_link: bool) -> None:
    path = registry.user_models_directory() / "own.pkl"
    if is_link:
        put_download()
        path.symlink_to(path.with_name("five.pkl"))
    else:
        shutil.copy(PICKLE, path)
    assert refusal("own") == (
        f"{path} was not downloaded or converted by draggan-tui; if you do not need it any more, delete it"
    )
    assert path.exists()


def test_a_file_elsewhere_stays(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    shutil.copy(PICKLE, path)
    assert refusal(str(path)) == (
        f"{path} is a file of yours; only what draggan-tui has downloaded or converted can be removed"
    )
    assert path.exists()


def test_what_is_not_there_cannot_be_removed() -> None:
    assert refusal("sg2-ffhq-512") == "sg2-ffhq-512 is not on this machine, so there is nothing to remove"
    assert refusal("../models/five\n") == "'../models/five?': there is no such model"
