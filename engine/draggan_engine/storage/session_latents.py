"""The latents of a session. Each is written once, to a file of its own, so that a drag's cost does not grow with their number.

latents.safetensors             `given`: the latent file that the session starts from
drag-001/latents.safetensors    `before` and `after`: what the drag started from and ended with

Until version 2 the first file also held the latents of the drags, as `drag-001.before` and `drag-001.after`.
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
FILE_LATENT = "given"

Latent = NDArray[np.float32]
"""`[1, num_ws, w_dim]`."""


class SessionLatents:
    """The latents in memory, and which of them have not been written yet."""

    def __init__(self) -> None:
        self._session: dict[str, Latent] = {}  # of the session's own file
        self._drags: dict[int, dict[str, Latent]] = {}
        self._unwritten: dict[str, dict[str, Latent]] = {}  # by the path of the file in the session's directory

    @property
    def file_latent(self) -> Latent | None:
        """The latent file that the session starts from, if it starts from one."""
        return self._session.get(FILE_LATENT)

    def set_file_latent(self, latent: Latent) -> None:
        self._session[FILE_LATENT] = latent
        self._unwritten[LATENTS_FILE] = self._session

    def add_drag(self, number: int, before: Latent, after: Latent) -> None:
        """Keep what a drag started from and ended with."""
        self._drags[number] = {"before": before, "after": after}
        self._unwritten[f"{drag_directory_name(number)}/{LATENTS_FILE}"] = self._drags[number]

    def read(self, session: Path) -> None:
        """Read the session's own file; the latents of drags are read when they are needed.

        Raises:
            InputError: the file cannot be read.
        """
        if (session / LATENTS_FILE).exists():
            self._session = _load_latents(session / LATENTS_FILE)

    def after_drag(self, number: int, session: Path | None) -> Latent | None:
        """Return what a drag ended with; None if that was not kept.

        Raises:
            InputError: the drag's file cannot be read.
        """
        name = drag_directory_name(number)
        if number in self._drags:
            return self._drags[number].get("after")
        if session is not None and (path := session / name / LATENTS_FILE).exists():
            self._drags[number] = _load_latents(path)
            return self._drags[number].get("after")
        return self._session.get(f"{name}.after")

    def write(self, session: Path) -> None:
        """Write the latents that have not been written yet.

        Raises:
            StorageError: a file cannot be written; it and those after it remain unwritten.
        """
        for name, latents in tuple(self._unwritten.items()):
            path = session / name
            make_directory(path.parent)
            with atomic_write(path) as part:
                part.write_bytes(save(latents))
            del self._unwritten[name]

    def mark_all_unwritten(self) -> None:
        """Have the next write, to another directory, write all that is in memory."""
        self._unwritten = {
            f"{drag_directory_name(number)}/{LATENTS_FILE}": latents for number, latents in self._drags.items()
        }
        if self._session:
            self._unwritten[LATENTS_FILE] = self._session


def _load_latents(path: Path) -> dict[str, Latent]:
    try:
        with utf8_path(path) as readable_path:
            latents: dict[str, Latent] = load_file(readable_path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: it cannot be read ({error}); restore it, or undo to an earlier image") from error
    return latents
