"""What a user can do about the errors of the engine, with the commands, options and keys of this program.

A key is named by its binding, as in `{place}`. Only the editor shows such advice, and it replaces the name by the key.
"""

from __future__ import annotations

from draggan_engine.core.errors import Remedy

_ADVICE = {
    Remedy.choose_model: "give the path of a model file, or a name from: draggan-tui models list",
    Remedy.choose_own_model: "draggan-tui models list shows the names",
    Remedy.download_model: "download it with: draggan-tui models pull NAME",
    Remedy.import_model: "then import it with: draggan-tui models import FILE",
    Remedy.start_from_latent: "if it is a latent, start from it with --latent, and give the model of the latent with --model",
    Remedy.choose_model_name: "give another name with --name",
    Remedy.open_session: "or continue that session with: draggan-tui open DIR",
    Remedy.choose_session: "give the directory of one, as draggan-tui sessions lists them",
    Remedy.use_cpu: "close other programs on the device, or start with --device cpu",
    Remedy.place_target: "{place} sets it",
    Remedy.paint_mask: "paint one first ({pen}, or {toggle-cell})",
    Remedy.paint_shape: "{place} paints the shape",
    Remedy.clear_mask: "{clear-mask} clears it",
    Remedy.align_photograph: "give two of its points with --align eyes=X,Y:X,Y, for example the eyes, or --align none if it "
    "shows everything where the model's images do",
    Remedy.give_eyes: "give its eyes, in pixels of the photograph, with --align eyes=X,Y:X,Y",
}


def with_advice(error_message: str, remedy: Remedy | None) -> str:
    """Return an error message of the engine, with advice if there is any."""
    return error_message if remedy is None else f"{error_message}; {_ADVICE[remedy]}"
