"""Show through which files of the project five typical tasks pass.

    python scripts/journeys.py              # all five, as Markdown
    python scripts/journeys.py --counts     # only the table of counts
    python scripts/journeys.py load drag    # some of them

Each task really runs, with the bundled 128×128 model and on the CPU, in a temporary directory. A file counts if one of its
functions is called meanwhile, in whichever thread or process. Calls that the import of a module makes do not count. The
editor is recorded from the key until the result is on the disk, and a moment longer; everything that its screen does
meanwhile counts. Reopening a session counts only the files that opening a new one does not pass. Counts by reading the
code are lower, because here a helper's file counts as soon as one of its functions is called. Needs the extra `test`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from draggan_tui.benchmarks.processes import isolated_environment
from draggan_tui.benchmarks.pseudo_terminal import PseudoTerminal
from scripts.call_recorder import recorded_files, recording_variables, set_stage
from scripts.python_sources import PACKAGES, PROJECT, public_definitions, read_sources
from scripts.screen_reader import ScreenReader, shows_image

PROGRAM = Path(sys.executable).with_name("draggan-tui")
SCREEN_SIZE = (80, 24)  # columns and rows
MODEL = "critters-128"
HANDLE, TARGET = (67, 71), (70, 73)  # pixels; near the nose of seed 42
SETTLING_TIME = 1.5  # seconds in which the screen shows what has just happened

_LOAD_PROGRAM = """
import os, sys
from importlib import import_module
from pathlib import Path
from scripts.call_recorder import DIRECTORY_VARIABLE, set_stage
load_model = import_module(sys.argv[1]).load_model
set_stage(Path(os.environ[DIRECTORY_VARIABLE]), 1)
load_model(sys.argv[2], "cpu")
"""


@dataclass(frozen=True)
class Part:
    """The files that one process, or several of a kind, passed in order of their first calls."""

    title: str
    files: Sequence[str]


@dataclass(frozen=True)
class Journey:
    title: str
    parts: Sequence[Part]


class Workplace:
    """A directory for a recorded program: its home, its records, and what it writes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.records = directory / "records"
        self.records.mkdir()
        self.variables = isolated_environment(directory / "home") | recording_variables(self.records)

    def begin(self, stage: int) -> None:
        set_stage(self.records, stage)

    def run(self, *command: str) -> None:
        """Run a command to its end.

        Raises:
            SystemExit: the command fails.
        """
        result = subprocess.run(
            command, cwd=self.directory, env=self.variables, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8"
        )  # fmt: skip
        if result.returncode:
            raise SystemExit(f"{' '.join(command)}: exit status {result.returncode}\n{result.stderr}")

    def start_editor(self, *arguments: str) -> PseudoTerminal:
        command = [str(PROGRAM), *arguments]
        return PseudoTerminal(command, directory=self.directory, variables=self.variables, size=SCREEN_SIZE)

    def files(self, stage: int) -> list[str]:
        """Return the files of all processes."""
        return list(dict.fromkeys(name for files in recorded_files(self.records, stage).values() for name in files))

    def editor_parts(self, stage: int, editor_pid: int, title: str = "") -> list[Part]:
        """Return the files of the editor's process and those of the engine's."""
        by_process = recorded_files(self.records, stage)
        editor_files = by_process.pop(editor_pid, [])
        engine_files = list(dict.fromkeys(name for files in by_process.values() for name in files))
        return [Part(f"{title}screen", editor_files), Part(f"{title}engine", engine_files)]


# The journeys ---------------------------------------------------------------------------------------------


def record_drag_key(workplace: Workplace) -> Journey:
    """Start a drag with a key, until it has ended and its image is on the screen."""
    with workplace.start_editor("--seed", "42", "--model", MODEL) as terminal:
        reader = ScreenReader(terminal, SCREEN_SIZE)
        reader.wait_for(shows_image, "The image")
        place_pair(terminal)
        workplace.begin(1)
        terminal.send("d")
        reader.wait_for(lambda _: any(workplace.directory.rglob("drag-001/drag.json")), "The end of the drag")
        terminal.read_for(SETTLING_TIME)
        workplace.begin(0)
        return Journey("A key to the drag to the screen", workplace.editor_parts(1, terminal.pid))


def record_change(workplace: Workplace) -> Journey:
    """Complete a pair, until the change is on the disk; then quit, and reopen the session."""
    first_start, change, second_start = 1, 2, 3
    workplace.begin(first_start)
    with workplace.start_editor("--seed", "42", "--model", MODEL) as terminal:
        reader = ScreenReader(terminal, SCREEN_SIZE)
        reader.wait_for(shows_image, "The image")
        terminal.read_for(SETTLING_TIME)
        workplace.begin(0)
        place_handle(terminal)
        size_before = history_size(workplace.directory)
        workplace.begin(change)
        terminal.send("\r")
        reader.wait_for(lambda _: history_size(workplace.directory) > size_before, "The change on the disk")
        terminal.read_for(SETTLING_TIME)
        workplace.begin(0)
        writing_parts = workplace.editor_parts(change, terminal.pid, "write: ")
        terminal.send("q")
        reader.wait_for(lambda _: terminal.status is not None, "The end of the editor")
    workplace.begin(second_start)
    with workplace.start_editor("open") as terminal:
        ScreenReader(terminal, SCREEN_SIZE).wait_for(shows_image, "The image")
        terminal.read_for(SETTLING_TIME)
        workplace.begin(0)
    first_files = set(workplace.files(first_start))
    reopening_files = [name for name in workplace.files(second_start) if name not in first_files]
    return Journey("A change to the disk and back", [*writing_parts, Part("reopen", reopening_files)])


