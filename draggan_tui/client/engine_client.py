"""The connection to the engine process: start it, send commands, and pass its events on."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from draggan_engine.core.errors import EngineError
from draggan_engine.server.codec import HEADER, body_length, decode_event, encode
from draggan_engine.server.messages import Command, Event, LoadModel, ModelLoaded, Quit
from draggan_engine.storage.output_paths import next_output_directory

from .engine_process import EngineOptions, EngineProcess, start_engine

SHUTDOWN_TIMEOUT = 30.0
"""Seconds. A step of a large model on a CPU takes seconds, and the end of the drag is written after it."""


class EngineClient:
    """A connection to one engine process at a time.

    Args:
        options: what the first process works on.
        on_event: called in the event loop with each event, in order.
        on_lost: called in the event loop when the process has ended without being asked to.

    Attributes:
        options: what the present session works on.
    """

    def __init__(
        self,
        options: EngineOptions,
        on_event: Callable[[Event], object],
        on_lost: Callable[[], object],
    ) -> None:
        self.options = options
        self._model_request: LoadModel | None = None
        self._on_event, self._on_lost = on_event, on_lost
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._read_task: asyncio.Task[None] | None = None
        self._is_leaving = False

    @property
    def alive(self) -> bool:
        """Whether commands can be sent."""
        return self._writer is not None and not self._is_leaving

    async def start(self, resume: str | None = None, running: EngineProcess | None = None) -> None:
        """Start the process. Commands may be sent as soon as this returns, long before torch is loaded.

        Args:
            resume: directory of a session that an earlier process began.
            running: a process that has been started already for the same session.
        """
        self._model_request = None
        engine_process = running or start_engine(self.options, resume)
        self._process = engine_process.process
        stream_reader, self._writer = await asyncio.open_connection(sock=engine_process.connection)
        self._read_task = asyncio.create_task(self._read(stream_reader))

    def send(self, command: Command) -> None:
        """Send a command. If the engine is gone, the command is lost, but not the document."""
        if self._writer is not None:
            self._writer.write(encode(command))

    def load_model(self, spec: str) -> None:
        """Ask for another model, in a session of its own, which is the present one as soon as the model is loaded."""
        out_directory = None if self.options.out is None else str(next_output_directory(self.options.out))
        self._model_request = LoadModel(spec=spec, directory=out_directory)
        self.send(self._model_request)

    def write_to(self, directory: Path) -> None:
        """Remember that the present session is written to another directory, for an engine that is started again."""
        self.options = replace(self.options, out=directory)

    def _update_options(self, engine_event: Event) -> None:
        """Follow a new session of another model."""
        if not isinstance(engine_event, ModelLoaded):
            return
        self.options = replace(self.options, model=engine_event.spec)
        if self._model_request is not None:
            out_directory = None if self._model_request.directory is None else Path(self._model_request.directory)
            self.options = replace(self.options, latent=None, out=out_directory)
            self._model_request = None

    async def close(self) -> None:
        """Let the engine end its drag, write it and exit; kill it after `SHUTDOWN_TIMEOUT` seconds."""
        self._is_leaving = True
        process, writer = self._process, self._writer
        if process is None or writer is None:
            return
        with contextlib.suppress(OSError, TimeoutError):
            self.send(Quit())
            await asyncio.wait_for(asyncio.to_thread(process.wait), SHUTDOWN_TIMEOUT)
        process.kill()
        process.wait()
        writer.close()

    async def _read(self, stream_reader: asyncio.StreamReader) -> None:
        """Pass events on until the connection ends."""
        try:
            while True:
                message_header = await stream_reader.readexactly(HEADER.size)
                engine_event = decode_event(await stream_reader.readexactly(body_length(message_header)))
                self._update_options(engine_event)
                self._on_event(engine_event)
        except (asyncio.IncompleteReadError, OSError, EngineError):
            pass
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._process is not None and not self._is_leaving:
            self._process.kill()
            self._process.wait()
            self._on_lost()
