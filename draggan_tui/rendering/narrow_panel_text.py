"""Two rows under the image, in terminals that are too narrow for the side panel."""

from __future__ import annotations

from textual.content import Content

from .inspector_state import InspectorState
from .inspector_text import ACCENT, MUTED, cursor_text, has_sigma, sigma_text, swatch
from .pair_table import target_texts


def narrow_panel_text(state: InspectorState) -> Content:
    """Return two rows: the cursor, the colour under it, and how far a dragged edit has moved; the selected pair."""
    edit, selected_index, cursor_color = state.edit, state.selected, state.cursor_color
    first_row = Content.assemble(
        ("cursor", MUTED),
        f"  {cursor_text(state)}  ",
        swatch(cursor_color) if cursor_color is not None else "",
        ("  edit " if has_sigma(state) else "", MUTED),
        sigma_text(state.sigma) if has_sigma(state) else "",
    )
    if selected_index is None:
        return Content("\n").join([first_row, Content.styled("no pairs", MUTED)])
    pair = edit.pairs[selected_index]
    target_text, distance_text = target_texts(pair)
    second_row = Content.assemble(
        (f"pair {selected_index + 1}", ACCENT),
        (f" of {len(edit.pairs)}", MUTED),
        f"  {pair.handle[0]:.0f} {pair.handle[1]:.0f} → {target_text}  {distance_text}".rstrip(),
    )
    return Content("\n").join([first_row, second_row])
