"""The two containers of `torch.save`, and the storages inside plain pickles. Tensors become views of the file.

Legacy container (before torch 1.6, and for each storage that `pickle.dump` writes): one pickle after the other (a magic
number, the protocol 1001, facts about the system, the object, the list of the storages' keys); then, for each key, the
number of elements as int64 and the raw bytes.

Zip container (since torch 1.6): `<root>/data.pkl`, and `<root>/data/<key>` with the raw bytes, uncompressed.

Both refer to a storage by the persistent id `("storage", class, key, location, numel[, view])`, and the legacy container to
the class of a module by `("module", class, file, source code)`. torch's own readers are not used, because its reader of the
legacy container unpickles without restriction.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from draggan_engine.checkpoints.checkpoint_file import LEGACY_MAGIC, CheckpointFile

from .pickle_stubs import PickleRefusal, ReadBudget, TensorStorage, check_shape
from .restricted_unpickler import ByteStream, RestrictedUnpickler

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
MAX_ZIP_DIRECTORY_BYTES = 8 << 20  # about 80,000 entries; a model has about a thousand
_MAX_STORAGE_KEY_LENGTH = 100
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, length of the extra field
_END_RECORD_BYTES, _LOCATOR_BYTES, _ZIP64_RECORD_BYTES = 22, 20, 56

NameTable = Mapping[tuple[str, str], object]
"""What replaces each (module, name) of a pickle."""


@dataclass(frozen=True, slots=True, eq=False)
class _StorageReference:
    """A persistent id: the key of a storage, its number of elements, and the range of elements that is meant."""

    dtype: torch.dtype
    key: str
    numel: int
    start: int
    stop: int

    @classmethod
    def from_pid(cls, persistent_id: object) -> _StorageReference:
        """
        Raises:
            PickleRefusal: the persistent id has another form, or its view reaches outside the storage.
        """
        match persistent_id:
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel)):
                start, size = 0, numel
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), None):
                start, size = 0, numel
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), (str(), int(start), int(size))):
                pass
            case _:
                raise PickleRefusal("describes a storage in an unknown way")
        check_shape((numel, start, size))
        if len(key) > _MAX_STORAGE_KEY_LENGTH:
            raise PickleRefusal("has a storage of an impossible name")
        if start + size > numel:
            raise PickleRefusal("has a view that reaches outside its storage")
        return cls(dtype, key, numel, start, start + size)

    @property
    def storage_bytes(self) -> int:
        """The size of the whole storage."""
        return self.numel * self.dtype.itemsize

    def to_storage(self, raw_bytes: memoryview) -> TensorStorage:
        """Return the range of the storage as a view.

        Args:
            raw_bytes: the bytes of the whole storage; they can be written to.

        Raises:
            PickleRefusal: the number of bytes is not that of the storage.
        """
        if len(raw_bytes) != self.storage_bytes:
            raise PickleRefusal(f"has a storage of {self.numel} elements in {len(raw_bytes)} bytes")
        if not raw_bytes:
            return TensorStorage(torch.empty(0, dtype=self.dtype))
        return TensorStorage(torch.frombuffer(raw_bytes, dtype=self.dtype)[self.start : self.stop])


def load_storage(data: object, budget: ReadBudget) -> TensorStorage:
    """Return what `torch.storage._load_from_bytes(data)` would return, without unpickling freely as that does.

    Args:
        data: bytes in the legacy container, or a view of the file.

    Raises:
        PickleRefusal: the data name anything but a storage, or hold another number of elements than they state.
    """
    if not isinstance(data, bytes | memoryview):
        raise PickleRefusal("has a storage that is not bytes")
    budget.take_bytes(len(data))  # a pickle may pass the same data any number of times
    storage = read_legacy_file(memoryview(data), STORAGE_DTYPES, budget)
    if type(storage) is not TensorStorage:
        raise PickleRefusal("has a storage in an unknown layout")
    return storage


def read_legacy_file(data: memoryview, name_table: NameTable, budget: ReadBudget) -> object:
    """Return the object in a legacy container. Its pickle comes before the storages, so it is read twice: first to learn
    which storages follow, then to build the object.

    Raises:
        PickleRefusal: the layout is unknown, or the storages do not fill the rest of the data.
    """
    stream = ByteStream(data)
    for head_number in (LEGACY_MAGIC, LEGACY_PROTOCOL):
        if RestrictedUnpickler(stream, {}, budget).load() != head_number:
            raise PickleRefusal("has a storage in an unknown layout")
    system_facts = RestrictedUnpickler(stream, {}, budget).load()
    if type(system_facts) is not dict or system_facts.get("little_endian") is not True:
        raise PickleRefusal("has a storage of another byte order")
    object_position = stream.tell()
    references: dict[str, _StorageReference] = {}

    def note_storage(persistent_id: object) -> TensorStorage:
        reference = _StorageReference.from_pid(persistent_id)
        first_reference = references.setdefault(reference.key, reference)
        if (first_reference.dtype, first_reference.numel) != (reference.dtype, reference.numel):
            raise PickleRefusal("describes a storage in two ways")
        return TensorStorage(torch.empty(reference.stop - reference.start, dtype=reference.dtype, device="meta"))

    RestrictedUnpickler(stream, name_table, budget, note_storage).load()
    keys = RestrictedUnpickler(stream, {}, budget).load()
    raw_storages = _read_raw_storages(stream, keys, references, len(data))
    if stream.tell() != len(data):
        raise PickleRefusal("has data that nothing uses")
    stream.seek(object_position)

    def find_storage(persistent_id: object) -> TensorStorage:
        reference = _StorageReference.from_pid(persistent_id)
        return reference.to_storage(raw_storages[reference.key])

    return RestrictedUnpickler(stream, name_table, budget, find_storage).load()


def _read_raw_storages(
    stream: ByteStream, keys: object, references: Mapping[str, _StorageReference], file_bytes: int
) -> dict[str, memoryview]:
    """Read the raw bytes of the storages at the end of a legacy container.

    Args:
        keys: the list of the storages' keys, as the file has it.
        references: the storages that the object uses.
        file_bytes: the size of the container, for messages.
    """
    if type(keys) is not list or len(keys) != len(references):
        raise PickleRefusal("lists other storages than it uses")
    if not all(type(key) is str and key in references for key in keys):
        raise PickleRefusal("lists other storages than it uses")
    raw_storages: dict[str, memoryview] = {}
    for key in keys:
        reference = references[key]
        (element_count,) = struct.unpack("<q", stream.read(8))
        if element_count != reference.numel:
            raise PickleRefusal(
                f"has a storage of {max(element_count, reference.numel)} elements in {file_bytes} bytes"
            )
        raw_bytes = stream.read(reference.storage_bytes)
        if not isinstance(raw_bytes, memoryview) or raw_bytes.readonly:
            raw_bytes = memoryview(bytearray(raw_bytes))
        raw_storages[key] = raw_bytes
    if len(raw_storages) != len(keys):
        raise PickleRefusal("has data that nothing uses")
    return raw_storages


def read_zip_file(file: CheckpointFile, name_table: NameTable, budget: ReadBudget) -> object:
    """Return the object in a zip container.

    Raises:
        PickleRefusal: an entry is compressed, missing or not where the archive's directory says, or the numbers have
            another byte order.
        zipfile.BadZipFile: the file is no zip archive.
    """
    entries = _read_zip_entries(file)
    pickle_names = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickle_names) != 1:
        raise PickleRefusal("is a zip archive without the one data.pkl of torch.save")
    root = pickle_names[0].removesuffix("data.pkl")
    if bytes(entries.get(f"{root}byteorder", b"little")) != b"little":
        raise PickleRefusal("has a storage of another byte order")

    def find_storage(persistent_id: object) -> TensorStorage:
        reference = _StorageReference.from_pid(persistent_id)
        raw_bytes = entries.get(f"{root}data/{reference.key}")
        if raw_bytes is None:
            raise PickleRefusal("refers to a storage that it does not have")
        return reference.to_storage(raw_bytes)

    return RestrictedUnpickler(ByteStream(entries[pickle_names[0]]), name_table, budget, find_storage).load()


def _read_zip_entries(file: CheckpointFile) -> dict[str, memoryview]:
    """Return the archive's entries by name, as views of the file.

    Raises:
        PickleRefusal: an entry is compressed, so that a small archive could hold far more data; or the directory of the
            archive is too large, or contradicts the entries.
    """
    data = file.data
    if zip_directory_bytes(data) > MAX_ZIP_DIRECTORY_BYTES:
        raise PickleRefusal("has a list of contents that no model needs")
    entries: dict[str, memoryview] = {}
    with zipfile.ZipFile(file.stream) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise PickleRefusal("is compressed")
            if entry.filename in entries or entry.flag_bits & 1:
                raise PickleRefusal("has an entry twice, or an encrypted one")
            header = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
            if len(header) < _LOCAL_HEADER.size:
                raise PickleRefusal("has an entry that reaches outside it")
            signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
            if signature != b"PK\x03\x04" or start + entry.file_size > len(data):
                raise PickleRefusal("has an entry that reaches outside it")
            entries[entry.filename] = data[start : start + entry.file_size]
    return entries


def zip_directory_bytes(data: memoryview) -> int:
    """Return the size of a zip archive's directory as the end of the archive states it; the largest, if it states several.

    A reader of the directory may take the 64-bit end record from where its locator points or from right before the locator,
    so both count.

    Raises:
        zipfile.BadZipFile: the end of the archive is missing, as after an interrupted download.
    """
    end_record = bytes(data[-_END_RECORD_BYTES:])
    if end_record[:4] != b"PK\x05\x06":
        raise zipfile.BadZipFile("the list of contents is missing")
    sizes = [struct.unpack_from("<I", end_record, 12)[0]]
    locator = bytes(data[-_END_RECORD_BYTES - _LOCATOR_BYTES : -_END_RECORD_BYTES])
    if locator[:4] == b"PK\x06\x07":
        sizes = [size for size in sizes if size != 0xFFFFFFFF]  # the 32-bit field refers to the 64-bit record
        (pointed_start,) = struct.unpack_from("<Q", locator, 8)
        adjacent_start = len(data) - _END_RECORD_BYTES - _LOCATOR_BYTES - _ZIP64_RECORD_BYTES
        for start in (pointed_start, adjacent_start):
            zip64_record = bytes(data[start : start + _ZIP64_RECORD_BYTES])
            if zip64_record[:4] == b"PK\x06\x06" and len(zip64_record) == _ZIP64_RECORD_BYTES:
                sizes.append(struct.unpack_from("<Q", zip64_record, 40)[0])
    return max(sizes, default=0)
