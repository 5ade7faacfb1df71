"""Read files in a process of its own, which may hang, crash or use too much memory without harming anything else.

The reader is checked for its promise: each file gives a model or one line about the file, and nothing that the file names is
run.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import resource
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from draggan_engine.checkpoints.latent_files import read_latent
from draggan_engine.checkpoints.loader import convert_model, load_model
from draggan_engine.core.errors import CheckpointError
from tests.support.patience import PATIENCE

MAX_SECONDS = 60.0  # of a slow processor, for everything that is done with a file; a usual one takes less than a second
MAX_BYTES = 500e6
ADDRESS_BYTES = 4 << 30  # allocating more fails; memory that is used below this limit is measured
MAX_MESSAGE_LENGTH = 500
CANARY = "canary"
CANARY_MODULE = "canary_module"
"""A module that the reading process could import, and that makes the canary."""
MODEL = "a model"
_FORBIDDEN_EVENTS = frozenset(
    ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "socket.connect")
)


@dataclass(frozen=True)
class Outcome:
    """The result of reading a file.

    Attributes:
        result: `MODEL`, or the message without the name of the file.
        problem: how the promise was broken; empty if it was kept.
        peak_bytes: the most memory that was in use, less the memory in use before any file was read.
    """

    result: str
    problem: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0


class ContainedReader:
    """A process that reads files. It starts when it is first needed, and again after it has died.

    Args:
        directory: the working directory of the process; a file `canary` in it shows that code was run.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        write_canary_module(directory)
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> ContainedReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def read(self, content: bytes, *, thoroughly: bool = True) -> Outcome:
        """Read a file.

        Args:
            thoroughly: also convert it, and look for a latent in it.
        """
        path = self._directory / "model.bin"
        path.write_bytes(content)
        if self._connection is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send((str(path), thoroughly))
            if not self._connection.poll(PATIENCE):
                self._stop()
                return Outcome("", "it hangs", PATIENCE)
            outcome = self._connection.recv()
            assert isinstance(outcome, Outcome)
        except (EOFError, OSError):
            self._process.join()
            exit_code = self._process.exitcode
            self._stop()
            return Outcome("", f"the process died ({exit_code})")
        if outcome.problem:  # the memory of this process must not be blamed on the next file
            self._stop()
        if (self._directory / CANARY).exists():
            return Outcome(outcome.result, "the canary exists, so code was run")
        return outcome

    def _start(self) -> None:
        # The server process has imported everything and done nothing else when it forks.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._connection, child_connection = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_connection, self._directory), daemon=True)
        self._process.start()
        child_connection.close()

    def _stop(self) -> None:
        if self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._connection = None


def _serve(connection: Connection, directory: Path) -> None:
    """Read the files whose paths come through the connection, until it is closed."""
    os.chdir(directory)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["XDG_CACHE_HOME"] = str(disable_cache(directory))
    logging.getLogger("draggan_engine").setLevel(logging.ERROR)  # the loader warns that it cannot keep copies
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_addresses()
    forbidden_events: list[str] = []
    sys.path.insert(0, str(directory))

    def note_event(event: str, arguments: tuple[object, ...]) -> None:
        if event in _FORBIDDEN_EVENTS or (event == "import" and arguments[0] == CANARY_MODULE):
            forbidden_events.append(event)

    sys.addaudithook(note_event)
    start_bytes = _read_status("VmRSS")
    while True:
        try:
            path, thoroughly = connection.recv()
        except EOFError:
            return
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, the peak
        start_time = time.process_time()
        result, problem = try_file(Path(path), thoroughly)
        seconds, peak_bytes = time.process_time() - start_time, _read_status("VmHWM") - start_bytes
        if seconds > MAX_SECONDS:
            problem = problem or f"it takes {seconds:.1f} s"
        if peak_bytes > MAX_BYTES:
            problem = problem or f"it takes {peak_bytes / 1e6:.0f} MB"
        if forbidden_events:
            problem = f"it ran {forbidden_events[0]}"
        connection.send(Outcome(result, problem, seconds, peak_bytes))


def try_file(path: Path, thoroughly: bool) -> tuple[str, str]:
    """Do everything with a file that a user can do with it.

    Returns:
        The result and the problem; see `Outcome`.
    """
    with warnings.catch_warnings(record=True) as caught_warnings:  # a user would see them beside the one line
        warnings.simplefilter("always")
        result, problem = _try_model(path, thoroughly)
        if thoroughly:
            problem = problem or _try_latent(path)
    return result, problem or (f"it warns: {caught_warnings[0].message}" if caught_warnings else "")


def _try_model(path: Path, thoroughly: bool) -> tuple[str, str]:
    try:
        load_model(str(path), "cpu").load_discriminator()
        if thoroughly:
            copy_path = path.with_name("copy.safetensors")
            convert_model(str(path), copy_path, "copy")
            load_model(str(copy_path), "cpu")
    except CheckpointError as error:
        return str(error).removeprefix(str(path)).removeprefix(":").strip(), find_message_flaw(str(error), path)
    except BaseException as error:
        return MODEL, f"{type(error).__name__}: {error}"
    return MODEL, ""


def _try_latent(path: Path) -> str:
    """Look for a latent, and return the problem with that."""
    try:
        read_latent(path, 8, 64)
    except CheckpointError as error:
        return find_message_flaw(str(error), path)
    except BaseException as error:
        return f"latent: {type(error).__name__}: {error}"
    return ""


def write_canary_module(directory: Path) -> None:
    (directory / f"{CANARY_MODULE}.py").write_text(f"open({CANARY!r}, 'w')\n")


def disable_cache(directory: Path) -> Path:
    """Return a cache directory in which no converted copies can be kept, because thousands of them would fill the disk."""
    cache_home = directory / "not-a-directory"
    cache_home.touch()
    return cache_home


def find_message_flaw(message: str, path: Path) -> str:
    """Return what is wrong with a message about a file; empty if nothing is."""
    if not message.startswith((f"{path}: ", f"{path} ")):
        return f"it does not begin with the file's name: {message}"
    if not message.isprintable():
        return f"it is not one printable line: {message!r}"
    if len(message) - len(str(path)) > MAX_MESSAGE_LENGTH:
        return f"it is too long: {message}"
    return f"the memory ran out: {message}" if "MemoryError" in message else ""


def summarize_outcomes(outcomes: list[Outcome]) -> str:
    """Return figures about many files, for people."""
    counts = Counter(re.split(r"[;(\[]", outcome.result)[0][:60].strip() for outcome in outcomes)
    max_seconds = max(outcome.seconds for outcome in outcomes)
    max_megabytes = max(outcome.peak_bytes for outcome in outcomes) / 1e6
    lines = [
        f"{len(outcomes)} files, {counts[MODEL]} of them models; "
        f"slowest {max_seconds:.2f} s, most memory {max_megabytes:.0f} MB over the start"
    ]
    lines += [f"{count:7} {result}" for result, count in counts.most_common(40)]
    return "\n".join(lines)


def _read_status(field: str) -> int:
    """Return a figure about this process in bytes."""
    match = re.search(rf"{field}:\s*(\d+)", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def _limit_addresses() -> None:
    limit = _read_status("VmSize") + ADDRESS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
