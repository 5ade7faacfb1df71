"""The only door to the engine process: starts it, sends commands, hands its events on."""

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

# A step of a large model on a CPU takes seconds, and its end is written after it.
FAREWELL = 30.0


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
        self._next: LoadModel | None = None
        self._on_event, self._on_lost = on_event, on_lost
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._leaving = False

    @property
    def alive(self) -> bool:
        return self._writer is not None and not self._leaving

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self, resume: str | None = None, running: EngineProcess | None = None) -> None:
        """Starts the process; commands may be sent as soon as this returns, long before torch is loaded.

        Args:
            resume: the folder of a session that an earlier process began.
            running: one that has been started already, for the same session.
        """
        self._next = None
        engine = running or start_engine(self.options, resume)
        self._process = engine.process
        reader, self._writer = await asyncio.open_connection(sock=engine.connection)
        self._reading = asyncio.create_task(self._read(reader))

    def send(self, command: Command) -> None:
        """Hands a command to the engine; lost if the engine is (the document is not)."""
        if self._writer is not None:
            self._writer.write(encode(command))

    def load_model(self, spec: str) -> None:
        """Asks for another model, in a session of its own; when it is there, that one is the present session."""
        out = None if self.options.out is None else str(next_output_directory(self.options.out))
        self._next = LoadModel(spec=spec, directory=out)
        self.send(self._next)

    def write_to(self, directory: Path) -> None:
        """Remember that the present session is written to another directory, for an engine that is started again."""
        self.options = replace(self.options, out=directory)

    def _follow(self, event: Event) -> None:
        if not isinstance(event, ModelLoaded):
            return
        self.options = replace(self.options, model=event.spec)
        if self._next is not None:
            out = None if self._next.directory is None else Path(self._next.directory)
            self.options = replace(self.options, latent=None, out=out)
            self._next = None

    async def close(self) -> None:
        """Lets the engine end its drag, write it and exit; kills it if that takes longer than `FAREWELL` seconds."""
        self._leaving = True
        process, writer = self._process, self._writer
        if process is None or writer is None:
            return
        with contextlib.suppress(OSError, TimeoutError):
            self.send(Quit())
            await asyncio.wait_for(asyncio.to_thread(process.wait), FAREWELL)
        process.kill()
        process.wait()
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header = await reader.readexactly(HEADER.size)
                event = decode_event(await reader.readexactly(body_length(header)))
                self._follow(event)
                self._on_event(event)
        except (asyncio.IncompleteReadError, OSError, EngineError):
            pass
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._process is not None and not self._leaving:
            self._process.kill()
            self._process.wait()
            self._on_lost()
