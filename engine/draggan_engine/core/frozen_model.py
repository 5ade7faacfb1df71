"""The base of every value that is stored or sent, and how its errors are worded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class FrozenModel(BaseModel):
    """An immutable pydantic model that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


def first_problem(error: ValidationError) -> str:
    """Return the first thing that is wrong with a value, on one line: the field's dotted name and pydantic's message."""
    problem = error.errors(include_url=False, include_input=False)[0]
    field_name = ".".join(map(str, problem["loc"]))
    return f"{field_name}: {problem['msg']}" if field_name else problem["msg"]
