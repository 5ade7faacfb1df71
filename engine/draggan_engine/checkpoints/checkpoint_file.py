"""Open a checkpoint file once: its bytes as mapped memory, and the format that they show."""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from io import BufferedReader
from pathlib import Path

from draggan_engine.core.errors import CheckpointError

ReadProgress = Callable[[str, int, int], None]
"""Called with the name of the work, the amount that is done and the whole amount."""

DOWNLOADING = "downloading"
"""The name of the work while bytes come over the network. Their whole amount may be unknown: 0."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.save wrote this number first until version 1.6
# That number as a whole pickle. Before it, protocols 2 and 3 have two bytes, and protocols 4 and 5 a frame of 13 bytes as well.
_LEGACY_NUMBER = b"\x8a\n" + LEGACY_MAGIC.to_bytes(10, "little") + b"."
_LEGACY_NUMBER_STARTS = (2, 11)
_OLD_LEGACY_HEAD = b"L%dL\n." % LEGACY_MAGIC  # in protocol 1
_ZIP_HEAD = b"PK\x03\x04"
_NUMPY_HEAD = b"\x93NUMPY"
_PICKLE_HEADS = frozenset(bytes([0x80, protocol]) for protocol in range(2, 6))
# Pickles of protocols 0 and 1 do not state a protocol. They begin with the name of a class, a dictionary or a list, perhaps
# in a tuple.
_OLD_PICKLE_HEAD = re.compile(rb"\(?c[\w.]+\n|\([dl]p\d+\n|\(?[}\]]q")
_HASH_CHUNK_BYTES = 4 << 20


class CheckpointFormat(Enum):
    """How a file is packed. Only its content decides this, never its name."""

    SAFETENSORS = auto()
    ZIP = auto()  # torch.save since version 1.6, and numpy's .npz
    LEGACY_TORCH = auto()  # torch.save before version 1.6
    PICKLE = auto()
    NUMPY = auto()  # numpy's .npy
    UNKNOWN = auto()


PICKLED_FORMATS = frozenset({CheckpointFormat.ZIP, CheckpointFormat.LEGACY_TORCH, CheckpointFormat.PICKLE})
"""The formats that describe their content by a pickle."""


def ignore_progress(_work_name: str, _done: int, _total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, eq=False)
class CheckpointFile:
    """An open checkpoint file; see `open_checkpoint`.

    Attributes:
        stream: the open file, for readers that need a file object.
        data: the bytes of the file, as pages that are read when they are first used. They may be written to, as torch
            requires, which never changes the file. Views of them stay valid after the file is closed.
    """

    path: Path
    stream: BufferedReader
    data: memoryview
    format: CheckpointFormat

    def sha256(self, progress: ReadProgress = ignore_progress) -> str:
        """Return the checksum of the file in lower-case hexadecimal digits.

        Raises:
            CheckpointError: the file cannot be read.
        """
        digest = hashlib.sha256()
        done_bytes = 0
        with _report_read_errors(self.path):
            self.stream.seek(0)
            while chunk := self.stream.read(_HASH_CHUNK_BYTES):
                digest.update(chunk)
                done_bytes += len(chunk)
                progress("reading", done_bytes, max(len(self.data), done_bytes))
        return digest.hexdigest()


@contextmanager
def open_checkpoint(path: Path) -> Iterator[CheckpointFile]:
    """Open a file, map its bytes into memory and detect its format.

    Raises:
        CheckpointError: the file cannot be read, or is empty.
    """
    with _report_read_errors(path):
        stream = path.open("rb")
    with stream:
        with _report_read_errors(path):
            if stream.seek(0, 2) == 0:
                raise CheckpointError(f"{path} is empty; get it again")
            data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY))
        yield CheckpointFile(path, stream, data, _detect_format(data))


def printable_text(value: object, max_length: int = 100) -> str:
    """Return a text from a file in a form that is safe in a message: one line, no control characters, not long. Of a value
    that is no text, return the name of its type."""
    text = value if type(value) is str else f"<{type(value).__name__}>"
    printable = "".join(character if character.isprintable() else "?" for character in text[:max_length])
    return printable + ("…" if len(text) > max_length else "")


def _detect_format(data: memoryview) -> CheckpointFormat:
    head = bytes(data[: len(_OLD_LEGACY_HEAD)])
    # safetensors files begin with the length of their header, which is a JSON object.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= len(data) - 8:
        return CheckpointFormat.SAFETENSORS
    if head.startswith(_ZIP_HEAD):
        return CheckpointFormat.ZIP
    if head.startswith(_OLD_LEGACY_HEAD) or (
        head[:2] in _PICKLE_HEADS and any(head.startswith(_LEGACY_NUMBER, start) for start in _LEGACY_NUMBER_STARTS)
    ):
        return CheckpointFormat.LEGACY_TORCH
    if head[:2] in _PICKLE_HEADS or (_OLD_PICKLE_HEAD.match(head) and bytes(data[-1:]) == b"."):
        return CheckpointFormat.PICKLE
    if head.startswith(_NUMPY_HEAD):
        return CheckpointFormat.NUMPY
    return CheckpointFormat.UNKNOWN


@contextmanager
def _report_read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path} cannot be read ({reason}); check the path and its permissions") from error
