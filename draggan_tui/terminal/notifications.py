"""Sequences that the terminal shows outside of its screen: the window's title, progress, and notifications.

Sources: xterm's control sequences (titles), ConEmu's documentation (OSC 9;4), iTerm2's (OSC 9) and urxvt's (OSC 777).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SAVE_TITLE, RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"
BELL = "\x07"
NO_PROGRESS = "\x1b]9;4;0;\x1b\\"
LONGEST_TITLE = 120  # characters

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME_AND_VERSION = re.compile(r"(?P<name>[A-Za-z][\w .-]*?)[ (/]+v?(?P<version>\d[\d.]*)")
_FIRST_WITH_PROGRESS = {"ghostty": (1, 2), "wezterm": (20250000,), "iterm": (3, 6, 6), "vte": (7900,), "mintty": (3, 4)}
"""Terminals that show OSC 9;4, from these versions on. Others take it for a notification."""
_WITH_OSC_9 = ("iterm", "kitty")
_WITH_OSC_777 = ("ghostty", "wezterm", "foot", "vte", "konsole", "contour", "rio")


def title_sequence(title: str) -> str:
    """Return what makes a text the title of the window, or of the pane in tmux."""
    return f"\x1b]2;{_printable(title)[:LONGEST_TITLE]}\x1b\\"


def progress_sequence(share: float) -> str:
    """Return what shows progress in the window's tab or in the task bar.

    Args:
        share: 0 … 1.
    """
    return f"\x1b]9;4;1;{round(100 * min(max(share, 0), 1))}\x1b\\"


def notification_sequence(text: str, terminal_version: str) -> str:
    """Return what shows a notification; the bell where the terminal is not known to show any.

    Args:
        terminal_version: how the terminal calls itself (XTVERSION).
    """
    name, _ = _parse_version(terminal_version)
    if name.startswith(_WITH_OSC_9):
        return f"\x1b]9;{_printable(text)}\x1b\\"
    if name.startswith(_WITH_OSC_777):
        return f"\x1b]777;notify;draggan-tui;{_printable(text).replace(';', ',')}\x1b\\"
    return BELL


def shows_progress(terminal_version: str, environment: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to show progress."""
    if environment.get("TMUX"):
        return False
    name, version = _parse_version(terminal_version)
    is_listed = any(
        name.startswith(listed_name) and version >= first_version
        for listed_name, first_version in _FIRST_WITH_PROGRESS.items()
    )
    return is_listed or "WT_SESSION" in environment or environment.get("ConEmuANSI") == "ON"


def _parse_version(terminal_version: str) -> tuple[str, tuple[int, ...]]:
    """Return the name in small letters and the numbers of the version, as of `kitty(0.35.1)` or `WezTerm 20240203-110809`."""
    match = _NAME_AND_VERSION.match(terminal_version)
    if match is None:
        return "", ()
    return match["name"].lower(), tuple(int(number) for number in match["version"].split(".") if number)


def _printable(text: str) -> str:
    return _CONTROLS.sub(" ", text).encode(errors="replace").decode()
