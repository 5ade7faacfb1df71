"""`draggan-tui doctor` as a user runs it: in a pipe, on a terminal that answers, and in a real tmux."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ANSWERS = b"\x1bP>|foot(1.20.2)\x1b\\\x1b[?2026;2$y\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?62;4;22c"
DOCTOR = (sys.executable, "-m", "draggan_tui", "doctor")


def environment(home: Path, **variables: str) -> dict[str, str]:
    xdg = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE", "STATE")}
    kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "COLORTERM", "NO_COLOR")}
    return {**kept, "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color", **xdg, **variables}


def on_terminal(home: Path, answers: bytes, *options: str, size: tuple[int, int] = (80, 24)) -> tuple[int, str]:
    """Run the command on a terminal that answers its questions; return its status and what it prints on stdout."""
    leader, follower = pty.openpty()
    os.set_inheritable(follower, True)
    subprocess.run(["stty", "cols", str(size[0]), "rows", str(size[1])], stdin=follower, check=True)
    process = subprocess.Popen(
        [*DOCTOR, *options], stdin=follower, stderr=follower, stdout=subprocess.PIPE, cwd=home, env=environment(home)
    )
    os.close(follower)
    questions = bytearray()

    def answer() -> None:
        try:
            while b"\x1b[c" not in questions:
                questions.extend(os.read(leader, 1024))
            os.write(leader, answers)
        except OSError:
            pass  # the terminal was never asked

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    stdout = process.communicate()[0].decode()
    thread.join(10 if answers else 0.1)
    os.close(leader)
    return process.returncode, stdout


def findings_of(stdout: str) -> dict[str, dict[str, str]]:
    return {finding["topic"]: finding for finding in json.loads(stdout)["findings"]}


def test_in_a_pipe_the_report_is_text_or_one_json_object(tmp_path: Path) -> None:
    as_text = subprocess.run(DOCTOR, capture_output=True, encoding="utf-8", cwd=tmp_path, env=environment(tmp_path))
    assert (as_text.returncode, as_text.stderr) == (0, "")
    assert re.search(r"^ok +Python +3\.\d+", as_text.stdout, re.MULTILINE)
    assert "\x1b" not in as_text.stdout
    as_json = subprocess.run(
        [*DOCTOR, "--json"], capture_output=True, encoding="utf-8", cwd=tmp_path,
        env=environment(tmp_path, ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2"),
    )  # fmt: skip
    assert as_json.returncode == 0 and json.loads(as_json.stdout)["works"]
    findings = findings_of(as_json.stdout)
    assert findings["instructions"]["severity"] == "hint"
    assert findings["instructions"]["text"].startswith("AVX2, without bfloat16")
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_a_terminal_that_answers_is_named_with_what_it_can_show(tmp_path: Path) -> None:
    status, stdout = on_terminal(tmp_path, ANSWERS, "--json")
    findings = findings_of(stdout)
    assert status == 0
    assert findings["terminal"]["text"] == "TERM=xterm-256color (foot(1.20.2))"
    assert findings["colours"]["text"] == "truecolor"
    assert findings["graphics"]["text"].startswith("Sixel;")
    assert findings["frames"]["text"] == "painted whole (synchronised output)"


def test_a_small_terminal_that_does_not_answer_has_hints_and_a_tiny_one_a_problem(tmp_path: Path) -> None:
    status, stdout = on_terminal(tmp_path, b"", size=(60, 20))
    assert status == 0
    assert re.search(r"^hint +size +60×20: .*\n +→ make the window at least 80×24", stdout, re.MULTILINE)
    assert re.search(
        r"^hint +colours +256, as far as the terminal says\n +→ .*COLORTERM=truecolor", stdout, re.MULTILINE
    )
    status, stdout = on_terminal(tmp_path, b"", size=(20, 5))
    assert status == 1
    assert re.search(r"^problem +size +20×5: the editor needs at least 30×10", stdout, re.MULTILINE)
    assert stdout.endswith("1 problem: something will not work; what to do stands after each →\n")


def test_a_torch_that_cannot_be_imported_is_a_problem_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "broken/torch").mkdir(parents=True)
    (tmp_path / "broken/torch/__init__.py").write_text(
        'raise OSError("libtorch_cpu.so: cannot open shared object file")'
    )
    result = subprocess.run(
        DOCTOR, capture_output=True, encoding="utf-8", cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=f"{tmp_path / 'broken'}:{os.environ.get('PYTHONPATH', '')}"),
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (1, "")
    expected = r"^problem +torch +it cannot be imported \(libtorch_cpu\.so: cannot open.*\).*\n +→ pip install "
    assert re.search(expected, result.stdout, re.MULTILINE)
    assert re.search("^ok +Python", result.stdout, re.MULTILINE), "the other findings are there"


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_in_tmux_without_truecolor_and_passthrough_the_lines_of_its_configuration_are_given(tmp_path: Path) -> None:
    socket, out = tmp_path / "socket", tmp_path / "out.json"
    command = f"{' '.join(DOCTOR)} --json > {out}.part; mv {out}.part {out}"
    variables = environment(tmp_path)
    tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
    try:
        subprocess.run(
            [*tmux, "new-session", "-d", "-x", "80", "-y", "24", command], env=variables, cwd=tmp_path, check=True
        )
        deadline = time.monotonic() + 120
        while not out.exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        subprocess.run([*tmux, "kill-server"], env=variables, check=False, capture_output=True)
    findings = findings_of(out.read_text())
    assert findings["tmux"]["text"]
    assert findings["colours"]["text"] == "256: as many as tmux sends on"
    assert findings["tmux RGB"]["fix"].endswith("in ~/.tmux.conf: set -as terminal-features ',*:RGB'")
    assert findings["tmux passthrough"]["fix"] == "in ~/.tmux.conf: set -g allow-passthrough on"
