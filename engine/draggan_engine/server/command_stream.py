"""Receive commands from a connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from .codec import HEADER, body_length, decode_command
from .messages import Command


def receive_commands(connection: socket.socket) -> Iterator[Command]:
    """Yield commands until the connection ends.

    Raises:
        EngineError: a malformed message came in.
    """
    while (message_header := _receive(connection, HEADER.size)) is not None:
        message_body = _receive(connection, body_length(message_header))
        if message_body is None:
            return
        yield decode_command(message_body)


def _receive(connection: socket.socket, byte_count: int) -> bytes | None:
    """Return that many bytes, or None if the connection ends before."""
    received_bytes = bytearray()
    while len(received_bytes) < byte_count:
        try:
            received_part = connection.recv(byte_count - len(received_bytes))
        except OSError:
            return None
        if not received_part:
            return None
        received_bytes += received_part
    return bytes(received_bytes)
