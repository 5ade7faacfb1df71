"""The configuration file: what it may say, what is said about mistakes, and the commands for it."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.binding import Binding, BindingsMap
from typer.testing import CliRunner

from draggan_engine.core.errors import ConfigError, StorageError
from draggan_engine.server.messages import StartDrag
from draggan_tui import app as app_module
from draggan_tui.app import DragganApp, Options
from draggan_tui.cli import main
from draggan_tui.client import engine_client, engine_process
from draggan_tui.client.engine_process import EngineOptions
from draggan_tui.config.settings_file import (
    Config,
    ConfigFile,
    changed_keys,
    config_path,
    config_template,
    config_to_toml,
    configured_theme,
    create_config,
    default_keys,
    line_of,
    read_config,
)
from draggan_tui.config.themes import load_theme
from draggan_tui.screens.help_dialog import HelpDialog
from tests.support.editing import FakeEngine, place_pair, ready
from tests.support.paths import ROOT

THEME = ROOT / "themes" / "moss.toml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration folder, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    made = tmp_path / "draggan-tui"
    made.mkdir()
    return made


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def wrong(folder: Path, text: str) -> str:
    """What is said about a file, without its path, which comes first."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        file = read_config()
        configured_theme(file)
        changed_keys(file)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message.removeprefix(str(path)).removeprefix(":").strip()


def editor_script(folder: Path, body: str) -> str:
    """A program that changes the file which it is given."""
    script = folder / "my editor"
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"'{script}'"


# Reading ----------------------------------------------------------------------------------------------


def test_without_a_file_there_are_the_defaults(folder: Path) -> None:
    assert config_path() == folder / "config.toml"
    file = read_config()
    assert (file.config, changed_keys(file), configured_theme(file).name) == (Config(), {}, "dark")


def test_a_file(folder: Path) -> None:
    written(
        folder, '[editor]\ntheme = "moss"\ncolor = "256"\n[keys]\nundo = "f9, ctrl+/"\nsave = "."\none-step = "Z"\n'
    )
    file = read_config()
    assert (file.config.editor.theme, file.config.editor.color, file.config.editor.device) == ("moss", "256", "auto")
    assert changed_keys(file) == {"undo": "f9,ctrl+slash", "save": "full_stop", "one-step": "Z"}


def test_keys_can_be_swapped_and_named_as_they_are(folder: Path) -> None:
    written(folder, '[keys]\nundo = "d"\ndrag = "u"\nsave = "s"\nquit = "Q,ctrl+q"\n')
    assert changed_keys(read_config()) == {"undo": "d", "drag": "u", "save": "s", "quit": "Q,ctrl+q"}


