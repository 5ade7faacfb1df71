"""Asks for a place in the image, as coordinates."""

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

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+))"
_PLACE = re.compile(rf"{_NUMBER}(?:\s*,\s*|\s+){_NUMBER}", re.ASCII)


class GotoPrompt(Dialog[Point | None]):
    """Returns the point, or None.

    Args:
        cursor: what relative coordinates start from.
        picture: size of the picture.
    """

    DEFAULT_CSS = """
    GotoPrompt { background: transparent; align: left bottom; }
    GotoPrompt DialogBox { width: 48; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(self, cursor: Point, picture: Size) -> None:
        super().__init__()
        self.cursor, self.picture = cursor, picture

    def compose(self) -> ComposeResult:
        with DialogBox("Move the cursor to", [("Enter", "moves"), ("Esc", "closes")]):
            yield TextField({"enter": self._go}, "x,y or from here +3,-2")
            yield Static("", id="problem", markup=False)

    def on_mount(self) -> None:
        self.watch(self.query_one(TextField), "value", lambda: self._refuse(""))

    def _refuse(self, problem: str) -> None:
        self.query_one("#problem", Static).update(problem)
        self.query_one("#problem", Static).display = bool(problem)

    def _go(self) -> None:
        """Closes with the point, or says what is wrong and stays."""
        try:
            self.dismiss(parse_point(self.query_one(TextField).value, self.cursor, self.picture))
        except EditError as error:
            self._refuse(str(error))


def parse_point(text: str, cursor: Point, picture: Size) -> Point:
    """`12,30.5` or `12 30.5`; a coordinate with a sign counts from the cursor: `+3,-2`, `-4,30`.

    Raises:
        EditError: it is no place, or one outside the picture.
    """
    match = _PLACE.fullmatch(text.strip())
    if match is None:
        raise EditError("must be two numbers: x,y, or from here +3,-2")
    x, y = (
        float(typed) + (start if typed[0] in "+-" else 0) for typed, start in zip(match.groups(), cursor, strict=True)
    )
    if not contains((x, y), picture):
        raise EditError(f"outside the image: x goes from 0 to {picture.width - 1}, y from 0 to {picture.height - 1}")
    return (x, y)
