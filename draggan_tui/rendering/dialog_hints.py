"""The text in the bottom border of a dialog: what its keys do."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

SEPARATOR = " · "


def dialog_hints(hints: Sequence[tuple[str, str]], width: int) -> Content:
    """Return `Enter applies · Tab completes · Esc closes`, without the middle hints where there is no room for them.

    Args:
        hints: pairs of a key and what it does, the most important first. The last hint, how to close the dialog, is
            never left out. Without hints the text is empty.
        width: in cells.
    """
    if not hints:
        return Content("")
    *earlier_hints, last_hint = hints
    while earlier_hints and len(SEPARATOR.join(map(" ".join, (*earlier_hints, last_hint)))) > width:
        earlier_hints.pop()
    hint_texts = [
        Content.assemble((key_text, "bold $accent"), f" {key_effect}")
        for key_text, key_effect in (*earlier_hints, last_hint)
    ]
    return Content(SEPARATOR).join(hint_texts)