def test_a_themes_path_is_relative_to_the_file(folder: Path) -> None:
    (folder / "mine.toml").write_bytes(THEME.read_bytes())
    written(folder, '[editor]\ntheme = "mine.toml"\n')
    assert configured_theme(read_config()) == load_theme("moss")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[editor]\ntheme = "dark\n', "it is not TOML: Illegal character '\\n' (at line 2, column 14)"),
        ("[editor]\n\n[keys", "at line 3, the end of the file"),
        ("[editor]\ntheme = 'dark'\ntheme = 'light'\n", "at line 3"),
        ("\n[edit]\n", "edit (line 2) is unknown; there are editor, keys"),
        ("theme = 'dark'\n", "theme (line 1) is unknown; there are editor, keys"),
        ("[editor]\n\ncolour = '16'\n", "editor.colour (line 3) is unknown; there are theme, color, model, device"),
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
        ("[keys]\nsave = 'S'\nundoo = 'U'\n", "keys.undoo (line 3): it is unknown; there are left, down"),
        ("keys = { save = 'S', undoo = 'U' }\n", "keys.undoo (line 1): it is unknown"),
        ("keys.save = 'S'\nkeys.undoo = 'U'\n", "keys.undoo (line 2): it is unknown"),
        ("[keys]\nundo = 'd'\n", "keys.undo (line 2): d is the key of drag too; give one of the two another"),
        ("[keys]\nundo = 'f9'\nsave = 'S,f9'\n", "keys.save (line 3): f9 is the key of undo too"),
        ("[keys]\nundo = '.'\n", "keys.undo (line 2): full_stop is the key of one-step too"),
        ("[keys]\nundo = '5'\n", "keys.undo (line 2): 5 is the key of count-5 too"),
        ("[keys]\nundo = 'esc'\n", "keys.undo (line 2): 'esc' is no key; write it as z, Z, ctrl+r"),
        ("[keys]\nundo = 'strg+z'\n", "'strg+z' is no key"),
        ("[keys]\nundo = 'ctrl+ctrl+z'\n", "'ctrl+ctrl+z' is no key"),
        ("[keys]\nundo = 'ctrl++'\n", "'ctrl++' is no key"),
        ('[keys]\nundo = "\\u0007"\n', "'\\x07' is no key"),
        ("[keys]\nundo = 'ctrl+'\n", "'ctrl+' is no key"),
        ("[keys]\nundo = 'shift+z'\n", "terminals do not send 'shift+z'; a capital letter is 'Z'"),
        ("[keys]\nundo = ''\n", "keys.undo (line 2): a key is empty"),
        ("[keys]\nundo = 'z,,y'\n", "keys.undo (line 2): a key is empty"),
        ("[editor]\nescape_delay = -1\n", "editor.escape_delay (line 2): input should be greater than or equal to 0"),
        ("[keys]\nundo = 'ctrl+q'\n", "keys.undo (line 2): ctrl+q always quits; take another key"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(folder: Path, text: str, says: str) -> None:
    assert says in wrong(folder, text)


PARTS = st.sampled_from(["ctrl", "shift", "alt", "+", ",", " ", "a", "Z", "é", "slash", "esc", "tab", "f5", "\n", "["])


@given(st.one_of(st.text(max_size=6), st.lists(PARTS, max_size=6).map("".join)))
def test_whatever_is_bound_textual_can_bind(keys: str) -> None:
    file = ConfigFile(Path("config.toml"), "", Config(keys={"undo": keys}))
    try:
        bound = changed_keys(file)["undo"]
    except ConfigError:
        return
    assert set(BindingsMap([Binding(bound, "undo", id="undo")]).key_to_bindings) == set(bound.split(","))


def test_what_cannot_be_read(folder: Path) -> None:
    path = folder / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_config()
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="directory"):
        read_config()


def test_a_line_is_looked_for_in_its_own_table() -> None:
    text = '# undo = 1\n[editor]\nundo = 2\n[ keys ] # mine\nredo = 3\n"undo"=4\n'
    assert (line_of(text, "keys", "undo"), line_of(text, "editor", "undo"), line_of(text, "", "keys")) == (6, 3, 4)
    assert line_of(text, "keys", "save") is None


# Writing ----------------------------------------------------------------------------------------------


def test_the_template_changes_nothing_and_offers_everything(folder: Path) -> None:
    path = written(folder, config_template())
    assert read_config().config == Config()
    offered = path.read_text(encoding="utf-8")
    written(folder, re.sub(r"(?m)^#(?=[a-z])", "", offered))
    file = read_config()
    assert file.config.editor == Config().editor
    plain = {name: key for name, key in default_keys().items() if not name.startswith("count-")}
    assert file.config.keys == changed_keys(file) == plain


def test_what_is_shown_can_be_read(folder: Path) -> None:
    config = Config.model_validate({"editor": {"model": 'a"b\\c\x7f\n.pkl'}})
    path = written(folder, config_to_toml(config, default_keys()))
    file = read_config()
    assert (file.config.editor, changed_keys(file)) == (config.editor, default_keys())
    assert tomllib.loads(path.read_text(encoding="utf-8"))["keys"]["undo"] == "u"


