"""The benchmarks measure what they say. The results do not matter here."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from draggan_engine.core.errors import BenchmarkError
from draggan_tui.benchmarks import frame_cost
from draggan_tui.benchmarks.drag_pace import drag_headless
from draggan_tui.benchmarks.imports import STANDARD_LIBRARY, milliseconds_by_package
from draggan_tui.benchmarks.processes import child_processes, is_alive, isolated_environment
from draggan_tui.benchmarks.pseudo_terminal import FRAME_END, PseudoTerminal
from draggan_tui.benchmarks.screen import bench_screen
from draggan_tui.benchmarks.start import is_painted
from draggan_tui.benchmarks.statistics import median_ratio, percentile, target_line
from tests.support.commands import run
from tests.support.patience import PATIENCE

SIZE = (20, 64)
NUMBER = r"\s+([\d.]+)"


class PythonTerminal(PseudoTerminal):
    """Python code in a pseudo-terminal."""

    def __init__(self, directory: Path, code: str) -> None:
        self.directory = directory
        super().__init__(
            [sys.executable, "-c", code], directory=directory, variables=isolated_environment(directory), size=SIZE
        )


class SteppedTerminal(PythonTerminal):
    """A program that writes frames of 10 and 5000 bytes. It goes on only when what it has written has been read."""

    CODE = """import pathlib, time
for size in (10, 5000):
    print("a" * size, end="", flush=True)
    while not pathlib.Path(f"begun-{size}").exists():
        time.sleep(0.01)
    time.sleep(0.2)
    print("\\x1b[?2026l", end="", flush=True)
    while not pathlib.Path(f"done-{size}").exists():
        time.sleep(0.01)
print("no frame")"""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, self.CODE)

    def read_piece(self, timeout: float = PATIENCE) -> bytes:
        for size, earlier_frames in ((10, 0), (5000, 1)):
            if self.raw.count(FRAME_END) > earlier_frames:
                (self.directory / f"done-{size}").touch()
            elif self.raw.endswith(b"a"):
                (self.directory / f"begun-{size}").touch()
                break
        return super().read_piece(timeout)


def test_percentiles_ratios_and_targets() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([7.0], 0.95)) == (51, 96, 7)
    assert median_ratio([2, 30, 400], [1, 10, 200]) == 2
    assert target_line("≤ 3 s", True) != target_line("≤ 3 s", False)


def test_import_times_are_added_up_by_package() -> None:
    report = """import time: self [us] | cumulative | imported package
import time:      1500 |       1500 |   numpy._core
import time:       250 |       1750 | numpy
a line of the program itself
import time:       100 |        100 |     zipimport
import time:        20 |        120 |   json.decoder
"""
    assert milliseconds_by_package(report) == {"numpy": 1.75, STANDARD_LIBRARY: pytest.approx(0.12)}


def test_a_frame_is_painted_when_it_has_the_text_and_the_last_row() -> None:
    frame = b"\x1b[1;1Hcritters\x1b[2;1H \x1b[64;1H "
    assert is_painted(frame, b"critters") and is_painted(frame, b"")
    assert not is_painted(frame[: frame.index(b"\x1b[64")], b"critters")
    assert not is_painted(frame, b"dogs")
    assert not is_painted(b"\x1b[64;1H critters", b"critters"), "the last row is that of an earlier frame"


def test_a_frame_is_yielded_at_its_end_with_all_its_bytes(tmp_path: Path) -> None:
    with SteppedTerminal(tmp_path) as terminal:
        first, second = terminal.frames()
    for frame, size in ((first, 10), (second, 5000)):
        assert frame.bytes == b"a" * size + FRAME_END
        assert frame.done - frame.first >= 0.2, "the pause of the program"
    assert first.first > terminal.started


def test_missing_output_is_an_error_with_the_last_output(tmp_path: Path) -> None:
    with (
        PythonTerminal(tmp_path, "print('\\x1b[1mno\\x1b[0m picture')") as terminal,
        pytest.raises(BenchmarkError, match=r"the picture did not come; .*'no picture'"),
    ):
        terminal.read_until(lambda output: b"\xff" in output, "the picture")


def test_the_terminal_leaves_no_process_behind(tmp_path: Path) -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); print('ok'); time.sleep(60)"
    with PythonTerminal(tmp_path, code) as terminal:
        terminal.read_until(lambda output: b"ok" in output, "ok")
        (child,) = child_processes(terminal.pid)
        assert is_alive(terminal.pid) and is_alive(child)
    deadline = time.monotonic() + PATIENCE
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child) and not is_alive(terminal.pid)


def test_a_drag_that_ends_early_is_not_a_measurement(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="the drag ended after 0 steps of 20: reached"):
        drag_headless(tmp_path, 20, pair=((128, 128), (128.5, 128)))


def test_bench_start(tmp_path: Path) -> None:
    result = run("bench", "start", "--rounds", "1", directory=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    medians = {
        name: float(re.search(rf"{name}\s+p50{NUMBER}", result.stdout)[1])  # type: ignore[index]
        for name in ("empty Textual app", "first frame", "the editor", "first image")
    }
    assert 0 < medians["first frame"] < medians["the editor"] < medians["first image"]
    assert medians["empty Textual app"] > 0
    ratio = float(re.search(rf"ratio of the first frames:{NUMBER}", result.stdout)[1])  # type: ignore[index]
    assert ratio == pytest.approx(medians["first frame"] / medians["empty Textual app"], abs=0.01)
    assert result.stdout.count("target: ") == 2
    assert re.search(r"peak memory: screen [1-9]\d+ MB, engine [1-9]\d+ MB", result.stdout)
    (first_frame, editor, engine) = re.findall(r"^  imports of (.*)$", result.stdout, re.MULTILINE)
    assert "textual" in first_frame and "numpy" not in first_frame
    assert "numpy" in editor and "torch" not in editor
    assert "torch" in engine and "textual" not in engine


def test_bench_screen(capsys: pytest.CaptureFixture[str]) -> None:
    bench_screen(keys=3, rounds=1, image_sizes=((80, 48),), drag_steps=30)
    out = capsys.readouterr().out
    costs = [
        re.search(rf"{method.name}{NUMBER} ms{NUMBER} ×{NUMBER} kB", out)  # type: ignore[arg-type]
        for method in frame_cost.DISPLAY_METHODS
    ]
    assert all(costs)
    assert next(float(cost[2]) for cost in costs if cost) == 1, "the canvas is what the others are compared with"
    assert all(float(cost[3]) > 0 for cost in costs if cost)
    assert len(re.findall(rf"painted\s+p50{NUMBER}", out)) == 2
    assert re.search(rf"{NUMBER} steps/s in the editor,{NUMBER} without a screen", out)
    assert re.search(rf"{NUMBER} frames/s,{NUMBER} kB a frame", out)
    assert out.count("target: ") == 4
    assert re.search(r"peak memory: screen [1-9]\d+ MB, engine [1-9]\d+ MB; without a screen [1-9]\d+ MB", out)
