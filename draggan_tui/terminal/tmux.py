"""What tmux says about itself and about the terminal around it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

_TIMEOUT = 5.0  # seconds; the command takes about 5 ms, and longer only on a machine that is busy


def expand_format(environment: Mapping[str, str], format_text: str) -> str:
    """Return a format of tmux, such as `#{client_termfeatures}`, expanded by the tmux in which the program runs.

    The result is empty if tmux is not installed here, or does not answer.
    """
    try:
        output = subprocess.run(
            ["tmux", "display-message", "-p", format_text],
            env=dict(environment), capture_output=True, timeout=_TIMEOUT, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return output.decode(errors="replace").strip()


def through_tmux(sequence: str) -> str:
    """Return what makes tmux pass a sequence on to the terminal around it."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
