"""Measure how the editor shares a slow line between keys and images, through a pseudo-terminal.

    python scripts/benchmark_slow_line.py

Opens the editor behind a line of 50 kB/s and a round trip of 200 ms, and prints the figures of docs/performance.md.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from draggan_tui.benchmarks.editor import PROGRAM, SEED
from draggan_tui.benchmarks.processes import isolated_environment
from draggan_tui.benchmarks.pseudo_terminal import PseudoTerminal
from draggan_tui.benchmarks.slow_line import CURSOR_ANSWERS, SYNC_ANSWERS, SlowLine
from draggan_tui.benchmarks.statistics import percentile
from draggan_tui.rendering.ansi_encoding import encode_changes
from draggan_tui.rendering.halfblocks import halfblocks

TERMINALS: Mapping[str, Mapping[bytes, str]] = {
    "answers the query": {**SYNC_ANSWERS, **CURSOR_ANSWERS},
    "reports its cursor": CURSOR_ANSWERS,
    "answers nothing": {},
}
COORDINATES = re.compile(rb"\d+\.\d +\d+\.\d")
REDRAW_KEY = "\x0c"
ENDLESS_PAIR = ":128,128\r\r:12,12\r\r"
LONGEST_COORDINATES = 40  # bytes
MIN_IMAGE_CELLS = 500  # that are drawn as half-blocks
ROUND_KEYS = "ljhk"
PAUSE_RANGE = (0.1, 0.4)  # seconds between an echo and the next key


def key_echoes(line: SlowLine, key_count: int, round_trip: float) -> list[float]:
    """Move the cursor, and return for how many milliseconds each echo came later than the bare round trip."""
    echo_delays = []
    random_generator = random.Random(1)
    for pressed_key in itertools.islice(itertools.cycle(ROUND_KEYS), key_count):
        start = max(len(line.shown) - LONGEST_COORDINATES, 0)
        old_coordinates = COORDINATES.findall(line.shown)[-1]

        def shows_other_coordinates(shown: bytes, start: int = start, old_text: bytes = old_coordinates) -> bool:
            return any(text != old_text for text in COORDINATES.findall(shown[start:]))

        typed_time = line.type(pressed_key)
        echo_time = line.run_until(shows_other_coordinates, "the echo of a key")
        echo_delays.append(1000 * (echo_time - typed_time - round_trip))
        line.run(random_generator.uniform(*PAUSE_RANGE))
    return echo_delays


def print_exact_frame(line: SlowLine, bytes_per_second: float, round_trip: float) -> None:
    """Have the whole screen painted at rest, and print how long that takes."""
    start, typed_time = len(line.shown), line.type(REDRAW_KEY)
    line.run(2 * round_trip)
    last_time = line.run_until_quiet(1)
    frame_bytes = len(line.shown) - start
    frame_seconds = last_time - typed_time - round_trip
    print(
        f"  the whole screen at rest: {frame_bytes / 1000:.1f} kB in {frame_seconds:.2f} s after the round trip, "
        f"{frame_seconds * bytes_per_second / frame_bytes:.2f} × its bytes over the line's rate"
    )


def start_endless_drag(line: SlowLine) -> None:
    """Choose the paper's method, place a pair, and start a drag."""
    line.type(",")
    line.run_until(lambda shown: b"applies" in shown, "the settings")
    line.type("draggan\r")
    line.run_until(lambda shown: b"settings changed" in shown, "the change")
    line.type(ENDLESS_PAIR)
    line.run_until(lambda shown: b"pair 1 is set" in shown, "the pair")
    line.run_until_quiet(1)
    line.type("9999.")
    line.run_until(lambda shown: b"steps/s" in shown, "the first step")
    line.run(2)


def measure(answers: Mapping[bytes, str], bytes_per_second: float, round_trip: float, key_count: int) -> None:
    """Print the figures for one kind of terminal."""
    with tempfile.TemporaryDirectory() as directory:
        command = [*PROGRAM, "--model", "critters-256", "--seed", SEED]
        variables = isolated_environment(Path(directory) / "home")
        with PseudoTerminal(command, directory=Path(directory), variables=variables, size=(80, 24)) as terminal:
            line = SlowLine(terminal, bytes_per_second, round_trip, answers)
            line.run_until(lambda shown: shown.count("▀".encode()) > MIN_IMAGE_CELLS, "the first image")
            line.type("\x1b")  # closes the hints
            line.run_until_quiet(1)
            print_exact_frame(line, bytes_per_second, round_trip)
            _print_echoes("at rest", key_echoes(line, key_count, round_trip))
            start_endless_drag(line)
            line.most_unread = 0
            _print_echoes("during a drag", key_echoes(line, key_count, round_trip))
            print(f"  the most bytes between program and terminal during it: {line.most_unread}", flush=True)


def print_frame_bytes() -> None:
    """Print what a frame costs in which a tenth of the cells have changed."""
    random_generator = np.random.default_rng(1)
    for columns, rows in ((48, 21), (160, 48)):
        pixels = random_generator.integers(0, 256, (2 * rows, columns, 3), dtype=np.uint8)
        cells, every_cell = halfblocks(pixels), np.ones((rows, columns), dtype=np.bool_)
        is_changed = random_generator.random((rows, columns)) < 0.1
        full_bytes, tenth_bytes = (
            sum(len(encoded_cells.text.encode()) for encoded_cells in encode_changes(cells, changed_cells, "truecolor"))
            for changed_cells in (every_cell, is_changed)
        )
        print(
            f"{columns}×{rows} cells: {full_bytes / 1000:.1f} kB, with a tenth changed, scattered: {tenth_bytes / 1000:.1f} kB "
            f"({100 * tenth_bytes / full_bytes:.0f} %)"
        )


def _print_echoes(moment_name: str, echoes: list[float]) -> None:
    print(
        f"  echo of a key {moment_name}, ms after the bare round trip: median {statistics.median(echoes):.0f}, "
        f"p95 {percentile(echoes, 0.95):.0f}, most {max(echoes):.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50_000, help="bytes a second (default: %(default)s)")
    parser.add_argument("--round-trip", type=float, default=0.2, help="seconds (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=20, help="how many are pressed (default: %(default)s)")
    options = parser.parse_args()
    print_frame_bytes()
    for terminal_name, answers in TERMINALS.items():
        print(f"a terminal that {terminal_name}, {options.rate / 1000:.0f} kB/s, round trip {options.round_trip} s")
        measure(answers, options.rate, options.round_trip, options.keys)


if __name__ == "__main__":
    main()
