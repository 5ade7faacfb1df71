"""The messages about a photograph: it is opened, aligned with the model's images, and inverted.

`OpenPhotograph` is answered by `PhotographOpened`, so that a person can see the photograph and set two points in it.
`InvertPhotograph` begins the inversion. The engine sends `InversionProgress` after the steps, now and then `InversionPreview`,
and at last `InversionEnded` with the revision that starts from the latent. `StopDrag` ends it within a step. Later
`ViewPhotograph` is answered by `PhotographViewed`, and `ReadInversionMask` by `InversionMaskRead`. A command that fails is answered by `Failed`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.core.history import Revision
from draggan_engine.core.inversion_choices import AlignmentChoice, InversionMethod

from .image_data import ImageData

InversionPhase = Literal["align", "starts", "w", "w+", "tuning"]


class OpenPhotograph(FrozenModel):
    """Read a photograph, to show it. Answered by `PhotographOpened`."""

    type: Literal["open_photograph"] = "open_photograph"
    path: str


class InvertPhotograph(FrozenModel):
    """Align a photograph and find its latent, which becomes the one that the session starts from. Answered by
    `InversionProgress`, `InversionPreview` and `InversionEnded`."""

    type: Literal["invert_photograph"] = "invert_photograph"
    path: str
    alignment: AlignmentChoice | None = Field(
        description="none: as in the inversion of this photograph that was interrupted in this session"
    )
    revision: Revision = Field(
        description="which the engine adds at the end; its parent has been saved, and its edit starts from the latent file"
    )
    method: InversionMethod = Field(description="not used where an interrupted inversion is continued")
    steps: int = Field(ge=1, description="the same holds for them")


class ViewPhotograph(FrozenModel):
    """Show what an edit has to do with its photograph. Answered by `PhotographViewed`."""

    type: Literal["view_photograph"] = "view_photograph"
    edit: Edit


class ReadInversionMask(FrozenModel):
    """Find the area of the session's photograph that the model can show. Answered by `InversionMaskRead`."""

    type: Literal["read_inversion_mask"] = "read_inversion_mask"


class InversionMaskRead(FrozenModel):
    type: Literal["inversion_mask_read"] = "inversion_mask_read"
    mask: Mask = Field(
        description="of the size of the model's images; it lets a part of them move, and holds another part"
    )


class PhotographViewed(FrozenModel):
    type: Literal["photograph_viewed"] = "photograph_viewed"
    aligned: ImageData = Field(description="the photograph as it was aligned, of the size of the model's images")
    inversion: ImageData = Field(description="the image of its latent")
    width: int = Field(description="of the photograph, upright")
    height: int
    pasted: ImageData = Field(description="the photograph with the edit pasted back, reduced if it is large")


class PhotographOpened(FrozenModel):
    type: Literal["photograph_opened"] = "photograph_opened"
    path: str
    width: int = Field(description="of the photograph, upright")
    height: int
    image: ImageData = Field(description="the photograph, reduced if it is large")
    unfinished_step: int | None = Field(
        None, description="the step after which the inversion of this photograph was interrupted in this session"
    )


class InversionProgress(FrozenModel):
    """The state of the running inversion after a step."""

    type: Literal["inversion_progress"] = "inversion_progress"
    phase: InversionPhase = Field(
        description="`align`: the alignment is refined; the others are those of the inversion"
    )
    step: int
    step_count: int = Field(description="of the alignment, or of the inversion with all its other phases")
    psnr: float | None = Field(None, description="in dB; none: while the photograph is aligned")
    steps_per_second: float | None = Field(None, description="of the last steps; none: not known yet")


class InversionPreview(FrozenModel):
    """First the photograph as it is aligned so far, then the image of the running inversion. Both have the size of the model's images."""

    type: Literal["inversion_preview"] = "inversion_preview"
    image: ImageData


class InversionEnded(FrozenModel):
    type: Literal["inversion_ended"] = "inversion_ended"
    reason: Literal["finished", "stopped", "diverged"]
    steps: int
    seconds: float = Field(description="since it was started or continued, without the alignment")
    psnr: float | None = Field(description="in dB; none: no step was made")
    revision: Revision | None = Field(description="the new revision; none: no step was made, and nothing is kept")
    image: ImageData | None = Field(description="of the new revision, at full resolution")
    has_mask: bool = Field(False, description="whether `ReadInversionMask` would be answered by a mask")
    notices: tuple[str, ...] = Field((), description="what a person should know, in one line each")
    problem: str | None = Field(
        None, description="which file could not be written, in one line; the engine keeps the result in memory"
    )
