"""Models of the Hugging Face hub as a user opens, pulls and inspects them, with servers on this machine that play the hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from draggan_tui.rendering.loading_text import size_text
from tests.support.commands import run_here
from tests.support.fake_hub import ADDRESS, FILE_PATH, HUB_VARIABLES, TOKEN, FakeHub, put_into_hub_cache, run_hub
from tests.support.paths import FIXTURES

MODEL = FIXTURES / "checkpoints" / "sg2ada_cond_32.pkl"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in HUB_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with run_hub(MODEL.read_bytes()) as fake_hub:
        monkeypatch.setenv("HF_ENDPOINT", fake_hub.url)
        yield fake_hub


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs `draggan-tui …` in an empty directory; it returns exit status, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_PROXY", "*")

    def run_command(*arguments: str) -> tuple[int, str, str]:
        return run_here(monkeypatch, *arguments, directory=tmp_path)

    return run_command


def test_a_model_of_the_hub_is_downloaded_once_and_opens_by_its_address(
    hub: FakeHub, here: Run, tmp_path: Path
) -> None:
    status, _, problem = here("render", "--model", ADDRESS, "--out", "a.png")
    assert status == 0, problem
    assert here("render", "--model", str(MODEL), "--out", "b.png")[0] == 0
    a, b = (tmp_path / name for name in ("a.png", "b.png"))
    assert abs(a.stat().st_size - b.stat().st_size) < 100  # the model's name is in both
    request_count = len(hub.requests)
    info = json.loads(here("models", "info", "--json", ADDRESS)[1])
    assert (info["name"], info["sha256"]) == ("ffhq", hub.file_sha256)
    assert info["path"].startswith(str(tmp_path / "home"))
    assert f"{ADDRESS}  own" in here("models", "list")[1]
    assert len(hub.requests) == request_count


def test_pull(hub: FakeHub, here: Run) -> None:
    status, out, problem = here("models", "pull", ADDRESS)
    assert status == 0
    assert problem == f"{hub.url}/org/faces\nlicence: as this page says\n"
    path_line, command_line = out.splitlines()
    assert path_line.endswith(f"/hub/org/faces/main/{FILE_PATH}: {size_text(MODEL.stat().st_size)}")
    assert command_line == f"draggan-tui --model {ADDRESS}"
    assert here("models", "pull", ADDRESS, "--sha256", hub.file_sha256)[0] == 0
    assert len(hub.storage.requests) == 1
    assert "ffhq.pkl: removed" in here("models", "remove", ADDRESS)[1]


def test_a_file_in_the_cache_of_the_hubs_tools_is_not_pulled(
    hub: FakeHub, here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    path = put_into_hub_cache(tmp_path / "hub", MODEL.read_bytes())
    expected_out = f"{path}: already in the cache of the hub's own tools\ndraggan-tui --model {ADDRESS}\n"
    assert here("models", "pull", ADDRESS) == (0, expected_out, "")
    assert here("models", "pull", ADDRESS, "--sha256", hub.file_sha256.upper())[0] == 0
    status, _, problem = here("models", "pull", ADDRESS, "--sha256", "0" * 64)
    assert (status, problem) == (
        1,
        f"draggan-tui: {path}: its SHA-256 is {hub.file_sha256}, and it should be {'0' * 64}; do not use it\n",
    )
    assert json.loads(here("models", "info", "--json", ADDRESS)[1])["path"] == str(path)
    assert hub.requests == []


def test_a_model_of_the_hub_is_imported_under_a_name(hub: FakeHub, here: Run) -> None:
    status, _, problem = here("models", "pull", ADDRESS, "--name", "faces")
    assert (status, problem) == (
        2,
        f"draggan-tui: {ADDRESS}: a model of the hub is opened by its address; leave --name out, or give it a name with: "
        f"draggan-tui models import {ADDRESS} --name faces\n",
    )
    assert hub.requests == []
    assert here("models", "import", ADDRESS, "--name", "faces")[0] == 0
    local_models = json.loads(here("models", "list", "--json")[1])["here"]
    assert ("faces", "own") in [(model["name"], model["origin"]) for model in local_models]


@pytest.mark.parametrize("command", [("models", "pull"), ("models", "info"), ("render", "--out", "a.png", "--model")])
def test_a_refusal_of_the_hub_is_one_line(
    hub: FakeHub, here: Run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.error = (401, "GatedRepo")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    status, _, problem = here(*command, ADDRESS)
    message = problem.splitlines()[-1]
    assert status == 1
    assert (
        "the repository is gated (401 Unauthorized), and the account of the token in HF_TOKEN has no access" in message
    )
    assert TOKEN not in problem


def test_what_is_not_a_model_is_not_kept(hub: FakeHub, here: Run, tmp_path: Path) -> None:
    hub.storage.body = b"no model" * 1000
    status, _, problem = here("models", "info", ADDRESS)
    assert (status, problem.count("\n")) == (1, 1)
    assert "the received file is unusable and was removed" in problem
    assert not list(tmp_path.rglob("ffhq*"))


def test_offline_and_malformed_addresses_are_one_line(hub: FakeHub, here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, _, problem = here("models", "info", ADDRESS)
    assert (status, problem) == (
        1,
        f"draggan-tui: {ADDRESS} is not on this machine, and HF_HUB_OFFLINE is set; unset it to download the file\n",
    )
    status, _, problem = here("models", "pull", "hf://org/faces")
    assert (status, problem) == (
        2,
        "draggan-tui: hf://org/faces: this is not the address of a file on the hub; write "
        "hf://ORGANISATION/REPOSITORY/PATH, or hf://ORGANISATION/REPOSITORY@REVISION/PATH\n",
    )
    assert hub.requests == []
