"""How a drag ended, in words."""

from __future__ import annotations

from draggan_engine.core.history import DragRecord
from draggan_tui.editor.history_text import counted

from .inspector_text import seconds_text

FALLBACK_TEXT = "least squares has failed for these handles, so the drag continues with the paper's method"
"""Is said once, when the first step of the paper's method stands in."""


def reason_text(record: DragRecord, step_limit: int) -> str:
    """Return why a drag ended, for the side panel.

    Args:
        step_limit: the step limit of the settings. The drag may have been asked for fewer steps.
    """
    if record.reason == "settled":
        return "no nearer"
    if record.reason != "max_steps":
        return record.reason
    return "at the step limit" if record.steps >= step_limit else "done"


def settled_advice(record: DragRecord) -> str:
    """Return what may help a drag whose handles came no nearer, as `fewer pairs or a larger mask may help`; empty if nothing
    of this kind would make a difference."""
    remedies = [
        *(["fewer pairs"] if len(record.pairs) > 1 else []),
        *(["a larger mask"] if record.masked else []),
        *(["the latent space w+"] if record.settings.space == "w" else []),
    ]
    if not remedies:
        return ""
    *first_remedies, last_remedy = remedies
    return f"{', '.join(first_remedies)} or {last_remedy} may help" if first_remedies else f"{last_remedy} may help"


def outcome_text(record: DragRecord, step_limit: int, mean_distance: float) -> str:
    """Return `drag 3: 1 step, 0.4 s, 12.3 px left`, with the reason unless the numbers make it clear.

    Args:
        step_limit: the step limit of the settings. The drag may have been asked for fewer steps.
        mean_distance: from the handles to their targets, in pixels.
    """
    drag_name = f"drag {record.number}"
    if not record.steps:
        return f"{drag_name} ended before its first step"
    drag_figures = f"{counted(record.steps, 'step')}, {seconds_text(record.seconds)}, {mean_distance:.1f} px left"
    match record.reason:
        case "reached":
            return f"{drag_name} reached its target{'' if len(record.pairs) == 1 else 's'}: {drag_figures}"
        case "settled":
            handles = "its handle" if len(record.pairs) == 1 else "its handles"
            advice_text = f": {advice}" if (advice := settled_advice(record)) else ""
            return (
                f"{drag_name} ended because {handles} came no nearer ({drag_figures}){advice_text}; "
                "{drag} continues from here"
            )
        case "max_steps":
            limit_text = " ended at the step limit" if record.steps >= step_limit else ""
            return f"{drag_name}{limit_text}: {drag_figures}"
        case "stopped":
            return f"{drag_name} stopped: {drag_figures}"
        case "diverged":
            return f"{drag_name} diverged after {counted(record.steps, 'step')}: a smaller step size ({{settings}}) may help"
        case "interrupted":
            return f"{drag_name} was interrupted: {drag_figures}"
