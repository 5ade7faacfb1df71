"""The help: what each key does."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from draggan_tui.keymap import KEY_GROUPS, MOUSE_HELP
from draggan_tui.rendering.help_page import HelpTopic, help_page, matching_topics
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField

from .dialog import Dialog
from .key_names import keys_shown, with_keys

COUNT_EXAMPLES = "how far or how often: 12{right}, 3{undo}, 5{one-step}, 4{larger-brush}, 10{next-seed}"

SIGMA_HELP = (
    "how far drags have moved w, in standard deviations: 1 σ is a small change. Two random images are √(2 · width of w) σ "
    "apart, 23 σ with the bundled models; an edit that comes near this may leave what the model has learnt"
)


class HelpDialog(Dialog[None]):
    """Shows the keys by topic, as they are bound now. Text typed after a slash filters them."""

    DEFAULT_CSS = """
    HelpDialog DialogBox { width: 132; max-width: 96%; height: 94%; scrollbar-gutter: stable; }
    HelpDialog.-narrow DialogBox { max-width: 100%; height: 100%; }
    HelpDialog Horizontal { display: none; height: 1; }
    HelpDialog .slash { width: 2; color: $accent; text-style: bold; }
    HelpDialog TextField { width: 1fr; }
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
        key_hints = [("/", "filters"), ("j k PgDn PgUp", "scroll"), ("Esc", "closes")]
        with DialogBox("Help", key_hints, can_focus=True) as dialog_box:
            scroll_actions = {"down": dialog_box.action_scroll_down, "up": dialog_box.action_scroll_up}
            page_actions = {"pagedown": dialog_box.action_page_down, "pageup": dialog_box.action_page_up}
            with Horizontal(classes="head"):
                yield Static("/", classes="slash")
                yield TextField(
                    {**scroll_actions, **page_actions, "enter": dialog_box.focus}, "a key, or the beginning of a word"
                )
            yield Static(id="page")

    def on_mount(self) -> None:
        self.watch(self.query_one(TextField), "value", self._show_page, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_page)

    def _show_page(self) -> None:
        shown_topics = matching_topics(self.topics(), self.query_one(TextField).value)
        page_width = self.query_one(DialogBox).scrollable_content_region.width
        self.query_one("#page", Static).update(help_page(shown_topics, page_width))

    def topics(self) -> list[HelpTopic]:
        """Return all keys, what the mouse does, and what the side panel means."""
        key_topics = [
            HelpTopic(topic_title, tuple((keys_shown(self.app, binding), binding.help) for binding in bindings))
            for topic_title, bindings in KEY_GROUPS.items()
        ]
        count_topic = HelpTopic("Counts", (("1 … 9", with_keys(self.app, COUNT_EXAMPLES)),))
        mouse_topic = HelpTopic("Mouse", tuple(MOUSE_HELP.items()))
        return [*key_topics, count_topic, mouse_topic, HelpTopic("Side panel", (("edit 1.8 σ", SIGMA_HELP),))]

    def action_scroll(self, line_count: int) -> None:
        self.query_one(DialogBox).scroll_relative(y=line_count, animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """Leave the slash to the text field while it has the focus."""
        return action != "filter" or not isinstance(self.focused, TextField)

    def action_filter(self) -> None:
        self.query_one(Horizontal).display = True
        self.set_focus(self.query_one(TextField))
