"""The command palette: every action of the editor, with its key, and the themes; found by typing a part of the name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from draggan_tui import themes
from draggan_tui.widgets.line import Line

from .dialog import Dialog
from .key_map import KEYS, what
from .key_names import keys_shown

KEYS_WIDTH = 11


@dataclass(frozen=True)
class Command:
    """What can be chosen: its topic, what it does, its keys in force, and the editor's action."""

    topic: str
    what: str
    keys: str
    action: str

    def rank(self, typed: str) -> int | None:
        """How well it answers to what was typed, 0 the best; None if some word of that is neither in its name nor in
        its topic."""
        name, words = self.what.lower(), typed.lower().split()
        if name.partition(":")[0] == " ".join(words):
            return 0
        if name.startswith(" ".join(words)):
            return 1
        if all(f" {word}" in f" {name}" for word in words):
            return 2
        return 3 if all(word in f"{name} {self.topic.lower()}" for word in words) else None

    def line(self) -> Content:
        """One row: the keys, what they do, and dimmed the topic."""
        return Content.assemble(self.keys.ljust(KEYS_WIDTH), self.what, (f"  {self.topic}", "dim not bold"))


def commands(app: App[Any]) -> Iterator[Command]:
    """What the editor's keys do, in the order in which help lists them; then the themes."""
    for topic, bindings in KEYS.items():
        for binding in bindings:
            yield Command(topic.partition(" (")[0], what(binding), keys_shown(app, binding), binding.action)
    for name in themes.available():
        yield Command("Look", f"theme {name}", "", f"theme({name!r})")


def search(typed: str, among: Sequence[Command]) -> list[Command]:
    """Those that answer to what was typed, the best first."""
    ranked = [(rank, command) for command in among if (rank := command.rank(typed)) is not None]
    return [command for _, command in sorted(ranked, key=itemgetter(0))]


class Palette(Dialog[str | None]):
    """Returns the action that was chosen, or None.

    Not Textual's own palette: that one searches beside the keys, so that an Enter which was typed ahead may meet the
    list of an earlier text.
    """

    DEFAULT_CSS = """
    Palette { align: center top; }
    Palette > Vertical { margin-top: 1; width: 72; max-width: 96%; height: auto; max-height: 94%; padding: 0 2; background: $surface; border: round $primary; }
    Palette OptionList { height: auto; max-height: 16; margin-top: 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    AUTO_FOCUS = "Line"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def compose(self) -> ComposeResult:
        names = OptionList(compact=True)
        names.can_focus = False
        moves = {
            "down": names.action_cursor_down,
            "up": names.action_cursor_up,
            "pagedown": names.action_page_down,
            "pageup": names.action_page_up,
        }
        with Vertical() as box:
            box.border_title = "Commands"
            box.border_subtitle = "Enter does it   Escape leaves"
            yield Line({**moves, "enter": self._choose}, "undo, larger brush, theme …")
            yield names

    def on_mount(self) -> None:
        self._all = list(commands(self.app))
        self.watch(self.query_one(Line), "value", self._list)

    def _list(self, typed: str) -> None:
        self._found = search(typed, self._all)
        names = self.query_one(OptionList)
        names.clear_options()
        names.add_options([Option(command.line()) for command in self._found])
        names.highlighted = 0 if self._found else None

    def _choose(self) -> None:
        if self._found:
            self.dismiss(self._found[self.query_one(OptionList).highlighted or 0].action)

    def on_option_list_option_selected(self) -> None:
        self._choose()
