"""The list of models: choose one, or type a path."""

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
    """Returns the model that was chosen from the list, or None.

    A typed name or path goes to `load`, and the dialog stays open. It is closed from outside when the model is loaded;
    if the model cannot be loaded, `refuse` says why.

    Args:
        open_model: name or path by which the model in use was loaded.
        model_name: the name of the model in use.
        load_model: starts loading a name or path.
    """

    DEFAULT_CSS = """
    ModelList Vertical { height: auto; }
    ModelList #typed { height: 1; margin-top: 1; }
    ModelList .slash { width: 2; color: $accent; text-style: bold; }
    ModelList TextField { width: 1fr; }
    """
    AUTO_FOCUS = "ViOptionList"
    # With `priority`, keys that move the focus act before the next key of a burst goes to the widget with the focus.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("slash", "type", show=False, priority=True),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(self, open_model: str, model_name: str, load_model: Callable[[str], object]) -> None:
        super().__init__()
        self.open_model, self._model_name, self._load_model = open_model, model_name, load_model
        self.awaited_spec: str | None = None
        self.entries: Sequence[ModelEntry] = ()

    def compose(self) -> ComposeResult:
        key_hints = [("Enter", "opens"), ("/", "types a path"), ("Esc", "closes")]
        with DialogBox(f"Models · now {self._model_name}", key_hints):
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
        """List models, with the one in use highlighted."""
        self.entries = entries
        # The query is empty if the engine answers before the screen is mounted.
        for option_list in self.query(ViOptionList):
            option_list.clear_options()
            model_rows = model_lines(entries, self.open_model, option_list.scrollable_content_region.width)
            option_list.add_options([Option(model_row) for model_row in model_rows])
            open_indices = (
                entry_index for entry_index, entry in enumerate(entries) if is_open_model(entry, self.open_model)
            )
            option_list.highlighted = next(open_indices, 0) if entries else None

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_again)

    def _show_again(self) -> None:
        """List the models again in the present width."""
        option_list = self.query_one(ViOptionList)
        highlighted_index = option_list.highlighted
        self.show(self.entries)
        option_list.highlighted = highlighted_index

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """Leave the slash to the text field while it has the focus."""
        return action != "type" or (bool(self.query(TextField)) and not isinstance(self.focused, TextField))

    def action_type(self) -> None:
        self.set_focus(self.query_one(TextField))

    def on_option_list_option_selected(self, selected_event: OptionList.OptionSelected) -> None:
        self.dismiss(self.entries[selected_event.option_index])

    def refuse(self, problem: str) -> None:
        """Say why the typed model cannot be opened; the dialog stays open."""
        self.awaited_spec = None
        self._show_note(problem, "$text-error")

    def show_loading(self, progress_text: str) -> None:
        """Show how far the typed model is loaded."""
        self._show_note(progress_text, "$foreground")

    def _show_note(self, note_text: str, note_color: str) -> None:
        problem_widget = self.query_one("#problem", Static)
        problem_widget.update(Content.styled(note_text, note_color))
        problem_widget.display = bool(note_text)

    def _open_path(self) -> None:
        model_spec = self.query_one(TextField).value.strip()
        if not model_spec or self.awaited_spec is not None:
            return
        open_names = {
            open_name
            for entry in self.entries
            if is_open_model(entry, self.open_model)
            for open_name in (entry.name, entry.path)
        }
        if model_spec in {self.open_model, *open_names}:
            self.refuse(f"{self._model_name} is open already")
            return
        self.awaited_spec = model_spec
        self.show_loading(f"loading {model_label(model_spec)} …")
        self._load_model(model_spec)
