"""Write the parts of docs/ that follow from the code: keys, settings, options of the configuration, public models, --help.

    python -m scripts.write_reference

Each part stands between two comments in its page. A test fails while a page differs from what this script would write.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from typer.main import get_group

from draggan_engine.checkpoints.formats.native_header import read_native_info
from draggan_engine.checkpoints.loader import DEFAULT_PSI
from draggan_engine.checkpoints.model_zoo import PublicCheckpoint, public_checkpoints
from draggan_engine.checkpoints.registry import bundled_models
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.setting_fields import setting_fields, value_text
from draggan_tui.cli.main import app
from draggan_tui.cli.setting_options import SETTING_FLAGS
from draggan_tui.config.settings_file import config_template
from draggan_tui.keymap import KEY_GROUPS, MOUSE_HELP, KeyBinding
from draggan_tui.screens.key_names import key_name

DOCS = Path(__file__).parents[1] / "docs"


def write_pages() -> None:
    """Bring every generated part of every page up to date."""
    for path in pages():
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


def pages() -> list[Path]:
    """Return the pages of docs/ that have a generated part."""
    return [path for path in sorted(DOCS.glob("*.md")) if _PART.search(path.read_text(encoding="utf-8"))]


def updated(page: str) -> str:
    """Return a page's text with its generated parts as they are now."""
    return _PART.sub(lambda part: f"{part['begin']}\n\n{PARTS[part['name']]().strip()}\n\n{part['end']}", page)


def key_tables() -> str:
    """Return a table of keys for each topic of the editor's help."""
    tables = []
    for topic, bindings in KEY_GROUPS.items():
        rows = [(_keys(binding), binding.help, f"`{binding.id}`") for binding in bindings]
        tables.append(f"### {topic}\n\n" + _table(("Key", "What it does", "Id"), rows))
    return "\n\n".join(tables)


def mouse_table() -> str:
    """Return what the mouse does, as the editor's help says it."""
    return _table(("Mouse", "What it does"), MOUSE_HELP.items())


def configuration_defaults() -> str:
    """Return the configuration's `[editor]` table with its defaults, as the file's template explains them."""
    defaults = config_template().partition("[editor]")[2].partition("[keys]")[0].strip()
    return f"```toml\n[editor]\n{defaults}\n```"


def settings_table() -> str:
    """Return every setting of a drag and ψ: its option on the command line, what it does, and its range."""
    rows = [
        (field.label, f"`{_option(name)}`", field.description, field.range_text)
        for name, field in setting_fields().items()
    ]
    return _table(("Setting", "Option of `drag`", "What it does", "Range"), rows)


def default_settings() -> str:
    """Return the value that every setting has by default, and in each bundled model."""
    models = [read_native_info(path) for path in bundled_models().values()]
    settings = [DragSettings().for_new_edit(), *((model.settings or DragSettings()).for_new_edit() for model in models)]
    psi_values = [DEFAULT_PSI, *(model.psi for model in models)]
    rows = []
    for name, field in setting_fields().items():
        values = psi_values if name == "psi" else [getattr(model_settings, name) for model_settings in settings]
        rows.append((field.label, *(value_text(value) or "empty" for value in values)))
    return _table(("Setting", "Default", *(f"`{model.name}`" for model in models)), rows)


def public_models() -> str:
    """Return a table of the public checkpoints for each publisher."""
    tables = []
    for (home, licence), models in groupby(public_checkpoints(), key=lambda model: (model.home, model.licence)):
        rows = [
            (f"`{model.name}`", model.family, f"{model.width}×{model.height}", _megabytes(model), _subject(model))
            for model in models
        ]
        heading = f"**<{home}>**\\\n{licence[0].upper()}{licence[1:]}."
        tables.append(f"{heading}\n\n" + _table(("Name", "Family", "Image", "File", "What it shows"), rows))
    return "\n\n".join(tables)


def command_help() -> str:
    """Return what `--help` prints for every command."""
    commands = [f"draggan-tui {command}".rstrip() for command in _command_names()]
    return "\n\n".join(f"## {command}\n\n```text\n{_help_text(command)}\n```" for command in commands)


PARTS: dict[str, Callable[[], str]] = {
    "keys": key_tables,
    "mouse": mouse_table,
    "configuration": configuration_defaults,
    "settings": settings_table,
    "default settings": default_settings,
    "public models": public_models,
    "help": command_help,
}
_PART = re.compile(
    r"(?P<begin><!-- begin (?P<name>[a-z ]+), written by scripts/write_reference\.py -->)\n.*?(?P<end><!-- end -->)",
    re.DOTALL,
)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(header), *map(tuple, rows)]
    cells = ["| " + " | ".join(cell.replace("|", "&#124;") for cell in line) + " |" for line in lines]
    return "\n".join([cells[0], "|---" * len(lines[0]) + "|", *cells[1:]])


def _keys(binding: KeyBinding) -> str:
    return " ".join(f"<kbd>{_escaped(key_name(key))}</kbd>" for key in binding.keys.split(","))


def _escaped(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("[", "&#91;"), ("]", "&#93;")):
        text = text.replace(sign, entity)
    return text


def _option(setting: str) -> str:
    return "--psi" if setting == "psi" else SETTING_FLAGS[setting]


def _megabytes(model: PublicCheckpoint) -> str:
    if model.bytes:
        return f"{model.bytes / 1e6:.0f} MB"
    return f"about {model.about_mb} MB" if model.about_mb else ""


def _subject(model: PublicCheckpoint) -> str:
    return model.shows if model.is_downloadable else f"{model.shows}; to be downloaded from the page by hand"


def _command_names() -> list[str]:
    """Return "" for the editor, then the other commands in the order of its help: `drag`, `models list`."""
    names = [""]
    for name, command in get_group(app).commands.items():
        names += [f"{name} {part}" for part in getattr(command, "commands", ())] or [name]
    return names


def _help_text(command: str) -> str:
    _, *arguments = command.split()
    program = Path(sys.executable).with_name("draggan-tui")
    environment = {**os.environ, "COLUMNS": "100", "TYPER_USE_RICH": "0", "PYTHONUTF8": "1"}
    result = subprocess.run(
        [str(program), *arguments, "--help"], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    return result.stdout.strip()


if __name__ == "__main__":
    write_pages()
