"""tmux around the editor: its version, and the lines of its configuration that would help."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from draggan_tui.diagnosis.finding import Finding

COMMAND_TIMEOUT = 2.0  # seconds; tmux takes about 5 ms
LARGE_INPUT_BUFFER = 4 << 20  # bytes, for images of 1024 pixels
LONG_ESCAPE_TIME = 100  # milliseconds
RunTmux = Callable[[Sequence[str]], str | None]
"""Runs tmux with arguments and returns what it prints; None if it fails, as it does for an unknown option."""


def run_tmux(environment: Mapping[str, str]) -> RunTmux:
    """Return a function that asks the tmux server which the environment names."""

    def run(arguments: Sequence[str]) -> str | None:
        try:
            result = subprocess.run(
                ["tmux", *arguments],
                env=dict(environment), capture_output=True, timeout=COMMAND_TIMEOUT, check=True, encoding="utf-8",
                errors="replace",
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        return result.stdout.strip()

    return run


def tmux_findings(environment: Mapping[str, str], run: RunTmux) -> Iterator[Finding]:
    """Yield findings about tmux; none outside of it."""
    if not environment.get("TMUX"):
        return
    version = run(["display-message", "-p", "#{version}"])
    if version is None:
        yield Finding(
            "tmux", "hint", "TMUX is set, but the command tmux does not answer",
            "if this is not tmux: unset TMUX; else put tmux on the PATH",
        )  # fmt: skip
        return
    yield Finding("tmux", "ok", version)
    yield from _feature_findings(run)
    yield from _option_findings(run)


def _feature_findings(run: RunTmux) -> Iterator[Finding]:
    features = run(["display-message", "-p", "#{client_termfeatures}"])
    if features is not None and "RGB" not in features.split(","):
        yield Finding(
            "tmux RGB", "hint", "tmux sends 256 colours to the terminal around it",
            "if that has truecolor, in ~/.tmux.conf: set -as terminal-features ',*:RGB'",
        )  # fmt: skip


def _option_findings(run: RunTmux) -> Iterator[Finding]:
    """Yield what options of this tmux could be better. An option that it does not have prints nothing."""
    if run(["show-options", "-gwqv", "allow-passthrough"]) == "off":
        yield Finding(
            "tmux passthrough", "hint", "allow-passthrough is off, so that the image cannot be shown in pixels",
            "in ~/.tmux.conf: set -g allow-passthrough on",
        )  # fmt: skip
    input_buffer = run(["show-options", "-sqv", "input-buffer-size"]) or ""
    if input_buffer.isdecimal() and int(input_buffer) < LARGE_INPUT_BUFFER:
        yield Finding(
            "tmux input", "hint", f"input-buffer-size is {input_buffer} bytes, which cuts large images off",
            f"in ~/.tmux.conf: set -s input-buffer-size {LARGE_INPUT_BUFFER}",
        )  # fmt: skip
    escape_time = run(["show-options", "-sqv", "escape-time"]) or ""
    if escape_time.isdecimal() and int(escape_time) > LONG_ESCAPE_TIME:
        yield Finding(
            "tmux Escape", "hint", f"escape-time is {escape_time} ms, for which tmux holds back each Escape",
            "in ~/.tmux.conf: set -s escape-time 20",
        )  # fmt: skip
    if run(["show-options", "-gqv", "mouse"]) == "off":
        yield Finding(
            "tmux mouse", "hint", "mouse is off, so the editor gets no mouse", "in ~/.tmux.conf: set -g mouse on"
        )
