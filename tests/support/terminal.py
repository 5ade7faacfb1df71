"""A program in a real pseudo-terminal, and what a person would see of it."""

from __future__ import annotations

import os
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from draggan_tui.benchmarks.processes import isolated_environment
from draggan_tui.benchmarks.pseudo_terminal import PseudoTerminal
from tests.support.patience import PATIENCE

PROGRAM = Path(sys.executable).with_name("draggan-tui")
RESTORED = b"\x1b[?1049l"  # the alternate screen is left
APPLICATION_COMMAND = re.compile(rb"\x1b_[^\x1b]*\x1b\\")


class Terminal(PseudoTerminal):
    """`draggan-tui` (or another command) with these arguments, in `directory`; a context manager that leaves no process behind.

    Its model is critters-256 unless an argument says otherwise: which one the editor would choose by itself depends on how
    fast the machine is.

    Bytes are read as they come and parsed only when somebody looks, because pyte is slower than the program.
    """

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        size: tuple[int, int] = (80, 24),
        colorterm: str = "truecolor",
        largest_file: int | None = None,
        no_color: bool = False,
        command: Sequence[str] = (str(PROGRAM),),
        exported: Mapping[str, str] | None = None,
    ) -> None:
        columns, rows = size
        self.directory = directory
        _configure_model(directory / "home")
        self._parsed = 0
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        variables = {**isolated_environment(directory / "home", colorterm), **(exported or {})}
        if no_color:
            variables["NO_COLOR"] = "1"
        if largest_file is not None:
            variables["PYTHONDONTWRITEBYTECODE"] = "1"  # or it is cut short, and every later run stumbles over it
        super().__init__([*command, *arguments], directory=directory, variables=variables, size=size)
        if largest_file is not None:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def resize(self, columns: int, rows: int) -> None:
        self.read(0)
        self._parse().resize(rows, columns)
        super().resize(columns, rows)

    def text(self, end: int | None = None) -> str:
        """The screen, its rows joined by newlines.

        Args:
            end: how many of the bytes that the program has written count; all of them if None. No later text may have
                been asked for.
        """
        self.read(0)
        return "\n".join(self._parse(end).display)

    def wipe(self) -> None:
        """Forgets what was on the screen: what is there from now on has been painted since."""
        self.read(0)
        self._parse().reset()

    def is_painted(self, end: int | None = None) -> bool:
        """Whether all cells have been painted since the screen was cleared; `end` as in `text`."""
        columns, rows = self._screen.columns, self._screen.lines
        return "default" not in self.backgrounds(range(columns), range(rows), end)

    def backgrounds(self, columns: range, rows: range, end: int | None = None) -> list[str]:
        """Background colours of those cells, row by row, as rrggbb (or "default"); `end` as in `text`."""
        self.read(0)
        buffer = self._parse(end).buffer
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
        self.wait_for(lambda: self.status is not None, timeout)
        self.read(0)
        assert self.status is not None
        return self.status

    def read(self, patience: float) -> None:
        """Takes what there is, waiting at most so many seconds for the first of it."""
        while self.read_piece(patience):
            patience = 0
        time.sleep(patience)

    def _parse(self, end: int | None = None) -> pyte.Screen:
        end = len(self.raw) if end is None else end
        assert self._parsed <= end
        output = bytes(self.raw[self._parsed : end])
        output = output[: complete_length(output)]
        self._stream.feed(APPLICATION_COMMAND.sub(b"", output))  # pyte would print them
        self._parsed += len(output)
        return self._screen

    @staticmethod
    def _cursor(text: str) -> tuple[float, float]:
        match = re.search(r"cursor +(-?[\d.]+) +(-?[\d.]+)", text)
        assert match, f"there is no cursor read-out:\n{text}"
        return float(match[1]), float(match[2])


def complete_length(output: bytes) -> int:
    """How much of the output ends before an application command whose end has not come."""
    start = output.rfind(b"\x1b_")
    if start >= 0 and b"\x1b\\" not in output[start:]:
        return start
    return len(output) - output.endswith(b"\x1b")


def _configure_model(home: Path) -> None:
    path = home / "config" / "draggan-tui" / "config.toml"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('[editor]\nmodel = "critters-256"\n')
