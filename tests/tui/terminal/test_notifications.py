"""What is written for the window's title, progress and notifications, and for which terminals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_tui.terminal.notifications import (
    BELL,
    LONGEST_TITLE,
    notification_sequence,
    progress_sequence,
    shows_progress,
    title_sequence,
)


def test_titles_and_progress() -> None:
    assert title_sequence("critters-128, seed 42") == "\x1b]2;critters-128, seed 42\x1b\\"
    assert [progress_sequence(share) for share in (0, 0.345, 1, 1.2)] == [
        "\x1b]9;4;1;0\x1b\\",
        "\x1b]9;4;1;34\x1b\\",
        "\x1b]9;4;1;100\x1b\\",
        "\x1b]9;4;1;100\x1b\\",
    ]


@given(st.text())
def test_no_text_ends_its_sequence_or_begins_another(text: str) -> None:
    """A file's name may have any characters, also those of control sequences and bytes that are not UTF-8."""
    for sequence in (title_sequence(text + "\udcff"), notification_sequence(text, "kitty(0.35.1)")):
        content = sequence.removeprefix("\x1b]").removesuffix("\x1b\\")
        assert len(content) == len(sequence) - 4
        assert all(character >= " " and not "\x7f" <= character <= "\x9f" for character in content)
        assert sequence.encode().decode() == sequence
    assert len(title_sequence(text)) <= LONGEST_TITLE + 6


@pytest.mark.parametrize(
    ("version", "sequence"),
    [
        ("kitty(0.35.1)", "\x1b]9;drag 1; reached\x1b\\"),
        ("iTerm2 3.6.6", "\x1b]9;drag 1; reached\x1b\\"),
        ("ghostty 1.2.0", "\x1b]777;notify;draggan-tui;drag 1, reached\x1b\\"),
        ("WezTerm 20240203-110809-5046fc22", "\x1b]777;notify;draggan-tui;drag 1, reached\x1b\\"),
        ("foot(1.16.2)", "\x1b]777;notify;draggan-tui;drag 1, reached\x1b\\"),
        ("XTerm(379)", BELL),
        ("tmux 3.3a", BELL),
        ("", BELL),
    ],
)
def test_notifications(version: str, sequence: str) -> None:
    assert notification_sequence("drag 1; reached", version) == sequence


@pytest.mark.parametrize(
    ("version", "environment", "is_shown"),
    [
        ("ghostty 1.2.0", {}, True),
        ("ghostty 1.1.3", {}, False),
        ("iTerm2 3.6.6", {}, True),
        ("iTerm2 3.5.14", {}, False),
        ("WezTerm 20240203-110809-5046fc22", {}, False),
        ("WezTerm 20250614-080000-ab12cd34", {}, True),
        ("VTE(8000)", {}, True),
        ("VTE(7600)", {}, False),
        ("kitty(0.42.0)", {}, False),
        ("", {}, False),
        ("", {"WT_SESSION": "1"}, True),
        ("ghostty 1.2.0", {"TMUX": "/tmp/tmux-0/default,1,0"}, False),
    ],
)
def test_progress_is_shown_only_where_it_is_no_notification(
    version: str, environment: dict[str, str], is_shown: bool
) -> None:
    assert shows_progress(version, environment) is is_shown
