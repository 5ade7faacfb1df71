"""What a newcomer does next."""

from __future__ import annotations

from draggan_engine.protocol.edit import Edit


def next_step(edit: Edit, dragging: bool) -> str:
    """A sentence for the status line; keys are named by their bindings."""
    if dragging:
        return "The image moves. {drag} stops it"
    if edit.latent:
        return "{save} saves, {undo} takes it back, {help} lists all keys; {cancel} ends these hints"
    if not edit.pairs:
        return "Move with {left} {down} {up} {right} to what you want to move, a nose perhaps, then press {place}"
    if any(pair.target is None for pair in edit.pairs):
        return "Now move to where it should go, then press {place}"
    return "Press {drag} to drag it there"
