"""Refine the alignment of a photograph by registration, with progress, and say how it changed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.inversion.alignment import Similarity, crop_photograph
from draggan_engine.inversion.crop_matching import CropChange
from draggan_engine.inversion.registration import REGISTRATION_STEPS, register
from draggan_engine.storage.inversion_files import PhotographAlignment, RefinedAlignment
from draggan_tui.cli.headless_drag import print_line
from draggan_tui.cli.photograph_alignment import AlignedPhotograph
from draggan_tui.cli.step_progress import step_progress


def refine_alignment(
    aligned: AlignedPhotograph,
    photograph: NDArray[np.uint8],
    model: Model,
    label: int,
    earlier: RefinedAlignment | None,
    *,
    show_progress: bool,
) -> AlignedPhotograph:
    """Return a photograph with its alignment refined, or as it is, with a message, if no near alignment matches the model.

    Args:
        photograph: `uint8 [height, width, 3]`.
        label: class of a conditional model.
        earlier: what an unfinished inversion left; it is used if it was made from the same.
    """
    initial = aligned.alignment
    if earlier is not None and (earlier.model_sha256, earlier.label, earlier.initial) == (model.sha256, label, initial):
        refined = earlier.refined
    else:
        refined = _register(photograph, initial, model, label, show_progress=show_progress)
    image = crop_photograph(photograph, _similarity(refined), model.info.size)
    refinement = RefinedAlignment(model_sha256=model.sha256, label=label, initial=initial, refined=refined)
    return AlignedPhotograph(image, refined, refinement)


def _register(
    photograph: NDArray[np.uint8], initial: PhotographAlignment, model: Model, label: int, *, show_progress: bool
) -> PhotographAlignment:
    """Return the refined alignment, and say how it differs; the initial one if no other was found."""
    last_step = None
    with step_progress(show=show_progress) as progress_bar:
        task_id = progress_bar.add_task("align", total=REGISTRATION_STEPS, detail="")
        for last_step in register(model.generator, photograph, _similarity(initial), model.info.size, label):
            progress_bar.update(task_id, completed=last_step.step)
    if last_step is None or last_step.change.is_at_limit:
        print_line("the alignment was not refined, because no other one nearby matches an image of the model")
        return initial
    print_line(f"the alignment was refined: {_describe(last_step.change)}; --no-refine keeps it as it was")
    similarity = last_step.similarity
    multiplier, offset = similarity.multiplier, similarity.offset
    return initial.model_copy(
        update={"multiplier": (multiplier.real, multiplier.imag), "offset": (offset.real, offset.imag)}
    )


def _similarity(alignment: PhotographAlignment) -> Similarity:
    return Similarity(complex(*alignment.multiplier), complex(*alignment.offset))


def _describe(change: CropChange) -> str:
    growth, degrees = math.expm1(change.log_scale), math.degrees(change.angle)
    return (
        f"the crop is {abs(growth):.1%} {'larger' if growth >= 0 else 'smaller'}, turned by {abs(degrees):.1f}° "
        f"{'clockwise' if degrees >= 0 else 'anticlockwise'}, and moved by {abs(change.shift):.1%} of its height"
    )
