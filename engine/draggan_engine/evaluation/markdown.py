"""Parts of a Markdown report: tables that are aligned as plain text, and images in a directory beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from draggan_engine.core.errors import StorageError
from draggan_engine.storage.atomic import atomic_write

from .contact_sheets import NamedSheet
from .statistics import NO_VALUE


def markdown_table(header_cells: Sequence[str], table_lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is aligned as plain text: the first column to the left, figures to the right.

    Columns without any value are left out.
    """
    table_columns = list(zip(header_cells, *table_lines, strict=True))
    shown_columns = [
        column_cells
        for column_cells in table_columns
        if any(cell_text.replace(" / ", "").strip(NO_VALUE) for cell_text in column_cells[1:])
    ]
    padded_columns = []
    for i, column_cells in enumerate(
        [cell_text.replace("|", "\\|") for cell_text in column_cells] for column_cells in shown_columns
    ):
        column_width = max(3, *map(len, column_cells))
        rule_cell = "-" * column_width if i == 0 else "-" * (column_width - 1) + ":"
        aligned_cells = [
            cell_text.ljust(column_width) if i == 0 else cell_text.rjust(column_width) for cell_text in column_cells
        ]
        padded_columns.append([aligned_cells[0], rule_cell, *aligned_cells[1:]])
    return "\n".join(f"| {' | '.join(line_cells)} |" for line_cells in zip(*padded_columns, strict=True))


class ReportImages:
    """The images of a report, in a directory that is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, image_name: str, alt_text: str, png_bytes: bytes) -> str:
        """Write an image and return the Markdown that shows it.

        Raises:
            StorageError: the image cannot be written.
        """
        image_path = self.directory / f"{re.sub('[^a-z0-9]+', '-', image_name.lower())}.png"
        try:
            self.directory.mkdir(exist_ok=True)
        except OSError as make_error:
            raise StorageError.of(self.directory, make_error) from make_error
        with atomic_write(image_path) as part_path:
            part_path.write_bytes(png_bytes)
        return f"![{alt_text}]({quote(f'{self.directory.name}/{image_path.name}')})"

    def add_plot(self, image_name: str, alt_text: str, png_bytes: bytes | None) -> list[str]:
        """Add a plot, if there is one."""
        return [] if png_bytes is None else [self.add(image_name, alt_text, png_bytes)]

    def add_sheets(self, named_sheets: Iterable[NamedSheet]) -> list[str]:
        image_links = []
        for named_sheet in named_sheets:
            png_buffer = io.BytesIO()
            named_sheet.image.save(png_buffer, format="PNG", optimize=True)
            image_links.append(self.add(named_sheet.name, named_sheet.alt_text, png_buffer.getvalue()))
        return image_links
