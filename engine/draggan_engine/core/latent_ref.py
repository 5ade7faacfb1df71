"""Which latent an image is generated from, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from .frozen_model import FrozenModel

StoredDrag = Annotated[
    Annotated[int, Field(ge=1)] | None,
    BeforeValidator(lambda number: None if number == 0 else number),
    PlainSerializer(lambda number: number or 0, return_type=int),
]
"""The number of a drag, or None for no drag; 0 stands for that where it is stored."""


class LatentRef(FrozenModel):
    """Which latent an image is generated from: the one of a seed or of a file, or one that a drag made from it.

    Two edits of one session with equal references show the same image.
    """

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    psi: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)] = Field(
        1.0, title="truncation ψ", description="towards 0, images are closer to the average; a new ψ starts a new image"
    )
    label: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="class of a class-conditional model")
    from_file: bool = Field(False, description="start from the latent file of the session instead of the seed")
    drag: StoredDrag = Field(None, description="number of the drag; none: before any drag")
    step: Annotated[int, Field(ge=1)] | None = Field(None, description="after this step of `drag`; none: at its end")

    def generated(self, **changed_fields: object) -> LatentRef:
        """Return the reference of a newly generated image: from the seed, without any drag.

        Args:
            changed_fields: the fields to change: `seed`, `psi`, `label`.
        """
        return self.model_copy(update={**changed_fields, "from_file": False, "drag": None, "step": None})

    @property
    def before_drags(self) -> LatentRef:
        """What the first drag started from."""
        return self.model_copy(update={"drag": None, "step": None})

    def after_drag(self, drag: int, step: int | None = None) -> LatentRef:
        """Return what a drag made of this latent at its end, or after one of its steps."""
        return self.model_copy(update={"drag": drag, "step": step})


class WithLatentRef(FrozenModel):
    """A value whose field `source` is a `LatentRef`; where it is stored or sent, the fields of the two are on one level.

    There `from_file` is called `given`; the names of `drag` (0 for none) and `step` depend on the class.
    """

    drag_name: ClassVar[str] = "latent"
    step_name: ClassVar[str] = "step"
    required_names: ClassVar[tuple[str, ...]] = ()
    """Stored names without a default."""

    @classmethod
    def _stored_names(cls) -> dict[str, str]:
        """Map the fields of `LatentRef` to the names under which they are stored."""
        field_names = {field_name: field_name for field_name in LatentRef.model_fields}
        return {**field_names, "from_file": "given", "drag": cls.drag_name, "step": cls.step_name}

    @model_validator(mode="before")
    @classmethod
    def _gather_source(cls, stored_fields: Any) -> Any:
        """Move the stored fields of the reference into `source`."""
        if not isinstance(stored_fields, Mapping) or "source" in stored_fields:
            return stored_fields
        cls._require_stored(stored_fields)
        stored_names = cls._stored_names()
        reference_fields = {
            field_name: stored_fields[stored_name]
            for field_name, stored_name in stored_names.items()
            if stored_name in stored_fields
        }
        try:
            source = LatentRef.model_validate(reference_fields)
        except ValidationError as validation_error:
            raise _rename_locations(validation_error, cls.__name__, stored_names) from validation_error
        own_fields = {
            field_name: field_value
            for field_name, field_value in stored_fields.items()
            if field_name not in stored_names.values()
        }
        return {**own_fields, "source": source}

    @classmethod
    def _require_stored(cls, stored_fields: Mapping[str, Any]) -> None:
        missing_fields = [
            InitErrorDetails(type="missing", loc=(stored_name,), input=stored_fields)
            for stored_name in cls.required_names
            if stored_name not in stored_fields
        ]
        if missing_fields:
            raise ValidationError.from_exception_data(cls.__name__, missing_fields)

    @model_serializer(mode="wrap")
    def _spread_source(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Put the fields of the reference in the place of `source`."""
        stored_fields: dict[str, Any] = {}
        for field_name, field_value in serialize(self).items():
            if field_name == "source":
                stored_fields.update(
                    {
                        stored_name: field_value[reference_name]
                        for reference_name, stored_name in self._stored_names().items()
                    }
                )
            else:
                stored_fields[field_name] = field_value
        return stored_fields


def _rename_locations(
    validation_error: ValidationError, class_name: str, stored_names: Mapping[str, str]
) -> ValidationError:
    """Return the error with the stored names of its fields."""
    renamed_details: list[InitErrorDetails] = []
    for error_detail in validation_error.errors(include_url=False):
        stored_location = tuple(
            stored_names.get(str(location_part), location_part) for location_part in error_detail["loc"]
        )
        renamed_details.append(
            InitErrorDetails(
                type=error_detail["type"],
                loc=stored_location,
                input=error_detail["input"],
                ctx=error_detail.get("ctx", {}),
            )
        )
    return ValidationError.from_exception_data(class_name, renamed_details)
