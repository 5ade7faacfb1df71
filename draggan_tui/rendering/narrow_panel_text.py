"""Two rows under the image, in terminals that are too narrow for the side panel."""

from __future__ import annotations

from textual.content import Content

from .inspector_state import InspectorState
from .inspector_text import ACCENT, MUTED, cursor_text, swatch
from .pair_table import target_texts


def narrow_panel_text(state: InspectorState) -> Content:
    """Return two rows: the cursor and the colour under it; the selected pair."""
    edit, selected, color = state.edit, state.selected, state.cursor_color
    first = Content.assemble(("cursor", MUTED), f"  {cursor_text(state)}  ", swatch(color) if color is not None else "")
    if selected is None:
        return Content("\n").join([first, Content.styled("no pairs", MUTED)])
    pair = edit.pairs[selected]
    target, distance_text = target_texts(pair)
    second = Content.assemble(
        (f"pair {selected + 1}", ACCENT),
        (f" of {len(edit.pairs)}", MUTED),
        f"  {pair.handle[0]:.0f} {pair.handle[1]:.0f} → {target}  {distance_text}".rstrip(),
    )
    return Content("\n").join([first, second])
