"""The numbers of the next drag, each checked, applied together as one change."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.messages import ModelInfo
from draggan_tui.widgets.line import Line

from .dialog import Dialog

# Field of the edit or of its settings → what it is called here.
FIELDS = {
    "psi": "ψ truncation (new picture)",
    "step_size": "step size (Adam, on w)",
    "mask_weight": "λ, weight of the mask",
    "r1": "r1 supervision, px",
    "r2": "r2 tracking, px",
    "layers": "layers optimised",
    "feature_block": "feature block",
    "max_steps": "most steps",
    "stop_distance": "stop at, px (empty: 1 or 2)",
    "tracking_norm": "tracking norm, l1 or l2",
    "precision": "float32 or bfloat16",
}


class Settings(Dialog[Edit | None]):
    """Returns the changed edit, or None."""

    DEFAULT_CSS = """
    Settings { align: center middle; }
    Settings > VerticalScroll { width: 66; max-width: 96%; height: auto; max-height: 94%; padding: 0 2; background: $surface; border: round $primary; }
    Settings Horizontal { height: 1; }
    Settings .name { width: 29; }
    Settings Line { width: 1fr; }
    Settings Line.-invalid { color: $text-error; }
    Settings #problem { color: $text-error; height: auto; }
    Settings #hint { color: $text-muted; }
    """
    AUTO_FOCUS = "#step_size"
    # Keys come in bursts over a slow line: those that move the focus are done at once, before the next key is handed
    # to the field that has it.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("down,tab", "app.focus_next", show=False, priority=True),
        Binding("up,shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(self, edit: Edit, info: ModelInfo) -> None:
        super().__init__()
        self.edit, self.info = edit, info

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False) as box:
            box.border_title = "Settings of the next drag"
            for name, label in FIELDS.items():
                with Horizontal():
                    yield Static(label, classes="name")
                    yield Line({"enter": self._apply}, value=self._value(name), id=name)
            yield Static("", id="problem", markup=False)
            yield Static(
                "Enter applies   Escape leaves   blocks: " + " ".join(self.info.blocks), id="hint", markup=False
            )

    def _value(self, name: str) -> str:
        value = self.edit.psi if name == "psi" else getattr(self.edit.settings, name)
        if value is None:
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value)

    def _apply(self) -> None:
        """Closes with the new edit, or says which field is wrong and stays."""
        texts = {name: self.query_one(f"#{name}", Line).value.strip() for name in FIELDS}
        try:
            edit = with_settings(self.edit, texts, self.info)
        except _FieldError as error:
            for field in self.query(Line):
                field.set_class(field.id == error.field, "-invalid")
            self.query_one("#problem", Static).update(f"{FIELDS.get(error.field, error.field)}: {error}")
            self.query_one(f"#{error.field}", Line).focus()
            return
        self.dismiss(edit)


class _FieldError(ValueError):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


def with_settings(edit: Edit, texts: dict[str, str], info: ModelInfo) -> Edit:
    """The edit with the fields as typed. A new ψ is a new picture, so what drags had made is left behind.

    Raises:
        ValueError: with `field`, the name of the one that is wrong.
    """
    values: dict[str, object] = {name: text or None for name, text in texts.items() if name != "psi"}
    try:
        settings = type(edit.settings).model_validate({**edit.settings.model_dump(), **values})
        changed = Edit.model_validate({**edit.model_dump(), "psi": texts["psi"], "settings": settings.model_dump()})
    except ValidationError as error:
        first = error.errors()[0]
        raise _FieldError(str(first["loc"][-1]), first["msg"]) from error
    if settings.feature_block not in info.blocks:
        raise _FieldError("feature_block", f"this model has {', '.join(info.blocks)}")
    if settings.layers > info.num_ws:
        raise _FieldError("layers", f"this model has {info.num_ws}")
    if changed.psi != edit.psi:
        changed = changed.model_copy(update={"given": False, "latent": 0, "step": None})
    return changed
