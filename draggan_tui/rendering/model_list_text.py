"""The rows of the list of models."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from draggan_engine.core.model_info import ModelEntry

from .loading_text import size_text

LEAST_NAME_WIDTH = 12


def is_open_model(model_entry: ModelEntry, model_spec: str) -> bool:
    """Return whether a model is the one that was loaded by this name or path."""
    return model_spec in (model_entry.name, model_entry.path)


def model_lines(model_entries: Sequence[ModelEntry], open_model: str, width: int) -> list[Text]:
    """Return a row for each model, in columns: `● critters-128  bundled  4.4 MB`. Long names are cut.

    Args:
        open_model: name or path by which the present model, which gets the dot, was loaded.
        width: in cells.
    """
    origin_width = max((len(entry.origin) for entry in model_entries), default=0)
    longest_name = max((len(entry.name) for entry in model_entries), default=0)
    name_width = min(longest_name, max(width - len("●   ") - origin_width - len("  999 MB "), LEAST_NAME_WIDTH))
    return [
        Text.assemble(
            f"{'●' if is_open_model(entry, open_model) else ' '} {_shortened(entry.name, name_width):<{name_width}}  ",
            (f"{entry.origin:<{origin_width}}  {size_text(entry.bytes):>6}", "dim"),
        )
        for entry in model_entries
    ]


def _shortened(model_name: str, width: int) -> str:
    return model_name if len(model_name) <= width else f"{model_name[: width - 1]}…"
