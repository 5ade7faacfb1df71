"""The facts in the side panel: a column of labels, aligned right, and a column of values."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from draggan_engine.core.edit import Edit
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.mask_regions import percent
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.terminal.xterm_palette import Rgb

from .inspector_state import InspectorState

LABEL_WIDTH = 6
MUTED, ACCENT = "$foreground-muted", "$text-accent"
"""Styles of labels, and of what is selected."""


def session_facts(state: InspectorState) -> Content:
    """Return the rows of model, device and family, seed or file, class (if the model has any), ψ and latent space, and how far the
    edit has moved (if it has been dragged)."""
    edit, model_info = state.edit, state.model_info
    class_count = 0 if model_info is None else model_info.classes
    return _rows(
        [
            ("model", edit.model),
            ("device", state.device if model_info is None else f"{state.device} · {model_info.family}"),
            _start(edit, state.file_latent),
            *([("class", f"{edit.source.label} of 0…{class_count - 1}")] if class_count else []),
            ("ψ", f"{edit.source.psi:.2f} · space {edit.settings.space.upper()}"),
            *([("edit", sigma_text(state.sigma))] if has_sigma(state) else []),
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


def _rows(fact_rows: Iterable[tuple[str, str | Content]]) -> Content:
    return Content("\n").join(
        Content.assemble((f"{fact_label:>{LABEL_WIDTH}}", MUTED), "  ", fact_value)
        for fact_label, fact_value in fact_rows
    )


def cursor_text(state: InspectorState) -> str:
    """Return the cursor's coordinates, or a dash while there is no cursor."""
    if state.cursor is None or state.image_size is None:
        return "–"
    return coordinates(state.cursor, state.image_size)


def coordinates(point: Point, image_size: Size) -> str:
    """Return `  8.0  127.5`, equally wide for every point of the image, so that only digits move."""
    number_width = len(f"{max(image_size.width, image_size.height) - 1:.1f}")
    return f"{point[0]:{number_width}.1f}  {point[1]:{number_width}.1f}"


def swatch(color: Rgb) -> Content:
    """Return two cells in the colour, and `#a0b0c0`."""
    hex_name = "#{:02x}{:02x}{:02x}".format(*color)
    return Content.assemble(("  ", f"on {hex_name}"), f" {hex_name}")


def has_sigma(state: InspectorState) -> bool:
    """Return whether drags have moved the latent, so that there is a length to show."""
    return bool(state.edit.source.drag) or state.sigma is not None


def sigma_text(sigma: float | None) -> str:
    """Return ` 1.8 σ`, or a dash while it is not known."""
    return "–" if sigma is None else f"{sigma:4.1f} σ"


def _start(edit: Edit, file_latent: FileLatent) -> tuple[str, str]:
    """Return what the image was made from, as a label and a text: `seed` and `7` or `7 · after drag 2`, `photo` and `me.jpg`, or
    `latent` and `pivot.pt`, or `a file` if its name is not known."""
    if edit.source.from_file:
        label = "photo" if file_latent.is_inversion else "latent"
        start_text = file_latent.name or "a file"
    else:
        label, start_text = "seed", str(edit.source.seed)
    return label, f"{start_text} · after drag {edit.source.drag}" if edit.source.drag else start_text


def seconds_text(seconds: float) -> str:
    """Return `0.8 s`, `12 s`, or `3:07 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole_minutes, rest_seconds = divmod(round(seconds), 60)
    return f"{whole_minutes}:{rest_seconds:02} min"
