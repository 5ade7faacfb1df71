"""The texts that are shown while a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from draggan_tui import DEFAULT_MODEL

if TYPE_CHECKING:
    from draggan_engine.server.messages import LoadProgress

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
BAR_WIDTH = 24
_CHECKPOINT_SUFFIXES = (".pkl", ".pt", ".pth", ".safetensors")
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "B"))


def model_label(spec: str) -> str:
    """Return how a model is called until the engine names it: its name, or its path without directory and suffix."""
    if spec == DEFAULT_MODEL:
        return "critters"
    path = Path(spec)
    return path.stem if path.suffix.lower() in _CHECKPOINT_SUFFIXES else path.name


def size_text(byte_count: int) -> str:
    """Return a number of bytes as `35 kB`, `4.4 MB`, `364 MB`."""
    unit, name, digits = _unit(byte_count)
    return f"{byte_count / unit:.{digits}f} {name}"


def loading_text(loading: LoadProgress) -> str:
    """Return `reading 120/364 MB`, or `building` for a step without a known length."""
    if loading.total <= 1:
        return loading.stage
    unit, name, digits = _unit(loading.total)
    return f"{loading.stage} {loading.done / unit:.{digits}f}/{loading.total / unit:.{digits}f} {name}"


def placeholder_text(spinner: str, name: str, loading: LoadProgress | None, columns: int, rows: int) -> str:
    """Return what the canvas shows before its first image: `⠋ ffhq  reading 120/364 MB`, and below it a bar if it fits.

    Args:
        spinner: one character that moves while the engine works.
        name: the name of the model.
        loading: how far the engine is. None: it has not reported anything yet.
        columns, rows: size of the canvas.
    """
    if loading is None:
        return f"{spinner} {name}"
    line = f"{spinner} {name}  {loading_text(loading)}"
    if loading.total <= 1 or columns < BAR_WIDTH or rows < 3:
        return line
    filled_columns = BAR_WIDTH * min(loading.done, loading.total) // loading.total
    return f"{line}\n{'━' * filled_columns}{'─' * (BAR_WIDTH - filled_columns)}"


def _unit(byte_count: int) -> tuple[int, str, int]:
    """Return the unit that suits a number of bytes, its name, and how many decimals to show."""
    unit, name = next(((unit, name) for unit, name in _UNITS if byte_count >= unit), _UNITS[-1])
    return unit, name, 1 if unit > 1 and byte_count < 10 * unit else 0
