"""Commands for the image that a session starts from, and for its files."""

from __future__ import annotations

from pathlib import Path

from draggan_engine.core import edit_ops
from draggan_engine.core.errors import EditError
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.server.messages import Export, ExportFile

from .context import CommandContext


def browse_seeds(context: CommandContext, direction: int) -> None:
    """Show the image of the next (1) or previous (-1) seed, as far on as the count says."""
    state = context.state
    state.check_can_edit()
    state.change(edit_ops.change_seed(state.edit, direction * context.repeat), keep=False)
    context.report(f"seed {state.edit.source.seed}")


def browse_classes(context: CommandContext, direction: int) -> None:
    """Show the image of the next (1) or previous (-1) class, as far on as the count says."""
    state = context.state
    state.check_can_edit()
    if not state.model.classes:
        raise EditError(f"{state.model.name} has no classes")
    edit = edit_ops.change_class(state.edit, direction * context.repeat, state.model.classes)
    state.change(edit, keep=False)
    context.report(f"class {state.edit.source.label}")


def save(context: CommandContext) -> None:
    """Save the session and its image at full resolution, even if nothing has changed."""
    context.check_engine()
    context.state.check_can_edit()
    context.sync.keeps_directory = False
    context.state.keep_present_edit()
    context.sync.save_changes()
    context.engine.send(Export(edit=context.state.edit))
    context.report("saving …")


def export_to_file(context: CommandContext, path: Path, *, markers: bool, paste_mode: PasteMode | None) -> None:
    """Write the image, the video or the latent to a file; its suffix says which.

    Args:
        markers: whether handles and targets are drawn into images and videos.
        paste_mode: how the edit is pasted into its photograph, which is written as a whole; None: it is not.
    """
    edit = context.state.edit
    context.engine.send(ExportFile(edit=edit, path=str(path), markers=markers, paste_mode=paste_mode))
    context.report(f"exporting {path.name} …")
