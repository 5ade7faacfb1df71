"""The terminal: its size, its colours, and what else it can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from draggan_tui.diagnosis.finding import Finding
from draggan_tui.diagnosis.terminal_answers import TerminalAnswers
from draggan_tui.terminal.color_depth import guess_colors
from draggan_tui.terminal.graphics_support import graphics_support

LEAST_SIZE, FULL_SIZE = (30, 10), (80, 24)
"""Columns and rows that the editor needs at least, and from which all parts of it have room."""
NO_TERMINAL = "stdin or stderr is not a terminal, so the terminal was not looked at"


def terminal_findings(
    environment: Mapping[str, str], size: tuple[int, int], answers: TerminalAnswers | None
) -> Iterator[Finding]:
    """Yield findings about the terminal.

    Args:
        size: columns and rows; 0: not known.
        answers: of the terminal; None: it was not asked, or has not answered.
    """
    terminal_name = environment.get("TERM", "")
    if terminal_name in ("", "dumb", "unknown"):
        yield Finding(
            "terminal", "problem", f"TERM is {terminal_name or 'not set'}: the editor cannot be drawn",
            "if this terminal has colours and a cursor: export TERM=xterm-256color",
        )  # fmt: skip
        return
    own_name = answers.name if answers is not None and answers.name else "it does not say which one it is"
    yield Finding("terminal", "ok", f"TERM={terminal_name} ({own_name})")
    yield size_finding(size)
    yield color_finding(environment, answers)
    if answers is None:
        yield Finding("graphics", "ok", "not known: the terminal has not answered")
        return
    yield graphics_finding(environment, answers)
    if answers.synchronised:
        yield Finding("frames", "ok", "painted whole (synchronised output)")
    else:
        yield Finding(
            "frames", "ok", "the terminal has no synchronised output, so a frame can be seen while it is painted"
        )


def size_finding(size: tuple[int, int]) -> Finding:
    """Return whether the editor has room."""
    if 0 in size:
        return Finding("size", "ok", "the terminal does not say; the editor takes 80×24 until it does")
    text = f"{size[0]}×{size[1]}"
    if size[0] < LEAST_SIZE[0] or size[1] < LEAST_SIZE[1]:
        return Finding(
            "size", "problem", f"{text}: the editor needs at least {LEAST_SIZE[0]}×{LEAST_SIZE[1]}",
            "make the window larger or its font smaller",
        )  # fmt: skip
    if size[0] < FULL_SIZE[0] or size[1] < FULL_SIZE[1]:
        return Finding(
            "size", "hint", f"{text}: the image is small, and some keys and panels have no room",
            f"make the window at least {FULL_SIZE[0]}×{FULL_SIZE[1]}, or its font smaller",
        )  # fmt: skip
    return Finding("size", "ok", text)


def graphics_finding(environment: Mapping[str, str], answers: TerminalAnswers) -> Finding:
    """Return how the editor shows the image here."""
    protocols = [name for name, is_there in (("kitty", answers.kitty_graphics), ("Sixel", answers.sixel)) if is_there]
    support = graphics_support(environment, "auto")
    # In tmux the terminal was not asked, but tmux knows how it calls itself.
    takes_graphics = answers.kitty_graphics or support.in_tmux
    if support.worth_asking and takes_graphics and support.allows(answers.name, environment):
        through = " through tmux" if support.in_tmux else ""
        return Finding("graphics", "ok", f"kitty's protocol{through}: the image is shown in pixels")
    return Finding("graphics", "ok", f"{' and '.join(protocols) or 'none'}; the editor draws with characters")


def color_finding(environment: Mapping[str, str], answers: TerminalAnswers | None) -> Finding:
    """Return how many colours the editor uses here."""
    if "NO_COLOR" in environment:
        return Finding("colours", "hint", "none, because NO_COLOR is set", "unset NO_COLOR, or give --color truecolor")
    guess = guess_colors(environment)
    if guess.depth == "truecolor" or (guess.worth_asking and answers is not None and answers.truecolor):
        return Finding("colours", "ok", "truecolor")
    if environment.get("TMUX"):
        return Finding("colours", "ok", f"{guess.depth}: as many as tmux sends on")
    if environment.get("TERM", "").startswith("screen"):
        return Finding("colours", "hint", f"{guess.depth}: GNU screen has no truecolor", "use tmux instead")
    return Finding(
        "colours", "hint", f"{guess.depth}, as far as the terminal says",
        "if it has more: export COLORTERM=truecolor, or give --color truecolor",
    )  # fmt: skip
