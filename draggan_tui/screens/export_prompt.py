"""The prompt for an export: the ending of the file's name decides what is exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from draggan_engine.core.edit import Edit
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.storage.output_paths import IMAGE_SUFFIXES, LATENT_SUFFIXES, VIDEO_SUFFIXES
from draggan_tui.config.paths import short_path
from draggan_tui.editor.file_latent import FileLatent

from .path_prompt import PathPrompt

Addition = Literal["markers"] | PasteMode
"""What can be done to an exported image: handles and targets are drawn into it, or it is pasted into its photograph."""
ADDITION_TEXTS: dict[Addition, str] = {
    "markers": "handles and targets",
    "delta": "in the photograph: what the drags have changed",
    "crop": "in the photograph: the whole image of the model",
}
CHOICE_KEY = "Shift-Tab"


@dataclass(frozen=True)
class ExportChoice:
    """A file to write, and how an image is written.

    Attributes:
        markers: with handles and targets.
        paste_mode: how it is pasted into the photograph from which it comes; None: it is written alone.
    """

    path: Path
    markers: bool
    paste_mode: PasteMode | None


class ExportPrompt(PathPrompt[ExportChoice]):
    """Returns what to write, or None.

    Args:
        edit: the edit that is exported.
        file_latent: the photograph or the file that the session started from, if it did not start from a seed.
        directory: the session's directory, beside which a file is suggested. None: nothing has been saved yet.
    """

    # Shift-Tab, because terminals send few keys that a text field does not use.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("shift+tab", "next_addition", show=False, priority=True)]

    def __init__(self, edit: Edit, file_latent: FileLatent, directory: str | None) -> None:
        from draggan_engine.storage.inversion_files import is_inversion  # imports parts of PIL that no frame needs

        suggestion = str(suggested_path(edit, file_latent, Path() if directory is None else Path(directory).parent))
        super().__init__("Export", "exports", (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LATENT_SUFFIXES), suggestion)
        self._exported_edit = edit
        comes_from_photograph = edit.source.from_file and directory is not None and is_inversion(Path(directory))
        self._additions: tuple[Addition, ...] = tuple(ADDITION_TEXTS) if comes_from_photograph else ("markers",)
        self._chosen_addition: Addition | None = None

    def compose_below(self) -> ComposeResult:
        yield Static("")
        for content_name, name_endings in (
            ("image", IMAGE_SUFFIXES),
            ("video", VIDEO_SUFFIXES),
            ("latent", LATENT_SUFFIXES),
        ):
            yield Static(f"{content_name:>6}  {' '.join(name_endings)}", classes="muted", markup=False)
        yield Static("")
        yield Static(self._additions_text(), id="markers")

    def _additions_text(self) -> Content:
        check_boxes = [
            f" [{'x' if addition == self._chosen_addition else ' '}] {ADDITION_TEXTS[addition]}"
            for addition in self._additions
        ]
        return Content.assemble((CHOICE_KEY, "bold $accent"), f"\n{' ' * len(CHOICE_KEY)}".join(check_boxes))

    def action_next_addition(self) -> None:
        """Choose the next addition, and after the last one none."""
        choices = (None, *self._additions)
        self._chosen_addition = choices[(choices.index(self._chosen_addition) + 1) % len(choices)]
        self.query_one("#markers", Static).update(self._additions_text())

    def name_problem(self, path: Path) -> str:
        if path.suffix.lower() in VIDEO_SUFFIXES and not self._exported_edit.source.drag:
            return f"{path.name}: no drag has led to this image, so there is no video; name a .png"
        return super().name_problem(path)

    def accept_path(self, path: Path) -> None:
        addition = self._chosen_addition
        paste_mode = None if addition == "markers" else addition
        self.dismiss(ExportChoice(path.absolute(), addition == "markers", paste_mode))


def suggested_path(edit: Edit, file_latent: FileLatent, directory: Path) -> Path:
    """Return the path of a PNG in the directory that does not exist yet: `critters-256-seed42.png`,
    `critters-256-seed42-drag3-2.png`, `ffhq-me-drag1.png` for the photograph `me.jpg`, or `ffhq-latent-drag1.png` for
    another latent from a file.
    """
    directory = Path(short_path(directory))
    drag_suffix = f"-drag{edit.source.drag}" if edit.source.drag else ""
    if edit.source.from_file:
        start_name = Path(file_latent.name).stem if file_latent.is_inversion else "latent"
    else:
        start_name = f"seed{edit.source.seed}"
    name_stem = f"{Path(edit.model).name}-{start_name}{drag_suffix}"
    free_path, next_number = directory / f"{name_stem}.png", 2
    while free_path.exists():
        free_path, next_number = directory / f"{name_stem}-{next_number}.png", next_number + 1
    return free_path
