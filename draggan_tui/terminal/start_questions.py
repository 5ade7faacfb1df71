"""What the editor asks the terminal at the start, and again after a stop, when it may be another terminal."""

from __future__ import annotations

from draggan_tui.terminal.color_depth import COLOR_QUESTION
from draggan_tui.terminal.tmux import through_tmux

SUPPORT_TEST = 1
"""The number in the answer to `GRAPHICS_QUESTION`."""
GRAPHICS_QUESTION = f"\x1b_Gi={SUPPORT_TEST},s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Asks whether the terminal takes kitty's graphics protocol, without showing a graphic. It answers with `i=1;OK`."""
VERSION_QUESTION = "\x1b[>q"
"""XTVERSION: the terminal's name and version."""
LAST_QUESTION = "\x1b[c"
"""DA1, the primary device attributes, which every terminal answers: after that answer no other follows."""


def start_questions(*, about_colors: bool, about_graphics: bool, in_tmux: bool) -> str:
    """Return the questions, which end with one that every terminal answers; empty if there are none."""
    questions = COLOR_QUESTION if about_colors else ""
    if about_graphics:
        questions += VERSION_QUESTION + graphics_question(in_tmux=in_tmux)
    return questions and questions + LAST_QUESTION


def graphics_question(*, in_tmux: bool) -> str:
    """Return `GRAPHICS_QUESTION` for the terminal around tmux; tmux itself would take it for a title."""
    return through_tmux(GRAPHICS_QUESTION) if in_tmux else GRAPHICS_QUESTION
