"""The editor under a shell's job control, and on a screen that others write over."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from draggan_tui.benchmarks.processes import PROC, child_processes
from tests.support.keys import LOADED, endless_drag
from tests.support.terminal import PROGRAM, RESTORED, Terminal
from tests.support.tiny_models import save_tiny

CTRL_C, CTRL_L, CTRL_Z = "\x03", "\x0c", "\x1a"
SHELL = ("bash", "--norc", "--noprofile", "-b", "-i")  # -b: it says at once what its jobs do
INSPECTOR = ("model", "device", "cursor")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.safetensors")


def shell(directory: Path, *arguments: str) -> Terminal:
    """A shell with job control that has been told to start the editor."""
    terminal = Terminal(directory=directory, command=SHELL, exported={"PS1": "ready> "})
    terminal.wait_for("ready>")
    terminal.send(shlex.join([str(PROGRAM), *arguments]) + "\n")
    return terminal


def editor_of(terminal: Terminal) -> int:
    (pid,) = child_processes(terminal.pid)
    return pid


def process_state(pid: int) -> str:
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]


def suspended(terminal: Terminal, editor: int) -> None:
    terminal.wait_for(lambda: process_state(editor) == "T")
    terminal.wait_for("Stopped")


def ask_shell(terminal: Terminal, line: str, answer: str) -> None:
    """What is typed is echoed, and a line is answered: the terminal is the shell's, in its own modes."""
    terminal.wipe()
    terminal.send(f"{line}\n")
    terminal.wait_for(lambda: line in terminal.text() and answer in terminal.text())


def painted(terminal: Terminal) -> bool:
    """Whether all regions have been painted since the screen was wiped: panel, keys, image."""
    text = terminal.text()
    return (
        all(word in text for word in (*INSPECTOR, "? help"))
        and len(set(terminal.backgrounds(range(40), range(20)))) > 10
    )


@pytest.mark.parametrize("way", ["key", "SIGTSTP", "SIGSTOP"])
def test_a_stopped_editor_gives_the_terminal_back_and_paints_everything_when_it_goes_on(
    model: Path, tmp_path: Path, way: str
) -> None:
    with shell(tmp_path, "--model", str(model)) as terminal:
        terminal.wait_for(LOADED)
        editor = editor_of(terminal)
        if way == "key":
            terminal.send(CTRL_Z)
        else:
            os.kill(editor, getattr(signal, way))
        suspended(terminal, editor)
        if way != "SIGSTOP":  # of which no process is told, so a last frame may lie over the shell's line
            assert RESTORED in terminal.raw
            ask_shell(terminal, "stty -a | grep -ow -e icanon -e echo | tr '\\n' +", "icanon+echo+")
        terminal.wipe()
        terminal.send("bg\n")
        suspended(terminal, editor)
        terminal.wipe()
        terminal.send("fg\n")
        terminal.wait_for(lambda: painted(terminal))
        terminal.send("\r")
        terminal.wait_for("target?")
        terminal.send("q")
        terminal.wait_for("ready>")
        ask_shell(terminal, "echo status $?", "status 0")


def test_a_drag_goes_on_while_the_editor_is_suspended(tmp_path: Path) -> None:
    def steps() -> int:
        (events,) = tmp_path.glob("draggan-out/*/drag-001/events.jsonl")
        return events.read_text().count("\n")

    with shell(tmp_path) as terminal:
        terminal.wait_for(LOADED)
        endless_drag(terminal)
        editor = editor_of(terminal)
        terminal.send(CTRL_Z)
        suspended(terminal, editor)
        before = steps()
        terminal.wait_for(lambda: steps() > before + 20)
        terminal.wipe()
        terminal.send("fg\n")
        terminal.wait_for(lambda: painted(terminal))
        terminal.send(CTRL_C)  # stops the drag; at rest, it quits
        terminal.wait_for("stopped: ")
        terminal.send(CTRL_C)
        terminal.wait_for("ready>")
        ask_shell(terminal, "echo status $?", "status 0")


def test_where_no_shell_could_continue_it_the_editor_does_not_stop(model: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        terminal.wipe()
        terminal.send(CTRL_Z)
        terminal.wait_for(lambda: painted(terminal))
        terminal.send("q")
        assert terminal.wait() == 0


def test_ctrl_l_paints_over_what_another_program_has_written(model: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        terminal.wipe()  # as a program does that clears the screen
        terminal.send(CTRL_L)
        terminal.wait_for(lambda: painted(terminal))
        terminal.send(",")
        terminal.wait_for("Settings of the next drag")
        terminal.wipe()
        terminal.send(CTRL_L)  # over a dialog too
        terminal.wait_for(lambda: "Settings of the next drag" in terminal.text() and "? help" in terminal.text())
