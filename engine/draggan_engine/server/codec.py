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
_UNICODE_ERRORS = "surrogateescape"
"""Paths need not be UTF-8; Python writes their other bytes as surrogates."""

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_Message = TypeVar("_Message")


def encode(message: Command | Event) -> bytes:
    """Return the message as bytes: header and body."""
    message_body: bytes = msgpack.packb(message.model_dump(), use_bin_type=True, unicode_errors=_UNICODE_ERRORS)
    return HEADER.pack(len(message_body)) + message_body


def body_length(header: bytes) -> int:
    """Return how many bytes follow a header.

    Raises:
        EngineError: more than any message may have.
    """
    byte_count: int = HEADER.unpack(header)[0]
    if byte_count > MAX_MESSAGE_BYTES:
        raise EngineError(f"malformed message of {byte_count} bytes; at most {MAX_MESSAGE_BYTES} are allowed")
    return byte_count


def decode_command(message_body: bytes) -> Command:
    """
    Raises:
        EngineError: the body is not a command; the error names the field.
    """
    return _decode(message_body, _COMMANDS)


def decode_event(message_body: bytes) -> Event:
    """
    Raises:
        EngineError: the body is not an event; the error names the field.
    """
    return _decode(message_body, _EVENTS)


def _decode(message_body: bytes, message_adapter: TypeAdapter[_Message]) -> _Message:
    try:
        return message_adapter.validate_python(msgpack.unpackb(message_body, raw=False, unicode_errors=_UNICODE_ERRORS))
    except ValidationError as decode_error:
        first_error = decode_error.errors()[0]
        field_name = ".".join(str(location_part) for location_part in first_error["loc"])
        raise EngineError(f"malformed message: {field_name}: {first_error['msg']}") from decode_error
    except (ValueError, msgpack.UnpackException) as decode_error:
        raise EngineError(f"malformed message: {decode_error}") from decode_error
