"""What the shell offers when Tab is pressed after an option. Each function gets the part that was typed already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def complete_models(incomplete: str) -> list[str]:
    """Return the models on this machine. If none matches, the shell completes paths by itself."""
    from draggan_engine.checkpoints.registry import list_models

    return _matching(incomplete, (model.name for model in list_models()))


def complete_checkpoints(incomplete: str) -> list[str]:
    """Return the public checkpoints that `models pull` knows."""
    from draggan_engine.checkpoints import model_zoo

    return _matching(incomplete, (public_checkpoint.name for public_checkpoint in model_zoo.public_checkpoints()))


def complete_removable_models(incomplete: str) -> list[str]:
    """Return the models on this machine that did not come with the program."""
    from draggan_engine.checkpoints.registry import list_models

    return _matching(incomplete, (model.name for model in list_models() if model.origin != "bundled"))


def complete_themes(incomplete: str) -> list[str]:
    """Return the bundled themes and the user's own."""
    from draggan_tui.config.themes import theme_names

    return _matching(incomplete, theme_names())


def complete_devices(incomplete: str) -> list[str]:
    """Return the usual devices; to ask torch which ones exist would take seconds."""
    return _matching(incomplete, ("auto", "cpu", "cuda", "mps"))


def complete_sessions(incomplete: str) -> list[str]:
    """Return the last sessions, wherever they are, then those in the directory that is being typed."""
    from draggan_engine.storage.recent_sessions import recent_sessions

    try:
        working_directory = Path.cwd()
    except OSError:  # it was deleted
        return []
    last_sessions = (
        path.relative_to(working_directory) if path.is_relative_to(working_directory) else path
        for path in recent_sessions()
    )
    typed_directory = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    nearby_sessions = sorted(path.parent for path in typed_directory.glob("*/session.json"))
    return _matching(incomplete, map(str, (*last_sessions, *nearby_sessions)))


def _matching(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
