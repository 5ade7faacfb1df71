"""The settings of a drag, and ψ, as fields that a person edits: label, default, range, and how typed text is read.

They are derived from the fields of `DragSettings` and `LatentRef`. A model narrows the ranges to its own layers and blocks.
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
        description: its effect, for people.
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

    def read(self, typed_text: str) -> Any:
        """Return the value of typed text; None if it is empty and the field may be empty.

        Raises:
            EditError: the text is not a value of this field.
        """
        range_error = EditError(f"{self.label}: must be {self.requirement}")
        try:
            validated_fields = self.model.model_validate({self.name: typed_text.strip() or None})
        except ValidationError as validation_error:
            raise range_error from validation_error
        typed_value = getattr(validated_fields, self.name)
        is_too_high = self.highest is not None and typed_value is not None and typed_value > self.highest
        if is_too_high or (self.choices and typed_value not in self.choices):
            raise range_error
        return typed_value

    @property
    def default_text(self) -> str:
        return value_text(self.default)


def setting_fields(model_info: ModelInfo | None = None) -> dict[str, SettingField]:
    """Return every setting by its name: ψ, then those of a drag in their order.

    Args:
        model_info: the model whose defaults, layers and feature blocks to use; None: the paper's.
    """
    psi_field = _setting_field("psi", LatentRef)
    fields_by_name = {
        "psi": psi_field,
        **{name: _setting_field(name, DragSettings) for name in DragSettings.model_fields},
    }
    if model_info is None:
        return fields_by_name
    fields_by_name = {
        name: replace(field, default=model_info.psi if field is psi_field else getattr(model_info.settings, name))
        for name, field in fields_by_name.items()
    }
    fields_by_name["layers"] = _up_to(fields_by_name["layers"], model_info.num_ws)
    fields_by_name["feature_block"] = _one_of(fields_by_name["feature_block"], model_info.blocks)
    return fields_by_name


def value_text(setting_value: object) -> str:
    """Return a setting's value as it is shown and typed; None is empty."""
    if setting_value is None:
        return ""
    return f"{setting_value:.10g}" if isinstance(setting_value, float) else str(setting_value)


def _setting_field(name: str, model: type[FrozenModel]) -> SettingField:
    field_info = model.model_fields[name]
    assert field_info.title is not None and field_info.description is not None, f"{name} has a title and a description"
    field = SettingField(
        name, model, field_info.title, field_info.description, field_info.default, "any name", "the name of a block"
    )
    if choices := _choices(field_info):
        return _one_of(field, choices)
    lowest, exclusive_minimum, highest = _bounds(field_info)
    if highest is None:
        return field
    number_phrase = "a whole number" if field_info.annotation is int else "a number"
    highest_text = _number_text(highest)
    if exclusive_minimum is not None:
        range_phrases = (
            f"above {_number_text(exclusive_minimum)} to {highest_text}",
            f"{number_phrase} above {_number_text(exclusive_minimum)} and at most {highest_text}",
        )
    else:
        range_phrases = (
            f"{_number_text(lowest)} to {highest_text}",
            f"{number_phrase} from {_number_text(lowest)} to {highest_text}",
        )
    or_empty = ", or empty" if _may_be_empty(field_info) else ""
    return replace(field, range_text=range_phrases[0] + or_empty, requirement=range_phrases[1] + or_empty)


def _one_of(field: SettingField, choices: tuple[str, ...]) -> SettingField:
    choice_list = ", ".join(choices) if len(choices) <= MAX_LISTED_CHOICES else f"{choices[0]} … {choices[-1]}"
    first_choices, last_choice = ", ".join(choices[:-1]), choices[-1]
    return replace(
        field,
        choices=choices,
        range_text=choice_list,
        requirement=f"{first_choices} or {last_choice}" if first_choices else last_choice,
    )


def _up_to(field: SettingField, highest: int) -> SettingField:
    return replace(
        field, highest=highest, range_text=f"1 to {highest}", requirement=f"a whole number from 1 to {highest}"
    )


def _choices(field_info: FieldInfo) -> tuple[str, ...]:
    return get_args(field_info.annotation) if get_origin(field_info.annotation) is Literal else ()


def _may_be_empty(field_info: FieldInfo) -> bool:
    return NoneType in get_args(field_info.annotation)


def _bounds(field_info: FieldInfo) -> tuple[Any, Any, Any]:
    """Return the least value, the value that it must be above, and the greatest value; each a number or None."""
    field_metadata = list(field_info.metadata)
    for type_part in get_args(field_info.annotation):  # the parts of an optional field
        field_metadata += [
            constraint
            for annotation_part in get_args(type_part)[1:]
            for constraint in getattr(annotation_part, "metadata", [annotation_part])
        ]
    least_value = next((constraint.ge for constraint in field_metadata if isinstance(constraint, Ge)), None)
    exclusive_minimum = next((constraint.gt for constraint in field_metadata if isinstance(constraint, Gt)), None)
    greatest_value = next((constraint.le for constraint in field_metadata if isinstance(constraint, Le)), None)
    return least_value, exclusive_minimum, greatest_value


def _number_text(number: float | None) -> str:
    return "" if number is None else f"{number:,.10g}"