def test_the_template_is_never_written_over_a_file(folder: Path) -> None:
    path = written(folder, "")
    assert not create_config(path)
    assert path.read_text(encoding="utf-8") == ""
    with pytest.raises(StorageError, match="is not a directory"):
        create_config(path / "config.toml")


# Commands ---------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main.app, ["config", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_path(folder: Path) -> None:
    assert run("path") == (0, f"{folder / 'config.toml'}\n", "")


def test_show(folder: Path) -> None:
    written(folder, '[editor]\ntheme = "light"\n[keys]\nundo = "f9"\n')
    status, stdout, stderr = run("show")
    shown = tomllib.loads(stdout)
    assert (status, stderr) == (0, "")
    assert shown["editor"] == {"theme": "light", "color": "auto", "model": "auto", "device": "auto", "escape_delay": 0}
    assert shown["keys"] == {**default_keys(), "undo": "f9"}


def test_keys_that_came_later_yield_to_those_of_an_older_configuration(folder: Path) -> None:
    written(folder, "[keys]\nundo = 'ctrl+z'\nquit = 'q,ctrl+q,ctrl+c'\n")
    status, stdout, stderr = run("show")
    assert (status, stderr) == (0, "")
    keys = tomllib.loads(stdout)["keys"]
    assert keys["undo"] == "ctrl+z" and keys["redraw"] == "ctrl+l"
    assert {"suspend", "interrupt"}.isdisjoint(keys)
    written(folder, stdout)  # what is shown can be used
    assert run("show")[:2] == (0, stdout)
    assert "ctrl+z is the key of" in wrong(folder, "[keys]\nundo = 'ctrl+z'\nsuspend = 'ctrl+z'\n")


def test_show_of_a_bad_file(folder: Path) -> None:
    path = written(folder, "[keys]\nundo = 'd'\n")
    status, stdout, stderr = run("show")
    assert (status, stdout) == (2, "")
    assert stderr.startswith(f"draggan-tui: {path}: keys.undo (line 2): d is the key of drag too")
    assert "Traceback" not in stderr


def test_edit_makes_a_template_and_checks_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "config.toml"
    monkeypatch.setenv("EDITOR", editor_script(folder, 'echo \'undo = "f9"\' >> "$1"'))
    assert run("edit") == (0, f"{path}: in order\n", "")
    assert path.read_text(encoding="utf-8") == config_template() + 'undo = "f9"\n'
    status, _, stderr = run("edit")  # now it is there twice
    assert status == 2
    assert f"draggan-tui: {path}: it is not TOML: Cannot overwrite a value (at line" in stderr


@pytest.mark.usefixtures("folder")
def test_visual_comes_before_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", "true")
    assert run("edit")[0] == 0
    monkeypatch.delenv("VISUAL")
    assert "editor 'false' ended with status 1" in run("edit")[2]


@pytest.mark.parametrize("command", ["no-such-editor --wait", "unclosed 'quote"])
@pytest.mark.usefixtures("folder")
def test_an_editor_that_cannot_be_run(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("VISUAL", command)
    status, _, stderr = run("edit")
    assert status == 2
    assert "cannot be run" in stderr and "set VISUAL or EDITOR" in stderr and len(stderr.splitlines()) == 1


# The editor -------------------------------------------------------------------------------------------


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, list[Options]]:
    """Exit code, stderr, and what an editor would have been opened with."""
    opened: list[Options] = []

    class NoScreen:
        farewell, saved_session, return_code = None, None, 0

        def __init__(self, options: Options, _opened: object) -> None:
            opened.append(options)

        def run(self) -> None: ...

    monkeypatch.setattr(app_module, "DragganApp", NoScreen)
    monkeypatch.setattr(engine_process, "start_engine", lambda options, *_, **__: options)
    monkeypatch.setattr(main, "_need_terminal", lambda: None)
    for name in ("NO_COLOR", "TEXTUAL_COLOR_SYSTEM"):  # set, so that they are put back
        monkeypatch.setenv(name, "")
    result = CliRunner().invoke(main.app, [*arguments])
    return result.exit_code, result.stderr, opened


