"""`draggan-tui config …`: show the configuration, say where it is, and change it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, help="Show the configuration, its path, or change it.")


@app.command("path")
def path_command() -> None:
    """Print the path of the configuration file, which need not exist."""
    from draggan_tui.config.settings_file import config_path

    typer.echo(config_path())


@app.command("show")
def show_command() -> None:
    """Print the configuration with all defaults, as TOML."""
    from draggan_tui.config.key_settings import configured_keys, keys_in_use
    from draggan_tui.config.settings_file import config_to_toml, configured_theme, read_config

    config_file = read_config()
    configured_theme(config_file)
    typer.echo(config_to_toml(config_file.config, keys_in_use(configured_keys(config_file))), nl=False)


@app.command("edit")
def edit_command() -> None:
    """Open the configuration in $VISUAL or $EDITOR (else vi), then check it. The file is created if there is none."""
    from draggan_tui.config.key_settings import configured_keys
    from draggan_tui.config.settings_file import config_path, configured_theme, create_config, read_config

    file_path = config_path()
    create_config(file_path)
    _open_text_editor(file_path)
    config_file = read_config(file_path)
    configured_theme(config_file)
    configured_keys(config_file)
    typer.echo(f"{file_path}: no mistakes found")


def _open_text_editor(file_path: Path) -> None:
    """
    Raises:
        InputError: there is no such text editor, or it failed.
    """
    from draggan_engine.core.errors import InputError

    editor_command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        exit_status = subprocess.run([*shlex.split(editor_command), str(file_path)], check=False).returncode
    except (OSError, ValueError) as run_error:
        raise InputError(
            f"editor {editor_command!r} cannot be run ({run_error}); set VISUAL or EDITOR, or edit {file_path}"
        ) from run_error
    if exit_status:
        raise InputError(f"editor {editor_command!r} ended with status {exit_status}; {file_path} was not checked")
