"""Messages as bytes, and bytes as messages.

On the wire a message is a 4-byte big-endian length followed by that many bytes of msgpack: the message's fields with its `type`.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgpack
from pydantic import Field, TypeAdapter, ValidationError

from draggan_engine.core.errors import EngineError

from .messages import Command, Event

MAX_MESSAGE = 64 * 1024 * 1024
HEADER = struct.Struct(">I")

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def encode(message: Command | Event) -> bytes:
    """Length and body."""
    body: bytes = msgpack.packb(message.model_dump(), use_bin_type=True)
    return HEADER.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """
    Raises:
        EngineError: longer than any message may be.
    """
    length: int = HEADER.unpack(header)[0]
    if length > MAX_MESSAGE:
        raise EngineError(f"a message of {length} bytes came in; at most {MAX_MESSAGE} are allowed")
    return length


def _decode(body: bytes, kind: TypeAdapter[Any]) -> Any:
    try:
        return kind.validate_python(msgpack.unpackb(body, raw=False))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise EngineError(f"a malformed message came in: {field}: {first['msg']}") from error
    except (ValueError, msgpack.UnpackException) as error:
        raise EngineError(f"a malformed message came in: {error}") from error


def decode_command(body: bytes) -> Command:
    """
    Raises:
        EngineError: not a command; the message names the field.
    """
    command: Command = _decode(body, _COMMANDS)
    return command


def decode_event(body: bytes) -> Event:
    """
    Raises:
        EngineError: not an event; the message names the field.
    """
    event: Event = _decode(body, _EVENTS)
    return event
