"""Small questions over the editor: leave without saving, engine gone, and the help."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from .dialog import Dialog
from .key_map import KEYS, MOUSE, what
from .key_names import keys_shown, with_keys

COUNTS = "how far or how often: 12{right}, 3{undo}, 5{one-step}, 4{larger-brush}, 10{next-seed}"


class Question(Dialog[str]):
    """A question with one key for each answer; the result is the answer's name, "" for Escape."""

    DEFAULT_CSS = """
    Question { align: center middle; }
    Question > Vertical { width: 64; max-width: 90%; height: auto; padding: 1 2; background: $surface; border: round $primary; }
    Question .answers { margin-top: 1; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "answer('')", show=False)]

    def __init__(self, text: str, answers: dict[str, tuple[str, str]]) -> None:
        """
        Args:
            text: the question.
            answers: key → (name of the answer, what it says).
        """
        super().__init__()
        self.text, self.answers = text, answers

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self.text, markup=False)
            choices = "   ".join(f"[{key}] {label}" for key, (_, label) in self.answers.items())
            yield Static(choices, classes="answers", markup=False)

    def on_mount(self) -> None:
        for key, (name, label) in self.answers.items():
            self._bindings.bind(key, f"answer('{name}')", label, show=False)

    def action_answer(self, name: str) -> None:
        self.dismiss(name)


class Help(Dialog[None]):
    """The keys by topic, as they are bound now."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help > VerticalScroll { width: 72; max-width: 96%; height: auto; max-height: 94%; padding: 0 2; background: $surface; border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=14)
        for topic, bindings in KEYS.items():
            self._topic(table, topic)
            for binding in bindings:
                table.add_row(Text(keys_shown(self.app, binding)), Text(what(binding)))
        table.add_row(Text("1 … 9"), Text(with_keys(self.app, COUNTS)))
        self._topic(table, "Mouse")
        for gesture, does in MOUSE.items():
            table.add_row(Text(gesture), Text(does))
        return table

    def _topic(self, table: Table, topic: str) -> None:
        # In the second column, because the first is as narrow as keys are.
        table.add_row("", Text(topic, style="bold"))
