"""The rows of the list of models, and what it says about downloads."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from draggan_engine.core.model_info import ModelEntry, PublicModel

from .loading_text import amount_of_total_text, size_text

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


def public_model_lines(public_models: Sequence[PublicModel]) -> list[Text]:
    """Return a row for each model that can be downloaded, in columns: `↓ sd-lions-512  364 MB  lions`."""
    name_width = max((len(public_model.name) for public_model in public_models), default=0)
    return [
        Text.assemble(
            f"↓ {public_model.name:<{name_width}}  ",
            (f"{_file_size(public_model):>6}  {public_model.shows}", "dim"),
        )
        for public_model in public_models
    ]


def offer_text(public_model: PublicModel) -> str:
    """Return what a user reads before a download begins: its licence, its size, and how to begin it."""
    size_label = _file_size(public_model)
    return (
        f"{public_model.name}: {public_model.shows}, {public_model.family}, {public_model.width}×{public_model.height}\n"
        f"{public_model.home}\nlicence: {public_model.licence}\n"
        f"Enter downloads {f'the {size_label}' if size_label else 'it'}"
    )


def pull_text(source: str, done: int, total: int) -> str:
    """Return how far a download is: `downloading sd-lions-512: 12/364 MB · x stops it`."""
    amount_text = amount_of_total_text(done, total) if total else size_text(done)
    return f"downloading {source}: {amount_text} · x stops it"


def _file_size(public_model: PublicModel) -> str:
    return size_text(public_model.bytes) if public_model.bytes else ""


def _shortened(model_name: str, width: int) -> str:
    return model_name if len(model_name) <= width else f"{model_name[: width - 1]}…"
