"""The command palette: every action of the editor with its keys, and the themes, to be found by a part of the name."""

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
from draggan_tui.keymap import KEY_BINDINGS, KEY_GROUPS
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField

from .dialog import Dialog
from .key_names import keys_shown

# Ids of the bindings whose commands come first while nothing is typed.
FIRST_COMMANDS = (
    "drag", "place", "undo", "redo", "save", "export", "models", "settings", "help", "pen", "lead", "grab",
    "next-seed", "branches", "before", "goto", "clear-mask", "zoom-fit",
)  # fmt: skip
LAST_TOPIC = "Move"  # last, because a key is the quicker way
KEYS_GAP = 2


@dataclass(frozen=True)
class PaletteCommand:
    """A command of the palette.

    Attributes:
        name: what the command does.
        keys: its keys, as they are bound now.
        action: the editor's action.
    """

    topic: str
    name: str
    keys: str
    action: str

    def rank(self, typed_text: str) -> int | None:
        """Return how well the command matches a typed text; 0 is best.

        None: some typed word is neither in the command's name nor in its topic.
        """
        lower_name, typed_words = self.name.lower(), typed_text.lower().split()
        if lower_name.partition(":")[0] == " ".join(typed_words):
            return 0
        if lower_name.startswith(" ".join(typed_words)):
            return 1
        if all(f" {typed_word}" in f" {lower_name}" for typed_word in typed_words):
            return 2
        return 3 if all(typed_word in f"{lower_name} {self.topic.lower()}" for typed_word in typed_words) else None

    def line(self, keys_width: int) -> Content:
        """Return one row: the keys, the name, and the topic, dimmed."""
        keys_text = (self.keys.ljust(keys_width + KEYS_GAP), "bold")
        return Content.assemble(keys_text, self.name, (f"  {self.topic}", "dim not bold"))


def palette_commands(app: App[Any]) -> list[PaletteCommand]:
    """Return all commands: those needed most, the others in the order of the help, the themes, and moves of the cursor."""
    topics_by_id = {key_binding.id: topic for topic, bindings in KEY_GROUPS.items() for key_binding in bindings}
    last_ids = [id for id, topic in topics_by_id.items() if topic == LAST_TOPIC]
    middle_ids = [id for id in topics_by_id if id not in FIRST_COMMANDS and id not in last_ids]

    def command(id: str) -> PaletteCommand:
        key_binding = KEY_BINDINGS[id]
        return PaletteCommand(
            topics_by_id[id].partition(" (")[0], key_binding.help, keys_shown(app, key_binding), f"run({id!r})"
        )

    theme_commands = [PaletteCommand("Look", f"theme {name}", "", f"theme({name!r})") for name in themes.theme_names()]
    return [*map(command, (*FIRST_COMMANDS, *middle_ids)), *theme_commands, *map(command, last_ids)]


def search_commands(typed_text: str, commands: Sequence[PaletteCommand]) -> list[PaletteCommand]:
    """Return the commands that match a typed text, the best first."""
    ranked_commands = [(rank, command) for command in commands if (rank := command.rank(typed_text)) is not None]
    return [command for _, command in sorted(ranked_commands, key=itemgetter(0))]


class CommandPalette(Dialog[str | None]):
    """Returns the action that was chosen, or None.

    Textual's own palette searches in the background, so an Enter that is typed early may choose from the list of an
    earlier text. Here each key acts on the list that the keys before it have made.
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
        option_list = OptionList(compact=True)
        option_list.can_focus = False
        move_actions = {
            "down": option_list.action_cursor_down,
            "up": option_list.action_cursor_up,
            "pagedown": option_list.action_page_down,
            "pageup": option_list.action_page_up,
        }
        with DialogBox("Commands", [("Enter", "does it"), ("↑ ↓", "choose"), ("Esc", "closes")]):
            with Vertical(classes="head"):
                yield TextField({**move_actions, "enter": self._choose}, "undo, larger brush, theme …")
            yield option_list

    def on_mount(self) -> None:
        self.all_commands = palette_commands(self.app)
        self._keys_width = max(len(command.keys) for command in self.all_commands)
        self.watch(self.query_one(TextField), "value", self._show_matches)

    def _show_matches(self, typed_text: str) -> None:
        self._matching_commands = search_commands(typed_text, self.all_commands)
        option_list = self.query_one(OptionList)
        option_list.clear_options()
        option_list.add_options([Option(command.line(self._keys_width)) for command in self._matching_commands])
        option_list.highlighted = 0 if self._matching_commands else None

    def _choose(self) -> None:
        if self._matching_commands:
            self.dismiss(self._matching_commands[self.query_one(OptionList).highlighted or 0].action)

    def on_option_list_option_selected(self) -> None:
        self._choose()
