"""Which model to go on with: one from a list, or a path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from draggan_engine.core.model_info import ModelEntry
from draggan_tui.rendering.loading_text import model_label
from draggan_tui.rendering.model_list_text import is_open_model, model_lines
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField
from draggan_tui.widgets.vi_option_list import ViOptionList

from .dialog import Dialog


class ModelList(Dialog[ModelEntry | None]):
    """Returns the model that was chosen from the list, or None. What is typed goes to `load`, and the dialog stays until it
    is closed because that model has come, or until `refuse` says why not.

    Args:
        present: name or path of the model in use.
        name: what it is called.
        load: starts loading what was typed.
    """

    DEFAULT_CSS = """
    ModelList Vertical { height: auto; }
    ModelList #typed { height: 1; margin-top: 1; }
    ModelList .slash { width: 2; color: $accent; text-style: bold; }
    ModelList TextField { width: 1fr; }
    """
    AUTO_FOCUS = "ViOptionList"
    # Those that move the focus are done at once, before the next key of a burst is handed to what has it.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("slash", "type", show=False, priority=True),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(self, present: str, name: str, load: Callable[[str], object]) -> None:
        super().__init__()
        self.present, self._name, self._load = present, name, load
        self.awaited_spec: str | None = None
        self.entries: Sequence[ModelEntry] = ()

    def compose(self) -> ComposeResult:
        hints = [("Enter", "opens"), ("/", "types a path"), ("Esc", "closes")]
        with DialogBox(f"Models · now {self._name}", hints):
            yield ViOptionList(compact=True)
            with Vertical(classes="foot"):
                with Horizontal(id="typed"):
                    yield Static("/", classes="slash")
                    yield TextField({"enter": self._open_path}, "name, or path of a checkpoint")
                yield Static("", id="problem", markup=False)

    def on_mount(self) -> None:
        self.show(self.entries)
        self.watch(self.query_one(TextField), "value", lambda: self.refuse(""))

    def show(self, entries: Sequence[ModelEntry]) -> None:
        """Lists the models that are there, the present one highlighted."""
        self.entries = entries
        for names in self.query(ViOptionList):  # none yet, if the engine is quicker than the screen
            names.clear_options()
            lines = model_lines(entries, self.present, names.scrollable_content_region.width)
            names.add_options([Option(line) for line in lines])
            here = (index for index, entry in enumerate(entries) if is_open_model(entry, self.present))
            names.highlighted = next(here, 0) if entries else None

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Lists the models in the width that there is now."""
        names = self.query_one(ViOptionList)
        highlighted = names.highlighted
        self.show(self.entries)
        names.highlighted = highlighted

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """In the field a slash is a letter."""
        return action != "type" or (bool(self.query(TextField)) and not isinstance(self.focused, TextField))

    def action_type(self) -> None:
        self.set_focus(self.query_one(TextField))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.entries[event.option_index])

    def refuse(self, problem: str) -> None:
        """Says why the model that was typed cannot be opened, and stays."""
        self.awaited_spec = None
        self._tell(problem, "$text-error")

    def show_loading(self, progress: str) -> None:
        """How far what was typed has been loaded."""
        self._tell(progress, "$foreground")

    def _tell(self, text: str, color: str) -> None:
        problem = self.query_one("#problem", Static)
        problem.update(Content.styled(text, color))
        problem.display = bool(text)

    def _open_path(self) -> None:
        spec = self.query_one(TextField).value.strip()
        if not spec or self.awaited_spec is not None:
            return
        names = {
            name for entry in self.entries if is_open_model(entry, self.present) for name in (entry.name, entry.path)
        }
        if spec in {self.present, *names}:
            self.refuse(f"{self._name} is open already")
            return
        self.awaited_spec = spec
        self.show_loading(f"loading {model_label(spec)} …")
        self._load(spec)
