"""Every setting of a drag, and ψ: its label, its default, its range, and how a typed value is read.

All of it comes from the fields of `DragSettings` and `LatentRef`; a model narrows what it does not have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from draggan_engine.core.model_info import ModelInfo

from .edit import DragSettings
from .errors import EditError
from .frozen_model import FrozenModel
from .latent_ref import LatentRef

LISTED_CHOICES = 4
"""How many choices a range lists; of more it names the first and the last."""


@dataclass(frozen=True)
class SettingField:
    """
    Attributes:
        name: of the field in its document.
        document: where the field is: `DragSettings`, or `LatentRef` for ψ.
        label: what people call it, without a unit.
        description: what it does.
        default: of the paper, or of the model that it was narrowed to.
        range_text: the values it takes: `above 0 to 10`, `1 to 256`, `l1, l2`.
        requirement: the same in a sentence that begins with "must be".
    """

    name: str
    document: type[FrozenModel]
    label: str
    description: str
    default: object
    range_text: str
    requirement: str
    choices: tuple[str, ...] = ()
    highest: float | None = None

    def read(self, text: str) -> Any:
        """The value of a typed text; of an empty one, where a field may be empty, None.

        Raises:
            EditError: it is no value of this field.
        """
        problem = EditError(f"{self.label}: must be {self.requirement}")
        try:
            checked = self.document.model_validate({self.name: text.strip() or None})
        except ValidationError as error:
            raise problem from error
        value = getattr(checked, self.name)
        too_high = self.highest is not None and value is not None and value > self.highest
        if too_high or (self.choices and value not in self.choices):
            raise problem
        return value

    @property
    def default_text(self) -> str:
        return value_text(self.default)


def setting_fields(info: ModelInfo | None = None) -> dict[str, SettingField]:
    """Every setting by its name: ψ, then those of a drag in their order.

    Args:
        info: a model, whose defaults, layers and feature blocks these are; None: those of the paper.
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
    """A setting's value as it is shown and typed; None is empty."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _setting_field(name: str, document: type[FrozenModel]) -> SettingField:
    info = document.model_fields[name]
    assert info.title is not None and info.description is not None, f"{name} is described in its document"
    field = SettingField(name, document, info.title, info.description, info.default, "any name", "the name of a block")
    if choices := _choices(info):
        return _one_of(field, choices)
    lowest, above, highest = _bounds(info)
    if highest is None:
        return field
    whole = "a whole number" if info.annotation is int else "a number"
    high = _number_text(highest)
    if above is not None:
        ranges = f"above {_number_text(above)} to {high}", f"{whole} above {_number_text(above)} and at most {high}"
    else:
        ranges = f"{_number_text(lowest)} to {high}", f"{whole} from {_number_text(lowest)} to {high}"
    or_empty = ", or empty" if _may_be_empty(info) else ""
    return replace(field, range_text=ranges[0] + or_empty, requirement=ranges[1] + or_empty)


def _one_of(field: SettingField, choices: tuple[str, ...]) -> SettingField:
    listed = ", ".join(choices) if len(choices) <= LISTED_CHOICES else f"{choices[0]} … {choices[-1]}"
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
    """The least value, the one that it must be above, and the greatest; numbers, or None."""
    metadata = list(info.metadata)
    for part in get_args(info.annotation):  # of an optional field
        metadata += [constraint for extra in get_args(part)[1:] for constraint in getattr(extra, "metadata", [extra])]
    least = next((constraint.ge for constraint in metadata if isinstance(constraint, Ge)), None)
    above = next((constraint.gt for constraint in metadata if isinstance(constraint, Gt)), None)
    most = next((constraint.le for constraint in metadata if isinstance(constraint, Le)), None)
    return least, above, most


def _number_text(number: float | None) -> str:
    return "" if number is None else f"{number:,.10g}"
