"""What the keys of a dialog do, for its bottom border."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

SEPARATOR = " · "


def dialog_hints(hints: Sequence[tuple[str, str]], width: int) -> Content:
    """`Enter applies · Tab completes · Esc closes`; where there is no room, without those before the last.

    Args:
        hints: key and what it does, the most important first; the last one, how to get out, always stays. None: empty.
        width: in cells.
    """
    if not hints:
        return Content("")
    *others, last = hints
    while others and len(SEPARATOR.join(f"{key} {does}" for key, does in (*others, last))) > width:
        others.pop()
    parts = [Content.assemble((key, "bold $accent"), f" {does}") for key, does in (*others, last)]
    return Content(SEPARATOR).join(parts)
