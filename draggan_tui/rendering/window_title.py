"""The title of the terminal's window: what is edited, and what the editor is in the middle of."""

from __future__ import annotations

from draggan_engine.core.edit import Edit
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.modes import Inverting, LoadingModel, Mode, RunningDrag


def window_title(mode: Mode, edit: Edit, file_latent: FileLatent) -> str:
    """Return such as `dragging · critters-128, seed 42 · draggan-tui`."""
    match mode:
        case LoadingModel():
            activity = f"loading {mode.name}"
        case Inverting():
            activity = f"inverting {mode.path.name}"
        case _ if isinstance(mode, RunningDrag):
            activity = "dragging"
        case _:
            activity = ""
    start_text = str(file_latent) if edit.source.from_file else f"seed {edit.source.seed}"
    return " · ".join(filter(None, (activity, f"{edit.model}, {start_text}", "draggan-tui")))
