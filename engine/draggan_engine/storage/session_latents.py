"""The latents of a session. Each is written once, to a file of its own, so that the hundredth drag costs what the first did.

latents.safetensors             `given`: the one that the session starts from
drag-001/latents.safetensors    `before` and `after`: what the drag started from and ended with

Until version 2 the first file also held those of the drags, as `drag-001.before` and `drag-001.after`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from draggan_engine.core.errors import InputError

from .atomic import atomic_write
from .session_directory import drag_directory_name, make_directory
from .utf8_path import utf8_path

LATENTS_FILE = "latents.safetensors"
GIVEN_LATENT = "given"

Latent = NDArray[np.float32]
"""`[1, num_ws, w_dim]`."""


class SessionLatents:
    """What is in memory, and which of it is not on disk yet."""

    def __init__(self) -> None:
        self._shared: dict[str, Latent] = {}  # what the session's own file holds
        self._drags: dict[int, dict[str, Latent]] = {}
        self._unwritten: dict[str, dict[str, Latent]] = {}  # path in the session → what is to be in the file

    @property
    def given(self) -> Latent | None:
        return self._shared.get(GIVEN_LATENT)

    def give(self, latent: Latent) -> None:
        self._shared[GIVEN_LATENT] = latent
        self._unwritten[LATENTS_FILE] = self._shared

    def keep(self, number: int, before: Latent, after: Latent) -> None:
        """Take what drag `number` started from and ended with."""
        self._drags[number] = {"before": before, "after": after}
        self._unwritten[f"{drag_directory_name(number)}/{LATENTS_FILE}"] = self._drags[number]

    def read(self, session: Path) -> None:
        """Take in the session's own file; those of the drags are read when they are needed.

        Raises:
            InputError: it cannot be read.
        """
        if (session / LATENTS_FILE).exists():
            self._shared = _load(session / LATENTS_FILE)

    def after(self, number: int, session: Path | None) -> Latent | None:
        """What drag `number` ended with; None if that was not kept.

        Raises:
            InputError: its file cannot be read.
        """
        name = drag_directory_name(number)
        if number in self._drags:
            return self._drags[number].get("after")
        if session is not None and (path := session / name / LATENTS_FILE).exists():
            self._drags[number] = _load(path)
            return self._drags[number].get("after")
        return self._shared.get(f"{name}.after")

    def write(self, session: Path) -> None:
        """Write what is not on disk yet.

        Raises:
            StorageError: a file could not be written; it and those after it stay to be written.
        """
        for name, latents in tuple(self._unwritten.items()):
            path = session / name
            make_directory(path.parent)
            with atomic_write(path) as part:
                part.write_bytes(save(latents))
            del self._unwritten[name]

    def leave_directory(self) -> None:
        """The next write goes to another directory, and writes all that is in memory."""
        self._unwritten = {
            f"{drag_directory_name(number)}/{LATENTS_FILE}": latents for number, latents in self._drags.items()
        }
        if self._shared:
            self._unwritten[LATENTS_FILE] = self._shared


def _load(path: Path) -> dict[str, Latent]:
    try:
        with utf8_path(path) as readable:
            latents: dict[str, Latent] = load_file(readable)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: it cannot be read ({error}); restore it, or undo to an earlier image") from error
    return latents
