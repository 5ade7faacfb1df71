"""The command palette: every action of the editor, with its key, and the themes; found by typing a part of the name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from draggan_tui.config import themes
from draggan_tui.keymap import KEYS, what
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField

from .dialog import Dialog
from .key_names import keys_shown

# The ids of those that come first while nothing is typed.
FIRST_COMMANDS = (
    "drag", "place", "undo", "redo", "save", "export", "models", "settings", "help", "pen", "lead", "grab",
    "next-seed", "branches", "before", "goto", "clear-mask", "zoom-fit",
)  # fmt: skip
LAST_TOPIC = "Move"  # a key does it sooner
KEYS_GAP = 2


@dataclass(frozen=True)
class PaletteCommand:
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

    def line(self, keys_width: int) -> Content:
        """One row: the keys, what they do, and dimmed the topic."""
        keys = (self.keys.ljust(keys_width + KEYS_GAP), "bold")
        return Content.assemble(keys, self.what, (f"  {self.topic}", "dim not bold"))


def palette_commands(app: App[Any]) -> list[PaletteCommand]:
    """What the editor's keys do: what is needed most, then the rest in the order in which help lists it, the themes, and
    last the moves of the cursor."""
    topics = {binding.id: topic for topic, bindings in KEYS.items() for binding in bindings}
    bindings_by_id = {binding.id: binding for bindings in KEYS.values() for binding in bindings}
    last = [id for id, topic in topics.items() if topic == LAST_TOPIC]
    between = [id for id in bindings_by_id if id not in FIRST_COMMANDS and id not in last]

    def command(id: str | None) -> PaletteCommand:
        binding = bindings_by_id[id]
        return PaletteCommand(topics[id].partition(" (")[0], what(binding), keys_shown(app, binding), binding.action)

    theme_commands = [PaletteCommand("Look", f"theme {name}", "", f"theme({name!r})") for name in themes.theme_names()]
    return [*map(command, (*FIRST_COMMANDS, *between)), *theme_commands, *map(command, last)]


def search_commands(typed: str, among: Sequence[PaletteCommand]) -> list[PaletteCommand]:
    """Those that answer to what was typed, the best first."""
    ranked = [(rank, command) for command in among if (rank := command.rank(typed)) is not None]
    return [command for _, command in sorted(ranked, key=itemgetter(0))]


class CommandPalette(Dialog[str | None]):
    """Returns the action that was chosen, or None.

    Not Textual's own palette: that one searches beside the keys, so that an Enter which was typed ahead may meet the
    list of an earlier text.
    """

    DEFAULT_CSS = """
    CommandPalette { align: center top; }
    CommandPalette Vertical { height: auto; }
    CommandPalette TextField { margin-bottom: 1; }
    CommandPalette.-short TextField { margin-bottom: 0; }
    CommandPalette OptionList { max-height: 20; }
    """
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (16, "-normal")]  # noqa: RUF012
    AUTO_FOCUS = "TextField"
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
        with DialogBox("Commands", [("Enter", "does it"), ("↑ ↓", "choose"), ("Esc", "closes")]):
            with Vertical(classes="head"):
                yield TextField({**moves, "enter": self._choose}, "undo, larger brush, theme …")
            yield names

    def on_mount(self) -> None:
        self._all = palette_commands(self.app)
        self._keys_width = max(len(command.keys) for command in self._all)
        self.watch(self.query_one(TextField), "value", self._list)

    def _list(self, typed: str) -> None:
        self._commands = search_commands(typed, self._all)
        names = self.query_one(OptionList)
        names.clear_options()
        names.add_options([Option(command.line(self._keys_width)) for command in self._commands])
        names.highlighted = 0 if self._commands else None

    def _choose(self) -> None:
        if self._commands:
            self.dismiss(self._commands[self.query_one(OptionList).highlighted or 0].action)

    def on_option_list_option_selected(self) -> None:
        self._choose()
