"""Encode messages as bytes and decode them.

On the wire a message is a 4-byte big-endian length and a body of that many bytes: msgpack of the message's fields, among
them its `type`.
"""

from __future__ import annotations

import struct
from typing import Annotated, TypeVar

import msgpack
from pydantic import Field, TypeAdapter, ValidationError

from draggan_engine.core.errors import EngineError

from .messages import Command, Event

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
HEADER = struct.Struct(">I")

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_Message = TypeVar("_Message")


def encode(message: Command | Event) -> bytes:
    """Return the message as bytes: header and body."""
    body: bytes = msgpack.packb(message.model_dump(), use_bin_type=True)
    return HEADER.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """Return how many bytes follow a header.

    Raises:
        EngineError: more than any message may have.
    """
    length: int = HEADER.unpack(header)[0]
    if length > MAX_MESSAGE_BYTES:
        raise EngineError(f"malformed message: it has {length} bytes; at most {MAX_MESSAGE_BYTES} are allowed")
    return length


def decode_command(body: bytes) -> Command:
    """
    Raises:
        EngineError: the body is not a command; the error names the field.
    """
    return _decode(body, _COMMANDS)


def decode_event(body: bytes) -> Event:
    """
    Raises:
        EngineError: the body is not an event; the error names the field.
    """
    return _decode(body, _EVENTS)


def _decode(body: bytes, adapter: TypeAdapter[_Message]) -> _Message:
    try:
        return adapter.validate_python(msgpack.unpackb(body, raw=False))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise EngineError(f"malformed message: {field}: {first['msg']}") from error
    except (ValueError, msgpack.UnpackException) as error:
        raise EngineError(f"malformed message: {error}") from error
