"""Shell completion: the protocol between shells and the program, and the names that are offered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from draggan_engine.checkpoints import model_zoo, registry
from draggan_engine.storage import recent_sessions
from draggan_tui.cli import completion
from draggan_tui.config import themes
from tests.support.paths import ROOT


def run_program(directory: Path, *, code: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell does, or Python code in its place."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "draggan_tui"])]
    path = os.pathsep.join([str(ROOT), str(ROOT / "engine")])
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        encoding="utf-8",
    )


def bash_completions(directory: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last of some words."""
    words = ("draggan-tui", *words)
    result = run_program(
        directory, _DRAGGAN_TUI_COMPLETE="complete_bash", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1)
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split()


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a recent session, in draggan-out/ of the working directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    directory = make_session(tmp_path / "draggan-out" / "one")
    recent_sessions.remember_session(directory)
    return directory


def make_session(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "session.json").touch()
    return directory


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (["--theme", "d"], ["dark", "dusk"]),
        (["--device", "c"], ["cpu", "cuda"]),
        (["--color", "t"], ["truecolor"]),
        (["--model", "critt"], ["critters-128", "critters-256"]),
        (["render", "--model", "critt"], ["critters-128", "critters-256"]),
        (["drag", "--device", "m"], ["mps"]),
        (["open", "x", "--theme", "mo"], ["moss"]),
        (["models", "info", "critt"], ["critters-128", "critters-256"]),
        (["models", "convert", "critt"], ["critters-128", "critters-256"]),
        (["models", "pull", "sg3-r-afhqv2"], ["sg3-r-afhqv2-512"]),
        (["models", "p"], ["pull"]),
        (["--model", "./no-such"], []),  # the shell then completes file names
        (["se"], ["sessions"]),
    ],
)
def test_bash_gets_completions(tmp_path: Path, words: list[str], completions: list[str]) -> None:
    assert bash_completions(tmp_path, *words) == completions


def test_bash_gets_the_sessions(session: Path, tmp_path: Path) -> None:
    assert bash_completions(tmp_path, "open", "dr") == [str(session.relative_to(tmp_path))]


def test_zsh_and_fish_get_completions(tmp_path: Path) -> None:
    typed = {"_TYPER_COMPLETE_ARGS": "draggan-tui --theme d"}
    zsh = run_program(tmp_path, _DRAGGAN_TUI_COMPLETE="complete_zsh", **typed)
    assert '"dark"\n"dusk"' in zsh.stdout
    action = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    fish = run_program(tmp_path, _DRAGGAN_TUI_COMPLETE="complete_fish", **typed, **action)
    assert fish.stdout.split() == ["dark", "dusk"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(tmp_path: Path, shell: str) -> None:
    result = run_program(tmp_path, _DRAGGAN_TUI_COMPLETE=f"source_{shell}")
    assert result.returncode == 0
    assert f"_DRAGGAN_TUI_COMPLETE=complete_{shell}" in result.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_completion_works_in_bash(tmp_path: Path) -> None:
    script = run_program(tmp_path, _DRAGGAN_TUI_COMPLETE="source_bash").stdout
    launcher = tmp_path / "draggan-tui"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m draggan_tui "$@"\n')
    launcher.chmod(0o755)
    code = (
        f"COMP_WORDS=(draggan-tui --theme d) COMP_CWORD=2; _draggan_tui_completion {launcher}; echo ${{COMPREPLY[@]}}"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "engine")])
    result = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{code}"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert (result.stdout, result.stderr) == ("dark dusk\n", "")


@pytest.mark.parametrize("words", ["--model c", "--theme d", "open d", "models pull sg"])
def test_completion_loads_neither_torch_nor_textual(tmp_path: Path, words: str) -> None:
    code = "import sys; from draggan_tui.__main__ import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print(*{'torch', 'textual'} & set(sys.modules), file=sys.stderr)"
    count = str(len(words.split()))
    result = run_program(
        tmp_path, code=code, _DRAGGAN_TUI_COMPLETE="complete_bash", COMP_WORDS=f"draggan-tui {words}", COMP_CWORD=count
    )
    assert result.stderr.split() == []


# Names ------------------------------------------------------------------------------------------------


def test_models_on_this_machine_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    registry.create_user_models_directory()
    for name in ("cats.pkl", "cars.safetensors", "notes.txt"):
        (registry.user_models_directory() / name).touch()
    assert completion.complete_models("c") == ["critters-128", "critters-256", "cars", "cats"]
    assert completion.complete_models("ca") == ["cars", "cats"]
    assert completion.complete_models("n") == []


def test_public_checkpoints_and_themes_are_offered() -> None:
    assert completion.complete_checkpoints("") == [model.name for model in model_zoo.public_checkpoints()]
    assert completion.complete_themes("") == themes.theme_names()


def test_recent_sessions_and_those_in_the_typed_directory_are_offered(session: Path, tmp_path: Path) -> None:
    other, beside = make_session(tmp_path / "kept" / "two"), make_session(tmp_path / "three")
    (tmp_path / "kept" / "no-session").mkdir()
    elsewhere = make_session(tmp_path.parent / f"{tmp_path.name}-elsewhere")
    recent_sessions.remember_session(elsewhere)
    here = str(session.relative_to(tmp_path))
    assert completion.complete_sessions("") == [str(elsewhere), here, beside.name]
    assert completion.complete_sessions("dr") == [here]
    assert completion.complete_sessions("th") == ["three"]
    assert completion.complete_sessions("kept/") == ["kept/two"]
    assert completion.complete_sessions("kept/t") == ["kept/two"]
    assert completion.complete_sessions(f"{tmp_path}/kept/") == [str(other)]
    assert completion.complete_sessions("no/such") == []
