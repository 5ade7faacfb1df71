"""How many colours a terminal takes: by the names that it goes by, and by what it answers.

SSH passes TERM on but not COLORTERM, so most terminals look poorer from afar than they are. The question is DECRQSS: set
a background in RGB, then ask for the attributes in force. A terminal that keeps RGB repeats it; one with fewer colours
answers something else or nothing. Primary device attributes (DA1), which every terminal answers, come after it: once
they are there, no other answer follows.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ColorDepth = Literal["truecolor", "256", "16", "none"]

QUESTION = "\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m\x1b[c"
"""Leaves the terminal's attributes at their defaults."""

_RGB_KEPT = re.compile(r"48(?:;2;|:2:(?:\d*:)?)1[;:]2[;:]3(?!\d)")
_TRUECOLOR_NAME = re.compile(
    r"alacritty|contour|foot|(xterm-)?ghostty|iterm|konsole|(xterm-)?kitty|mintty|rio\b|vte|wezterm|.*-(direct|truecolor)"
)
_256_COLOR_NAME = re.compile(r".*256|tmux")
# GNU screen hands a DCS on to the terminal around it, which would print it; on the others the question has no use.
_NEVER_ASKED = re.compile(r"(screen|linux|ansi|cons25|cygwin|dumb|eterm|sun|vt\d|$)")
_TMUX_PATIENCE = 0.5  # seconds; it takes about 5 ms


@dataclass(frozen=True)
class ColorGuess:
    """What the environment says of the terminal, and whether it is worth asking for more."""

    depth: ColorDepth
    worth_asking: bool


def guess_colors(environment: Mapping[str, str]) -> ColorGuess:
    """Guess from TERM, COLORTERM and TMUX; tmux, which would not answer the question, says what its client has."""
    name = environment.get("TERM", "").lower()
    in_tmux = bool(environment.get("TMUX"))
    # In GNU screen COLORTERM is what it was outside, and screen 4 garbles RGB.
    in_screen = name.startswith("screen") and not in_tmux
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit") and not in_screen:
        return ColorGuess("truecolor", False)
    if _TRUECOLOR_NAME.match(name) or (in_tmux and _tmux_passes_rgb(environment)):
        return ColorGuess("truecolor", False)
    depth: ColorDepth = "256" if in_tmux or _256_COLOR_NAME.match(name) else "16"
    is_apple = environment.get("TERM_PROGRAM") == "Apple_Terminal"  # prints what it does not understand
    return ColorGuess(depth, not is_apple and (in_tmux or not _NEVER_ASKED.match(name)))


def _tmux_passes_rgb(environment: Mapping[str, str]) -> bool:
    try:
        features = subprocess.run(
            ["tmux", "display-message", "-p", "#{client_termfeatures}"],
            env=dict(environment), capture_output=True, timeout=_TMUX_PATIENCE, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False  # not on this machine, or not the one that TMUX is about
    return b"RGB" in features.strip().split(b",")


def keeps_rgb(answer: str) -> bool:
    """Whether a DECRQSS answer repeats the background that `QUESTION` set, in any of its spellings."""
    return answer.startswith("1$r") and _RGB_KEPT.search(answer) is not None
