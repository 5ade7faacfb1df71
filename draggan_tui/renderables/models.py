"""The list of models, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from draggan_engine.protocol.messages import ModelEntry

from .loading import size_text

NAME_WIDTH = 32


def is_present(entry: ModelEntry, spec: str) -> bool:
    """Whether a model is the one that was loaded by that name or path."""
    return spec in (entry.name, entry.path)


def model_lines(entries: Sequence[ModelEntry], present: str) -> list[Text]:
    """`● critters-128  bundled  4.4 MB`, a line each, in columns; the dot is the present model's.

    Args:
        present: the name or path that it was loaded by.
    """
    names = [_shortened(entry.name) for entry in entries]
    width = max(map(len, names), default=0)
    origins = max((len(entry.origin) for entry in entries), default=0)
    return [
        Text.assemble(
            f"{'●' if is_present(entry, present) else ' '} {name:<{width}}  ",
            (f"{entry.origin:<{origins}}  {size_text(entry.bytes):>7}", "dim"),
        )
        for entry, name in zip(entries, names, strict=True)
    ]


def _shortened(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"
