"""The names of variants: as `group` in `rows.jsonl`, in chunk names and in reports. Only this module reads them back."""

from __future__ import annotations

from collections.abc import Mapping

from .variants import Experiment, MaskUse, SettingChange, SettingValue, Variant

OWN_SETTINGS = "the model's own settings"
SETTING_NAMES: Mapping[str, str] = {
    "feature_block": "supervision and tracking block",
    "r1": "r1",
    "r2": "r2",
    "mask_weight": "λ",
    "tracking_norm": "tracking norm",
    "precision": "precision",
    "layers": "layers",
    "space": "space",
    "step_size": "step size",
    "stay": "stay",
    "tracking_block": "tracking block",
}
"""The settings that ablations change, in the order in which they run."""
_MASK_NAMES = {
    MaskUse.FEATURES: "with mask",
    MaskUse.IMAGE: "with mask, exact term",
    MaskUse.NONE: "without",
}
_FLOAT_SETTINGS = ("r1", "r2", "mask_weight", "step_size", "stay")
_INT_SETTINGS = ("layers",)


def variant_name(experiment: Experiment, variant: Variant) -> str:
    """Return the name of a variant, which is unique within its experiment."""
    if experiment == "mask":
        return _MASK_NAMES[variant.mask]
    if experiment == "ablation":
        return OWN_SETTINGS if variant.change is None else change_name(variant.change)
    return "1 point" if variant.points == 1 else f"{variant.points} points"


def change_name(change: SettingChange) -> str:
    """Return for example `step size: 0.05`."""
    return f"{SETTING_NAMES[change.setting]}: {value_name(change.value)}"


def value_name(setting_value: SettingValue) -> str:
    """Return a setting's value as text. Floats have at most six significant digits."""
    return f"{setting_value:g}" if isinstance(setting_value, float) else str(setting_value)


def variant_named(experiment: Experiment, variant_text: str) -> Variant:
    """Return the variant that `variant_name` calls by a name.

    Raises:
        ValueError: no variant of the experiment has this name.
    """
    if experiment == "mask":
        for mask, mask_name in _MASK_NAMES.items():
            if mask_name == variant_text:
                return Variant(1, mask)
    elif experiment == "ablation":
        return _ablation_named(variant_text)
    else:
        point_count, _, unit_word = variant_text.partition(" ")
        if unit_word in ("point", "points"):
            return Variant(int(point_count))
    raise ValueError(f"{variant_text!r} is no variant of the experiment {experiment}")


def _ablation_named(variant_text: str) -> Variant:
    if variant_text == OWN_SETTINGS:
        return ablation_variant(None)
    setting_name, _, setting_value = variant_text.partition(": ")
    for setting, known_name in SETTING_NAMES.items():
        if known_name == setting_name:
            return ablation_variant(SettingChange(setting, _read_value(setting, setting_value)))
    raise ValueError(f"{variant_text!r} is no ablation")


def ablation_variant(change: SettingChange | None) -> Variant:
    """Return the variant that measures a change. λ is measured with a mask, every other setting without one."""
    if change is not None and change.setting == "mask_weight":
        return Variant(1, MaskUse.FEATURES, change)
    return Variant(5, MaskUse.NONE, change)


def rounded_value(setting_value: SettingValue) -> SettingValue:
    """Return a setting's value as it is read back from its name."""
    return float(value_name(setting_value)) if isinstance(setting_value, float) else setting_value


def _read_value(setting_name: str, value_text: str) -> SettingValue:
    if setting_name in _FLOAT_SETTINGS:
        return float(value_text)
    return int(value_text) if setting_name in _INT_SETTINGS else value_text
