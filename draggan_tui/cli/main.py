"""The command line: the editor, and the commands beside it. Light, because `--help` and every command wait for it."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_group

from draggan_engine.core.errors import StorageError
from draggan_tui.cli import bench, config, models
from draggan_tui.cli.doctor import doctor
from draggan_tui.cli.drag import drag
from draggan_tui.cli.editor import editor
from draggan_tui.cli.errors import report_error
from draggan_tui.cli.eval import evaluate
from draggan_tui.cli.invert import invert_photograph
from draggan_tui.cli.open import open_session
from draggan_tui.cli.render import render_image
from draggan_tui.cli.sessions import sessions

commands = typer.Typer()
commands.command("open")(open_session)
commands.command("sessions")(sessions)
commands.command("render")(render_image)
commands.command("drag")(drag)
commands.command("invert")(invert_photograph)
commands.command("eval")(evaluate)
commands.command("doctor")(doctor)
commands.add_typer(models.app, name="models")
commands.add_typer(config.app, name="config")
commands.add_typer(bench.app, name="bench")


@cache
def _commands_by_name() -> MutableMapping[str, Any]:
    return get_group(commands).commands


class EditorGroup(TyperGroup):
    """The editor's options, and the other commands.

    The commands are read only when typer asks for them, because that takes 8 ms.
    """

    @property
    def commands(self) -> MutableMapping[str, Any]:
        return _commands_by_name()

    @commands.setter
    def commands(self, _: object) -> None:
        """Ignore the commands of `app`, which typer sets: there are none."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command and exit. Output that cannot be written is a failure, unless the command has failed already."""
        exit_status = self._exit_status(*args, **options)
        try:
            sys.stdout.flush()
        except StorageError as output_error:
            exit_status = exit_status or report_error(output_error)
        except SystemExit as broken_pipe:
            exit_status = exit_status or broken_pipe.code
        sys.exit(exit_status)

    def _exit_status(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except SystemExit as system_exit:
            return system_exit.code
        except Exception as command_error:
            return report_error(command_error)

    def get_params(self, ctx: Any) -> list[Any]:  # a click.Context, from typer's own copy of click
        """Return the options; those of shell completion get a panel of their own in the help."""
        option_parameters = super().get_params(ctx)
        for parameter in option_parameters:
            if isinstance(parameter, TyperOption) and parameter.name in (
                "install_completion",
                "show_completion",
            ):
                parameter.rich_help_panel = "Shell completion"
        return option_parameters


app = typer.Typer(
    cls=EditorGroup,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Drag points of a GAN image to where you want them. Without a command, this opens the editor.",
    epilog="Results go to stdout, logs and errors to stderr. Exit status: 0 done, 1 failed, 2 bad input, "
    "130, 143 or 129 ended by Ctrl-C, SIGTERM or SIGHUP, 141 the reader of stdout has gone. See docs/scripting.md.",
)
app.callback(invoke_without_command=True)(editor)