def test_the_configuration_gives_defaults_and_options_come_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, (options,) = started(monkeypatch)
    assert (status, options.model, options.device, options.theme.name) == (0, "auto", "auto", "dark")
    written(folder, "[editor]\ntheme = 'moss'\nmodel = 'ffhq'\ndevice = 'cpu'\ncolor = '16'\n[keys]\nundo = 'f9'\n")
    _, _, (options,) = started(monkeypatch)
    assert (options.model, options.device, options.theme.name) == ("ffhq", "cpu", "moss")
    assert options.engine == EngineOptions("ffhq", "cpu"), "it runs already, for the same model and on the same device"
    assert options.keymap == {"undo": "f9"}
    assert main.os.environ["TEXTUAL_COLOR_SYSTEM"] == "standard"
    _, _, (options,) = started(monkeypatch, "--model", "cars", "--theme", "light", "--device", "cuda", "--color", "256")
    assert (options.model, options.device, options.theme.name) == ("cars", "cuda", "light")
    assert main.os.environ["TEXTUAL_COLOR_SYSTEM"] == "256"


def test_a_bad_configuration_opens_no_screen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(folder, "[keys]\nundoo = 'U'\n")
    status, stderr, opened = started(monkeypatch)
    assert (status, opened) == (2, [])
    assert stderr.startswith(f"draggan-tui: {path}: keys.undoo (line 2): it is unknown")
    assert len(stderr.splitlines()) == 1


@pytest.fixture
def remapped(monkeypatch: pytest.MonkeyPatch) -> DragganApp:
    monkeypatch.setattr(engine_client, "EngineClient", FakeEngine)
    options = Options(
        model="toy", seed=5, psi=None, label=0, latent=None, device="auto", out=None, theme=load_theme("dark"),
        keymap={"drag": "u", "undo": "z,ctrl+slash", "left": "a", "smaller-brush": "minus"},
    )  # fmt: skip
    return DragganApp(options)


async def test_a_changed_key_works_and_the_old_one_does_not(remapped: DragganApp) -> None:
    async with remapped.run_test(size=(80, 24)) as pilot:
        engine: FakeEngine = await ready(remapped, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        assert not any(isinstance(command, StartDrag) for command in engine.sent)
        await pilot.press("z")
        assert remapped.editor.state.edit.pairs == () or remapped.editor.state.edit.pairs[0].target is None
        await pilot.press("ctrl+r", "u")
        assert isinstance(engine.sent[-1], StartDrag)


async def test_both_old_keys_are_gone_and_the_new_one_acts_once(remapped: DragganApp) -> None:
    async with remapped.run_test(size=(80, 24)) as pilot:
        await ready(remapped, pilot)
        await pilot.press("l")  # from the picture's middle into a cell's
        start = remapped.editor.state.cursor
        await pilot.press("left", "h")
        assert remapped.editor.state.cursor == start
        await pilot.press("a")
        assert remapped.editor.state.cursor != start
        await pilot.press("l")
        assert remapped.editor.state.cursor == start


async def test_help_shows_the_keys_as_they_are(remapped: DragganApp) -> None:
    async with remapped.run_test(size=(100, 70)) as pilot:
        await ready(remapped, pilot)
        await pilot.press("question_mark")
        assert isinstance(remapped.screen, HelpDialog)
        shown = {does: keys for topic in remapped.screen.topics() for keys, does in topic.rows}
        assert shown["drag: start it, or stop it"].split() == ["u"]
        assert shown["smaller brush"].split() == ["-"]
        assert shown["larger brush"].split() == ["]"]
