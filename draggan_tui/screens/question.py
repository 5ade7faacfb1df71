"""A question over the editor, with one key for each answer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from draggan_tui.terminal.textual_internals import bind_key
from draggan_tui.widgets.dialog_box import DialogBox

from .dialog import Dialog


class Question(Dialog[str]):
    """A question with one key for each answer. Returns the name of the answer, or "" for Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "answer('')", show=False)]

    def __init__(self, text: str, answers: dict[str, tuple[str, str]]) -> None:
        """
        Args:
            text: the question.
            answers: key → (name of the answer, text of the answer).
        """
        super().__init__()
        self.text, self.answers = text, answers

    def compose(self) -> ComposeResult:
        answer_rows = [
            ("Esc" if key == "escape" else key, answer_text) for key, (_, answer_text) in self.answers.items()
        ]
        key_width = max(len(key) for key, _ in answer_rows)
        with DialogBox("Question", [] if "escape" in self.answers else [("Esc", "closes")]):
            yield Static(self.text, markup=False)
            yield Static("")
            for key, answer_text in answer_rows:
                yield Static(Content.assemble((key.rjust(key_width), "bold $accent"), f"  {answer_text}"))

    def on_mount(self) -> None:
        for key, (answer_name, answer_label) in self.answers.items():
            bind_key(self, key, f"answer('{answer_name}')", answer_label)

    def action_answer(self, answer_name: str) -> None:
        self.dismiss(answer_name)
