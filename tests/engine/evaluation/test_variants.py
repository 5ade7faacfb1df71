"""The names of variants in `rows.jsonl`, which runs of earlier versions have too."""

from __future__ import annotations

import pytest

from draggan_engine.core.edit import DragSettings
from draggan_engine.evaluation.run_directory import Row
from draggan_engine.evaluation.variant_names import rounded_value, value_name, variant_name, variant_named
from draggan_engine.evaluation.variants import Experiment, MaskUse, Method, SettingChange, Variant, main_method

NAMES: list[tuple[Experiment, str, Variant]] = [
    ("landmarks", "1 point", Variant(1)),
    ("landmarks", "68 points", Variant(68)),
    ("paired", "32 points", Variant(32)),
    ("tracking", "1 point", Variant(1)),
    ("mask", "with mask", Variant(1, MaskUse.FEATURES)),
    ("mask", "with mask, exact term", Variant(1, MaskUse.IMAGE)),
    ("mask", "without", Variant(1)),
    ("ablation", "the model's own settings", Variant(5)),
    ("ablation", "λ: 3.5", Variant(1, MaskUse.FEATURES, SettingChange("mask_weight", 3.5))),
    ("ablation", "layers: 8", Variant(5, change=SettingChange("layers", 8))),
    ("ablation", "space: w+", Variant(5, change=SettingChange("space", "w+"))),
    ("ablation", "stay: 0", Variant(5, change=SettingChange("stay", 0.0))),
    ("ablation", "step size: 0.008", Variant(5, change=SettingChange("step_size", 0.008))),
    ("ablation", "supervision and tracking block: b64", Variant(5, change=SettingChange("feature_block", "b64"))),
    ("ablation", "tracking block: b64", Variant(5, change=SettingChange("tracking_block", "b64"))),
]


@pytest.mark.parametrize(("experiment", "name", "variant"), NAMES)
def test_names_are_written_and_read(experiment: Experiment, name: str, variant: Variant) -> None:
    assert variant_name(experiment, variant) == name
    assert variant_named(experiment, name) == variant


@pytest.mark.parametrize(
    ("experiment", "name"),
    [
        ("landmarks", "with mask"),
        ("mask", "1 point"),
        ("ablation", "r3: 4"),
        ("ablation", "r1: wide"),
        ("paired", "points"),
    ],
)
def test_other_names_are_refused(experiment: Experiment, name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        variant_named(experiment, name)


def test_a_row_stores_the_name_of_its_variant_as_group() -> None:
    line = (
        '{"chunk":"mask/without/drag/00000","size":1,"index":0,"experiment":"mask","group":"without","method":"drag",'
        '"case":0,"values":{"md":1.5}}'
    )
    row = Row.model_validate_json(line)
    assert row.variant == Variant(1)
    assert row.model_dump_json(exclude_defaults=True, by_alias=True) == line


def test_a_rounded_value_is_the_one_that_is_read_back() -> None:
    assert rounded_value(5 / 3) == float(value_name(5 / 3)) == 1.66667
    assert (rounded_value(6), rounded_value("w+")) == (6, "w+")


def test_a_variant_changes_one_setting() -> None:
    settings = DragSettings()
    assert Variant(5, change=SettingChange("r1", 4.0)).apply_to(settings) == settings.model_copy(update={"r1": 4.0})
    assert Variant(5, change=SettingChange("tracking_block", "b64")).apply_to(settings) == settings
    assert Variant(5).apply_to(settings) == settings


def test_a_report_is_about_the_default_method_where_it_was_measured() -> None:
    every_method = list(Method)
    assert main_method(every_method) is Method.LEAST_SQUARES
    assert main_method([Method.NO_EDIT, Method.OPTICAL_FLOW, Method.DRAG]) is Method.DRAG
    assert main_method([Method.NO_EDIT, Method.OPTICAL_FLOW, Method.RAFT]) is Method.OPTICAL_FLOW
    assert main_method([Method.NO_EDIT]) is None
