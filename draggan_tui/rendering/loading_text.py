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
_BYTE_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "B"))


def model_label(model_spec: str) -> str:
    """Return how a model is called until the engine names it: its name, or its path without directory and suffix."""
    if model_spec == DEFAULT_MODEL:
        return "critters"
    model_path = Path(model_spec)
    return model_path.stem if model_path.suffix.lower() in _CHECKPOINT_SUFFIXES else model_path.name


def size_text(byte_count: int) -> str:
    """Return a number of bytes as `35 kB`, `4.4 MB`, `364 MB`."""
    unit_bytes, unit_name, decimal_count = _unit(byte_count)
    return f"{byte_count / unit_bytes:.{decimal_count}f} {unit_name}"


def loading_text(load_progress: LoadProgress) -> str:
    """Return `reading 120/364 MB`, or `building` for a step without a known length."""
    if load_progress.total <= 1:
        return load_progress.stage
    return f"{load_progress.stage} {amount_of_total_text(load_progress.done, load_progress.total)}"


def amount_of_total_text(done_bytes: int, total_bytes: int) -> str:
    """Return how many bytes of a known number are done: `120/364 MB`."""
    unit_bytes, unit_name, decimal_count = _unit(total_bytes)
    done_units, total_units = done_bytes / unit_bytes, total_bytes / unit_bytes
    return f"{done_units:.{decimal_count}f}/{total_units:.{decimal_count}f} {unit_name}"


def placeholder_text(spinner: str, model_name: str, load_progress: LoadProgress | None, columns: int, rows: int) -> str:
    """Return what the canvas shows before its first image: `⠋ ffhq  reading 120/364 MB`, and below it a bar if it fits.

    Args:
        spinner: one character that moves while the engine works.
        model_name: the name of the model.
        load_progress: how far the engine is. None: it has not reported anything yet.
        columns, rows: size of the canvas.
    """
    if load_progress is None:
        return f"{spinner} {model_name}"
    loading_line = f"{spinner} {model_name}  {loading_text(load_progress)}"
    if load_progress.total <= 1 or columns < BAR_WIDTH or rows < 3:
        return loading_line
    filled_columns = BAR_WIDTH * min(load_progress.done, load_progress.total) // load_progress.total
    return f"{loading_line}\n{'━' * filled_columns}{'─' * (BAR_WIDTH - filled_columns)}"


def _unit(byte_count: int) -> tuple[int, str, int]:
    """Return the unit that suits a number of bytes, its name, and how many decimals to show."""
    unit_bytes, unit_name = next(
        ((unit_bytes, unit_name) for unit_bytes, unit_name in _BYTE_UNITS if byte_count >= unit_bytes), _BYTE_UNITS[-1]
    )
    return unit_bytes, unit_name, 1 if unit_bytes > 1 and byte_count < 10 * unit_bytes else 0
