"""Start an engine process. This module is light, so that torch loads there while the screen is still being imported."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from draggan_tui.config import paths


@dataclass(frozen=True)
class EngineOptions:
    """What an engine process works on.

    Attributes:
        model: name or path of the model.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        out: directory of a new session; None for the default one.
        latent: file of a latent that the session may start from.
    """

    model: str
    device: str
    out: Path | None = None
    latent: Path | None = None


@dataclass(frozen=True)
class EngineProcess:
    """A running engine and our end of the socket to it. The engine ends when the socket is closed."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


def start_engine(options: EngineOptions, resume: str | None = None) -> EngineProcess:
    """Start an engine process. Commands may be sent as soon as this returns.

    Args:
        resume: directory of a session that an earlier process began; `options.out` is then ignored.
    """
    our_socket, engine_socket = socket.socketpair()
    engine_command = [sys.executable, "-m", "draggan_engine.server.server", "--fd", str(engine_socket.fileno())]
    engine_command += ["--model", options.model, "--device", options.device]
    if options.latent is not None:
        engine_command += ["--latent", str(options.latent)]
    if resume is not None:
        engine_command += ["--resume", resume]
    elif options.out is not None:
        engine_command += ["--out", str(options.out)]
    with engine_socket, paths.open_log() as log_file:
        engine_process = subprocess.Popen(
            engine_command,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            pass_fds=[engine_socket.fileno()],
            start_new_session=True,
        )
    return EngineProcess(engine_process, our_socket)
