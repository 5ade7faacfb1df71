"""Refine the alignment of a photograph by registration, and say how it has changed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.storage.inversion_files import PhotographAlignment, RefinedAlignment

from .aligned_photograph import AlignedPhotograph, similarity_of
from .alignment import crop_photograph
from .crop_matching import CropChange
from .registration import RegistrationStep, register

MAX_LOSS = 0.5
"""Of an image that matches the crop; see `ImageLoss`. 17 drawings whose crops were turned by 4° and 5 % too large or too
small ended at 0.09 to 0.15, with alignments nearer to the true ones, or, before a photograph, at 0.55 to 0.76, with
alignments farther away."""
NOT_REFINED = "the alignment was not refined, because no other one nearby matches an image of the model"


def refine_alignment(
    aligned: AlignedPhotograph,
    photograph: NDArray[np.uint8],
    model: Model,
    label: int,
    earlier: RefinedAlignment | None,
    report_step: Callable[[RegistrationStep], bool],
) -> tuple[AlignedPhotograph, str]:
    """Return a photograph with its alignment refined, or as it is if no near alignment matches the model.

    Args:
        photograph: `uint8 [height, width, 3]`.
        label: class of a conditional model.
        earlier: what an unfinished inversion left; it is used if it was made from the same.
        report_step: is called with each step, and returns whether to go on.

    Returns:
        The photograph, and how its crop has changed, for people; an empty text if an earlier alignment is used, or the
        steps were stopped.
    """
    initial = aligned.alignment
    if earlier is not None and (earlier.model_sha256, earlier.label, earlier.initial) == (model.sha256, label, initial):
        refined, change_text = earlier.refined, ""
    else:
        refined, change_text = _register(photograph, initial, model, label, report_step)
    image = crop_photograph(photograph, similarity_of(refined), model.info.size)
    refinement = RefinedAlignment(model_sha256=model.sha256, label=label, initial=initial, refined=refined)
    return AlignedPhotograph(image, refined, refinement), change_text


def _register(
    photograph: NDArray[np.uint8],
    initial: PhotographAlignment,
    model: Model,
    label: int,
    report_step: Callable[[RegistrationStep], bool],
) -> tuple[PhotographAlignment, str]:
    """Return the refined alignment, and how it differs; the initial one if no other was found."""
    last_step = None
    for last_step in register(model.generator, photograph, similarity_of(initial), model.info.size, label):
        if not report_step(last_step):
            return initial, ""
    if last_step is None or last_step.change.is_at_limit or last_step.loss > MAX_LOSS:
        return initial, NOT_REFINED
    multiplier, offset = last_step.similarity.multiplier, last_step.similarity.offset
    refined = initial.model_copy(
        update={"multiplier": (multiplier.real, multiplier.imag), "offset": (offset.real, offset.imag)}
    )
    return refined, f"the alignment was refined: {_describe(last_step.change)}"


def _describe(change: CropChange) -> str:
    growth, degrees = math.expm1(change.log_scale), math.degrees(change.angle)
    return (
        f"the crop is {abs(growth):.1%} {'larger' if growth >= 0 else 'smaller'}, turned by {abs(degrees):.1f}° "
        f"{'clockwise' if degrees >= 0 else 'anticlockwise'}, and moved by {abs(change.shift):.1%} of its height"
    )
