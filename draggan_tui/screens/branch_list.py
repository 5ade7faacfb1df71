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
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.history_text import branch_parts
from draggan_tui.editor.preview_cache import PreviewCache, RgbArray
from draggan_tui.rendering.branch_option import BranchOption, thumbnail
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import CanvasStyle
from draggan_tui.terminal.cell_shape import CellShape
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
        shape: how the cells of images are divided.
        file_latent: the latent that the session starts from instead of a seed, if there is one.
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
        self,
        history: History,
        reference_id: RevisionId | None,
        images: PreviewCache,
        depth: ColorDepth,
        shape: CellShape,
        file_latent: FileLatent,
    ) -> None:
        super().__init__()
        self.history, self.reference_id, self._file_latent = history, reference_id, file_latent
        self.depth, self.shape = depth, shape
        self._leaf_revisions = tuple(reversed(history.leaves))
        image_sources = {leaf.edit.source for leaf in self._leaf_revisions}
        self._images_by_source: dict[Hashable, RgbArray] = {
            image_source: image for image_source in image_sources if (image := images.get(image_source)) is not None
        }
        self._thumbnails: dict[Hashable, Cells] = {}

    def compose(self) -> ComposeResult:
        key_hints = [("Enter", "goes there"), ("c", "compares"), ("o", "with the start"), ("Esc", "closes")]
        with DialogBox("Branches", key_hints):
            yield ViOptionList(*(Option("") for _ in self._leaf_revisions), compact=True)

    def on_mount(self) -> None:
        self._show_leaves()
        option_list = self.query_one(ViOptionList)
        option_list.highlighted = self._leaf_revisions.index(self.history.timeline[-1])
        option_list.focus()

    def on_resize(self) -> None:
        self._thumbnails.clear()
        self._show_leaves()

    # Images ---------------------------------------------------------------------------------------------

    @property
    def thumbnail_rows(self) -> int:
        """Height of the thumbnails in this terminal. 0: there is no room for them."""
        terminal_columns, terminal_rows = self.app.size
        if terminal_columns < LEAST_COLUMNS or terminal_rows < LEAST_ROWS:
            return 0
        return SMALL_THUMBNAIL if terminal_rows < LARGE_FROM else LARGE_THUMBNAIL

    def missing_image(self) -> Edit | None:
        """Return the next edit whose image is needed and has not arrived. None: there is no such edit."""
        if not self.thumbnail_rows:
            return None
        return next(
            (leaf.edit for leaf in self._leaf_revisions if leaf.edit.source not in self._images_by_source), None
        )

    def show_image(self, image_source: Hashable, image: RgbArray) -> None:
        """Show an image that has arrived, at all branches that end with it."""
        self._images_by_source[image_source] = image
        self._show_leaves(image_source)

    def _show_leaves(self, image_source: Hashable = None) -> None:
        """Show all branches again, or those that end with an image."""
        # The query is empty if an image arrives before the screen is mounted.
        for option_list in self.query(ViOptionList):
            for leaf_index, leaf in enumerate(self._leaf_revisions):
                if image_source is None or leaf.edit.source == image_source:
                    option_list.replace_option_prompt_at_index(leaf_index, self._prompt(leaf))

    def _prompt(self, leaf: Revision) -> str | BranchOption:
        place_marker = "▸ " if leaf.id == self.history.timeline[-1].id else "  "
        branch_texts = branch_parts(self.history, leaf, self._file_latent)
        if leaf.id == self.reference_id:
            branch_texts.append("compared with")
        if not self.thumbnail_rows:
            return place_marker + ", ".join(branch_texts)
        option_lines = [place_marker + branch_texts[0], *(f"  {branch_text}" for branch_text in branch_texts[1:])]
        return BranchOption(option_lines, self.thumbnail_rows, self._thumbnail(leaf.edit.source), self.depth)

    def _thumbnail(self, image_source: Hashable) -> Cells | None:
        if image_source in self._images_by_source and image_source not in self._thumbnails:
            paper_color, ink_color = self.query_one(ViOptionList).colors[2:]
            canvas_colors = CanvasColors.from_variables(self.app.theme_variables)
            canvas_style = CanvasStyle(self.depth, canvas_colors, ink_color.rgb, paper_color.rgb, self.shape)
            self._thumbnails[image_source] = thumbnail(
                self._images_by_source[image_source], self.thumbnail_rows, canvas_style
            )
        return self._thumbnails.get(image_source)

    # Choosing -------------------------------------------------------------------------------------------

    def on_option_list_option_selected(self, selected_event: OptionList.OptionSelected) -> None:
        self.dismiss(BranchChoice(self._leaf_revisions[selected_event.option_index].id, compare=False))

    def action_compare(self) -> None:
        option_list = self.query_one(ViOptionList)
        if option_list.highlighted is not None:
            self.dismiss(BranchChoice(self._leaf_revisions[option_list.highlighted].id, compare=True))

    def action_compare_with_start(self) -> None:
        self.dismiss(BranchChoice(None, compare=True))
