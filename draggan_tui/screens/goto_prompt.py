"""The prompt for coordinates to which the cursor moves."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, contains
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField

from .dialog import Dialog

_NUMBER_PATTERN = r"([+-]?(?:\d+\.?\d*|\.\d+))"
_POINT_PATTERN = re.compile(rf"{_NUMBER_PATTERN}(?:\s*,\s*|\s+){_NUMBER_PATTERN}", re.ASCII)


class GotoPrompt(Dialog[Point | None]):
    """Returns the point, or None.

    Args:
        cursor: where relative coordinates start.
        image_size: size of the full-resolution image.
    """

    DEFAULT_CSS = """
    GotoPrompt { background: transparent; align: left bottom; }
    GotoPrompt DialogBox { width: 48; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(self, cursor: Point, image_size: Size) -> None:
        super().__init__()
        self.cursor, self.image_size = cursor, image_size

    def compose(self) -> ComposeResult:
        with DialogBox("Move the cursor to", [("Enter", "moves"), ("Esc", "closes")]):
            yield TextField({"enter": self._submit}, "x,y or from here +3,-2")
            yield Static("", id="problem", markup=False)

    def on_mount(self) -> None:
        self.watch(self.query_one(TextField), "value", lambda: self._refuse(""))

    def _refuse(self, problem: str) -> None:
        self.query_one("#problem", Static).update(problem)
        self.query_one("#problem", Static).display = bool(problem)

    def _submit(self) -> None:
        """Close with the point, or say what is wrong and stay open."""
        try:
            self.dismiss(parse_point(self.query_one(TextField).value, self.cursor, self.image_size))
        except EditError as edit_error:
            self._refuse(str(edit_error))


def parse_point(typed_text: str, cursor: Point, image_size: Size) -> Point:
    """Return the point of `12,30.5` or `12 30.5`. A coordinate with a sign counts from the cursor: `+3,-2`, `-4,30`.

    Raises:
        EditError: the text is not two numbers, or the point is outside the image.
    """
    number_match = _POINT_PATTERN.fullmatch(typed_text.strip())
    if number_match is None:
        raise EditError("must be two numbers: x,y, or from here +3,-2")
    x, y = (
        float(number_text) + (cursor_coordinate if number_text[0] in "+-" else 0)
        for number_text, cursor_coordinate in zip(number_match.groups(), cursor, strict=True)
    )
    if not contains((x, y), image_size):
        raise EditError(
            f"outside the image: x goes from 0 to {image_size.width - 1}, y from 0 to {image_size.height - 1}"
        )
    return (x, y)
