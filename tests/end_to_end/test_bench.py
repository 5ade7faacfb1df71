"""The benchmarks measure what they say; what comes of it is nobody's business here."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from draggan_engine.core.errors import BenchmarkError
from draggan_tui.benchmarks import drag_pace, frame_cost, screen
from draggan_tui.benchmarks.drag_pace import drag_headless
from draggan_tui.benchmarks.imports import LIBRARY, by_package
from draggan_tui.benchmarks.processes import child_processes, is_alive, isolated_environment
from draggan_tui.benchmarks.pseudo_terminal import PseudoTerminal
from draggan_tui.benchmarks.start import is_painted
from draggan_tui.benchmarks.statistics import median_ratio, percentile, target_line
from tests.support.commands import run, run_here
from tests.support.patience import PATIENCE

SIZE = (20, 64)
NUMBER = r"\s+([\d.]+)"


def program(directory: Path, code: str) -> PseudoTerminal:
    """Python on a terminal of its own."""
    return PseudoTerminal(
        [sys.executable, "-c", code], directory=directory, variables=isolated_environment(directory), size=SIZE
    )


def test_the_middle_the_bad_case_and_ratios_pair_by_pair() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([7.0], 0.95)) == (51, 96, 7)
    assert median_ratio([2, 30, 400], [1, 10, 200]) == 2
    assert target_line("≤ 3 s", True) != target_line("≤ 3 s", False)


def test_the_times_of_imports_are_added_up_by_package() -> None:
    report = """import time: self [us] | cumulative | imported package
import time:      1500 |       1500 |   numpy._core
import time:       250 |       1750 | numpy
a line of another's
import time:       100 |        100 |     zipimport
import time:        20 |        120 |   json.decoder
"""
    assert by_package(report) == {"numpy": 1.75, LIBRARY: pytest.approx(0.12)}


def test_a_frame_is_painted_when_it_has_the_text_and_the_last_row() -> None:
    frame = b"\x1b[1;1Hcritters\x1b[2;1H \x1b[64;1H "
    assert is_painted(frame, b"critters") and is_painted(frame, b"")
    assert not is_painted(frame[: frame.index(b"\x1b[64")], b"critters")
    assert not is_painted(frame, b"dogs")
    assert not is_painted(b"\x1b[64;1H critters", b"critters"), "the last row is that of an earlier frame"


def test_frames_come_when_they_end_with_all_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """import pathlib, time
for size in (10, 5000):
    print("a" * size, end="", flush=True)
    while not pathlib.Path(f"begun-{size}").exists():
        time.sleep(0.01)
    time.sleep(0.2)
    print("\\x1b[?2026l", end="", flush=True)
    while not pathlib.Path(f"done-{size}").exists():
        time.sleep(0.01)
print("no frame")"""
    with program(tmp_path, code) as terminal:
        piece = terminal.piece

        def watched() -> bytes:
            """The next piece, once the program has been told how much of the earlier ones has been read."""
            for size, ends in ((10, 0), (5000, 1)):
                if terminal.raw.count(b"\x1b[?2026l") > ends:
                    (tmp_path / f"done-{size}").touch()
                elif terminal.raw.endswith(b"a"):
                    (tmp_path / f"begun-{size}").touch()
                    break
            return piece()

        monkeypatch.setattr(terminal, "piece", watched)
        first, second = terminal.frames()
    for frame, size in ((first, 10), (second, 5000)):
        assert frame.bytes == b"a" * size + b"\x1b[?2026l"
        assert frame.done - frame.first >= 0.2, "that long it was on its way"
    assert first.first > terminal.started


def test_what_does_not_come_is_said_with_what_came_instead(tmp_path: Path) -> None:
    with (
        program(tmp_path, "print('\\x1b[1mno\\x1b[0m picture')") as terminal,
        pytest.raises(BenchmarkError, match=r"the picture did not come; .*'no picture'"),
    ):
        terminal.until(lambda output: b"\xff" in output, "the picture")


def test_no_process_stays(tmp_path: Path) -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); print('ok'); time.sleep(60)"
    with program(tmp_path, code) as terminal:
        terminal.until(lambda output: b"ok" in output, "ok")
        (child,) = child_processes(terminal.pid)
        assert is_alive(terminal.pid) and is_alive(child)
    deadline = time.monotonic() + PATIENCE
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child) and not is_alive(terminal.pid)


def test_a_drag_that_ends_early_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drag_pace, "PAIR", ((128, 128), (128.5, 128)))  # reached from the beginning
    with pytest.raises(BenchmarkError):
        drag_headless(tmp_path, 20)


def test_bench_start(tmp_path: Path) -> None:
    result = run("bench", "start", "--rounds", "1", directory=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    found = {
        name: float(re.search(rf"{name}\s+p50{NUMBER}", result.stdout)[1])  # type: ignore[index]
        for name in ("empty Textual app", "first frame", "the editor", "first image")
    }
    assert 0 < found["first frame"] < found["the editor"] < found["first image"]
    assert found["empty Textual app"] > 0
    ratio = float(re.search(rf"ratio of the first frames:{NUMBER}", result.stdout)[1])  # type: ignore[index]
    assert ratio == pytest.approx(found["first frame"] / found["empty Textual app"], abs=0.01)
    assert result.stdout.count("target: ") == 2
    assert re.search(r"peak memory: screen [1-9]\d+ MB, engine [1-9]\d+ MB", result.stdout)
    (first, editor, engine) = re.findall(r"^  imports of (.*)$", result.stdout, re.MULTILINE)
    assert "textual" in first and "numpy" not in first
    assert "numpy" in editor and "torch" not in editor
    assert "torch" in engine and "textual" not in engine


def test_bench_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "SIZES", ((80, 48),))
    monkeypatch.setattr(screen, "STEPS", 30)
    status, out, err = run_here(monkeypatch, "bench", "screen", "--keys", "3", "--rounds", "1", directory=tmp_path)
    assert status == 0, err
    costs = [
        re.search(rf"{way.name}{NUMBER} ms{NUMBER} ×{NUMBER} kB", out)  # type: ignore[arg-type]
        for way in frame_cost.WAYS
    ]
    assert all(costs)
    assert next(float(cost[2]) for cost in costs if cost) == 1, "the canvas is what the others are compared with"
    assert all(float(cost[3]) > 0 for cost in costs if cost)
    assert len(re.findall(rf"painted\s+p50{NUMBER}", out)) == 2
    assert re.search(rf"{NUMBER} steps/s in the editor,{NUMBER} without a screen", out)
    assert re.search(rf"{NUMBER} frames/s,{NUMBER} kB a frame", out)
    assert out.count("target: ") == 4
    assert re.search(r"peak memory: screen [1-9]\d+ MB, engine [1-9]\d+ MB; without a screen [1-9]\d+ MB", out)