def place_handle(terminal: PseudoTerminal) -> None:
    """Place a handle, and move the cursor to its target."""
    terminal.send(":{},{}\r".format(*HANDLE))
    terminal.read_for(SETTLING_TIME)
    terminal.send("\r")
    terminal.read_for(SETTLING_TIME)
    terminal.send(":{},{}\r".format(*TARGET))
    terminal.read_for(SETTLING_TIME)


def place_pair(terminal: PseudoTerminal) -> None:
    place_handle(terminal)
    terminal.send("\r")
    terminal.read_for(SETTLING_TIME)


def history_size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("history.jsonl"))


def record_loading(workplace: Workplace) -> Journey:
    """Load a model of the project's own format, and checkpoints of other tools for the first time."""
    (module,) = (
        source.module
        for source in read_sources(PROJECT, PACKAGES)
        for name, _ in public_definitions(source.tree)
        if name == "load_model"
    )
    checkpoints = {
        "bundled model": MODEL,
        "StyleGAN2 pickle by NVIDIA": find_fixture("sg2ada_32.pkl"),
        "StyleGAN3 pickle by NVIDIA": find_fixture("sg3t_32.pkl"),
        "StyleGAN2 by rosinality": find_fixture("rosinality_converted_32.pt"),
    }
    parts = []
    for title, checkpoint in checkpoints.items():
        for records in workplace.records.glob("*.calls"):
            records.unlink()
        workplace.begin(0)
        workplace.run(sys.executable, "-c", _LOAD_PROGRAM, module, checkpoint)
        parts.append(Part(title, workplace.files(1)))
    return Journey("A checkpoint to a generator", parts)


def find_fixture(name: str) -> str:
    return str(next((PROJECT / "tests").rglob(name)))


def record_drag_command(workplace: Workplace) -> Journey:
    pair = "{},{}:{},{}".format(*HANDLE, *TARGET)
    workplace.begin(1)
    workplace.run(str(PROGRAM), "drag", "--json", "--seed", "42", "--model", MODEL, "--device", "cpu", "--pair", pair)
    return Journey("`drag --json`", [Part("one process", workplace.files(1))])


def record_landmarks(workplace: Workplace) -> Journey:
    """Evaluate one case with one method."""
    workplace.begin(1)
    command = (str(PROGRAM), "eval", "landmarks", "--n", "1", "--methods", "drag", "--out", "out")
    workplace.run(*command, "--model", MODEL, "--device", "cpu")
    return Journey("`eval landmarks`", [Part("all processes", workplace.files(1))])


JOURNEYS: dict[str, Callable[[Workplace], Journey]] = {
    "key": record_drag_key,
    "load": record_loading,
    "drag": record_drag_command,
    "change": record_change,
    "landmarks": record_landmarks,
}


# Report ---------------------------------------------------------------------------------------------------


def count_table(journeys: Iterable[Journey]) -> str:
    """Return a Markdown table of the number of files in each part."""
    rows = [
        f"| {journey.title} | {', '.join(f'{part.title} {len(part.files)}' for part in journey.parts)} |"
        for journey in journeys
    ]
    return "\n".join(["| journey | distinct files |", "| --- | --- |", *rows])


def file_lists(journey: Journey) -> str:
    """Return a Markdown section with the files of each part."""
    paragraphs = [
        f"{part.title[0].upper()}{part.title[1:]} ({len(part.files)} files): "
        + " → ".join(f"`{name.removeprefix('engine/').removesuffix('.py')}`" for name in part.files)
        for part in journey.parts
    ]
    return "\n\n".join([f"### {journey.title}", *paragraphs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journeys", nargs="*", metavar="JOURNEY", help=f"{', '.join(JOURNEYS)} (default: all)")
    parser.add_argument("--counts", action="store_true", help="print only the table of counts")
    options = parser.parse_args()
    if unknown_names := set(options.journeys) - set(JOURNEYS):
        parser.error(f"unknown journey: {', '.join(sorted(unknown_names))}; there are {', '.join(JOURNEYS)}")
    journeys = []
    for name in options.journeys or JOURNEYS:
        with tempfile.TemporaryDirectory() as directory:
            journeys.append(JOURNEYS[name](Workplace(Path(directory))))
    print(count_table(journeys))
    if not options.counts:
        print("", *(file_lists(journey) for journey in journeys), sep="\n\n")


if __name__ == "__main__":
    main()
