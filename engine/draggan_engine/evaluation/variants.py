"""What an evaluation compares: methods, and variants of a drag, each with the settings that differ from the model's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Literal

from draggan_engine.core.edit import DragSettings

Experiment = Literal["landmarks", "paired", "ablation", "tracking", "mask", "cycle"]
EXPERIMENTS: tuple[Experiment, ...] = ("landmarks", "paired", "ablation", "tracking", "mask")
"""The experiments of the paper. `cycle` (Ling et al. 2024, FreeDrag) is another one, which drags twice."""
DetectorName = Literal["critters", "dlib"]
SettingValue = str | int | float
DAI_RADII = (1, 5, 10, 20)
"""The γ for which the dragging accuracy index is measured, px of the model's image."""


class Method(StrEnum):
    """A way of editing. Its value is its name on the command line and in `rows.jsonl`."""

    NO_EDIT = "no edit"
    DRAG = "drag"
    LEAST_SQUARES = "least-squares"
    FREEDRAG = "freedrag"
    NO_TRACKING = "no tracking"
    OPTICAL_FLOW = "optical flow"
    RAFT = "RAFT"
    PIPS = "PIPs"
    COTRACKER = "CoTracker"
    USER_CONTROLLABLE_LT = "UserControllableLT"


DRAG_METHODS = (Method.DRAG, Method.LEAST_SQUARES)
"""The paper's method and the default of new edits; masks are measured with both."""


def main_method(methods: Sequence[Method]) -> Method | None:
    """Return the method that a report compares with the others and shows in its images: the default of new edits, else the
    paper's method, else the first that edits anything. None: there is no edit.
    """
    first_choices = [method for method in (Method.LEAST_SQUARES, Method.DRAG) if method in methods]
    return next((method for method in (*first_choices, *methods) if method is not Method.NO_EDIT), None)


class MaskUse(Enum):
    """Whether drags have a mask, and where the mask term of eq. 1 is computed; in the order of the reports."""

    FEATURES = "at the features' resolution"
    IMAGE = "at the image's resolution, as in the paper"
    NONE = "no mask"


@dataclass(frozen=True)
class SettingChange:
    """One setting of an ablation.

    Attributes:
        setting: a field of `DragSettings`, or "tracking_block": the block that is used for tracking alone.
    """

    setting: str
    value: SettingValue


BFLOAT16 = SettingChange("precision", "bfloat16")
"""Some devices cannot run this ablation."""


@dataclass(frozen=True)
class Variant:
    """How the drags of one row of a table differ from those of the other rows.

    Attributes:
        points: how many points are dragged.
        change: the setting that differs from the model's own; None: no setting differs.
    """

    points: int
    mask: MaskUse = MaskUse.NONE
    change: SettingChange | None = None

    @property
    def tracking_block(self) -> str | None:
        """The block for tracking; None: the block for supervision is used for tracking too."""
        if self.change is None or self.change.setting != "tracking_block":
            return None
        return str(self.change.value)

    def apply_to(self, settings: DragSettings) -> DragSettings:
        """Return the settings with the variant's change."""
        if self.change is None or self.tracking_block is not None:
            return settings
        return settings.model_copy(update={self.change.setting: self.change.value})
