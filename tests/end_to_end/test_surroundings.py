"""Commands in unusual environments: closed or full streams, other locales, no home, no working directory, odd file names.

Each says what is wrong in one line at most and ends with the right status; none shows a traceback.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_tui.benchmarks.processes import isolated_environment
from tests.support.commands import files_under, run_here
from tests.support.keys import LOADED, place_pair
from tests.support.patience import PATIENCE
from tests.support.terminal import PROGRAM, Terminal
from tests.support.tiny_models import save_tiny

DRAG = ("drag", "--pair", "10,10:20,10", "--steps", "1", "--model", "tiny.safetensors")
RENDER = ("render", "--model", "tiny.safetensors", "--out", "a.png")
FULL = "draggan-tui: standard output could not be written (No space left on device); send it elsewhere\n"
BROKEN_PIPE = 141


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny.safetensors")
    return tmp_path


def run_in(
    *arguments: str | bytes,
    directory: Path,
    redirection: str = "",
    variables: Mapping[str, str | None] | None = None,
    preparation: Callable[[], object] | None = None,
) -> tuple[int, bytes, str]:
    """Run `draggan-tui …`, redirected by bash, and return exit status, stdout and stderr."""
    environment = {**isolated_environment(directory / "home"), **(variables or {})}
    shell = ["bash", "-o", "pipefail", "-c", f'"$0" "$@" {redirection}'] if redirection else []
    result = subprocess.run(
        [*shell, str(PROGRAM), *arguments],
        cwd=directory,
        env={name: value for name, value in environment.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        preexec_fn=preparation,
        timeout=PATIENCE,
    )
    stderr = result.stderr.decode(errors="surrogateescape")
    assert "Traceback" not in stderr and "unexpected" not in stderr and "Exception ignored" not in stderr, stderr
    return result.returncode, result.stdout, stderr


# Streams --------------------------------------------------------------------------------------------------

STREAMS = {
    ">&-": (0, ""),
    "2>&-": (0, ""),
    "<&- >&- 2>&-": (0, ""),
    ">/dev/full": (1, FULL),
    "2>/dev/full": (0, ""),
    "| head -c 0": (BROKEN_PIPE, ""),
}
LIGHT = {
    "--help": ("--help",),
    "--version": ("--version",),
    "config show": ("config", "show"),
    "models list": ("models", "list"),
}


@pytest.mark.parametrize("redirection", STREAMS)
@pytest.mark.parametrize("command", LIGHT)
def test_streams_that_are_closed_full_or_broken(command: str, redirection: str, directory: Path) -> None:
    status, _, stderr = run_in(*LIGHT[command], directory=directory, redirection=redirection)
    assert (status, stderr) == STREAMS[redirection]


@pytest.mark.parametrize("redirection", ["<&- >&- 2>&-", ">/dev/full", "| head -c 0"])
def test_a_drag_whose_report_is_lost_has_written_its_files(redirection: str, directory: Path) -> None:
    arguments = (*DRAG, "--json", "--out", "out")
    status, _, stderr = run_in(*arguments, directory=directory, redirection=redirection)
    assert (status, stderr) == STREAMS[redirection]
    assert (directory / "out/drag-001/final.png").is_file()


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&1 | head -c 0"])
def test_an_error_that_cannot_be_printed_keeps_its_status(redirection: str, directory: Path) -> None:
    status, _, _ = run_in(
        "models", "convert", "x", "--out", "none/a.safetensors", directory=directory, redirection=redirection
    )
    assert status == 2


# Locales --------------------------------------------------------------------------------------------------

LOCALES = {
    "C": {"LANG": None, "LC_ALL": "C"},
    "C, not coerced": {"LANG": None, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": {"LANG": None, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1 that is not installed": {"LANG": "en_US.ISO-8859-1", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1": {"PYTHONIOENCODING": "iso-8859-1"},
    "no variables": {"LANG": None, "TERM": None},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_help_in_every_locale(locale: str, directory: Path) -> None:
    status, stdout, stderr = run_in("render", "--help", directory=directory, variables=LOCALES[locale])
    assert (status, stderr) == (0, "")
    assert b"Truncation" in stdout


def test_a_drag_in_another_locale(directory: Path) -> None:
    arguments = (*DRAG, "--out", "größe", "--mask", "größe.png", "--json")
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(directory / "größe.png")
    status, stdout, stderr = run_in(*arguments, directory=directory, variables=LOCALES["C, not coerced"])
    assert status == 0 and stderr.startswith("draggan-tui: gr") and stderr.count("\n") == 1  # it was resized
    assert json.loads(stdout)["steps"] == 1
    assert "größe/session.json" in files_under(directory)


# Homes ----------------------------------------------------------------------------------------------------


def without_privileges() -> None:
    """Make root respect permissions, from the next program on."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP


HOMES = {"missing": None, "empty": "", "relative": "home", "absent": "/proc/none", "a file": "file", "closed": "closed"}


