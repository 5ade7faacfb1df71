"""Ask the terminal what it can do, before any program draws on it."""

from __future__ import annotations

import os
import re
import select
import termios
import time
import tty
from dataclasses import dataclass

from draggan_tui.terminal.color_depth import COLOR_QUESTION, keeps_rgb
from draggan_tui.terminal.paced_writer import SYNC_QUESTION
from draggan_tui.terminal.start_questions import GRAPHICS_QUESTION, LAST_QUESTION, SUPPORT_TEST, VERSION_QUESTION

LONGEST_WAIT = 2.0  # seconds for the answer to the last question, over a slow line
QUESTIONS = VERSION_QUESTION + SYNC_QUESTION + COLOR_QUESTION + LAST_QUESTION
_DA1 = re.compile(r"\x1b\[\?([\d;]*)c")
_NAME = re.compile(r"\x1bP>\|([^\x1b]*)\x1b\\")
_SYNCHRONISED = re.compile(r"\x1b\[\?2026;([0-4])\$y")
_ATTRIBUTES = re.compile(r"\x1bP([01]\$r[^\x1b]*)\x1b\\")
_SIXEL = "4"


@dataclass(frozen=True)
class TerminalAnswers:
    """
    Attributes:
        name: of the terminal, with its version, as it calls itself; empty if it does not say.
        truecolor: whether it keeps a colour in RGB.
        synchronised: whether it can paint whole frames at a time.
        kitty_graphics, sixel: whether it can show images by kitty's protocol, and by Sixel.
    """

    name: str = ""
    truecolor: bool = False
    synchronised: bool = False
    kitty_graphics: bool = False
    sixel: bool = False


def parse_answers(received: str) -> TerminalAnswers | None:
    """Return what a terminal has answered to the questions; None if the last answer is missing."""
    last_answer = _DA1.search(received)
    if last_answer is None:
        return None
    name, synchronised = _NAME.search(received), _SYNCHRONISED.search(received)
    return TerminalAnswers(
        name=name[1] if name else "",
        truecolor=any(keeps_rgb(attributes) for attributes in _ATTRIBUTES.findall(received)),
        synchronised=synchronised is not None and synchronised[1] in "123",
        kitty_graphics=f"\x1b_Gi={SUPPORT_TEST};OK\x1b\\" in received,
        sixel=_SIXEL in last_answer[1].split(";")[1:],
    )


def ask_terminal(descriptor: int, *, in_tmux: bool, longest_wait: float = LONGEST_WAIT) -> TerminalAnswers | None:
    """Ask the terminal that a file descriptor is open on; None if it does not answer in time.

    Keys that are typed meanwhile are lost.

    Args:
        in_tmux: whether tmux answers, which is not asked for kitty's protocol.
        longest_wait: in seconds.
    """
    questions = QUESTIONS if in_tmux else GRAPHICS_QUESTION + QUESTIONS
    old_attributes = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSAFLUSH)
        os.write(descriptor, questions.encode())
        received, deadline = "", time.monotonic() + longest_wait
        while (answers := parse_answers(received)) is None and (seconds_left := deadline - time.monotonic()) > 0:
            if select.select([descriptor], [], [], seconds_left)[0]:
                received += os.read(descriptor, 4096).decode("latin-1")
        return answers
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, old_attributes)
