"""What an engine does without a client: it finishes its work, and waits for another client at the socket of its session."""

from __future__ import annotations

import importlib.metadata
import logging
import socket
import time
from contextlib import suppress

from draggan_engine.core.errors import DragganError, EngineError
from draggan_engine.storage.engine_socket import EngineSocket

from .codec import encode
from .command_stream import receive_commands
from .engine_state import EngineState
from .failures import failure_of
from .messages import Attach

CHECK_SECONDS = 0.5
"""How often a lingering engine looks whether it was ended, or whether its socket was removed."""
FIRST_COMMAND_SECONDS = 10.0
"""How long a client may take to say who it is."""
VERSION = importlib.metadata.version("draggan-tui")

log = logging.getLogger("draggan_engine")


def wait_for_client(state: EngineState, linger_seconds: float) -> socket.socket | None:
    """Return the connection of the next client that may take over, or None when the engine is to end.

    It is to end when nobody came in the linger time, which begins when the work is done, and when nobody can come: the session
    was never saved, or its socket was removed. Work that is going on is finished first in all cases.
    """
    lost_time = time.monotonic()
    _listen(state)
    try:
        while not state.jobs.is_closed:
            if state.engine_socket is not None and state.engine_socket.can_be_reached:
                connection = state.engine_socket.accept(CHECK_SECONDS)
                if connection is not None and _may_take_over(connection):
                    return connection
                idle_limit = linger_seconds
            else:
                time.sleep(CHECK_SECONDS)
                idle_limit = 0.0
            idle_since = state.jobs.idle_since
            if idle_since is not None and time.monotonic() >= max(idle_since, lost_time) + idle_limit:
                return None
        return None
    finally:
        if state.engine_socket is not None:
            state.engine_socket.close()


def _listen(state: EngineState) -> None:
    """Listen at the socket of the session, if it has a directory and the socket can be made."""
    state.engine_socket = None
    if state.store.directory is not None:
        try:
            state.engine_socket = EngineSocket(state.store.directory)
        except DragganError as socket_error:
            log.error("%s", socket_error)


def _may_take_over(connection: socket.socket) -> bool:
    """Return whether the client speaks this version's messages; otherwise tell it why not and disconnect it."""
    connection.settimeout(FIRST_COMMAND_SECONDS)
    try:
        first_command = next(receive_commands(connection), None)
        if isinstance(first_command, Attach) and first_command.version == VERSION:
            connection.settimeout(None)
            return True
        if isinstance(first_command, Attach):
            refusal = EngineError(
                f"the running engine is of draggan-tui {VERSION} and this is draggan-tui {first_command.version}; attach with "
                "the version that started it, or end the engine"
            )
            connection.sendall(encode(failure_of(refusal, "attach")))
    except (DragganError, OSError) as client_error:
        log.error("a client was disconnected: %s", client_error)
    with suppress(OSError):
        connection.close()
    return False
