"""What a reader puts in the place of the things that a model file names: inert records and checked data.

Nothing here is looked up by a name from the file, and nothing can be given a state that changes what it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text

# A model file has some tens of thousands of instructions. Each costs time, and most make an object: a byte each, these
# would take 200 times the file's size in memory.
MAX_INSTRUCTIONS = 250_000
MAX_KEY_LENGTH = 1000
MAX_DIMENSIONS = 8
MAX_DIMENSION_SIZE = 2**40
_DTYPES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})


class PickleRefusal(Exception):
    """The file asks for something that no model file needs; the text, put after "it", says what."""


def check_key(key: object) -> None:
    """Keys are short strings or bytes, whole numbers and None. Hashing a deep tuple overflows the C stack; to tell long
    equal strings apart, or numbers that were chosen to have the same hash, takes minutes if there are enough of them.

    Raises:
        Refused: something else.
    """
    match key:
        case str() | bytes() if len(key) <= MAX_KEY_LENGTH:
            return
        case int() if 0 <= key < 2**60:  # below 2**61 − 1 each is its own hash
            return
        case None:
            return
        case str() | bytes() | int():
            raise PickleRefusal("uses an impossible key")
    raise PickleRefusal(f"uses a {type(key).__name__} as a key")


class ReadBudget:
    """What a file may still cost: bytes of data that we allocate or read again, and instructions."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._instructions = MAX_INSTRUCTIONS

    def step(self) -> None:
        """
        Raises:
            Refused: it was one instruction too many.
        """
        self._instructions -= 1
        if self._instructions < 0:
            raise PickleRefusal("has more instructions than any model")

    def take(self, count: int) -> None:
        """
        Raises:
            Refused: more than is left.
        """
        if count > self._left:
            raise PickleRefusal("asks for more data than it holds")
        self._left -= count


class OrderedDictStub(dict[object, object]):
    """A `collections.OrderedDict`. Its state (torch notes versions of modules there) is left behind."""

    def build(self, state: object) -> None:
        """
        Raises:
            Refused: not the state of a dictionary.
        """
        if not isinstance(state, dict):
            raise PickleRefusal("gives a dictionary an unknown state")


@dataclass(slots=True, eq=False)
class ObjectRecord:
    """An object of a class that only holds values (`argparse.Namespace`, TensorFlow's `Network`): its attributes."""

    kind: str
    state: dict[object, object] = field(default_factory=dict)

    def build(self, state: object) -> None:
        """
        Raises:
            Refused: not a dictionary.
        """
        if not isinstance(state, dict):
            raise PickleRefusal(f"gives a {self.kind} an unknown state")
        self.state = state


@dataclass(frozen=True, slots=True, eq=False)
class AllowedFunction:
    """The only thing that a pickle's REDUCE may call."""

    call: Callable[..., object]


@dataclass(frozen=True, slots=True, eq=False)
class PersistentObject:
    """A module as NVIDIA's persistence hook pickles it, without its source code."""

    class_name: str
    init_args: tuple[object, ...]
    init_kwargs: dict[object, object]
    state: dict[object, object]

    @classmethod
    def from_meta(cls, meta: object) -> PersistentObject:
        """From the dictionary that the hook writes: `class_name`, `state`; `module_src` is left behind.

        Raises:
            Refused: it has another form.
        """
        match meta:
            case {"type": "class", "class_name": str(class_name), "state": dict(state)}:
                args, kwargs = state.get("_init_args", ()), state.get("_init_kwargs", {})
                if type(args) is tuple and type(kwargs) is dict:
                    return cls(class_name, args, kwargs, state)
        raise PickleRefusal("holds a persistent object of an unknown form")


@dataclass(frozen=True, slots=True, eq=False)
class TensorStorage:
    """The numbers under a tensor: `data` is 1-D."""

    data: Tensor


@dataclass(slots=True, eq=False)
class DtypeRecord:
    """A `numpy.dtype` of plain numbers; the pickle gives the byte order afterwards."""

    code: str
    order: str = "="

    @classmethod
    def from_code(cls, code: object, *_: object) -> DtypeRecord:
        """
        Raises:
            Refused: not a code of plain numbers, such as "f4".
        """
        if type(code) is not str or code not in _DTYPES:
            raise PickleRefusal(f"asks for the numpy type {printable_text(code)}")
        return cls(code)

    def build(self, state: object) -> None:
        """
        Raises:
            Refused: the state of anything but a number's type.
        """
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.order = order
            case _:
                raise PickleRefusal("describes a numpy type in an unknown way")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.order + self.code)


@dataclass(slots=True, eq=False)
class ArrayRecord:
    """A `numpy.ndarray` of plain numbers, empty until the pickle gives its state."""

    budget: ReadBudget
    array: NDArray[np.generic] = field(default_factory=lambda: np.empty(0))

    def build(self, state: object) -> None:
        """
        Raises:
            Refused: not plain numbers, or the shape does not fit the bytes.
        """
        match state:
            case (int(), tuple(shape), DtypeRecord() as record, bool(fortran), bytes() | memoryview() as data):
                check_shape(shape)
                if math.prod(shape) * record.dtype.itemsize != len(data):
                    raise PickleRefusal(f"holds an array of shape {list(shape)} with {len(data)} bytes")
                self.budget.take(len(data))  # a view; but whoever uses it may need a copy
                self.array = np.ndarray(shape, record.dtype, buffer=data, order="F" if fortran else "C")
            case _:
                raise PickleRefusal("describes a numpy array in an unknown way")


def check_shape(extents: tuple[object, ...]) -> None:
    """
    Raises:
        Refused: not a few whole numbers from 0 on.
    """
    if len(extents) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n <= MAX_DIMENSION_SIZE for n in extents):
        raise PickleRefusal("asks for an array or tensor of an impossible shape")


def numpy_scalar(dtype: object, data: object) -> object:
    """A plain Python number for `numpy.core.multiarray.scalar`.

    Raises:
        Refused: the bytes are not one number of that type.
    """
    if type(dtype) is not DtypeRecord or type(data) is not bytes or len(data) != dtype.dtype.itemsize:
        raise PickleRefusal("describes a numpy number in an unknown way")
    value: object = np.frombuffer(data, dtype.dtype).item()
    return value


def encode_latin1(text: object, codec: object) -> bytes:
    """What protocol 2 pickles use `_codecs.encode` for; no other codec is looked up.

    Raises:
        Refused: another codec.
    """
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        raise PickleRefusal(f"asks for the codec {printable_text(codec)}")
    return text.encode("latin-1")


def rebuild_tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> Tensor:
    """A view of a storage; every element of it lies inside.

    Raises:
        Refused: it would reach outside, or have more elements than the storage.
    """
    if type(storage) is not TensorStorage or type(size) is not tuple or type(stride) is not tuple:
        raise PickleRefusal("describes a tensor in an unknown way")
    check_shape((offset,))
    check_shape(size)
    check_shape(stride)
    assert type(offset) is int
    held = len(storage.data)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
    if len(size) != len(stride) or math.prod(size) > held or (0 not in size and last >= held):
        raise PickleRefusal(f"holds a tensor of shape {list(size)} that reaches outside its data")
    start = storage.data.storage_offset() + offset  # as_strided counts from the memory's start, not from a view's
    return storage.data.new_empty(size) if 0 in size else storage.data.as_strided(size, stride, start)


Buildable = OrderedDictStub | ObjectRecord | ArrayRecord | DtypeRecord
"""What a pickle may give a state to."""
