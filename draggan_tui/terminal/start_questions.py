"""What the editor asks the terminal at the start, and again after a stop, when it may be another terminal."""

from __future__ import annotations

from draggan_tui.terminal.color_depth import COLOR_QUESTION
from draggan_tui.terminal.kitty_graphics import QUERY, through_tmux

VERSION_QUESTION = "\x1b[>q"
"""XTVERSION: the terminal's name and version."""
LAST_QUESTION = "\x1b[c"
"""DA1, the primary device attributes, which every terminal answers: after that answer no other follows."""


def start_questions(*, about_colors: bool, about_pictures: bool, in_tmux: bool) -> str:
    """Return the questions, which end with one that every terminal answers; empty if there are none.

    The question about pictures goes through tmux to the terminal around it. tmux itself would take it for a title.
    """
    questions = COLOR_QUESTION if about_colors else ""
    if about_pictures:
        questions += VERSION_QUESTION + (through_tmux(QUERY) if in_tmux else QUERY)
    return questions and questions + LAST_QUESTION
