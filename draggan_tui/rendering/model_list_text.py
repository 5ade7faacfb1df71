"""The list of models, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from draggan_engine.core.model_info import ModelEntry

from .loading_text import size_text

LEAST_NAME_WIDTH = 12


def is_present(entry: ModelEntry, spec: str) -> bool:
    """Whether a model is the one that was loaded by that name or path."""
    return spec in (entry.name, entry.path)


def model_lines(entries: Sequence[ModelEntry], present: str, width: int) -> list[Text]:
    """`● critters-128  bundled  4.4 MB`, a line each, in columns; the dot is the present model's. Long names are cut.

    Args:
        present: the name or path that it was loaded by.
        width: in cells.
    """
    origin_width = max((len(entry.origin) for entry in entries), default=0)
    longest = max((len(entry.name) for entry in entries), default=0)
    name_width = min(longest, max(width - len("●   ") - origin_width - len("  999 MB "), LEAST_NAME_WIDTH))
    return [
        Text.assemble(
            f"{'●' if is_present(entry, present) else ' '} {_shortened(entry.name, name_width):<{name_width}}  ",
            (f"{entry.origin:<{origin_width}}  {size_text(entry.bytes):>6}", "dim"),
        )
        for entry in entries
    ]


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
