"""The alignment and the inversion of a photograph in the status line: what to do, how far it is, and how it has ended."""

from __future__ import annotations

from draggan_engine.core.inversion_choices import CLOSE_PSNR, LOW_PSNR
from draggan_engine.server.photograph_messages import InversionEnded, InversionProgress
from draggan_tui.editor.history_text import counted
from draggan_tui.editor.modes import AligningPhotograph, Inverting, Mode, PhotographView

from .drag_progress import time_left_text
from .inspector_text import seconds_text

LOW_PSNR_TEXT = "the image is not much like the photograph: {undo} goes back; then set the two points anew, or open a model of such images"
VIEW_TEXTS: dict[PhotographView, str] = {
    "aligned": "the photograph, as it was aligned",
    "inversion": "the inversion: the image of the model from which the edit started",
    "pasted": "the edit in the photograph",
}
MASK_TEXT = "{inversion-mask} lets only the part move that the model can show"
CLOSE_PSNR_TEXT = "what a drag moves will look different from the photograph"


def alignment_text(aligning: AligningPhotograph) -> str:
    """Return what to do in the photograph; keys are named by the ids of their bindings, as `{place}`."""
    if aligning.first_point is None:
        return "Go to one of the eyes and press {place}"
    return "Now go to the other eye and press {place}"


def side_text(mode: Mode) -> str:
    """Return what stands in place of the pairs while a photograph is aligned or inverted; otherwise an empty text."""
    match mode:
        case AligningPhotograph():
            return "Two points align it with the\nimages of the model."
        case Inverting():
            return "Points can be placed when the\nphotograph is inverted."
    return ""


def inversion_text(inverting: Inverting) -> str:
    """Return how far an inversion is: `inverting me.jpg: step 120/300  24.3 dB  0:35 left`."""
    name, progress = inverting.path.name, inverting.progress
    if inverting.is_stopping:
        return f"stopping the inversion of {name} …"
    if progress is None:
        return f"reading {name} …"
    if progress.phase == "align" and progress.step == progress.step_count:
        return f"inverting {name}: choosing where to start …"
    task = "aligning" if progress.phase == "align" else "inverting"
    psnr_text = "" if progress.psnr is None else f"{progress.psnr:.1f} dB"
    step_text = f"{task} {name}: step {progress.step}/{progress.step_count}"
    return "  ".join(filter(None, (step_text, psnr_text, _time_left_text(progress))))


def _time_left_text(progress: InversionProgress) -> str:
    """Return how long the remaining steps take if they take as long as the last ones."""
    steps_left, rate = progress.step_count - progress.step, progress.steps_per_second
    return time_left_text(steps_left / rate if rate else None)


def outcome_text(name: str, ended: InversionEnded) -> str:
    """Return how the inversion of a photograph has ended.

    Args:
        name: of the photograph's file.
    """
    psnr = ended.psnr
    if ended.revision is None or psnr is None:
        return "stopped before the first step; nothing has changed"
    done_text = {
        "finished": f"{name} is inverted",
        "stopped": f"the inversion of {name} is stopped, and its image is kept",
        "diverged": f"the inversion of {name} diverged, and its best image is kept",
    }[ended.reason]
    figures = f"{counted(ended.steps, 'step')}, {seconds_text(ended.seconds)}, {psnr:.1f} dB"
    mask_text = MASK_TEXT if ended.has_mask and psnr >= LOW_PSNR else ""
    return "; ".join(filter(None, (f"{done_text}: {figures}", _likeness_text(psnr), mask_text, *ended.notices)))


def _likeness_text(psnr: float) -> str:
    """Return what is to be expected of an image that is not near to its photograph; an empty text if it is."""
    if psnr < LOW_PSNR:
        return LOW_PSNR_TEXT
    return CLOSE_PSNR_TEXT if psnr < CLOSE_PSNR else ""
