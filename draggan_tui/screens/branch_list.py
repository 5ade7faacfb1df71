"""The list of branches of the history: go to one, or compare with one."""

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
from draggan_engine.core.revision_id import RevisionId
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.history_text import branch_parts
from draggan_tui.editor.preview_cache import PreviewCache, RgbArray
from draggan_tui.rendering.branch_option import BranchOption, thumbnail
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import CanvasStyle
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.vi_option_list import ViOptionList

from .dialog import Dialog

LEAST_COLUMNS, LEAST_ROWS = 60, 20
"""The smallest terminal, in cells, in which thumbnails leave enough room for text."""
SMALL_THUMBNAIL, LARGE_THUMBNAIL, LARGE_FROM = 4, 6, 40
"""Rows of a thumbnail, and rows of the terminal from which it is large."""


@dataclass(frozen=True)
class BranchChoice:
    """A revision to go to, or to compare with.

    Attributes:
        revision_id: None: compare with the image that the drags started from.
        compare: whether to compare with the revision instead of going there.
    """

    revision_id: RevisionId | None
    compare: bool


class BranchList(Dialog[BranchChoice | None]):
    """Lists where the branches end, the newest first, with a thumbnail of each if there is room. Returns the choice.

    Args:
        reference_id: id of the revision that is compared with.
        images: the images that exist already. The others arrive through `show_image`.
        depth: how many colours the terminal has.
    """

    # Four rows in the full accent colour would be brighter than the images.
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

    def __init__(
        self, history: History, reference_id: RevisionId | None, images: PreviewCache, depth: ColorDepth
    ) -> None:
        super().__init__()
        self.history, self.reference_id, self.depth = history, reference_id, depth
        self._leaves = tuple(reversed(history.leaves))
        sources = {leaf.edit.source for leaf in self._leaves}
        self._images: dict[Hashable, RgbArray] = {
            source: image for source in sources if (image := images.get(source)) is not None
        }
        self._thumbnails: dict[Hashable, Cells] = {}

    def compose(self) -> ComposeResult:
        hints = [("Enter", "goes there"), ("c", "compares"), ("o", "with the start"), ("Esc", "closes")]
        with DialogBox("Branches", hints):
            yield ViOptionList(*(Option("") for _ in self._leaves), compact=True)

    def on_mount(self) -> None:
        self._show_leaves()
        options = self.query_one(ViOptionList)
        options.highlighted = self._leaves.index(self.history.timeline[-1])
        options.focus()

    def on_resize(self) -> None:
        self._thumbnails.clear()
        self._show_leaves()

    # Images ---------------------------------------------------------------------------------------------

    @property
    def thumbnail_rows(self) -> int:
        """Height of the thumbnails in this terminal. 0: there is no room for them."""
        columns, rows = self.app.size
        if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
            return 0
        return SMALL_THUMBNAIL if rows < LARGE_FROM else LARGE_THUMBNAIL

    def missing_image(self) -> Edit | None:
        """Return the next edit whose image is needed and has not arrived. None: there is no such edit."""
        if not self.thumbnail_rows:
            return None
        return next((leaf.edit for leaf in self._leaves if leaf.edit.source not in self._images), None)

    def show_image(self, source: Hashable, image: RgbArray) -> None:
        """Show an image that has arrived, at all branches that end with it."""
        self._images[source] = image
        self._show_leaves(source)

    def _show_leaves(self, source: Hashable = None) -> None:
        """Show all branches again, or those that end with an image."""
        for options in self.query(ViOptionList):  # there is none yet if an image arrives before the screen is mounted
            for index, leaf in enumerate(self._leaves):
                if source is None or leaf.edit.source == source:
                    options.replace_option_prompt_at_index(index, self._prompt(leaf))

    def _prompt(self, leaf: Revision) -> str | BranchOption:
        marker = "▸ " if leaf.id == self.history.timeline[-1].id else "  "
        parts = branch_parts(self.history, leaf)
        if leaf.id == self.reference_id:
            parts.append("compared with")
        if not self.thumbnail_rows:
            return marker + ", ".join(parts)
        lines = [marker + parts[0], *(f"  {part}" for part in parts[1:])]
        return BranchOption(lines, self.thumbnail_rows, self._thumbnail(leaf.edit.source), self.depth)

    def _thumbnail(self, source: Hashable) -> Cells | None:
        if source in self._images and source not in self._thumbnails:
            paper, ink = self.query_one(ViOptionList).colors[2:]
            colors = CanvasColors.from_variables(self.app.theme_variables)
            style = CanvasStyle(self.depth, colors, ink.rgb, paper.rgb)
            self._thumbnails[source] = thumbnail(self._images[source], self.thumbnail_rows, style)
        return self._thumbnails.get(source)

    # Choosing -------------------------------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(BranchChoice(self._leaves[event.option_index].id, compare=False))

    def action_compare(self) -> None:
        options = self.query_one(ViOptionList)
        if options.highlighted is not None:
            self.dismiss(BranchChoice(self._leaves[options.highlighted].id, compare=True))

    def action_compare_with_start(self) -> None:
        self.dismiss(BranchChoice(None, compare=True))
