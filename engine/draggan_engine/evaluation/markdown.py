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


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is aligned as plain text: the first column to the left, figures to the right.

    Columns without any value are left out.
    """
    columns = list(zip(header, *lines, strict=True))
    kept = [column for column in columns if any(cell.replace(" / ", "").strip(NO_VALUE) for cell in column[1:])]
    padded = []
    for i, column in enumerate([cell.replace("|", "\\|") for cell in column] for column in kept):
        width = max(3, *map(len, column))
        rule = "-" * width if i == 0 else "-" * (width - 1) + ":"
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width) for cell in column]
        padded.append([cells[0], rule, *cells[1:]])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*padded, strict=True))


class ReportImages:
    """The images of a report, in a directory that is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, name: str, alt_text: str, png: bytes) -> str:
        """Write an image and return the Markdown that shows it.

        Raises:
            StorageError: the image cannot be written.
        """
        path = self.directory / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.png"
        try:
            self.directory.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError.of(self.directory, error) from error
        with atomic_write(path) as part:
            part.write_bytes(png)
        return f"![{alt_text}]({quote(f'{self.directory.name}/{path.name}')})"

    def add_plot(self, name: str, alt_text: str, png: bytes | None) -> list[str]:
        """Add a plot, if there is one."""
        return [] if png is None else [self.add(name, alt_text, png)]

    def add_sheets(self, sheets: Iterable[NamedSheet]) -> list[str]:
        links = []
        for sheet in sheets:
            png = io.BytesIO()
            sheet.image.save(png, format="PNG", optimize=True)
            links.append(self.add(sheet.name, sheet.alt_text, png.getvalue()))
        return links
