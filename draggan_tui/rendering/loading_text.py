"""What is said while a model is being loaded, as text."""

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
    """Return what a name or path of a model is shown as until the engine names the model: without directory and suffix."""
    if spec == DEFAULT_MODEL:
        return "critters"
    path = Path(spec)
    return path.stem if path.suffix.lower() in _CHECKPOINT_SUFFIXES else path.name


def size_text(count: int) -> str:
    """`35 kB`, `4.4 MB`, `364 MB`: a number of bytes."""
    unit, name, digits = _unit(count)
    return f"{count / unit:.{digits}f} {name}"


def loading_text(loading: LoadProgress) -> str:
    """`reading 120/364 MB`, or what is done in one piece: `building`."""
    if loading.total <= 1:
        return loading.stage
    unit, name, digits = _unit(loading.total)
    return f"{loading.stage} {loading.done / unit:.{digits}f}/{loading.total / unit:.{digits}f} {name}"


def placeholder_text(sign: str, name: str, loading: LoadProgress | None, columns: int, rows: int) -> str:
    """The canvas before its first picture: `⠋ ffhq  reading 120/364 MB`, and a bar under it where there is room.

    Args:
        sign: of life, or that there is none.
        name: of the model.
        columns, rows: of the canvas.
    """
    if loading is None:
        return f"{sign} {name}"
    line = f"{sign} {name}  {loading_text(loading)}"
    if loading.total <= 1 or columns < BAR_WIDTH or rows < 3:
        return line
    full = BAR_WIDTH * min(loading.done, loading.total) // loading.total
    return f"{line}\n{'━' * full}{'─' * (BAR_WIDTH - full)}"


def _unit(count: int) -> tuple[int, str, int]:
    """The unit that suits a number of bytes, its name, and how many decimals."""
    unit, name = next(((unit, name) for unit, name in _UNITS if count >= unit), _UNITS[-1])
    return unit, name, 1 if unit > 1 and count < 10 * unit else 0
