"""Reads one storage in torch's legacy layout, as tensors inside a plain pickle carry it.

Five small pickles one after the other (a magic number, the protocol 1001, facts of the system, a persistent id
`("storage", class, key, location, numel, view)`, the list of keys), then an int64 count and the raw bytes.
torch's own reader unpickles these without restriction; this one allows nothing but a storage's name.
"""

from __future__ import annotations

import io
import pickle
import struct
from dataclasses import dataclass

import torch

from .pickle_machine import RestrictedUnpickler
from .stand_ins import Budget, Refused, Storage, check_extents

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGE_TYPES: dict[tuple[str, str], object] = {
    ("torch", f"{name}Storage"): dtype
    for name, dtype in {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
    }.items()
}


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """A persistent id: which storage, how many elements, and the part of it that is meant."""

    dtype: torch.dtype
    key: str
    numel: int
    start: int
    stop: int


class _StorageUnpickler(RestrictedUnpickler):
    dispatch = RestrictedUnpickler.dispatch | {pickle.BINPERSID[0]: pickle._Unpickler.dispatch[pickle.BINPERSID[0]]}

    def persistent_load(self, pid: object) -> _Reference:
        match pid:
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), None):
                start, size = 0, numel
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), (str(), int(start), int(size))):
                pass
            case _:
                raise Refused("describes a storage in an unknown way")
        check_extents((numel, start, size))
        if start + size > numel:
            raise Refused("has a view that reaches outside its storage")
        return _Reference(dtype, key, numel, start, start + size)


def load_storage(data: object, budget: Budget) -> Storage:
    """What `torch.storage._load_from_bytes(data)` stands for, without what it would run.

    Args:
        data: bytes in the legacy layout.
        budget: pays for the copy.

    Raises:
        Refused: it names anything but a storage, or its count does not fit the bytes that are there.
    """
    if type(data) is not bytes:
        raise Refused("has a storage that is not bytes")
    stream = io.BytesIO(data)
    magic, protocol, system, reference, keys = (_StorageUnpickler(stream, STORAGE_TYPES).load() for _ in range(5))
    if (magic, protocol) != (MAGIC, PROTOCOL) or type(reference) is not _Reference or keys != [reference.key]:
        raise Refused("has a storage in an unknown layout")
    if type(system) is not dict or system.get("little_endian") is not True:
        raise Refused("has a storage of another byte order")
    (count,) = struct.unpack("<q", stream.read(8))
    raw = memoryview(data)[stream.tell() :]
    if count != reference.numel or count * reference.dtype.itemsize != len(raw):
        raise Refused(f"has a storage of {max(count, reference.numel)} elements in {len(raw)} bytes")
    budget.take(len(raw))
    whole = torch.frombuffer(bytearray(raw), dtype=reference.dtype) if count else torch.empty(0, dtype=reference.dtype)
    return Storage(whole[reference.start : reference.stop])