@pytest.mark.parametrize("home", HOMES)
def test_defaults_without_a_usable_home(home: str, directory: Path) -> None:
    (directory / "file").touch()
    (directory / "closed").mkdir(mode=0)
    path = HOMES[home]
    variables = {name: None for name in isolated_environment(directory) if name.startswith("XDG_")}
    variables |= {"HOME": str(directory / path) if home in ("a file", "closed") else path, "EDITOR": "true"}
    commands = [("config", "show"), ("models", "list"), ("sessions", "--json"), *([RENDER] if home == "closed" else [])]
    for arguments in commands:
        status, _, stderr = run_in(*arguments, directory=directory, variables=variables, preparation=without_privileges)
        assert (status, stderr) == (0, ""), arguments
    assert not (directory / "~").exists()


def test_an_unreadable_configuration_is_an_error_with_its_path(directory: Path) -> None:
    path = directory / "home/config/draggan-tui/config.toml"
    path.parent.mkdir(parents=True)
    path.touch(mode=0)
    status, stdout, stderr = run_in("config", "show", directory=directory, preparation=without_privileges)
    assert (status, stdout) == (2, b"")
    assert stderr == f"draggan-tui: {path}: the file cannot be read (Permission denied); check the path\n"


def test_a_byte_order_mark_in_the_configuration_is_ignored(directory: Path) -> None:
    path = directory / "home/config/draggan-tui/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('\ufeff[editor]\ntheme = "moss"\n', encoding="utf-8")
    status, stdout, stderr = run_in("config", "show", directory=directory)
    assert (status, stderr) == (0, "") and b'theme = "moss"' in stdout


# Paths ----------------------------------------------------------------------------------------------------

LONG = "n" * 300
PATHS = {
    "drag --out": (*DRAG, "--out", "{}"),
    "drag --film": (*DRAG, "--film", "{}.gif"),
    "drag --mask": (*DRAG, "--mask", "{}.png"),
    "drag --latent": (*DRAG, "--latent", "{}"),
    "drag --latent FILE#NAME": (*DRAG, "--latent", "{}#w"),
    "drag --model": ("drag", "--pair", "1,1:2,2", "--model", "{}"),
    "render --out": ("render", "--out", "{}.png"),
    "render into": ("render", "--out", "{}/a.png"),
    "eval --out": ("eval", "tracking", "--out", "{}"),
    "models info": ("models", "info", "{}"),
    "models import": ("models", "import", "{}"),
    "models convert": ("models", "convert", "tiny.safetensors", "--out", "{}.safetensors"),
    "invert PHOTO": ("invert", "{}", "--out", "s", "--model", "tiny.safetensors"),
    "invert --out": ("invert", "mask.png", "--out", "{}", "--model", "tiny.safetensors", "--align", "none"),
    "drag --image": (*DRAG, "--image", "{}"),
    "open": ("open", "{}"),
}
WRITTEN = {"invert --out", "drag --out", "drag --film", "render --out", "render into", "eval --out", "models convert"}


