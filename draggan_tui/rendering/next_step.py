"""The hint in the status line: what a newcomer does next."""

from __future__ import annotations

from draggan_engine.core.edit import Edit


def next_step(edit: Edit, is_dragging: bool) -> str:
    """Return a sentence in which keys are named by the ids of their bindings, as `{drag}`."""
    if is_dragging:
        return "The handle moves to its target, and the image with it"
    if edit.source.drag:
        return "Compare it with before, drag on from here, or save it; {cancel} ends these hints"
    if not edit.pairs:
        # What to do first stands in the side panel.
        return "{left} {down} {up} {right} move the cursor; {cancel} ends these hints"
    if any(pair.target is None for pair in edit.pairs):
        return "Now press {place} where it should go"
    if all(pair.is_pin or not pair.enabled for pair in edit.pairs):
        return "Press {place} on a point to drag, and again where it should go"
    return "Press {drag} to drag it there"
