"""`draggan-tui`: what the editor takes from the command line and from the configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from draggan_tui.cli.editor import configured_options
from draggan_tui.cli.options import CellsOption, ColorOption
from tests.support.configuration import write_config
from tests.support.terminal import Terminal

CONFIG = """
[editor]
theme = 'moss'
model = 'ffhq'
device = 'cpu'
color = '16'
[keys]
undo = 'f9'
"""


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the variables that the command sets back after the test."""
    for name in ("NO_COLOR", "TEXTUAL_COLOR_SYSTEM", "COLUMNS", "LINES"):
        monkeypatch.setenv(name, "")


@pytest.mark.usefixtures("config_directory")
def test_without_a_configuration_the_defaults_are_used() -> None:
    configured = configured_options(None, None, None, None, None, None, None)
    assert (configured.model, configured.device, configured.theme.name) == ("auto", "auto", "dark")
    assert configured.keymap == {}


def test_the_configuration_gives_what_the_command_line_leaves_out(config_directory: Path) -> None:
    write_config(config_directory, CONFIG)
    configured = configured_options(None, None, None, None, None, None, None)
    assert (configured.model, configured.device, configured.theme.name) == ("ffhq", "cpu", "moss")
    assert configured.keymap == {"undo": "f9"}
    assert os.environ["TEXTUAL_COLOR_SYSTEM"] == "standard"


def test_the_command_line_comes_before_the_configuration(config_directory: Path) -> None:
    write_config(config_directory, CONFIG)
    configured = configured_options("cars", "cuda", "light", ColorOption.c256, None, 4, None)
    assert (configured.model, configured.device, configured.theme.name) == ("cars", "cuda", "light")
    assert os.environ["TEXTUAL_COLOR_SYSTEM"] == "256"


@pytest.mark.parametrize(("option", "configured", "fps"), [(None, "", 15), (None, "fps = 6", 6), (3, "fps = 6", 3)])
def test_the_images_of_a_drag_in_a_second_are_capped(
    config_directory: Path, option: int | None, configured: str, fps: int
) -> None:
    write_config(config_directory, f"[editor]\n{configured}\n")
    assert configured_options(None, None, None, None, None, option, None).fps == fps


@pytest.mark.parametrize(
    ("option", "configured_cells", "shape"),
    [
        (None, "auto", None),
        (None, "octant", "octant"),
        (CellsOption.quadrant, "octant", "quadrant"),
        (CellsOption.auto, "octant", None),
    ],
)
def test_the_shape_of_cells_is_chosen_or_follows_the_terminal(
    config_directory: Path, option: CellsOption | None, configured_cells: str, shape: str | None
) -> None:
    write_config(config_directory, f'[editor]\ncells = "{configured_cells}"\n')
    assert configured_options(None, None, None, None, option, None, None).cell_shape == shape


def test_a_bad_configuration_opens_no_editor(tmp_path: Path) -> None:
    directory = tmp_path / "home" / "config" / "draggan-tui"
    directory.mkdir(parents=True)
    path = write_config(directory, "[keys]\nundoo = 'U'\n")
    with Terminal(directory=tmp_path, size=(300, 24)) as terminal:
        assert terminal.wait() == 2
        assert terminal.text().strip().startswith(f"draggan-tui: {path}: keys.undoo (line 2): this id is unknown")
        assert terminal.raw.count(b"\n") == 1
        assert b"\x1b[?1049h" not in terminal.raw, "the alternate screen is not entered"
