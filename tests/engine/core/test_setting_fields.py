"""Labels, defaults and ranges of the settings, and how typed values are read."""

from __future__ import annotations

import pytest

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import EditError
from draggan_engine.core.setting_fields import setting_fields, value_text
from tests.support.editing import INFO


def test_every_setting_is_described() -> None:
    fields = setting_fields()
    assert list(fields) == ["psi", *DragSettings.model_fields]
    ranges_by_label = {field.label: (field.default_text, field.range_text) for field in fields.values()}
    assert ranges_by_label == {
        "truncation ψ": ("1", "-2 to 2"),
        "method": ("draggan", "least-squares, draggan, freedrag"),
        "latent space": ("w+", "w+, w"),
        "step size": ("0.002", "above 0 to 10"),
        "mask weight λ": ("20", "0 to 1,000,000"),
        "radius r1": ("3", "1 to 256"),
        "radius r2": ("12", "1 to 256"),
        "layers": ("6", "1 to 64"),
        "feature block": ("b128", "any name"),
        "step limit": ("300", "1 to 100,000"),
        "stop distance": ("", "above 0 to 64, or empty"),
        "tracking norm": ("l1", "l1, l2"),
        "stay": ("0.4", "0 to 1"),
        "precision": ("float32", "float32, bfloat16"),
    }
    assert all(field.description for field in fields.values())


def test_a_model_narrows_defaults_and_ranges() -> None:
    fields = setting_fields(INFO)
    assert (fields["psi"].default_text, fields["feature_block"].default_text) == ("0.7", "b8")
    assert (fields["layers"].range_text, fields["feature_block"].range_text) == ("1 to 12", "b4, b8, b16")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("psi", "-0.5", -0.5), ("method", "freedrag", "freedrag"),
        ("space", "w", "w"), ("step_size", " 1e-3 ", 1e-3), ("max_steps", "42", 42),
        ("stop_distance", "", None), ("stop_distance", "64", 64.0), ("layers", "12", 12), ("feature_block", "b16", "b16"),
    ],
)  # fmt: skip
def test_valid_values_are_read(name: str, text: str, value: object) -> None:
    field = setting_fields(INFO)[name]
    assert field.read(text) == value
    assert field.read(value_text(value)) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("psi", "", "truncation ψ: must be a number from -2 to 2"),
        ("method", "adam", "method: must be least-squares, draggan or freedrag"),
        ("space", "z", "latent space: must be w+ or w"),
        ("step_size", "0", "step size: must be a number above 0 and at most 10"),
        ("step_size", "nan", "step size: must be a number above 0 and at most 10"),
        ("mask_weight", "-1", "mask weight λ: must be a number from 0 to 1,000,000"),
        ("r1", "zero", "radius r1: must be a number from 1 to 256"),
        ("layers", "13", "layers: must be a whole number from 1 to 12"),
        ("feature_block", "b999", "feature block: must be b4, b8 or b16"),
        ("max_steps", "2.5", "step limit: must be a whole number from 1 to 100,000"),
        ("stop_distance", "65", "stop distance: must be a number above 0 and at most 64, or empty"),
        ("tracking_norm", "l3", "tracking norm: must be l1 or l2"),
        ("precision", "half", "precision: must be float32 or bfloat16"),
    ],
)  # fmt: skip
def test_invalid_values_are_refused_with_the_allowed_range(name: str, text: str, message: str) -> None:
    with pytest.raises(EditError) as refusal:
        setting_fields(INFO)[name].read(text)
    assert str(refusal.value) == message


def test_the_range_of_many_choices_names_the_first_and_the_last() -> None:
    model_with_many_blocks = INFO.model_copy(update={"blocks": ("b4", "b8", "b16", "b32", "b64")})
    field = setting_fields(model_with_many_blocks)["feature_block"]
    assert (field.range_text, field.requirement) == ("b4 … b64", "b4, b8, b16, b32 or b64")
