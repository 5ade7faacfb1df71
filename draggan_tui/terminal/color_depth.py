"""How many colours a terminal has, from its name and from its answer to a question.

SSH passes TERM but not COLORTERM, so over SSH most terminals seem to have fewer colours than they have. The question is
DECRQSS: set a background in RGB, then ask for the present attributes. A terminal with RGB colours repeats the
background; one with fewer colours answers something else or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from draggan_tui.terminal.tmux import expand_format

ColorDepth = Literal["truecolor", "256", "16", "none"]

COLOR_QUESTION = "\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m"
"""The question. It leaves the terminal's attributes at their defaults."""

_RGB_KEPT = re.compile(r"48(?:;2;|:2:(?:\d*:)?)1[;:]2[;:]3(?!\d)")
_TRUECOLOR_NAME = re.compile(
    r"alacritty|contour|foot|(xterm-)?ghostty|iterm|konsole|(xterm-)?kitty|mintty|rio\b|vte|wezterm|.*-(direct|truecolor)"
)
_256_COLOR_NAME = re.compile(r".*256|tmux")
# GNU screen passes a DCS to the terminal around it, which would print it. The others have no RGB colours.
_NOT_WORTH_ASKING = re.compile(r"(screen|linux|ansi|cons25|cygwin|dumb|eterm|sun|vt\d|$)")


@dataclass(frozen=True)
class ColorGuess:
    """How many colours the environment suggests, and whether it is worth asking the terminal."""

    depth: ColorDepth
    worth_asking: bool


def guess_colors(environment: Mapping[str, str]) -> ColorGuess:
    """Guess from TERM, COLORTERM and TMUX.

    tmux does not answer the question, but its command tells whether the terminal around it has RGB colours.
    """
    terminal_name = environment.get("TERM", "").lower()
    in_tmux = bool(environment.get("TMUX"))
    # GNU screen keeps COLORTERM of the terminal around it, and version 4 garbles RGB colours.
    in_screen = terminal_name.startswith("screen") and not in_tmux
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit") and not in_screen:
        return ColorGuess("truecolor", False)
    if _TRUECOLOR_NAME.match(terminal_name) or (
        in_tmux and "RGB" in expand_format(environment, "#{client_termfeatures}").split(",")
    ):
        return ColorGuess("truecolor", False)
    color_depth: ColorDepth = "256" if in_tmux or _256_COLOR_NAME.match(terminal_name) else "16"
    return ColorGuess(color_depth, can_be_asked(environment))


def can_be_asked(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal removes questions from what it displays, also those that it does not understand."""
    if environment.get("TERM_PROGRAM") == "Apple_Terminal":  # it prints unknown sequences
        return False
    return bool(environment.get("TMUX")) or not _NOT_WORTH_ASKING.match(environment.get("TERM", "").lower())


def keeps_rgb(answer: str) -> bool:
    """Return whether a DECRQSS answer repeats the background that `COLOR_QUESTION` has set, in any notation."""
    return answer.startswith("1$r") and _RGB_KEPT.search(answer) is not None
