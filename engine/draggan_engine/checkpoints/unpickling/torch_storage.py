"""The two containers of `torch.save`, and the storages inside plain pickles: tensors become views of the file.

Legacy (before torch 1.6, and for each storage that `pickle.dump` writes): pickles one after the other (a magic number,
the protocol 1001, facts of the system, the object, the list of its storages' keys), then for each key an int64 count
and the raw bytes. Zip (since 1.6): `<root>/data.pkl`, and `<root>/data/<key>`, raw and uncompressed. Storages are
persistent ids `("storage", class, key, location, numel[, view])`. torch's own readers are not used: the legacy one
unpickles without restriction.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from draggan_engine.checkpoints.checkpoint_file import ByteStream

from .pickle_stubs import PickleRefusal, ReadBudget, TensorStorage, check_shape
from .restricted_unpickler import RestrictedUnpickler

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
STORAGE_DTYPES: dict[tuple[str, str], object] = {
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
_MAX_DIRECTORY = 8 << 20  # bytes of a zip's list of contents: some 80,000 entries, where a model has a thousand
_MAX_KEY = 100
_LOCAL_HEADER = struct.Struct("<4s22xHH")

NameTable = Mapping[tuple[str, str], object]
"""What stands in for each (module, name)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """A persistent id: which storage, how many elements, and the part of it that is meant."""

    dtype: torch.dtype
    key: str
    numel: int
    start: int
    stop: int

    @classmethod
    def of(cls, pid: object) -> _Reference:
        match pid:
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel)):
                start, size = 0, numel
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), None):
                start, size = 0, numel
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), (str(), int(start), int(size))):
                pass
            case _:
                raise PickleRefusal("describes a storage in an unknown way")
        check_shape((numel, start, size))
        if len(key) > _MAX_KEY:
            raise PickleRefusal("has a storage of an impossible name")
        if start + size > numel:
            raise PickleRefusal("has a view that reaches outside its storage")
        return cls(dtype, key, numel, start, start + size)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.numel * self.dtype.itemsize

    def on(self, raw: memoryview) -> TensorStorage:
        """The storage whose bytes are `raw`, which can be written to.

        Raises:
            Refused: they are not as many as it has.
        """
        if len(raw) != self.size:
            raise PickleRefusal(f"has a storage of {self.numel} elements in {len(raw)} bytes")
        if not raw:
            return TensorStorage(torch.empty(0, dtype=self.dtype))
        return TensorStorage(torch.frombuffer(raw, dtype=self.dtype)[self.start : self.stop])


def load_storage(data: object, budget: ReadBudget) -> TensorStorage:
    """What `torch.storage._load_from_bytes(data)` stands for, without what it would run.

    Args:
        data: bytes or a view of the file, in the legacy layout.

    Raises:
        Refused: it names anything but a storage, or its count does not fit the bytes that are there.
    """
    if not isinstance(data, bytes | memoryview):
        raise PickleRefusal("has a storage that is not bytes")
    budget.take(len(data))  # the same data may be given any number of times
    storage = read_legacy_file(memoryview(data), STORAGE_DTYPES, budget)
    if type(storage) is not TensorStorage:
        raise PickleRefusal("has a storage in an unknown layout")
    return storage


