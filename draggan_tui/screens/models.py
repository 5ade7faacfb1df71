"""Which model to go on with: one of a list, or a path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from draggan_engine.protocol.messages import ModelEntry
from draggan_tui.renderables.models import is_present, model_lines
from draggan_tui.widgets.choices import Choices
from draggan_tui.widgets.line import Line

from .dialog import Dialog


class Models(Dialog[str | None]):
    """Returns a model's name or path, or None."""

    DEFAULT_CSS = """
    Models { align: center middle; }
    Models > Vertical { width: 66; max-width: 96%; height: auto; max-height: 94%; padding: 0 2; background: $surface; border: round $primary; }
    Models OptionList { height: auto; max-height: 14; background: $surface; }
    Models Line { margin-top: 1; }
    Models #hint { color: $text-muted; }
    """
    AUTO_FOCUS = "Choices"
    # Those that move the focus are done at once, before the next key of a burst is handed to what has it.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("slash", "type", show=False, priority=True),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(self, present: str) -> None:
        """
        Args:
            present: name or path of the model in use.
        """
        super().__init__()
        self.present = present
        self.entries: Sequence[ModelEntry] = ()

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Models"
            box.border_subtitle = Content(f"now {self.present}")
            yield Choices(compact=True)
            yield Line({"enter": self._open_path}, "or the path of a checkpoint")
            yield Static("Enter chooses   / types a path   Escape leaves", id="hint", markup=False)

    def on_mount(self) -> None:
        self.show(self.entries)

    def show(self, entries: Sequence[ModelEntry]) -> None:
        """Lists the models that are there, the present one highlighted."""
        self.entries = entries
        for names in self.query(Choices):  # none yet, if the engine is quicker than the screen
            names.clear_options()
            names.add_options([Option(line) for line in model_lines(entries, self.present)])
            here = (index for index, entry in enumerate(entries) if is_present(entry, self.present))
            names.highlighted = next(here, 0) if entries else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """In the field a slash is a letter."""
        return action != "type" or (bool(self.query(Line)) and not isinstance(self.focused, Line))

    def action_type(self) -> None:
        self.set_focus(self.query_one(Line))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.entries[event.option_index].spec)

    def _open_path(self) -> None:
        if path := self.query_one(Line).value.strip():
            self.dismiss(path)
