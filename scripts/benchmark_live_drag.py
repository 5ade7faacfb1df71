"""Measure how far behind a moving hand the image of a live drag is, through a pseudo-terminal.

    python scripts/benchmark_live_drag.py

Opens the editor, takes the nose of an image by a live drag, and moves the cursor by the arrow keys at an even speed.
Prints for how many milliseconds the handle in each new image is behind the hand.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyte

from draggan_engine.critters import landmarks_of_seed
from draggan_tui.benchmarks.editor import SEED, TERMINAL_SIZE, open_editor, wait_for_image
from draggan_tui.benchmarks.pseudo_terminal import FRAME_END, PseudoTerminal
from draggan_tui.benchmarks.statistics import percentile

RIGHT_KEY = "\x1b[C"
SPEED, SECONDS = 40.0, 1.0
"""Of the hand, in image pixels a second, and for how long it moves."""
PAIR_ROW = re.compile(r"▸1 +(-?[\d.]+) +(-?[\d.]+)")
CURSOR_ROW = re.compile(r"cursor +(-?[\d.]+)")
MIN_CHANGED_CELLS = 300
"""So many cells of the image change when it is replaced, and fewer when markers move."""


@dataclass(frozen=True)
class ShownImage:
    """A new image on the screen: the `time.perf_counter` at its last byte, and the column of the handle beside it."""

    seconds: float
    handle_column: float


def record_hand(terminal: PseudoTerminal, pixels_per_key: float) -> tuple[list[float], list[tuple[float, int]]]:
    """Move the hand, and return when each key was sent, and when how many bytes of output had been read."""
    key_times: list[float] = []
    arrivals: list[tuple[float, int]] = []
    start = time.perf_counter()
    interval, key_count = pixels_per_key / SPEED, round(SPEED * SECONDS / pixels_per_key)
    while (now := time.perf_counter()) < start + SECONDS + 1:
        if len(key_times) < key_count and now >= start + len(key_times) * interval:
            terminal.send(RIGHT_KEY)
            key_times.append(now)
        if terminal.read_piece(0.002):
            arrivals.append((time.perf_counter(), len(terminal.raw)))
    return key_times, arrivals


def shown_images(output: bytes, start: int, arrivals: list[tuple[float, int]]) -> Iterator[ShownImage]:
    """Yield the new images in a recorded output from the byte `start` on."""
    screen = pyte.Screen(*TERMINAL_SIZE)
    stream = pyte.ByteStream(screen)
    stream.feed(output[:start])
    columns = range(TERMINAL_SIZE[0] // 2)
    cells = [screen.buffer[row][column] for row in range(TERMINAL_SIZE[1]) for column in columns]
    position = start
    for arrival_time, end in arrivals:
        frame_end = output.rfind(FRAME_END, position, end)
        if frame_end < 0:
            continue
        stream.feed(output[position : frame_end + len(FRAME_END)])
        position = frame_end + len(FRAME_END)
        new_cells = [screen.buffer[row][column] for row in range(TERMINAL_SIZE[1]) for column in columns]
        changed_count = sum(cell != new_cell for cell, new_cell in zip(cells, new_cells, strict=True))
        cells = new_cells
        pair = PAIR_ROW.search("\n".join(screen.display))
        if changed_count >= MIN_CHANGED_CELLS and pair is not None:
            yield ShownImage(arrival_time, float(pair[1]))


def cursor_column(terminal: PseudoTerminal) -> float:
    """Return the column of the cursor that the side panel shows, in image pixels."""
    screen = pyte.Screen(*TERMINAL_SIZE)
    pyte.ByteStream(screen).feed(bytes(terminal.raw))
    match = CURSOR_ROW.search("\n".join(screen.display))
    assert match is not None, "the side panel shows the cursor"
    return float(match[1])


def measure_lags(model_name: str) -> list[float]:
    """Return for how many milliseconds each image of a live drag was behind the hand."""
    x, y = map(round, landmarks_of_seed(int(SEED), int(model_name.rsplit("-", 1)[1]))["nose_tip"])
    with tempfile.TemporaryDirectory() as directory, open_editor(Path(directory), model=model_name) as terminal:
        wait_for_image(terminal)
        terminal.send("\x1b")  # closes the hints
        terminal.read_for(1)
        terminal.send(f":{x},{y}\r\r")  # the cursor goes to the nose, and a handle is placed
        terminal.read_for(1)
        start_column = cursor_column(terminal)
        terminal.send("D")
        terminal.read_for(3)
        terminal.send(RIGHT_KEY)
        terminal.read_for(3)
        first_column = cursor_column(terminal)
        start = len(terminal.raw)
        key_times, arrivals = record_hand(terminal, first_column - start_column)
        images = list(shown_images(bytes(terminal.raw), start, arrivals))
    lags = []
    for image in images:
        keys_behind = (image.handle_column - first_column) / (first_column - start_column)
        hand_time = key_times[0] + (keys_behind - 1) * (first_column - start_column) / SPEED
        if key_times[0] < image.seconds <= key_times[-1]:
            lags.append(1000 * (image.seconds - hand_time))
    return lags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="critters-256", help="a bundled model (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how many live drags (default: %(default)s)")
    arguments = parser.parse_args()
    for _ in range(arguments.rounds):
        lags = measure_lags(arguments.model)
        print(
            f"{arguments.model}: {len(lags)} images while the hand moved by {SPEED:g} px/s for {SECONDS:g} s; "
            f"behind it by {statistics.median(lags):.0f} ms at the median, 95th percentile {percentile(lags, 0.95):.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
