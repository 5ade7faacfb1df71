"""Small questions over the editor: leave without saving, engine gone, and the help."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from draggan_tui.keymap import KEYS, MOUSE, what
from draggan_tui.rendering.help_page import HelpTopic, help_page, matching_topics
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_input import Line

from .dialog import Dialog
from .key_names import keys_shown, with_keys

COUNTS = "how far or how often: 12{right}, 3{undo}, 5{one-step}, 4{larger-brush}, 10{next-seed}"


class Question(Dialog[str]):
    """A question with one key for each answer; the result is the answer's name, "" for Escape."""

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
        answers = [("Esc" if key == "escape" else key, says) for key, (_, says) in self.answers.items()]
        key_width = max(len(key) for key, _ in answers)
        with DialogBox("Question", [] if "escape" in self.answers else [("Esc", "closes")]):
            yield Static(self.text, markup=False)
            yield Static("")
            for key, says in answers:
                yield Static(Content.assemble((key.rjust(key_width), "bold $accent"), f"  {says}"))

    def on_mount(self) -> None:
        for key, (name, label) in self.answers.items():
            self._bindings.bind(key, f"answer('{name}')", label, show=False)

    def action_answer(self, name: str) -> None:
        self.dismiss(name)


class Help(Dialog[None]):
    """The keys by topic, as they are bound now; what is typed after a slash chooses from them."""

    DEFAULT_CSS = """
    Help DialogBox { width: 132; max-width: 96%; height: 94%; }
    Help.-narrow DialogBox { max-width: 100%; height: 100%; }
    Help Horizontal { display: none; height: 1; }
    Help .slash { width: 2; color: $accent; text-style: bold; }
    Help Line { width: 1fr; }
    """
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (60, "-normal")]  # noqa: RUF012
    AUTO_FOCUS = "DialogBox"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("slash", "filter", show=False, priority=True),
    ]

    def compose(self) -> ComposeResult:
        hints = [("/", "filters"), ("j k PgDn PgUp", "scroll"), ("Esc", "closes")]
        with DialogBox("Help", hints, can_focus=True) as box:
            scrolls = {"down": box.action_scroll_down, "up": box.action_scroll_up}
            pages = {"pagedown": box.action_page_down, "pageup": box.action_page_up}
            with Horizontal(classes="head"):
                yield Static("/", classes="slash")
                yield Line({**scrolls, **pages, "enter": box.focus}, "a key, or the beginning of a word")
            yield Static(id="page")

    def on_mount(self) -> None:
        self.watch(self.query_one(Line), "value", self._show, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        topics = matching_topics(self.topics(), self.query_one(Line).value)
        width = self.query_one(DialogBox).scrollable_content_region.width
        self.query_one("#page", Static).update(help_page(topics, width))

    def topics(self) -> list[HelpTopic]:
        """All there is to know of the keys and the mouse."""
        topics = [
            HelpTopic(title, tuple((keys_shown(self.app, binding), what(binding)) for binding in bindings))
            for title, bindings in KEYS.items()
        ]
        counts = HelpTopic("Counts", (("1 … 9", with_keys(self.app, COUNTS)),))
        return [*topics, counts, HelpTopic("Mouse", tuple(MOUSE.items()))]

    def action_scroll(self, lines: int) -> None:
        self.query_one(DialogBox).scroll_relative(y=lines, animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """In the field a slash is a letter."""
        return action != "filter" or not isinstance(self.focused, Line)

    def action_filter(self) -> None:
        self.query_one(Horizontal).display = True
        self.set_focus(self.query_one(Line))
