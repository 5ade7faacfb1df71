"""Reads files in a process of its own, where a hang, a crash or too much memory shows and harms nothing else.

What is checked is the promise of the reader: a model, or one line about the file; nothing that the file names is run.
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

from draggan_engine.checkpoints import loader
from draggan_engine.checkpoints.latent_files import read_latent
from draggan_engine.core.errors import CheckpointError
from tests.support.patience import PATIENCE

SECONDS = 60.0  # of a slow processor, for all that is done with a file; a usual one takes less than a second
MEMORY = 500e6
ROOM = 4 << 30  # bytes of addresses: what is asked for beyond them fails, and what is used of them is measured
LONGEST_MESSAGE = 500
CANARY = "canary"
_RUNNING = frozenset(
    ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "socket.connect")
)


@dataclass(frozen=True)
class Outcome:
    """What came of a file.

    Attributes:
        said: "a model", or what the message says after the file's name.
        problem: how the promise was broken; empty if it was kept.
        bytes: the most memory that was in use, over what it was when nothing had been read.
    """

    said: str
    problem: str = ""
    seconds: float = 0.0
    bytes: int = 0


class Reader:
    """A context manager; the process is started when it is first needed, and again after one has died."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def read(self, content: bytes, *, thoroughly: bool = True) -> Outcome:
        """
        Args:
            thoroughly: convert it, and look for a latent in it, too.
        """
        path = self._folder / "model.bin"
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
            code = self._process.exitcode
            self._stop()
            return Outcome("", f"the process died ({code})")
        if outcome.problem:  # what it holds must not be blamed on the next file
            self._stop()
        if (self._folder / CANARY).exists():
            return Outcome(outcome.said, "the canary sang")
        return outcome

    def _start(self) -> None:
        context = multiprocessing.get_context(
            "forkserver"
        )  # it forks from a process that has imported all, and no more
        context.set_forkserver_preload([__name__])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._folder), daemon=True)
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        if self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._connection = None


def _serve(connection: Connection, folder: Path) -> None:
    os.chdir(folder)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["XDG_CACHE_HOME"] = str(disable_cache(folder))
    logging.getLogger("draggan_engine").setLevel(logging.ERROR)  # the loader warns that it cannot keep copies
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_addresses()
    run: list[str] = []
    sys.addaudithook(lambda event, _: run.append(event) if event in _RUNNING else None)
    start = _status("VmRSS")
    while True:
        try:
            name, thoroughly = connection.recv()
        except EOFError:
            return
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
        began = time.process_time()
        said, problem = attempt(Path(name), thoroughly)
        seconds, peak = time.process_time() - began, _status("VmHWM") - start
        if seconds > SECONDS:
            problem = problem or f"it takes {seconds:.1f} s"
        if peak > MEMORY:
            problem = problem or f"it takes {peak / 1e6:.0f} MB"
        if run:
            problem = f"it ran {run[0]}"
        connection.send(Outcome(said, problem, seconds, peak))


def attempt(path: Path, thoroughly: bool) -> tuple[str, str]:
    """What was said, and what was wrong with that. Everything that a user can do with the file is done."""
    said, problem = "a model", ""
    with warnings.catch_warnings(record=True) as warned:  # a user would see them beside the one line
        warnings.simplefilter("always")
        try:
            loader.load_model(str(path), "cpu").load_discriminator()
            if thoroughly:
                copy = path.with_name("copy.safetensors")
                loader.convert_model(str(path), copy, "copy")
                loader.load_model(str(copy), "cpu")
        except CheckpointError as error:
            said, problem = str(error).removeprefix(f"{path}: "), flaw(str(error), path)
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        if thoroughly:
            try:
                read_latent(path, 8, 64)
            except CheckpointError as error:
                problem = problem or flaw(str(error), path)
            except BaseException as error:
                problem = f"latent: {type(error).__name__}: {error}"
    return said, problem or (f"it warns: {warned[0].message}" if warned else "")


def disable_cache(folder: Path) -> Path:
    """Return a cache directory in which no converted copies can be kept, because thousands of them would fill the disk."""
    cache_home = folder / "not-a-directory"
    cache_home.touch()
    return cache_home


def flaw(message: str, path: Path) -> str:
    """What is wrong with a message about a file; empty if nothing is."""
    if not message.startswith(f"{path}: "):
        return f"it does not begin with the file's name: {message}"
    if not message.isprintable():
        return f"it is not one printable line: {message!r}"
    if len(message) - len(str(path)) > LONGEST_MESSAGE:
        return f"it is too long: {message}"
    return f"the memory ran out: {message}" if "MemoryError" in message else ""


def summary(outcomes: list[Outcome]) -> str:
    """Figures of many files, for people."""
    said = Counter(re.split(r"[;(\[]", outcome.said)[0][:60].strip() for outcome in outcomes)
    slowest, largest = max(o.seconds for o in outcomes), max(o.bytes for o in outcomes)
    lines = [
        f"{len(outcomes)} files, {said['a model']} of them models; "
        f"slowest {slowest:.2f} s, most memory {largest / 1e6:.0f} MB over the start"
    ]
    lines += [f"{count:7} {words}" for words, count in said.most_common(40)]
    return "\n".join(lines)


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s*(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _limit_addresses() -> None:
    limit = _status("VmSize") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