@pytest.mark.parametrize("option", PATHS)
def test_a_name_of_300_letters_is_an_error(option: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_under(directory)
    arguments = [argument.format(LONG) for argument in PATHS[option]]
    status, stdout, stderr = run_here(monkeypatch, *arguments, directory=directory)
    assert "unexpected" not in stderr
    assert (status, stdout) == (1 if option in WRITTEN else 2, "")  # 1: the path cannot be written
    assert stderr.startswith("draggan-tui: ") and stderr.count("\n") == 1
    assert files_under(directory) == before


@pytest.mark.parametrize("option", ["--out", "--film", "--mask", "--latent", "--model"])
def test_an_empty_path_is_an_error(option: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, stdout, stderr = run_here(monkeypatch, *DRAG, option, "", directory=directory)
    assert (status, stdout) == (2, "")
    assert stderr.startswith("draggan-tui: ") and "empty" in stderr and stderr.count("\n") == 1


def test_a_tilde_after_an_equals_sign_is_expanded(directory: Path) -> None:
    home = directory / "home"
    home.mkdir()
    save_tiny(home / "m.safetensors")
    Image.fromarray(np.full((32, 32), 255, np.uint8)).save(home / "mask.png")
    first = ("drag", "--pair", "10,10:20,10", "--steps=1", "--model=~/m.safetensors", "--mask=~/mask.png")
    assert run_in(*first, "--out=~/s", "--film=~/f.gif", directory=directory)[0] == 0
    latent = "--latent=~/s#drag-001.after"
    assert run_in("render", "--model=~/m.safetensors", latent, "--out=~/a.png", directory=directory)[::2] == (0, "")
    assert run_in("models", "convert", "~/m.safetensors", "--out=~/c.safetensors", directory=directory)[::2] == (0, "")
    assert {"s", "f.gif", "a.png", "c.safetensors"} <= {path.name for path in home.iterdir()}
    status, _, stderr = run_in("render", "--out=~nobody-of-that-name/a.png", directory=directory)
    assert (status, stderr.count("\n")) == (2, 1) and "there is no such home directory" in stderr


def test_file_names_need_not_be_utf_8(directory: Path) -> None:
    subdirectory = directory / os.fsdecode(b"d\xff")
    subdirectory.mkdir()
    save_tiny(subdirectory / "m.safetensors")
    Image.fromarray(np.full((32, 32), 255, np.uint8)).save(subdirectory / "mask.png")
    model = ("--model", b"d\xff/m.safetensors")
    first = ("drag", "--pair", "10,10:20,10", "--steps", "1", *model, "--mask", b"d\xff/mask.png", "--out", b"d\xff/s")
    status, stdout, stderr = run_in(*first, "--film", b"d\xff/f.gif", directory=directory)
    assert status == 0
    assert stderr.endswith("f.gif: it shows 1 step; the images in between are interpolated in w\n")
    assert stderr.count("\n") == 1
    assert b"files: d\xff/s\n" in stdout  # unchanged, so that it can be used as an argument
    latent = ("--latent", b"d\xff/s#drag-001.after")
    assert run_in("render", *model, *latent, "--out", b"d\xff/a.png", directory=directory)[::2] == (0, "")
    convert = ("models", "convert", b"d\xff/m.safetensors", "--out", b"d\xff/c.safetensors")
    assert run_in(*convert, directory=directory)[::2] == (0, "")
    assert run_in("models", "info", b"d\xff/c.safetensors", directory=directory)[::2] == (0, "")
    assert {"s", "f.gif", "a.png", "c.safetensors"} <= {path.name for path in subdirectory.iterdir()}
    status, _, stderr = run_in("render", "--model", b"d\xff/none.pkl", "--out", "b.png", directory=directory)
    assert (status, stderr.count("\n")) == (2, 1)


def test_the_editor_saves_where_names_are_not_utf_8(directory: Path) -> None:
    out_name = os.fsdecode(b"d\xff")
    with Terminal("--model", "tiny.safetensors", "--out", out_name, directory=directory) as terminal:
        terminal.wait_for(LOADED)
        place_pair(terminal, (4, 4), (20, 20))
        terminal.send("E\r")
        terminal.wait_for("saved to")
        terminal.send("q")
        assert terminal.wait() == 0
        assert b"to continue: draggan-tui open 'd\xff'" in terminal.raw
    with Terminal("open", out_name, directory=directory) as terminal:
        terminal.wait_for("opened the session in")


@pytest.mark.parametrize(
    "arguments",
    [("config", "show"), ("models", "list"), ("sessions",), (*RENDER[:-1], "/tmp/a.png"), DRAG, ("open", "x")],
)
def test_a_deleted_working_directory_is_an_error(arguments: Sequence[str], tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    status, stdout, stderr = run_in(*arguments, directory=directory, preparation=directory.rmdir)
    assert (status, stdout) == (2, b"")
    assert stderr == "draggan-tui: the working directory was deleted; change to another one (cd)\n"
    assert run_in("--version", directory=tmp_path)[0] == 0


# Outputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("drag", "--pair", "1,1:2,2", "--out", "/sys/s"),
        ("drag", "--pair", "1,1:2,2", "--film", "/sys/f.mp4"),
        ("render", "--out", "/sys/a.png"),
        ("eval", "tracking", "--out", "/sys/run"),
        ("models", "convert", "none.pkl", "--out", "/sys/m.safetensors"),
    ],
)
def test_an_output_that_cannot_be_written_is_an_error_before_the_model_is_opened(
    arguments: Sequence[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is missing, and that would be the error if it were opened first. Not even root may write to /sys."""
    model = () if arguments[0] == "models" else ("--model", "none.pkl")
    status, stdout, stderr = run_here(monkeypatch, *arguments, *model, directory=directory)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("draggan-tui: /sys") and stderr.count("\n") == 1
    assert "choose a directory that you may write to" in stderr


def test_the_default_directory_is_checked_as_well(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "draggan-out").touch()
    arguments = ("drag", "--pair", "1,1:2,2", "--model", "none.pkl")
    status, stdout, stderr = run_here(monkeypatch, *arguments, directory=directory)
    assert (status, stdout, stderr.count("\n")) == (1, "", 1)
    assert stderr.startswith("draggan-tui: draggan-out could not be written")


def test_a_mask_of_144_megapixels_is_refused(directory: Path) -> None:
    Image.new("1", (12_000, 12_000), 1).save(directory / "large.png")
    status, stdout, stderr = run_in(*DRAG, "--mask", "large.png", directory=directory)
    assert (status, stdout) == (2, b"")
    assert stderr == "draggan-tui: mask large.png has more than 89 megapixels; give a PNG of the image's size\n"
