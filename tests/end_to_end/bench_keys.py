"""How long from a key to its paint? In a real pseudo-terminal, at rest and while a drag runs.

    python -m tests.end_to_end.bench_keys                # 200 keys each
    python -m tests.end_to_end.bench_keys --keys 500

The terminal has 192×64 cells: beside the inspector the bundled model's square picture gets 124×124 preview pixels, as
many as a preview of 160×96 has. The cursor goes round in a small square. A key is painted when the frame ends that
has the cursor's new place in its read-out (the canvas is in the same frame); the terminal of the benchmark asks to be
told where frames end (DEC mode 2026), and parses nothing else. Frames of the drag may come in between: they count.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import select
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.keys import never_end, open_picture
from tests.end_to_end.terminal import PATIENCE, Terminal

SIZE = (192, 64)
SYNCHRONIZED = "\x1b[?2026;2$y"
FRAME_STARTS, FRAME_ENDS = b"\x1b[?2026h", b"\x1b[?2026l"
READ_OUT = re.compile(rb"\d+\.\d, \d+\.\d")
AROUND = "ljhk"
PAIR = "\r\x1b[H\x1b[5~5l5j\rd"  # from the middle to the upper left corner, and drag
PAUSES = (0.02, 0.06)  # seconds between a paint and the next key, at random: not in step with the drag's frames
TARGETS = {"at rest": 30.0, "during a drag": 60.0}  # p95, ms


@dataclass(frozen=True)
class Paint:
    """Milliseconds from the key to the first byte of the frame that shows it, and to that frame's end; all that came."""

    first: float
    done: float
    bytes: int


class Keyboard:
    """Presses keys and waits for their paint.

    Args:
        terminal: an editor that rests, or drags, with the picture on the screen.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._fd = terminal.fd
        self._shown = READ_OUT.findall(bytes(terminal.raw))[-1]  # where the cursor is

    def press(self, key: str) -> Paint:
        """
        Raises:
            AssertionError: it is not painted.
        """
        start = time.perf_counter()
        os.write(self._fd, key.encode())
        count, first, frame = 0, None, bytearray()
        while True:
            ready, _, _ = select.select([self._fd], [], [], PATIENCE)
            assert ready, f"{key!r} was not painted"
            piece = os.read(self._fd, 1 << 16)
            now = (time.perf_counter() - start) * 1e3
            first = now if first is None else first
            count += len(piece)
            frame += piece
            # Each byte is searched but once: the terminal must be quicker than the program.
            end = frame.rfind(FRAME_ENDS, max(len(frame) - len(piece) - len(FRAME_ENDS), 0))
            if end >= 0:
                if self._is_new(frame[:end]):
                    return Paint(first, now, count)
                first, frame = None, frame[end:]

    def _is_new(self, frames: bytearray) -> bool:
        """Whether the cursor has another place in these frames; if so, that is noted."""
        found = [place for place in READ_OUT.findall(frames) if place != self._shown]
        self._shown = found[-1] if found else self._shown
        return bool(found)

    def rest(self, seconds: float) -> None:
        """Takes what comes of itself."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                os.read(self._fd, 1 << 16)


def measure(terminal: Terminal, count: int) -> list[Paint]:
    terminal.read(0.2)
    keyboard, chance, paints = Keyboard(terminal), random.Random(1), []
    for key in itertools.islice(itertools.cycle(AROUND), count):
        paints.append(keyboard.press(key))
        keyboard.rest(chance.uniform(*PAUSES))
    return paints


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def row(name: str, values: Sequence[float]) -> str:
    p50, p95 = statistics.median(values), percentile(values, 0.95)
    return f"  {name:<22} p50 {p50:6.1f}   p95 {p95:6.1f}   max {max(values):6.1f} ms"


def report(name: str, paints: Sequence[Paint]) -> float:
    """Prints what was measured; returns the p95 of the whole way."""
    done = [paint.done for paint in paints]
    p95, target = percentile(done, 0.95), TARGETS[name]
    print(f"{name}, {len(paints)} keys, {statistics.mean(paint.bytes for paint in paints) / 1e3:.1f} kB a key")
    print(row("first byte", [paint.first for paint in paints]))
    print(row("painted", done))
    print(f"  target: p95 of painted ≤ {target:.0f} ms: {'met' if p95 <= target else 'MISSED'}")
    return p95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=200, help="how many, at rest and during the drag")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Terminal("--seed", "42", folder=Path(folder), size=SIZE) as terminal,
    ):
        terminal.send(SYNCHRONIZED)
        open_picture(terminal)
        terminal.send("\x1b")  # no hints
        terminal.read(1.0)
        resting = report("at rest", measure(terminal, options.keys))
        never_end(terminal)
        terminal.send(PAIR)
        terminal.wait_for("it/s")
        dragging = report("during a drag", measure(terminal, options.keys))
    print(f"ratio of the p95s: {dragging / resting:.2f}")


if __name__ == "__main__":
    main()
