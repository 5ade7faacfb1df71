"""The configuration file: what it may contain, and the messages about mistakes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.binding import Binding, BindingsMap

from draggan_engine.core.errors import ConfigError, StorageError
from draggan_tui.config.key_settings import configured_keys, default_keys
from draggan_tui.config.settings_file import (
    Config,
    ConfigFile,
    config_path,
    config_template,
    config_to_toml,
    configured_theme,
    create_config,
    read_config,
)
from draggan_tui.config.themes import load_theme
from draggan_tui.config.toml_file import line_of_key
from draggan_tui.terminal.textual_internals import KeyParser
from tests.support.configuration import write_config
from tests.support.paths import ROOT

THEME = ROOT / "themes" / "moss.toml"


def refusal_of(config_directory: Path, text: str) -> str:
    """Return the error message about a file, without its path at the beginning."""
    path = write_config(config_directory, text)
    with pytest.raises(ConfigError) as caught:
        file = read_config()
        configured_theme(file)
        configured_keys(file)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message.removeprefix(str(path)).removeprefix(":").strip()


# Reading ----------------------------------------------------------------------------------------------


def test_without_a_file_the_defaults_are_used(config_directory: Path) -> None:
    assert config_path() == config_directory / "config.toml"
    file = read_config()
    assert (file.config, configured_keys(file), configured_theme(file).name) == (Config(), {}, "dark")


def test_a_file_is_read(config_directory: Path) -> None:
    write_config(
        config_directory,
        '[editor]\ntheme = "moss"\ncolor = "256"\n[keys]\nundo = "f9, ctrl+/"\nsave = "."\none-step = "Z"\n',
    )
    file = read_config()
    assert (file.config.editor.theme, file.config.editor.color, file.config.editor.device) == ("moss", "256", "auto")
    assert configured_keys(file) == {"undo": "f9,ctrl+slash", "save": "full_stop", "one-step": "Z"}


def test_keys_can_be_swapped_or_set_to_their_defaults(config_directory: Path) -> None:
    write_config(config_directory, '[keys]\nundo = "d"\ndrag = "u"\nsave = "s"\nquit = "Q,ctrl+q"\n')
    assert configured_keys(read_config()) == {"undo": "d", "drag": "u", "save": "s", "quit": "Q,ctrl+q"}


def test_a_themes_path_is_relative_to_the_file(config_directory: Path) -> None:
    (config_directory / "mine.toml").write_bytes(THEME.read_bytes())
    write_config(config_directory, '[editor]\ntheme = "mine.toml"\n')
    assert configured_theme(read_config()) == load_theme("moss")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[editor]\ntheme = "dark\n', "the file is not TOML: Illegal character '\\n' (at line 2, column 14)"),
        ("[editor]\n\n[keys", "at line 3, the end of the file"),
        ("[editor]\ntheme = 'dark'\ntheme = 'light'\n", "at line 3"),
        ("\n[edit]\n", "edit (line 2) is an unknown key; there are editor, keys"),
        ("theme = 'dark'\n", "theme (line 1) is an unknown key; there are editor, keys"),
        (
            "[editor]\n\ncolour = '16'\n",
            "editor.colour (line 3) is an unknown key; there are theme, color, cells, fps, graphics, model, device",
        ),
        (
            "[editor]\ncolor = 256\n",
            "editor.color (line 2): input should be 'auto', 'truecolor', '256', '16' or 'none'",
        ),
        ("[editor]\nmodel = ''\n", "editor.model (line 2): string should have at least 1 character"),
        ("editor = 3\n", "editor (line 1): "),
        (
            "[editor]\ntheme = 'solar'\n",
            "editor.theme (line 2): no theme is called 'solar'; choose from: contrast, ",
        ),
        ("[keys]\nundo = 3\n", "keys.undo (line 2): input should be a valid string"),
        ("[keys]\nsave = 'S'\nundoo = 'U'\n", "keys.undoo (line 3): this id is unknown; there are left, down"),
        ("keys = { save = 'S', undoo = 'U' }\n", "keys.undoo (line 1): this id is unknown"),
        ("keys.save = 'S'\nkeys.undoo = 'U'\n", "keys.undoo (line 2): this id is unknown"),
        ("[keys]\nundo = 'd'\n", "keys.undo (line 2): d is the key of drag too; give one of the two another"),
        ("[keys]\nundo = 'f9'\nsave = 'S,f9'\n", "keys.save (line 3): f9 is the key of undo too"),
        ("[keys]\nundo = '.'\n", "keys.undo (line 2): full_stop is the key of one-step too"),
        ("[keys]\nundo = '5'\n", "keys.undo (line 2): 5 is the key of count-5 too"),
        ("[keys]\nundo = 'esc'\n", "keys.undo (line 2): 'esc' is not a key; write it as z, Z, ctrl+r"),
        ("[keys]\nundo = 'strg+z'\n", "'strg+z' is not a key"),
        ("[keys]\nundo = 'ctrl+ctrl+z'\n", "'ctrl+ctrl+z' is not a key"),
        ("[keys]\nundo = 'ctrl++'\n", "'ctrl++' is not a key"),
        ('[keys]\nundo = "\\u0007"\n', "'\\x07' is not a key"),
        ("[keys]\nundo = 'ctrl+'\n", "'ctrl+' is not a key"),
        ("[keys]\nundo = 'shift+z'\n", "terminals do not send 'shift+z'; a capital letter is 'Z'"),
        ("[keys]\nundo = ''\n", "keys.undo (line 2): a key is empty"),
        ("[keys]\nundo = 'z,,y'\n", "keys.undo (line 2): a key is empty"),
        ("[editor]\nescape_delay = -1\n", "editor.escape_delay (line 2): input should be greater than or equal to 0"),
        ("[keys]\nundo = 'ctrl+q'\n", "keys.undo (line 2): ctrl+q always quits; take another key"),
    ],
)
def test_a_mistake_is_an_error_with_its_line(config_directory: Path, text: str, message: str) -> None:
    assert message in refusal_of(config_directory, text)


PARTS = st.sampled_from(["ctrl", "shift", "alt", "+", ",", " ", "a", "Z", "é", "slash", "esc", "tab", "f5", "\n", "["])


@given(st.one_of(st.text(max_size=6), st.lists(PARTS, max_size=6).map("".join)))
def test_textual_can_bind_every_accepted_key(keys: str) -> None:
    file = ConfigFile(Path("config.toml"), "", Config(keys={"undo": keys}))
    try:
        bound = configured_keys(file)["undo"]
    except ConfigError:
        return
    assert set(BindingsMap([Binding(bound, "undo", id="undo")]).key_to_bindings) == set(bound.split(","))


@pytest.mark.parametrize("character", [*"aZ5.;:!?'\"/\\|@#$%^&*()[]{}<>=-_~`", "é", "ß", "√", "…", "€", "猫"])
def test_a_key_is_named_as_textual_names_it_when_it_is_typed(character: str) -> None:
    (typed_key,) = KeyParser().key_events(character)
    config_file = ConfigFile(Path("config.toml"), "", Config(keys={"undo": f"hyper+{character}"}))
    assert configured_keys(config_file)["undo"] == f"hyper+{typed_key.key}"


def test_an_unreadable_file_is_an_error(config_directory: Path) -> None:
    path = config_directory / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_config()
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="directory"):
        read_config()


def test_the_line_of_a_key_is_found_in_its_own_table() -> None:
    text = '# undo = 1\n[editor]\nundo = 2\n[ keys ] # mine\nredo = 3\n"undo"=4\n'
    assert (line_of_key(text, "keys", "undo"), line_of_key(text, "editor", "undo"), line_of_key(text, "", "keys")) == (
        6,
        3,
        4,
    )
    assert line_of_key(text, "keys", "save") is None


# Writing ----------------------------------------------------------------------------------------------


def test_the_template_changes_nothing_and_lists_everything(config_directory: Path) -> None:
    path = write_config(config_directory, config_template())
    assert read_config().config == Config()
    template_text = path.read_text(encoding="utf-8")
    write_config(config_directory, re.sub(r"(?m)^#(?=[a-z])", "", template_text))
    file = read_config()
    assert file.config.editor == Config().editor
    configurable_keys = {name: key for name, key in default_keys().items() if not name.startswith("count-")}
    assert file.config.keys == configured_keys(file) == configurable_keys


def test_a_written_configuration_can_be_read(config_directory: Path) -> None:
    config = Config.model_validate({"editor": {"model": 'a"b\\c\x7f\n.pkl'}})
    path = write_config(config_directory, config_to_toml(config, default_keys()))
    file = read_config()
    assert (file.config.editor, configured_keys(file)) == (config.editor, default_keys())
    assert tomllib.loads(path.read_text(encoding="utf-8"))["keys"]["undo"] == "u"


def test_the_template_never_replaces_a_file(config_directory: Path) -> None:
    path = write_config(config_directory, "")
    assert not create_config(path)
    assert path.read_text(encoding="utf-8") == ""
    with pytest.raises(StorageError, match="is not a directory"):
        create_config(path / "config.toml")
