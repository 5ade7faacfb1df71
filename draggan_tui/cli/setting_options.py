"""The options of `drag` for its settings, made from one table.

A help text repeats the range of its setting, because importing `core.setting_fields` takes too long for `--help`;
a test compares the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class SettingOption:
    """The option for one setting of a drag.

    Attributes:
        setting: name of a field of `DragSettings`.
        flag: the option, with its dashes.
        metavar: stands for the value in the help.
        description: what the setting does, and its range.
    """

    setting: str
    flag: str
    metavar: str
    description: str

    def to_parameter(self) -> inspect.Parameter:
        """Return the parameter that gives a command this option: the text that was typed, or None."""
        option = typer.Option(self.flag, metavar=self.metavar, help=f"{self.description}; default: the model's own.")
        return inspect.Parameter(
            self.setting, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
        )


SETTING_OPTIONS = (
    SettingOption("method", "--method", "NAME", "How the handles are moved: least-squares, draggan or freedrag"),
    SettingOption("max_steps", "--steps", "N", "The step limit, 1 to 100,000"),
    SettingOption("space", "--space", "w+|w", "The latent space: w+ has a w for each layer, w one for all"),
    SettingOption("step_size", "--lr", "N", "The step size, above 0 to 10"),
    SettingOption(
        "mask_weight", "--mask-weight", "N", "λ: how strongly what lies outside the mask is kept, 0 to 1,000,000"
    ),
    SettingOption("r1", "--r1", "N", "The radius that is moved with a handle, in pixels, 1 to 256"),
    SettingOption("r2", "--r2", "N", "The radius in which a handle is searched for, in pixels, 1 to 256"),
    SettingOption("layers", "--layers", "N", "How many layers the drag changes, counted from the first, 1 to 64"),
    SettingOption("feature_block", "--block", "NAME", "The block whose features guide the drag, see `models info`"),
    SettingOption(
        "stop_distance", "--stop", "N", "The distance at which a target is reached, in pixels, above 0 to 64"
    ),
    SettingOption("tracking_norm", "--norm", "l1|l2", "How point tracking measures the distance of features"),
    SettingOption("stay", "--stay", "N", "How strongly least squares keeps an edit near its start, 0 to 1"),
    SettingOption("precision", "--precision", "float32|bfloat16", "The precision of the features"),
)
SETTING_FLAGS = {option.setting: option.flag for option in SETTING_OPTIONS}
"""The option of `drag` for each field of `DragSettings`."""


def with_setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the setting options in place of its parameter `settings`; all its parameters must be keyword-only.

    The command gets the texts that were typed, by setting.
    """
    command_signature = inspect.signature(command, eval_str=True)
    new_parameters: list[inspect.Parameter] = []
    for command_parameter in command_signature.parameters.values():
        if command_parameter.name == "settings":
            new_parameters += [option.to_parameter() for option in SETTING_OPTIONS]
        else:
            new_parameters.append(command_parameter)

    @wraps(command)
    def command_with_options(**arguments: Any) -> None:
        typed_texts = {option.setting: arguments.pop(option.setting) for option in SETTING_OPTIONS}
        settings = {setting: typed_text for setting, typed_text in typed_texts.items() if typed_text is not None}
        command(**arguments, settings=settings)

    command_with_options.__signature__ = command_signature.replace(parameters=new_parameters)  # type: ignore[attr-defined]
    return command_with_options
