"""The branches of the history: going to one, and comparing with one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import History, Revision
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.history_text import branch_parts
from draggan_tui.editor.preview_cache import PreviewCache, RgbImage
from draggan_tui.rendering.branch_option import BranchOption, thumbnail
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import CanvasStyle
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.vi_option_list import ViOptionList

from .dialog import Dialog

LEAST_COLUMNS, LEAST_ROWS = 60, 20
"""The smallest terminal, in cells, in which thumbnails leave enough room for words."""
SMALL_ROWS, LARGE_ROWS, LARGE_FROM = 4, 6, 40


@dataclass(frozen=True)
class BranchChoice:
    """An entry to go to, or to compare with; no entry to compare with: what the drags started from."""

    id: int | None
    compare: bool


class BranchList(Dialog[BranchChoice | None]):
    """Where the branches end, the newest first, with a small image of each where there is room.

    Args:
        reference: id of the entry that is compared with.
        images: those that are there already; the others come by `show_image`.
        depth: how many colours the terminal takes.
    """

    # Four rows of bare accent would outshine the images.
    DEFAULT_CSS = """
    BranchList DialogBox OptionList > .option-list--option-highlighted,
    BranchList DialogBox OptionList:focus > .option-list--option-highlighted {
        background: $accent 25%;
        color: $foreground;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", show=False),
        Binding("c", "compare", show=False),
        Binding("o", "compare_with_start", show=False),
    ]

    def __init__(self, history: History, reference: int | None, images: PreviewCache, depth: ColorDepth) -> None:
        super().__init__()
        self.history, self.reference, self.depth = history, reference, depth
        self._tips = tuple(reversed(history.leaves))
        sources = {tip.edit.source for tip in self._tips}
        self._images: dict[Hashable, RgbImage] = {
            source: image for source in sources if (image := images.get(source)) is not None
        }
        self._thumbnails: dict[Hashable, Cells] = {}

    def compose(self) -> ComposeResult:
        hints = [("Enter", "goes there"), ("c", "compares"), ("o", "with the start"), ("Esc", "closes")]
        with DialogBox("Branches", hints):
            yield ViOptionList(*(Option("", str(tip.id)) for tip in self._tips), compact=True)

    def on_mount(self) -> None:
        self._show_tips()
        options = self.query_one(ViOptionList)
        options.highlighted = options.get_option_index(str(self.history.timeline[-1].id))
        options.focus()

    def on_resize(self) -> None:
        self._thumbnails.clear()
        self._show_tips()

    # Images ---------------------------------------------------------------------------------------------

    @property
    def thumbnail_rows(self) -> int:
        """How high they are in this terminal; 0: there is no room for any."""
        columns, rows = self.app.size
        if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
            return 0
        return SMALL_ROWS if rows < LARGE_FROM else LARGE_ROWS

    def missing_image(self) -> Edit | None:
        """The next edit whose image is to be shown and is not here; None: all are."""
        if not self.thumbnail_rows:
            return None
        return next((tip.edit for tip in self._tips if tip.edit.source not in self._images), None)

    def show_image(self, source: Hashable, image: RgbImage) -> None:
        """Shows the image of the branches that end with it."""
        self._images[source] = image
        self._show_tips(source)

    def _show_tips(self, source: Hashable = None) -> None:
        """Shows all branches, or those that end with an image, as they are now."""
        for options in self.query(ViOptionList):  # none yet, if an image is quicker than the screen
            for index, tip in enumerate(self._tips):
                if source is None or tip.edit.source == source:
                    options.replace_option_prompt_at_index(index, self._prompt(tip))

    def _prompt(self, tip: Revision) -> str | BranchOption:
        here = "▸ " if tip.id == self.history.timeline[-1].id else "  "
        parts = branch_parts(self.history, tip)
        if tip.id == self.reference:
            parts.append("compared with")
        if not self.thumbnail_rows:
            return here + ", ".join(parts)
        lines = [here + parts[0], *(f"  {part}" for part in parts[1:])]
        return BranchOption(lines, self.thumbnail_rows, self._thumbnail(tip.edit.source), self.depth)

    def _thumbnail(self, source: Hashable) -> Cells | None:
        if source in self._images and source not in self._thumbnails:
            paper, ink = self.query_one(ViOptionList).colors[2:]
            colors = CanvasColors.from_variables(self.app.theme_variables)
            style = CanvasStyle(self.depth, colors, ink.rgb, paper.rgb)
            self._thumbnails[source] = thumbnail(self._images[source], self.thumbnail_rows, style)
        return self._thumbnails.get(source)

    # Choosing -------------------------------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(BranchChoice(int(event.option_id or 0), compare=False))

    def action_compare(self) -> None:
        options = self.query_one(ViOptionList)
        if options.highlighted is not None:
            chosen = options.get_option_at_index(options.highlighted).id
            self.dismiss(BranchChoice(int(chosen or 0), compare=True))

    def action_compare_with_start(self) -> None:
        self.dismiss(BranchChoice(None, compare=True))
