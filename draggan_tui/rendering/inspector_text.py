"""The facts of the side panel: labels right-aligned in one column, values left-aligned in the next."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from draggan_engine.core.edit import Edit
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.config.themes import Rgb
from draggan_tui.editor.edit_ops import Brush

LABEL, MUTED, ACCENT = 6, "$foreground-muted", "$text-accent"
"""Columns that a label takes, and the styles of labels and of what is selected."""


def session_facts(edit: Edit, device: str, info: ModelInfo | None = None, latent_name: str = "") -> Content:
    """Model, device and family, seed, class (if the model has any), ψ and latent space.

    Args:
        latent_name: name of the file of the latent that the session started from.
    """
    classes = 0 if info is None else info.classes
    return _rows(
        [
            ("model", edit.model),
            ("device", device if info is None else f"{device} · {info.family}"),
            ("seed", _start(edit, latent_name)),
            *([("class", f"{edit.label} of 0…{classes - 1}")] if classes else []),
            ("ψ", f"{edit.psi:.2f} · space {edit.settings.space.upper()}"),
        ]
    )


def cursor_facts(
    cursor: Point | None, image: Size | None, color: Rgb | None, zoom: str, mask_share: float | None, brush: Brush
) -> Content:
    """Cursor, the colour under it, zoom, mask, brush.

    Args:
        image: size of the full-resolution image.
        color: under the cursor; none: there is no image yet.
        zoom: `3:1`, empty when the whole image is shown.
    """
    return _rows(
        [
            ("cursor", "–" if cursor is None or image is None else coordinates(cursor, image)),
            ("colour", "–" if color is None else swatch(color)),
            ("zoom", zoom or "whole image"),
            ("mask", "none" if mask_share is None else f"{percent(mask_share)} may move"),
            ("brush", f"{brush.size} {'round' if brush.round else 'square'}"),
        ]
    )


def _rows(rows: Iterable[tuple[str, str | Content]]) -> Content:
    return Content("\n").join(Content.assemble((f"{label:>{LABEL}}", MUTED), "  ", value) for label, value in rows)


def coordinates(point: Point, image: Size) -> str:
    """`  8.0  127.5`: as wide for every point of the image, so that nothing moves but digits."""
    width = len(f"{max(image.width, image.height) - 1:.1f}")
    return f"{point[0]:{width}.1f}  {point[1]:{width}.1f}"


def swatch(color: Rgb) -> Content:
    """Two cells of the colour and `#a0b0c0`."""
    name = "#{:02x}{:02x}{:02x}".format(*color)
    return Content.assemble(("  ", f"on {name}"), f" {name}")


def _start(edit: Edit, latent_name: str) -> str:
    """`7`, `7 · after drag 2`, `from pivot.pt`, `drag 2, from pivot.pt`."""
    if edit.given:
        return f"drag {edit.latent}, from {latent_name}" if edit.latent else f"from {latent_name}"
    return f"{edit.seed} · after drag {edit.latent}" if edit.latent else str(edit.seed)


def percent(share: float) -> str:
    """`<1%`, `35%`, `>99%`: never 0% or 100% for what is neither nothing nor all."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def seconds_text(seconds: float) -> str:
    """`0.8 s`, `12 s`, `3:07 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"