def read_legacy_file(data: memoryview, names: NameTable, budget: ReadBudget) -> object:
    """The object that a legacy `torch.save` wrote. Its pickle comes before its storages, so it is read twice: first to
    learn where they are.

    Raises:
        Refused: another layout, or storages that do not fill the rest of the data.
    """
    stream = ByteStream(data)
    magic, protocol, system = (RestrictedUnpickler(stream, {}, budget).load() for _ in range(3))
    if (magic, protocol) != (LEGACY_MAGIC, LEGACY_PROTOCOL):
        raise PickleRefusal("has a storage in an unknown layout")
    if type(system) is not dict or system.get("little_endian") is not True:
        raise PickleRefusal("has a storage of another byte order")
    start = stream.tell()
    seen: dict[str, _Reference] = {}

    def note(pid: object) -> TensorStorage:
        reference = _Reference.of(pid)
        known = seen.setdefault(reference.key, reference)
        if (known.dtype, known.numel) != (reference.dtype, reference.numel):
            raise PickleRefusal("describes a storage in two ways")
        return TensorStorage(torch.empty(reference.stop - reference.start, dtype=reference.dtype, device="meta"))

    RestrictedUnpickler(stream, names, budget, note).load()
    keys = RestrictedUnpickler(stream, {}, budget).load()
    if type(keys) is not list or len(keys) != len(seen) or not all(type(key) is str and key in seen for key in keys):
        raise PickleRefusal("lists other storages than it uses")
    raw: dict[str, memoryview] = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        if count != seen[key].numel:
            raise PickleRefusal(f"has a storage of {max(count, seen[key].numel)} elements in {len(data)} bytes")
        piece = stream.read(seen[key].size)
        raw[key] = piece if isinstance(piece, memoryview) and not piece.readonly else memoryview(bytearray(piece))
    if len(raw) != len(keys) or stream.tell() != len(data):
        raise PickleRefusal("has data that nothing uses")
    stream.seek(start)

    def storage(pid: object) -> TensorStorage:
        reference = _Reference.of(pid)
        return reference.on(raw[reference.key])

    return RestrictedUnpickler(stream, names, budget, storage).load()


def read_zip_file(path: Path, data: memoryview, names: NameTable, budget: ReadBudget) -> object:
    """The object that a `torch.save` of today wrote.

    Args:
        path: the file.
        data: its bytes.

    Raises:
        Refused: something is compressed, missing or not where the list of contents says; or another byte order.
        zipfile.BadZipFile: no zip.
    """
    entries = _entries(path, data)
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise PickleRefusal("is a zip archive without the one data.pkl of torch.save")
    root = pickles[0].removesuffix("data.pkl")
    if bytes(entries.get(f"{root}byteorder", b"little")) != b"little":
        raise PickleRefusal("has a storage of another byte order")

    def storage(pid: object) -> TensorStorage:
        reference = _Reference.of(pid)
        raw = entries.get(f"{root}data/{reference.key}")
        if raw is None:
            raise PickleRefusal("refers to a storage that it does not have")
        return reference.on(raw)

    return RestrictedUnpickler(ByteStream(entries[pickles[0]]), names, budget, storage).load()


def _entries(path: Path, data: memoryview) -> dict[str, memoryview]:
    """The archive's files, as views. A compressed one is refused: a small archive could blow up."""
    if _directory_size(data) > _MAX_DIRECTORY:
        raise PickleRefusal("has a list of contents that no model needs")
    found: dict[str, memoryview] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise PickleRefusal("is compressed")
            if entry.filename in found or entry.flag_bits & 1:
                raise PickleRefusal("has an entry twice, or an encrypted one")
            header = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
            if len(header) < _LOCAL_HEADER.size:
                raise PickleRefusal("has an entry that reaches outside it")
            signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
            if signature != b"PK\x03\x04" or start + entry.file_size > len(data):
                raise PickleRefusal("has an entry that reaches outside it")
            found[entry.filename] = data[start : start + entry.file_size]
    return found


def _directory_size(data: memoryview) -> int:
    """Bytes of the list of contents, as the archive's end tells it: the largest, where it says so several times. What
    reads the list takes a 64-bit record from where the locator points or from right before it, as it likes."""
    end = bytes(data[-22:])
    if end[:4] != b"PK\x05\x06":
        raise zipfile.BadZipFile("the list of contents is missing")  # as of a download that broke off
    sizes = [struct.unpack_from("<I", end, 12)[0]]
    locator = bytes(data[-42:-22])
    if locator[:4] == b"PK\x06\x07":
        sizes = [size for size in sizes if size != 0xFFFFFFFF]
        (offset,) = struct.unpack_from("<Q", locator, 8)
        for start in (offset, len(data) - 98):
            record = bytes(data[start : start + 56])
            if record[:4] == b"PK\x06\x06" and len(record) == 56:
                sizes.append(struct.unpack_from("<Q", record, 40)[0])
    return max(sizes, default=0)
