"""The settings of the next drag: each field is checked, and all are applied as one change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from draggan_engine.core.edit import SETTINGS_WITHOUT_EFFECT, Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.core.setting_fields import MAX_LISTED_CHOICES, SettingField, setting_fields, value_text
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField

from .dialog import Dialog


class SettingsDialog(Dialog[Edit | None]):
    """Returns the changed edit, or None."""

    DEFAULT_CSS = """
    SettingsDialog .row { height: 1; }
    SettingsDialog .row:focus-within .label { color: $accent; text-style: bold; }
    SettingsDialog .row.-unused .label, SettingsDialog .row.-unused TextField { color: $text-disabled; }
    SettingsDialog .label { width: 15; padding-right: 2; text-align: right; color: $text-muted; }
    SettingsDialog TextField { width: 14; margin-right: 1; }
    SettingsDialog TextField.-invalid { color: $text-error; }
    SettingsDialog .value { width: 15; }
    SettingsDialog .default { width: 14; }
    SettingsDialog .range { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    SettingsDialog .foot { height: auto; }
    SettingsDialog .foot Static { height: auto; }
    SettingsDialog #description { min-height: 2; margin-top: 1; }
    SettingsDialog.-narrow .default, SettingsDialog.-narrow .range { display: none; }
    SettingsDialog.-narrow #header { display: none; }
    SettingsDialog.-narrow TextField { width: 1fr; margin-right: 0; }
    SettingsDialog.-narrow #description { margin-top: 0; max-height: 4; }
    SettingsDialog.-narrow #problem { display: none; }
    SettingsDialog.-narrow.-refused #problem { display: block; }
    SettingsDialog.-narrow.-refused #description { display: none; }
    """
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (64, "-normal")]  # noqa: RUF012
    AUTO_FOCUS = "#method"
    # With `priority`, keys that move the focus act before the next key of a burst goes to the field with the focus.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("down,tab", "app.focus_next", show=False, priority=True),
        Binding("up,shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(self, edit: Edit, model_info: ModelInfo) -> None:
        super().__init__()
        self.edit, self.fields = edit, setting_fields(model_info)
        self._refused_texts: dict[str, str] | None = None

    def compose(self) -> ComposeResult:
        key_hints = [("Enter", "applies"), ("Ctrl-R", "resets one"), ("Ctrl-T", "resets all"), ("Esc", "closes")]
        key_actions = {"enter": self._apply, "ctrl+r": self._reset_focused, "ctrl+t": self._reset_all}
        with DialogBox("Settings of the next drag", key_hints):
            with Horizontal(id="header", classes="row head muted"):
                for column_heading, column_class in (
                    ("", "label"),
                    ("value", "value"),
                    ("default", "default"),
                    ("range", "range"),
                ):
                    yield Static(column_heading, classes=column_class)
            for field_name, field in self.fields.items():
                with Horizontal(classes="row"):
                    yield Static(field.label, classes="label")
                    yield TextField(key_actions, value=self._present_text(field_name), id=field_name)
                    yield Static(field.default_text or "–", classes="default muted", markup=False)
                    yield Static(field.range_text, classes="range muted", markup=False)
            with Vertical(classes="foot"):
                yield Static("", id="description", classes="muted", markup=False)
                yield Static("", id="problem", markup=False)

    def on_descendant_focus(self) -> None:
        self._describe()

    def on_mount(self) -> None:
        self._mark_unused()

    def on_resize(self) -> None:
        self.call_after_refresh(self._describe)

    def _describe(self) -> None:
        """Describe the field with the focus; in a narrow terminal, without columns for them, also its default and range."""
        if self.focused is None:  # the dialog has been closed
            return
        field = self._focused_field()
        columns_text = f"default {field.default_text or 'empty'} (Ctrl-R), {field.range_text}\n"
        choices_text = f": {', '.join(field.choices)}" if len(field.choices) > MAX_LISTED_CHOICES else ""
        unused_text = f" (not used by {self._typed_method()})" if field.name in self._unused_settings() else ""
        description_text = (
            (columns_text if self.has_class("-narrow") else "") + field.description + choices_text + unused_text
        )
        self.query_one("#description", Static).update(description_text)
        self._show_focused()

    def _show_focused(self) -> None:
        """Scroll to the field with the focus when the text below the fields has its new height."""
        if self.focused is not None:
            self.call_after_refresh(self.focused.scroll_visible, animate=False)

    def _typed_method(self) -> str:
        """Return the method in its field; nothing while the dialog is opened or closed."""
        return next(
            (field_widget.value.strip() for field_widget in self.query(TextField) if field_widget.id == "method"), ""
        )

    def _unused_settings(self) -> frozenset[str]:
        """Return the names of the settings that the method in its field does not use; none while it is being typed."""
        typed_method = self._typed_method()
        return next((names for method, names in SETTINGS_WITHOUT_EFFECT.items() if method == typed_method), frozenset())

    def _mark_unused(self) -> None:
        unused_settings = self._unused_settings()
        for field_widget in self.query(TextField):
            row = field_widget.parent
            assert isinstance(row, Horizontal)
            row.set_class(field_widget.id in unused_settings, "-unused")

    def _focused_field(self) -> SettingField:
        assert self.focused is not None, "one of the fields always has the focus"
        return self.fields[self.focused.id or ""]

    def _field_widget(self, field_name: str) -> TextField:
        return self.query_one(f"#{field_name}", TextField)

    def _present_text(self, field_name: str) -> str:
        return value_text(self.edit.source.psi if field_name == "psi" else getattr(self.edit.settings, field_name))

    def _reset_focused(self) -> None:
        self._reset(self._focused_field())

    def _reset_all(self) -> None:
        for field in self.fields.values():
            self._reset(field)

    def _reset(self, field: SettingField) -> None:
        field_widget = self._field_widget(field.name)
        field_widget.value = field.default_text
        field_widget.cursor_position = len(field_widget.value)

    def _typed_texts(self) -> dict[str, str]:
        """Return what stands in each field, by its name; less while the dialog is opened or closed."""
        return {field_widget.id or "": field_widget.value for field_widget in self.query(TextField)}

    def _apply(self) -> None:
        """Close with the new edit, or say which field is wrong and stay open."""
        field_values = {}
        for field_name, typed_text in self._typed_texts().items():
            try:
                field_values[field_name] = self.fields[field_name].read(typed_text)
            except EditError as edit_error:
                self._refuse(field_name, str(edit_error))
                return
        self.dismiss(with_settings(self.edit, field_values))

    def _refuse(self, field_name: str, problem: str) -> None:
        self._refused_texts = self._typed_texts()
        self._field_widget(field_name).add_class("-invalid")
        self.add_class("-refused")
        self.query_one("#problem", Static).update(problem)
        self._field_widget(field_name).focus()
        self._show_focused()

    def on_input_changed(self) -> None:
        """Remove the error message: the field that was wrong may be right now.

        What was typed in one go with Enter may be reported only after Enter has been handled.
        """
        if self._typed_texts() != self._refused_texts:
            self.query(TextField).remove_class("-invalid")
            self.remove_class("-refused")
            self.query_one("#problem", Static).update("")
        self._mark_unused()


def with_settings(edit: Edit, field_values: Mapping[str, object]) -> Edit:
    """Return an edit with other settings. A new ψ gives a new image, so the results of drags are dropped.

    Args:
        field_values: every setting, and ψ, by its name, as `SettingField.read` returns it.
    """
    settings = edit.settings.model_copy(
        update={field_name: field_value for field_name, field_value in field_values.items() if field_name != "psi"}
    )
    changed_edit = edit.model_copy(update={"settings": settings})
    new_psi = field_values["psi"]
    return changed_edit if new_psi == edit.source.psi else changed_edit.with_source(edit.source.generated(psi=new_psi))
