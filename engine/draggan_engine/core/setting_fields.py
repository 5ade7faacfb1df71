"""The settings of a drag, and ψ, as fields that a person edits: label, default, range, and how typed text is read.

They are derived from the fields of `DragSettings` and `LatentRef`. A model narrows the ranges to what it has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from .edit import DragSettings
from .errors import EditError
from .frozen_model import FrozenModel
from .latent_ref import LatentRef
from .model_info import ModelInfo

MAX_LISTED_CHOICES = 4
"""A range lists this many choices; of more it names the first and the last."""


@dataclass(frozen=True)
class SettingField:
    """A setting that a person can edit.

    Attributes:
        name: the name of the field in its model.
        model: the class with the field: `DragSettings`, or `LatentRef` for ψ.
        label: what people call it, without a unit.
        description: what it does.
        default: the paper's value, or that of the model to which it was narrowed.
        range_text: the values that it takes: `above 0 to 10`, `1 to 256`, `l1, l2`.
        requirement: the same as the end of a sentence that begins with "must be".
        choices: its values, if it takes one of a few texts.
        highest: the greatest value that the generator allows; None: the field's own limit.
    """

    name: str
    model: type[FrozenModel]
    label: str
    description: str
    default: object
    range_text: str
    requirement: str
    choices: tuple[str, ...] = ()
    highest: float | None = None

    def read(self, text: str) -> Any:
        """Return the value of typed text; None if it is empty and the field may be empty.

        Raises:
            EditError: the text is not a value of this field.
        """
        problem = EditError(f"{self.label}: must be {self.requirement}")
        try:
            fields = self.model.model_validate({self.name: text.strip() or None})
        except ValidationError as error:
            raise problem from error
        value = getattr(fields, self.name)
        is_too_high = self.highest is not None and value is not None and value > self.highest
        if is_too_high or (self.choices and value not in self.choices):
            raise problem
        return value

    @property
    def default_text(self) -> str:
        return value_text(self.default)


def setting_fields(info: ModelInfo | None = None) -> dict[str, SettingField]:
    """Return every setting by its name: ψ, then those of a drag in their order.

    Args:
        info: the model whose defaults, layers and feature blocks to use; None: the paper's.
    """
    psi = _setting_field("psi", LatentRef)
    fields = {"psi": psi, **{name: _setting_field(name, DragSettings) for name in DragSettings.model_fields}}
    if info is None:
        return fields
    fields = {
        name: replace(field, default=info.psi if field is psi else getattr(info.settings, name))
        for name, field in fields.items()
    }
    fields["layers"] = _up_to(fields["layers"], info.num_ws)
    fields["feature_block"] = _one_of(fields["feature_block"], info.blocks)
    return fields


def value_text(value: object) -> str:
    """Return a setting's value as it is shown and typed; None is empty."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _setting_field(name: str, model: type[FrozenModel]) -> SettingField:
    info = model.model_fields[name]
    assert info.title is not None and info.description is not None, f"{name} has a title and a description"
    field = SettingField(name, model, info.title, info.description, info.default, "any name", "the name of a block")
    if choices := _choices(info):
        return _one_of(field, choices)
    lowest, above, highest = _bounds(info)
    if highest is None:
        return field
    number = "a whole number" if info.annotation is int else "a number"
    highest_text = _number_text(highest)
    if above is not None:
        ranges = (
            f"above {_number_text(above)} to {highest_text}",
            f"{number} above {_number_text(above)} and at most {highest_text}",
        )
    else:
        ranges = f"{_number_text(lowest)} to {highest_text}", f"{number} from {_number_text(lowest)} to {highest_text}"
    or_empty = ", or empty" if _may_be_empty(info) else ""
    return replace(field, range_text=ranges[0] + or_empty, requirement=ranges[1] + or_empty)


def _one_of(field: SettingField, choices: tuple[str, ...]) -> SettingField:
    listed = ", ".join(choices) if len(choices) <= MAX_LISTED_CHOICES else f"{choices[0]} … {choices[-1]}"
    first, last = ", ".join(choices[:-1]), choices[-1]
    return replace(field, choices=choices, range_text=listed, requirement=f"{first} or {last}" if first else last)


def _up_to(field: SettingField, highest: int) -> SettingField:
    return replace(
        field, highest=highest, range_text=f"1 to {highest}", requirement=f"a whole number from 1 to {highest}"
    )


def _choices(info: FieldInfo) -> tuple[str, ...]:
    return get_args(info.annotation) if get_origin(info.annotation) is Literal else ()


def _may_be_empty(info: FieldInfo) -> bool:
    return NoneType in get_args(info.annotation)


def _bounds(info: FieldInfo) -> tuple[Any, Any, Any]:
    """Return the least value, the value that it must be above, and the greatest value; each a number or None."""
    metadata = list(info.metadata)
    for part in get_args(info.annotation):  # the parts of an optional field
        metadata += [constraint for extra in get_args(part)[1:] for constraint in getattr(extra, "metadata", [extra])]
    least = next((constraint.ge for constraint in metadata if isinstance(constraint, Ge)), None)
    above = next((constraint.gt for constraint in metadata if isinstance(constraint, Gt)), None)
    most = next((constraint.le for constraint in metadata if isinstance(constraint, Le)), None)
    return least, above, most


def _number_text(number: float | None) -> str:
    return "" if number is None else f"{number:,.10g}"
