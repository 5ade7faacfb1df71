"""Mistakes of a user: each gives one line that says what is wrong and what to do, exit status 2, and no files."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.checkpoints.registry import bundled_models
from tests.support.commands import files_under, run, run_here
from tests.support.terminal import RESTORED, Terminal

PAIR = ("--pair", "64,70:72,70")


class Canary:
    """An object that creates a directory when it is unpickled without restrictions."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("canary",))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with files that are not what they should be."""
    whole = bundled_models()["critters-128"].read_bytes()
    (tmp_path / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pkl").touch()
    (tmp_path / "notes.txt").write_text("not a model, not a mask\n")
    (tmp_path / "hostile.pkl").write_bytes(pickle.dumps({"G_ema": Canary()}))
    for name, shape, value in (("zero", (128, 128), 0), ("wide", (128, 256), 255)):
        Image.fromarray(np.full(shape, value, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "session").mkdir()
    (tmp_path / "session/session.json").write_text("{}")
    return tmp_path


BAD = {
    "missing model": (("drag", *PAIR, "--model", "nowhere.pkl"), "nowhere.pkl"),
    "truncated model": (("drag", *PAIR, "--model", "truncated.safetensors"), "truncated.safetensors"),
    "empty model": (("drag", *PAIR, "--model", "empty.pkl"), "empty"),
    "file that is not a model": (("drag", *PAIR, "--model", "notes.txt"), "not a model"),
    "hostile model": (("drag", *PAIR, "--model", "hostile.pkl"), "mkdir"),
    "directory as model": (("render", "--out", "a.png", "--model", "session"), "session"),
    "handle outside": (("drag", "--pair", "300,70:72,70"), "handle (300, 70) is outside"),
    "target outside": (("drag", "--pair", "64,70:64,-5"), "target (64, -5) is outside"),
    "handle on target": (("drag", "--pair", "64,70:64,70"), "on its target"),
    "malformed pair": (("drag", "--pair", "64,70-72,70"), "X,Y:X,Y"),
    "pair without a target": (("drag", "--pair", "64,70"), "X,Y:X,Y"),
    "pair that is not finite": (("drag", "--pair", "nan,70:72,70"), "X,Y:X,Y"),
    "pair of absurd length": (("drag", "--pair", 400 * "9" + ",70:72,70"), "X,Y:X,Y"),
    "mask of another ratio": (("drag", *PAIR, "--mask", "wide.png"), "256×128"),
    "mask of zeros": (("drag", *PAIR, "--mask", "zero.png"), "all zero"),
    "file that is not a mask": (("drag", *PAIR, "--mask", "notes.txt"), "notes.txt"),
    "missing mask": (("drag", *PAIR, "--mask", "nowhere.png"), "nowhere.png"),
    "missing device": (("drag", *PAIR, "--device", "cuda:7"), "cuda:7"),
    "unknown device": (("render", "--out", "a.png", "--device", "toaster"), "toaster"),
    "step size of zero": (("drag", *PAIR, "--lr", "0"), "--lr"),
    "file as output": (("drag", *PAIR, "--out", "notes.txt"), "notes.txt is a file"),
    "file on the way to the output": (("drag", *PAIR, "--out", "notes.txt/x"), "notes.txt is a file"),
    "output that holds a session": (("drag", *PAIR, "--out", "session"), "already holds a session"),
    "directory as image": (("render", "--out", "session"), "is a directory"),
    "image in a missing directory": (("render", "--out", "nowhere/a.png"), "nowhere"),
    "image of an unknown kind": (("render", "--out", "a.jpg"), "a.jpg: the suffix decides what is written"),
    "video of an unknown kind": (("drag", *PAIR, "--film", "a.avi"), "give one of .gif, .mp4"),
    "video in a missing directory": (("drag", *PAIR, "--film", "nowhere/a.gif"), "there is no directory nowhere"),
    "markers without a video": (("drag", *PAIR, "--markers"), "give --film"),
    "editor in a pipe": ((), "draggan-tui drag"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2(case: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, expected = BAD[case]
    before = files_under(directory)
    status, stdout, stderr = run_here(monkeypatch, *arguments, directory=directory)
    assert (status, stdout) == (2, "")
    _assert_one_line(stderr, expected)
    assert files_under(directory) == before


def test_a_hostile_model_runs_no_code_in_a_process_of_its_own(directory: Path) -> None:
    before = files_under(directory)
    result = run("drag", *PAIR, "--model", "hostile.pkl", "--json", directory=directory)
    assert (result.returncode, result.stdout) == (2, "")
    _assert_one_line(result.stderr, "mkdir")
    assert files_under(directory) == before


@pytest.mark.parametrize(
    "arguments",
    [("drag",), ("drag", *PAIR, "--steps", "0"), ("drag", *PAIR, "--space", "z"), ("paint",), ("--seed", "-1")],
)
def test_a_usage_error_has_exit_status_2_as_well(
    directory: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    before = files_under(directory)
    status, stdout, stderr = run_here(monkeypatch, *arguments, directory=directory)
    assert (status, stdout) == (2, "")
    assert "Traceback" not in stderr
    assert files_under(directory) == before


def test_a_theme_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\ndark = true\ncolour = "#ffffff"\n')
    with Terminal("--theme", "mine.toml", directory=tmp_path, size=(200, 24)) as terminal:
        assert terminal.wait() == 2
        assert "draggan-tui: theme mine.toml:" in terminal.text()
        assert "colour (line 3) is an unknown key" in terminal.text()


def test_the_editor_ends_when_its_model_cannot_be_used(directory: Path) -> None:
    with Terminal("--model", "hostile.pkl", directory=directory, size=(200, 24)) as terminal:
        assert terminal.wait() == 2
        assert "draggan-tui: hostile.pkl: its generator is an object of posix.mkdir" in terminal.text()
        assert RESTORED in terminal.raw
    assert not (directory / "canary").exists()
    assert not (directory / "draggan-out").exists()


@pytest.mark.parametrize("out", ["notes.txt", "session"])
def test_the_editor_refuses_an_output_that_is_taken(directory: Path, out: str) -> None:
    with Terminal("--out", out, directory=directory, size=(200, 24)) as terminal:
        assert terminal.wait() == 2
        assert f"draggan-tui: {out}" in terminal.text()


def _assert_one_line(stderr: str, expected: str) -> None:
    assert stderr.startswith("draggan-tui: ") and stderr.endswith("\n"), stderr
    assert stderr.count("\n") == 1, stderr
    assert expected in stderr
    assert "Traceback" not in stderr and "unexpected" not in stderr, stderr
