"""The facts in the side panel: a column of labels, aligned right, and a column of values."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from draggan_engine.core.edit import Edit
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.mask_regions import percent
from draggan_tui.terminal.xterm_palette import Rgb

from .inspector_state import InspectorState

LABEL_WIDTH = 6
MUTED, ACCENT = "$foreground-muted", "$text-accent"
"""Styles of labels, and of what is selected."""


def session_facts(state: InspectorState) -> Content:
    """Return the rows of model, device and family, seed, class (if the model has any), ψ and latent space."""
    edit, info = state.edit, state.model_info
    classes = 0 if info is None else info.classes
    return _rows(
        [
            ("model", edit.model),
            ("device", state.device if info is None else f"{state.device} · {info.family}"),
            ("seed", _start_text(edit, state.latent_name)),
            *([("class", f"{edit.source.label} of 0…{classes - 1}")] if classes else []),
            ("ψ", f"{edit.source.psi:.2f} · space {edit.settings.space.upper()}"),
        ]
    )


def cursor_facts(state: InspectorState) -> Content:
    """Return the rows of cursor, the colour under it, zoom, mask and brush."""
    mask, brush = state.edit.mask, state.brush
    return _rows(
        [
            ("cursor", cursor_text(state)),
            ("colour", "–" if state.cursor_color is None else swatch(state.cursor_color)),
            ("zoom", state.zoom or "whole image"),
            ("mask", "none" if mask is None else f"{percent(mask.share)} may move"),
            ("brush", f"{brush.size} {'round' if brush.round else 'square'}"),
        ]
    )


def _rows(rows: Iterable[tuple[str, str | Content]]) -> Content:
    return Content("\n").join(
        Content.assemble((f"{label:>{LABEL_WIDTH}}", MUTED), "  ", value) for label, value in rows
    )


def cursor_text(state: InspectorState) -> str:
    """Return the cursor's coordinates, or a dash while there is no cursor."""
    if state.cursor is None or state.image_size is None:
        return "–"
    return coordinates(state.cursor, state.image_size)


def coordinates(point: Point, image: Size) -> str:
    """Return `  8.0  127.5`, equally wide for every point of the image, so that only digits move."""
    width = len(f"{max(image.width, image.height) - 1:.1f}")
    return f"{point[0]:{width}.1f}  {point[1]:{width}.1f}"


def swatch(color: Rgb) -> Content:
    """Return two cells in the colour, and `#a0b0c0`."""
    name = "#{:02x}{:02x}{:02x}".format(*color)
    return Content.assemble(("  ", f"on {name}"), f" {name}")


def _start_text(edit: Edit, latent_name: str) -> str:
    """Return `7`, `7 · after drag 2`, `from pivot.pt`, or `drag 2, from pivot.pt`."""
    if edit.source.from_file:
        return f"drag {edit.source.drag}, from {latent_name}" if edit.source.drag else f"from {latent_name}"
    return f"{edit.source.seed} · after drag {edit.source.drag}" if edit.source.drag else str(edit.source.seed)


def seconds_text(seconds: float) -> str:
    """Return `0.8 s`, `12 s`, or `3:07 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"
