"""Record the files of the project in which functions run, in this process and in the processes that it starts.

A process records if its environment says so: see `recording_variables`. Each process appends to a file of its own a line
for every stage and file, the first time that a function of the file is called in that stage. Functions that run while a
module is imported do not count, nor does a module's or a class's own body. The stage is one byte in a file that all
processes map into memory. Nothing is recorded in stage 0.
"""

from __future__ import annotations

import inspect
import mmap
import os
import sys
import threading
from pathlib import Path
from types import FrameType

from scripts.python_sources import PACKAGES, PROJECT

DIRECTORY_VARIABLE = "DRAGGAN_CALL_RECORDS"
STAGE_FILE = "stage"


class CallRecorder:
    """A profile function for `sys.setprofile`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stage = map_stage(directory)
        self._ignored_files: set[str] = set()
        self._recorded: set[tuple[int, str]] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        stage, file_name = self._stage[0], frame.f_code.co_filename
        if event != "call" or not stage or file_name in self._ignored_files or (stage, file_name) in self._recorded:
            return
        if not any(Path(file_name).is_relative_to(PROJECT / package) for package in PACKAGES):
            self._ignored_files.add(file_name)
        elif frame.f_code.co_flags & inspect.CO_OPTIMIZED and not is_importing(frame):
            self._recorded.add((stage, file_name))
            with (self._directory / f"{os.getpid()}.calls").open("a") as records:
                records.write(f"{stage} {Path(file_name).relative_to(PROJECT)}\n")


def is_importing(frame: FrameType | None) -> bool:
    """Return whether a call was made, directly or not, by the import of a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def map_stage(directory: Path) -> mmap.mmap:
    with (directory / STAGE_FILE).open("rb") as file:
        return mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)


def set_stage(directory: Path, stage: int) -> None:
    """Begin a stage in all processes, 1 to 255; 0 pauses them."""
    path = directory / STAGE_FILE
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(bytes([stage]))


def recording_variables(directory: Path) -> dict[str, str]:
    """Return the environment variables that make a Python process and its children record into a directory."""
    set_stage(directory, 0)
    (directory / "sitecustomize.py").write_text(
        "from scripts.call_recorder import start_recording\n\nstart_recording()\n"
    )
    search_path = [str(directory), str(PROJECT), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
        DIRECTORY_VARIABLE: str(directory),
    }


def start_recording() -> None:
    """Record the calls of this process, in all its threads, to the directory that its environment names."""
    recorder = CallRecorder(Path(os.environ[DIRECTORY_VARIABLE]))
    threading.setprofile(recorder)
    sys.setprofile(recorder)


def recorded_files(directory: Path, stage: int) -> dict[int, list[str]]:
    """Return for each process the files that it passed in a stage, in order of their first calls, by process id."""
    files_by_process = {}
    for path in sorted(directory.glob("*.calls"), key=lambda path: int(path.stem)):
        records = [line.split(" ", 1) for line in path.read_text().splitlines()]
        files = [file_name for record_stage, file_name in records if int(record_stage) == stage]
        if files:
            files_by_process[int(path.stem)] = files
    return files_by_process
