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
    *others, last = hints
    while others and len(SEPARATOR.join(f"{key} {does}" for key, does in (*others, last))) > width:
        others.pop()
    parts = [Content.assemble((key, "bold $accent"), f" {does}") for key, does in (*others, last)]
    return Content(SEPARATOR).join(parts)
