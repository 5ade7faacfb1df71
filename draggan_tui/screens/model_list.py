"""The list of models: choose one, type a path, or download a public model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from draggan_engine.core.model_info import ModelEntry, PublicModel
from draggan_engine.server.pull_messages import PullEnded
from draggan_tui.rendering.loading_text import model_label
from draggan_tui.rendering.model_list_text import is_open_model, model_lines, offer_text, public_model_lines
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField
from draggan_tui.widgets.vi_option_list import ViOptionList

from .dialog import Dialog
from .model_pulls import ModelPulls

HUB_SCHEME = "hf://"


class ModelList(Dialog[ModelEntry | None]):
    """Returns the model that was chosen from the list, or None.

    A typed name or path goes to `load`, and the dialog stays open. It is closed from outside when the model is loaded;
    if the model cannot be loaded, `refuse` says why.

    Below the models on this machine are those that can be downloaded. Enter shows the licence of one, and Enter again
    downloads it. An address on the hub is downloaded and then loaded. The download goes on if the dialog is closed.

    Args:
        open_model: name or path by which the model in use was loaded.
        model_name: the name of the model in use.
        load_model: starts loading a name or path.
        pulls: starts and stops downloads.
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
        Binding("x", "stop_pull", show=False),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(
        self, open_model: str, model_name: str, load_model: Callable[[str], object], pulls: ModelPulls
    ) -> None:
        super().__init__()
        self.open_model, self._model_name, self._load_model, self._pulls = open_model, model_name, load_model, pulls
        self.awaited_spec: str | None = None
        self.entries: Sequence[ModelEntry] = ()
        self.public_models: Sequence[PublicModel] = ()
        self._offered_name: str | None = None  # of the public model whose licence is shown
        self._typed_address: str | None = None  # on the hub: loaded when it is downloaded

    def compose(self) -> ComposeResult:
        key_hints = [("Enter", "opens"), ("/", "types a path"), ("Esc", "closes")]
        with DialogBox(f"Models · now {self._model_name}", key_hints):
            yield ViOptionList(compact=True)
            with Vertical(classes="foot"):
                with Horizontal(id="typed"):
                    yield Static("/", classes="slash")
                    yield TextField({"enter": self._open_path}, "name, path of a checkpoint, or hf://org/repo/file")
                yield Static("", id="problem", markup=False)

    def on_mount(self) -> None:
        self.show(self.entries, self.public_models)
        self.watch(self.query_one(TextField), "value", lambda: self.refuse(""))
        if self._pulls.progress_text:
            self.show_progress(self._pulls.progress_text)

    def show(self, entries: Sequence[ModelEntry], public_models: Sequence[PublicModel] = ()) -> None:
        """List the models on this machine, with the one in use highlighted, and those that can be downloaded."""
        self.entries, self.public_models = entries, public_models
        # The query is empty if the engine answers before the screen is mounted.
        for option_list in self.query(ViOptionList):
            option_list.clear_options()
            model_rows = model_lines(entries, self.open_model, option_list.scrollable_content_region.width)
            option_list.add_options([Option(model_row) for model_row in model_rows])
            if public_models:
                option_list.add_options([None, *(Option(row) for row in public_model_lines(public_models))])
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
        self.show(self.entries, self.public_models)
        option_list.highlighted = highlighted_index

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """Leave the slash to the text field while it has the focus."""
        return action != "type" or (bool(self.query(TextField)) and not isinstance(self.focused, TextField))

    def action_type(self) -> None:
        self.set_focus(self.query_one(TextField))

    def on_option_list_option_selected(self, selected_event: OptionList.OptionSelected) -> None:
        option_index = selected_event.option_index
        if option_index < len(self.entries):
            self.dismiss(self.entries[option_index])
        else:
            self._offer_or_pull(self.public_models[option_index - len(self.entries)])

    def on_option_list_option_highlighted(self, highlighted_event: OptionList.OptionHighlighted) -> None:
        """Withdraw the offer when another model is highlighted."""
        public_index = highlighted_event.option_index - len(self.entries)
        if self._offered_name is not None and (
            public_index < 0 or self.public_models[public_index].name != self._offered_name
        ):
            self._offered_name = None
            self._show_note(self._pulls.progress_text, "$foreground")

    def _offer_or_pull(self, public_model: PublicModel) -> None:
        """Show the licence of a public model; download it if its licence is shown."""
        if self._pulls.source is not None:
            self._show_note(f"one download at a time: {self._pulls.progress_text}", "$text-error")
        elif self._offered_name == public_model.name:
            self._offered_name = None
            self._pulls.start(public_model.name)
            self.show_progress(self._pulls.progress_text)
        else:
            self._offered_name = public_model.name
            self._show_note(offer_text(public_model), "$foreground")

    def action_stop_pull(self) -> None:
        if self._pulls.source is not None:
            self._pulls.stop()
            self.show_progress(self._pulls.progress_text)

    def end_pull(self, pull_event: PullEnded) -> None:
        """Show that a download is complete or was stopped, and load the model if its address was typed."""
        if pull_event.spec is None:
            self._show_note(
                f"the download of {pull_event.source} was stopped; what was received is kept", "$foreground"
            )
        elif pull_event.source == self._typed_address:
            self._load(pull_event.spec)
        else:
            self._show_note(f"{pull_event.source} is on this machine now; Enter opens it", "$foreground")
            own_names = [entry.name for entry in self.entries]
            if pull_event.spec in own_names:
                self.query_one(ViOptionList).highlighted = own_names.index(pull_event.spec)
        self._typed_address = None

    def refuse(self, problem: str) -> None:
        """Say why the typed model cannot be opened; the dialog stays open."""
        self.awaited_spec = self._typed_address = self._offered_name = None
        self._show_note(problem, "$text-error")

    def show_progress(self, progress_text: str) -> None:
        """Show how far a model is loaded or downloaded."""
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
        public_model = next((model for model in self.public_models if model.name == model_spec), None)
        if public_model is not None:
            self._offer_or_pull(public_model)
        elif model_spec.startswith(HUB_SCHEME) and self._pulls.source is None:
            self._typed_address = model_spec
            self._pulls.start(model_spec)
            self.show_progress(self._pulls.progress_text)
        else:
            self._load(model_spec)

    def _load(self, model_spec: str) -> None:
        self.awaited_spec = model_spec
        self.show_progress(f"loading {model_label(model_spec)} …")
        self._load_model(model_spec)
