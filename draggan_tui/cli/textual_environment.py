"""The environment variables that Textual reads when it is imported: colours, delay of Escape, and size of the screen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from draggan_tui.cli.options import ColorOption

if TYPE_CHECKING:
    from draggan_tui.terminal.color_depth import ColorGuess

SSH_ESCAPE_DELAY = 500
"""Milliseconds to wait for the rest of an escape sequence over SSH, where a lost packet delays it by so much."""


def set_colors(color: ColorOption) -> ColorGuess | None:
    """Set how many colours Textual uses.

    Returns:
        A guess, if the terminal has yet to be asked.
    """
    from draggan_tui.terminal.color_depth import guess_colors

    if color is ColorOption.none:
        os.environ["NO_COLOR"] = "1"
        return None
    if color is ColorOption.auto:
        if "NO_COLOR" in os.environ:
            return None
        color_guess = guess_colors(os.environ)
        os.environ["TEXTUAL_COLOR_SYSTEM"] = _textual_name(color_guess.depth)
        return color_guess
    os.environ.pop("NO_COLOR", None)
    os.environ["TEXTUAL_COLOR_SYSTEM"] = _textual_name(color.value)
    return None


def _textual_name(color_depth: str) -> str:
    return "standard" if color_depth == "16" else color_depth


def set_escape_delay(milliseconds: int) -> None:
    """Set how long Escape waits for the rest of a sequence; 0 keeps Textual's delay, or a longer one over SSH."""
    if milliseconds:
        os.environ["ESCDELAY"] = str(milliseconds)
    elif any(variable_name in os.environ for variable_name in ("SSH_CONNECTION", "SSH_TTY")):
        os.environ.setdefault("ESCDELAY", str(SSH_ESCAPE_DELAY))


def unset_size() -> None:
    """Remove COLUMNS and LINES, which docker and JupyterLab export with the size of another terminal."""
    for variable_name in ("COLUMNS", "LINES"):
        os.environ.pop(variable_name, None)
