"""The branches of the history: going to one, and comparing with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from draggan_engine.protocol.history import History
from draggan_tui.renderables.changes import branch_text
from draggan_tui.widgets.choices import Choices

from .dialog import Dialog


@dataclass(frozen=True)
class Chosen:
    """An entry to go to, or to compare with; no entry to compare with: what the drags started from."""

    id: int | None
    compare: bool


class Branches(Dialog[Chosen | None]):
    """Where the branches end, the newest first."""

    DEFAULT_CSS = """
    Branches { align: center middle; }
    Branches > Vertical { width: 66; max-width: 96%; height: auto; max-height: 90%; padding: 0 1; background: $surface; border: round $primary; }
    Branches OptionList { height: auto; max-height: 16; background: $surface; }
    Branches #hint { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", show=False),
        Binding("c", "compare", show=False),
        Binding("o", "compare_with_start", show=False),
    ]

    def __init__(self, history: History, reference: int | None) -> None:
        super().__init__()
        self.history, self.reference = history, reference

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Branches"
            yield Choices(
                *(Option(self._text(tip.id), str(tip.id)) for tip in reversed(self.history.tips)), compact=True
            )
            yield Static("Enter goes there   c compares with it   o with the start   Escape leaves", id="hint")

    def _text(self, tip: int) -> str:
        here = "▸ " if tip == self.history.line[-1].id else "  "
        compared = "   (compared with)" if tip == self.reference else ""
        return here + branch_text(self.history, self.history.entries[tip]) + compared

    def on_mount(self) -> None:
        options = self.query_one(Choices)
        options.highlighted = options.get_option_index(str(self.history.line[-1].id))
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(Chosen(int(event.option_id or 0), compare=False))

    def action_compare(self) -> None:
        options = self.query_one(Choices)
        if options.highlighted is not None:
            chosen = options.get_option_at_index(options.highlighted).id
            self.dismiss(Chosen(int(chosen or 0), compare=True))

    def action_compare_with_start(self) -> None:
        self.dismiss(Chosen(None, compare=True))
