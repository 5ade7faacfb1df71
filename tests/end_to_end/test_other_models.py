"""Models of the user's own: picked inside the editor, with classes, started from a latent."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from draggan_tui.benchmarks.processes import is_alive
from tests.support.commands import files_under, run_here
from tests.support.keys import LOADED
from tests.support.terminal import RESTORED, Terminal
from tests.support.tiny_models import NUM_WS, W_DIM, save_tiny

PAIR = ("--pair", "10,10:20,10", "--steps", "2")
PIVOT = np.random.RandomState(1).randn(NUM_WS, W_DIM).astype(np.float32)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "plain.safetensors")
    save_tiny(tmp_path / "kinds.safetensors", classes=5)
    np.save(tmp_path / "pivot.npy", PIVOT)
    np.save(tmp_path / "short.npy", PIVOT[:3])
    return tmp_path


def read(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


def test_another_model_is_picked_and_begins_another_session(directory: Path) -> None:
    with Terminal("--model", "plain.safetensors", "--out", "s", directory=directory) as terminal:
        terminal.wait_for(LOADED)
        terminal.send("\rl\r")
        terminal.wait_for("▸1 ")
        terminal.send("M")
        terminal.wait_for("critters-128  bundled")
        terminal.send("/kinds.safetensors\r")
        terminal.wait_for("opened kinds; the earlier session is saved in s")
        terminal.wait_for("class  0 of 0…4")
        assert "▸1 " not in terminal.text()
        terminal.send("2C")
        terminal.wait_for("class  2 of 0…4")
        terminal.send("\rl\r")
        terminal.wait_for("▸1 ")

        # One that cannot be had changes nothing.
        terminal.send("M")
        terminal.wait_for("critters-128  bundled")
        terminal.send("\t/no/where.pkl\r")
        terminal.wait_for("'/no/where.pkl': there is no such model or file")
        assert "Models" in terminal.text(), "the picker stays"
        terminal.send("\x1b")
        terminal.wait_for(lambda: "▸1 " in terminal.text() and "class  2 of 0…4" in terminal.text())

        # An engine that is started anew loads the present session's model.
        engine = terminal.engine_pid
        os.kill(engine, signal.SIGKILL)
        terminal.wait_for("r  restart it")
        terminal.send("r")
        terminal.wait_for("the engine is running again")
        terminal.send("s")
        terminal.wait_for("saved to s-2")
        terminal.send("q")
        assert terminal.wait() == 0
        assert RESTORED in terminal.raw and not is_alive(engine)
    first, second = read(directory / "s/session.json"), read(directory / "s-2/session.json")
    assert (first["model"]["name"], len(first["pairs"]), first["label"]) == ("plain", 1, 0)
    assert (second["model"]["name"], len(second["pairs"]), second["label"]) == ("kinds", 1, 2)
    with Image.open(directory / "s-2/final.png") as image:
        image.load()
        assert (image.text["Model"], image.text["Class"]) == ("kinds", "2")


def test_an_engine_that_dies_before_the_new_session_is_on_disk(directory: Path) -> None:
    with Terminal("--model", "plain.safetensors", "--out", "s", directory=directory) as terminal:
        terminal.wait_for(LOADED)
        terminal.send("\rl\r")
        terminal.wait_for("▸1 ")
        terminal.send("M")
        terminal.wait_for("critters-128  bundled")
        terminal.send("/kinds.safetensors\r")
        terminal.wait_for("class  0 of 0…4")
        os.kill(terminal.engine_pid, signal.SIGKILL)
        terminal.wait_for("r  restart it")
        terminal.send("r")
        terminal.wait_for("the engine is running again")
        terminal.send("\rl\r")
        terminal.wait_for("▸1 ")
        terminal.send("q")
        assert terminal.wait() == 0
    assert read(directory / "s/session.json")["model"]["name"] == "plain"
    assert read(directory / "s-2/session.json")["model"]["name"] == "kinds"


def test_the_editor_starts_from_a_latent(directory: Path) -> None:
    with Terminal(
        "--model", "plain.safetensors", "--latent", "pivot.npy", "--out", "s", directory=directory
    ) as terminal:
        terminal.wait_for("latent  pivot.npy")
        terminal.wait_for(LOADED)
        terminal.send("n")
        terminal.wait_for("seed  43")
        terminal.send("u")
        terminal.wait_for("latent  pivot.npy")
        terminal.send("s")
        terminal.wait_for("saved to s")
        terminal.send("q")
        assert terminal.wait() == 0
    assert read(directory / "s/session.json")["given"] is True
    assert np.array_equal(load_file(directory / "s/latents.safetensors")["given"], PIVOT[None])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--model", "plain.safetensors", "--class", "3"), ("class 3: plain has no classes",)),
        (("--model", "kinds.safetensors", "--class", "5"), ("class 5: kinds has the classes 0 to 4",)),
        (("--model", "plain.safetensors", "--latent", "short.npy"), ("short.npy", "[8, 4]", "[3, 4]")),
        (("--model", "plain.safetensors", "--latent", "none.npy"), ("none.npy",)),
    ],
)
def test_a_class_or_latent_that_does_not_fit_the_model_is_refused_everywhere(
    directory: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    before = files_under(directory)
    for command in (("drag", *PAIR), ("render", "--out", "a.png")):
        status, stdout, stderr = run_here(monkeypatch, *command, *arguments, directory=directory)
        assert (status, stdout, stderr.count("\n")) == (2, "", 1)
        assert all(part in stderr for part in ("draggan-tui: ", *parts))
    with Terminal(*arguments, directory=directory, size=(200, 24)) as terminal:
        assert terminal.wait() == 2
        assert all(part in terminal.text() for part in ("draggan-tui: ", *parts))
    assert files_under(directory) == before


def test_classes_without_a_screen(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = []
    for label in ("0", "4"):
        arguments = ("render", "--model", "kinds.safetensors", "--class", label, "--out", f"{label}.png")
        assert run_here(monkeypatch, *arguments, directory=directory) == (0, "", "")
        with Image.open(directory / f"{label}.png") as image:
            pictures.append(np.asarray(image))
    assert (pictures[0] != pictures[1]).any()
    arguments = ("drag", *PAIR, "--model", "kinds.safetensors", "--class", "4", "--out", "s", "--json")
    assert run_here(monkeypatch, *arguments, directory=directory)[0] == 0
    assert read(directory / "s/session.json")["label"] == read(directory / "s/drag-001/drag.json")["label"] == 4
    assert (directory / "s/initial.png").read_bytes() == (directory / "4.png").read_bytes()


def test_a_latent_without_a_screen(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--model", "plain.safetensors", "--latent", "pivot.npy")
    assert run_here(monkeypatch, "render", *arguments, "--out", "a.png", directory=directory) == (0, "", "")
    assert run_here(monkeypatch, "drag", *PAIR, *arguments, "--json", directory=directory)[0] == 0
    (session,) = (directory / "draggan-out").iterdir()
    assert session.name.endswith("-plain-given")
    assert read(session / "session.json")["given"] is True
    assert np.array_equal(load_file(session / "latents.safetensors")["given"], PIVOT[None])
    assert np.array_equal(load_file(session / "drag-001/latents.safetensors")["before"], PIVOT[None])
    assert (session / "initial.png").read_bytes() == (directory / "a.png").read_bytes()
    with Image.open(directory / "a.png") as image:
        image.load()
        assert image.text["Latent"] == "given" and "Seed" not in image.text
