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
        self._session_latents: dict[str, Latent] = {}  # of the session's own file
        self._drag_latents: dict[int, dict[str, Latent]] = {}
        self._unwritten_files: dict[str, dict[str, Latent]] = {}  # by the path of the file in the session's directory

    @property
    def file_latent(self) -> Latent | None:
        """The latent file that the session starts from, if it starts from one."""
        return self._session_latents.get(FILE_LATENT)

    def set_file_latent(self, latent: Latent) -> None:
        self._session_latents[FILE_LATENT] = latent
        self._unwritten_files[LATENTS_FILE] = self._session_latents

    def add_drag(self, drag_number: int, before: Latent, after: Latent) -> None:
        """Keep what a drag started from and ended with."""
        self._drag_latents[drag_number] = {"before": before, "after": after}
        self._unwritten_files[f"{drag_directory_name(drag_number)}/{LATENTS_FILE}"] = self._drag_latents[drag_number]

    def read(self, session_directory: Path) -> None:
        """Read the session's own file; the latents of drags are read when they are needed.

        Raises:
            InputError: the file cannot be read.
        """
        if (session_directory / LATENTS_FILE).exists():
            self._session_latents = _load_latents(session_directory / LATENTS_FILE)

    def after_drag(self, drag_number: int, session_directory: Path | None) -> Latent | None:
        """Return what a drag ended with; None if that was not kept.

        Raises:
            InputError: the drag's file cannot be read.
        """
        directory_name = drag_directory_name(drag_number)
        if drag_number in self._drag_latents:
            return self._drag_latents[drag_number].get("after")
        if (
            session_directory is not None
            and (latents_path := session_directory / directory_name / LATENTS_FILE).exists()
        ):
            self._drag_latents[drag_number] = _load_latents(latents_path)
            return self._drag_latents[drag_number].get("after")
        return self._session_latents.get(f"{directory_name}.after")

    def write(self, session_directory: Path) -> None:
        """Write the latents that have not been written yet.

        Raises:
            StorageError: a file cannot be written; it and those after it remain unwritten.
        """
        for relative_path, latents in tuple(self._unwritten_files.items()):
            latents_path = session_directory / relative_path
            make_directory(latents_path.parent)
            with atomic_write(latents_path) as temporary_path:
                temporary_path.write_bytes(save(latents))
            del self._unwritten_files[relative_path]

    def mark_all_unwritten(self) -> None:
        """Have the next write, to another directory, write all that is in memory."""
        self._unwritten_files = {
            f"{drag_directory_name(drag_number)}/{LATENTS_FILE}": latents
            for drag_number, latents in self._drag_latents.items()
        }
        if self._session_latents:
            self._unwritten_files[LATENTS_FILE] = self._session_latents


def _load_latents(latents_path: Path) -> dict[str, Latent]:
    try:
        with utf8_path(latents_path) as readable_path:
            latents: dict[str, Latent] = load_file(readable_path)
    except (OSError, SafetensorError) as read_error:
        raise InputError(
            f"{latents_path} cannot be read ({read_error}); restore it, or undo to an earlier image"
        ) from read_error
    return latents
