"""What the shell offers when Tab is pressed after an option; each gets what is typed so far."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def models(incomplete: str) -> list[str]:
    """The models on this machine; the shell's own completion finds files where none begins so."""
    from draggan_engine.checkpoints import registry

    return _beginning(incomplete, (entry.name for entry in registry.list_models()))


def known_models(incomplete: str) -> list[str]:
    """The public models that `models pull` knows."""
    from draggan_engine.checkpoints import model_zoo

    return _beginning(incomplete, (model.name for model in model_zoo.public_checkpoints()))


def themes(incomplete: str) -> list[str]:
    from draggan_tui.config.themes import theme_names

    return _beginning(incomplete, theme_names())


def devices(incomplete: str) -> list[str]:
    """Not asked of torch, which takes seconds."""
    return _beginning(incomplete, ("auto", "cpu", "cuda", "mps"))


def sessions(incomplete: str) -> list[str]:
    """The last sessions, wherever they are, then those in the folder that is being typed."""
    from draggan_engine.storage.recent_sessions import recent_sessions

    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return []
    last = (folder.relative_to(here) if folder.is_relative_to(here) else folder for folder in recent_sessions())
    typed = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    there = sorted(path.parent for path in typed.glob("*/session.json"))
    return _beginning(incomplete, map(str, (*last, *there)))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
