"""A program in a real pseudo-terminal, and what a person would see of it."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pexpect
import pyte

PROGRAM = Path(sys.executable).with_name("draggan-tui")
RESTORED = b"\x1b[?1049l"  # the alternate screen is left
PATIENCE = 60.0  # seconds; two busy cores may need so long for torch's import and a drag
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "OMP_NUM_THREADS")


def environment(home: Path, colorterm: str = "truecolor") -> dict[str, str]:
    """What the program sees: nothing of the user's own folders and settings."""
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, **folders, "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": colorterm}


def alive(pid: int) -> bool:
    """Whether the process runs (one that only waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes that `pid` started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


class Terminal:
    """`draggan-tui` with these arguments, in `folder`; a context manager that leaves no process behind.

    Bytes are read as they come and parsed only when somebody looks, because pyte is slower than the program.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        size: tuple[int, int] = (80, 24),
        colorterm: str = "truecolor",
        largest_file: int | None = None,
        no_color: bool = False,
    ) -> None:
        columns, rows = size
        self.folder = folder
        self.raw = bytearray()
        self._parsed = 0
        self._hung_up = False
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._processes: set[int] = set()

        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

        variables = environment(folder / "home", colorterm)
        if no_color:
            variables["NO_COLOR"] = "1"
        if largest_file is not None:
            variables["PYTHONDONTWRITEBYTECODE"] = "1"  # or it is cut short, and every later run stumbles over it
        self._child = pexpect.spawn(
            str(PROGRAM),
            list(arguments),
            cwd=str(folder),
            env=variables,
            dimensions=(rows, columns),
            preexec_fn=limit,
        )
        self._child.delaybeforesend = None
        self.pid: int = self._child.pid
        self.fd: int = self._child.child_fd

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in {self.pid, *children(self.pid), *self._processes}:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._child.close(force=True)

    # What is done to it -------------------------------------------------------------------------------

    def send(self, keys: str) -> None:
        self._child.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        """The window is another size, and the program is told so."""
        self.read(0)
        self._parse().resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Closes our end, as a lost connection does."""
        self._child.ptyproc.fileobj.close()
        self._hung_up = True

    @property
    def engine(self) -> int:
        """The engine's process id."""
        running = [pid for pid in children(self.pid) if alive(pid)]
        assert len(running) == 1, f"one engine expected, there are {len(running)}"
        self._processes.update(running)
        return running[0]

    # What is seen of it -------------------------------------------------------------------------------

    def text(self) -> str:
        """The screen, its rows joined by newlines."""
        self.read(0)
        return "\n".join(self._parse().display)

    def backgrounds(self, columns: range, rows: range) -> list[str]:
        """Background colours of those cells, row by row, as rrggbb (or "default")."""
        self.read(0)
        buffer = self._parse().buffer
        return [buffer[row][column].bg for row in rows for column in columns]

    def cursor(self) -> tuple[float, float]:
        """Where the editor says that its cursor is, in picture pixels."""
        return self._cursor(self.text())

    def wait_for(self, condition: str | Callable[[], object], timeout: float = PATIENCE) -> None:
        """Until the text is on the screen, or the function gives something true.

        Raises:
            AssertionError: it takes longer than `timeout` seconds; says what is on the screen instead.
        """
        deadline = time.monotonic() + timeout
        wanted = repr(condition) if isinstance(condition, str) else "what was waited for"
        while True:
            self.read(0.02)
            if condition in self.text() if isinstance(condition, str) else condition():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{wanted} did not come within {timeout} s; the screen:\n{self.text()}")

    def wait(self, timeout: float = PATIENCE) -> int:
        """The exit status once the program has ended, or minus the signal that ended it.

        Raises:
            AssertionError: it does not end.
        """
        self.wait_for(lambda: not self._child.isalive(), timeout)
        self.read(0)
        return self._child.exitstatus if self._child.exitstatus is not None else -self._child.signalstatus

    def read(self, patience: float) -> None:
        """Takes what there is, waiting at most so many seconds for the first of it."""
        try:
            while not self._hung_up and select.select([self._child.child_fd], [], [], patience)[0]:
                self.raw += os.read(self._child.child_fd, 1 << 16)
                patience = 0
        except OSError:
            pass  # the program has closed its end
        time.sleep(patience)

    def _parse(self) -> pyte.Screen:
        self._stream.feed(bytes(self.raw[self._parsed :]))
        self._parsed = len(self.raw)
        return self._screen

    @staticmethod
    def _cursor(text: str) -> tuple[float, float]:
        match = re.search(r"cursor\s+(-?[\d.]+), (-?[\d.]+)", text)
        assert match, f"there is no cursor read-out:\n{text}"
        return float(match[1]), float(match[2])
