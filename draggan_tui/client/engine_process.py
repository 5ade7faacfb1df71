"""The start of an engine process. Light, so that it can be done before the screen's own imports: torch's take seconds."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from draggan_tui.config import paths


@dataclass(frozen=True)
class EngineProcess:
    """A running engine, and our end of the socket to it; it ends when that is closed."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


def start_engine(
    model: str, device: str, *, out: Path | None = None, latent: Path | None = None, resume: str | None = None
) -> EngineProcess:
    """Commands may be sent as soon as this returns.

    Args:
        model: name or path of the model.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        out: folder of the session, or None for the default one.
        latent: file of a latent that the session may start from.
        resume: the folder of a session that an earlier process began; then `out` does not count.
    """
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "draggan_engine.server.server", "--fd", str(theirs.fileno())]
    command += ["--model", model, "--device", device]
    if latent is not None:
        command += ["--latent", str(latent)]
    if resume is not None:
        command += ["--resume", resume]
    elif out is not None:
        command += ["--out", str(out)]
    with theirs, paths.open_log() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return EngineProcess(process, ours)
