"""Asks what to export, and where: the name's ending says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from draggan_engine.protocol.output import FILMS, LATENTS, PICTURES

from .path_prompt import PathPrompt


@dataclass(frozen=True)
class Wanted:
    """A file to be written, with handles and targets drawn into it or without."""

    path: Path
    markers: bool


class ExportPrompt(PathPrompt[Wanted]):
    """Returns what is wanted, or None."""

    # Terminals send few keys that a line of text does not take.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("shift+tab", "markers", show=False, priority=True)]

    def __init__(self) -> None:
        super().__init__("Export", (*PICTURES, *FILMS, *LATENTS))
        self._markers = False

    def about(self) -> ComposeResult:
        for endings, what in ((PICTURES, "the picture"), (FILMS, "the drags that led to it"), (LATENTS, "its latent")):
            yield Static(f"{' '.join(endings):<26}{what}", markup=False)
        yield Static(self._markers_text(), id="markers", markup=False)

    def _markers_text(self) -> str:
        return f"{'with' if self._markers else 'without':<8}handles and targets drawn in: Shift-Tab changes it"

    def action_markers(self) -> None:
        self._markers = not self._markers
        self.query_one("#markers", Static).update(self._markers_text())

    def chosen(self, path: Path) -> None:
        self.dismiss(Wanted(path.absolute(), self._markers))
