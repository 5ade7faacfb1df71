"""The side panel's essence for terminals that are too narrow for it: two rows under the image."""

from __future__ import annotations

from textual.content import Content

from draggan_engine.core.edit import Edit
from draggan_engine.core.geometry import Point, Size
from draggan_tui.config.themes import Rgb

from .inspector_text import ACCENT, MUTED, coordinates, swatch
from .pair_table import handle_and_target


def brief_facts(
    edit: Edit, selected: int | None, cursor: Point | None, image: Size | None, color: Rgb | None
) -> Content:
    """Cursor and colour, and below them the selected pair.

    Args:
        edit: with the handles where they are now.
    """
    place = "–" if cursor is None or image is None else coordinates(cursor, image)
    first = Content.assemble(("cursor", MUTED), f"  {place}  ", swatch(color) if color is not None else "")
    if selected is None:
        return Content("\n").join([first, Content.styled("no pairs", MUTED)])
    pair = edit.pairs[selected]
    target, left = handle_and_target(pair)
    second = Content.assemble(
        (f"pair {selected + 1}", ACCENT),
        (f" of {len(edit.pairs)}", MUTED),
        f"  {pair.handle[0]:.0f} {pair.handle[1]:.0f} → {target}  {left}".rstrip(),
    )
    return Content("\n").join([first, second])
