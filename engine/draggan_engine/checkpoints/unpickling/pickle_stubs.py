"""What the unpickler puts in place of the objects and functions that a model file names: plain records and checked data.

Nothing here looks up a name from the file, and no state that a file gives to a record changes what the record does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text

# A model file has some tens of thousands of instructions. An instruction can be a single byte and makes an object, so a file
# full of them would need 200 times its size in memory.
MAX_INSTRUCTIONS = 250_000
MAX_KEY_LENGTH = 1000
MAX_DIMENSIONS = 8
MAX_DIMENSION_SIZE = 2**40
_DTYPE_CODES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
_OBJECT_CODE = "O8"


class PickleRefusal(Exception):
    """The file asks for something that no model file needs. The message continues a sentence that begins with "it"."""


def check_key(key: object) -> None:
    """Check the key of a dictionary or the item of a set: a short string or bytes, a whole number or None.

    Other keys can be expensive: hashing a deep tuple overflows the C stack, and comparing many long equal strings, or many
    numbers that were chosen to have the same hash, takes minutes.

    Raises:
        PickleRefusal: the key is something else.
    """
    match key:
        case str() | bytes() if len(key) <= MAX_KEY_LENGTH:
            return
        case int() if 0 <= key < 2**60:  # numbers below 2**61 − 1 are their own hashes
            return
        case None:
            return
        case str() | bytes() | int():
            raise PickleRefusal("uses an impossible key")
    raise PickleRefusal(f"uses a {type(key).__name__} as a key")


class ReadBudget:
    """What reading a file may still cost: bytes of data that are allocated or read again, and instructions.

    Args:
        data_bytes: the number of bytes.
    """

    def __init__(self, data_bytes: int) -> None:
        self._bytes_left = data_bytes
        self._instructions_left = MAX_INSTRUCTIONS

    def take_instruction(self) -> None:
        """
        Raises:
            PickleRefusal: no instruction is left.
        """
        self._instructions_left -= 1
        if self._instructions_left < 0:
            raise PickleRefusal("has more instructions than any model")

    def take_bytes(self, count: int) -> None:
        """
        Raises:
            PickleRefusal: fewer bytes are left.
        """
        if count > self._bytes_left:
            raise PickleRefusal("asks for more data than it holds")
        self._bytes_left -= count


class OrderedDictStub(dict[object, object]):
    """Replaces `collections.OrderedDict`. Its state, where torch stores versions of modules, is ignored."""

    def build(self, state: object) -> None:
        """
        Raises:
            PickleRefusal: the state is not that of a dictionary.
        """
        if not isinstance(state, dict):
            raise PickleRefusal("gives a dictionary an unknown state")


@dataclass(slots=True, eq=False)
class ObjectRecord:
    """The attributes of an object whose class only holds values: `argparse.Namespace`, or TensorFlow's `Network`."""

    class_name: str
    state: dict[object, object] = field(default_factory=dict)

    def build(self, state: object) -> None:
        """
        Raises:
            PickleRefusal: the state is not a dictionary.
        """
        if not isinstance(state, dict):
            raise PickleRefusal(f"gives a {self.class_name} an unknown state")
        self.state = state


@dataclass(frozen=True, slots=True, eq=False)
class UnknownName:
    """A class or function that a pickle names and that this version does not know. It is never imported. Calling it makes an
    `UnknownObject`."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{printable_text(self.module)}.{printable_text(self.name)}"


@dataclass(slots=True, eq=False)
class UnknownObject:
    """What a pickle makes with an `UnknownName`: a record that does nothing, and from which no image can be made.

    Attributes:
        origin: the class of the object, or the function that would have returned it.
        state: what the pickle gives the object as its state. Arguments and items are dropped.
    """

    origin: UnknownName
    state: object = None

    def build(self, state: object) -> None:
        self.state = state

    def __str__(self) -> str:
        return str(self.origin)


@dataclass(frozen=True, slots=True, eq=False)
class AllowedFunction:
    """A function that a pickle may call; it may call nothing else."""

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
        """Return the object for the dictionary that the hook writes. Its `module_src`, the source code, is ignored.

        Raises:
            PickleRefusal: the dictionary has another form.
        """
        match meta:
            case {"type": "class", "class_name": str(class_name), "state": dict(state)}:
                init_args, init_kwargs = state.get("_init_args", ()), state.get("_init_kwargs", {})
                if type(init_args) is tuple and type(init_kwargs) is dict:
                    return cls(class_name, init_args, init_kwargs, state)
        raise PickleRefusal("holds a persistent object of an unknown form")


@dataclass(frozen=True, slots=True, eq=False)
class TensorStorage:
    """The numbers under a tensor: `data` has one dimension."""

    data: Tensor


@dataclass(slots=True, eq=False)
class DtypeRecord:
    """A `numpy.dtype` of plain numbers, or of objects. The pickle states its byte order afterwards."""

    code: str
    byte_order: str = "="

    @classmethod
    def from_code(cls, code: object, *_: object) -> DtypeRecord | UnknownObject:
        """Return the type for a code of plain numbers, such as "f4", or of objects; an unknown object for any other code.

        Raises:
            PickleRefusal: the code is no text.
        """
        if type(code) is not str:
            raise PickleRefusal(f"asks for the numpy type {printable_text(code)}")
        return cls(code) if code in _DTYPE_CODES | {_OBJECT_CODE} else UnknownObject(UnknownName("numpy.dtype", code))

    def build(self, state: object) -> None:
        """
        Raises:
            PickleRefusal: the state is not that of a type of plain numbers.
        """
        match state:
            case (int(), "<" | ">" | "|" | "=" as byte_order, None, None, None, *_):
                self.byte_order = byte_order
            case _:
                raise PickleRefusal("describes a numpy type in an unknown way")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """
        Raises:
            PickleRefusal: the type is that of objects.
        """
        if self.code == _OBJECT_CODE:
            raise PickleRefusal("gives an array of objects as bytes")
        return np.dtype(self.byte_order + self.code)


@dataclass(slots=True, eq=False)
class ArrayRecord:
    """A `numpy.ndarray`. It is empty until the pickle gives its state.

    Attributes:
        array: its plain numbers; empty, with the type `object`, if it holds anything else.
        objects: the objects of an array of objects, in a flat list.
    """

    budget: ReadBudget
    array: NDArray[np.generic] = field(default_factory=lambda: np.empty(0))
    objects: list[object] = field(default_factory=list)

    @classmethod
    def from_buffer(cls, budget: ReadBudget, data: object, dtype: object, shape: object, order: object) -> ArrayRecord:
        """Return what numpy's `_frombuffer(data, dtype, shape, order)` would return, which pickles of protocol 5 call.

        Raises:
            PickleRefusal: see `build`.
        """
        record = cls(budget)
        record.build((1, shape, dtype, order == "F", data))
        return record

    def build(self, state: object) -> None:
        """
        Raises:
            PickleRefusal: the array's shape does not fit its content.
        """
        match state:
            case (int(), tuple(shape), DtypeRecord(code="O8"), bool(), list(objects)):
                check_shape(shape)
                if math.prod(shape) != len(objects):
                    raise PickleRefusal(f"holds an array of shape {list(shape)} with {len(objects)} objects")
                self.objects = objects
            case (int(), tuple(shape), DtypeRecord() as record, bool(fortran_order), bytes() | memoryview() as data):
                check_shape(shape)
                if math.prod(shape) * record.dtype.itemsize != len(data):
                    raise PickleRefusal(f"holds an array of shape {list(shape)} with {len(data)} bytes")
                self.budget.take_bytes(len(data))  # the array is a view, but its user may need a copy
                self.array = np.ndarray(shape, record.dtype, buffer=data, order="F" if fortran_order else "C")
            case (int(), tuple(), UnknownObject(), *_):
                self.array = np.empty(0, np.object_)
            case _:
                raise PickleRefusal("describes a numpy array in an unknown way")


def check_shape(sizes: tuple[object, ...]) -> None:
    """
    Raises:
        PickleRefusal: not a few whole numbers from 0 to `MAX_DIMENSION_SIZE`.
    """
    if len(sizes) > MAX_DIMENSIONS or not all(type(size) is int and 0 <= size <= MAX_DIMENSION_SIZE for size in sizes):
        raise PickleRefusal("asks for an array or tensor of an impossible shape")


def numpy_scalar(dtype: object, data: object) -> object:
    """Return a plain Python number in place of `numpy.core.multiarray.scalar(dtype, data)`.

    Raises:
        PickleRefusal: the bytes are not one number of that type.
    """
    if type(dtype) is not DtypeRecord or type(data) is not bytes or len(data) != dtype.dtype.itemsize:
        raise PickleRefusal("describes a numpy number in an unknown way")
    number: object = np.frombuffer(data, dtype.dtype).item()
    return number


def encode_latin1(text: object, codec: object) -> bytes:
    """Return the bytes that `_codecs.encode(text, codec)` stands for in pickles of protocol 2. No other codec is looked up.

    Raises:
        PickleRefusal: another codec.
    """
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        raise PickleRefusal(f"asks for the codec {printable_text(codec)}")
    return text.encode("latin-1")


def rebuild_tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> Tensor:
    """Return a view of a storage, all of whose elements lie inside it.

    Raises:
        PickleRefusal: the view would reach outside the storage, or have more elements than it.
    """
    if type(storage) is not TensorStorage or type(shape) is not tuple or type(strides) is not tuple:
        raise PickleRefusal("describes a tensor in an unknown way")
    check_shape((offset,))
    check_shape(shape)
    check_shape(strides)
    assert type(offset) is int
    element_count = len(storage.data)
    last_index = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=False))
    is_outside = 0 not in shape and last_index >= element_count
    if len(shape) != len(strides) or math.prod(shape) > element_count or is_outside:
        raise PickleRefusal(f"holds a tensor of shape {list(shape)} that reaches outside its data")
    if 0 in shape:
        return storage.data.new_empty(shape)
    start = storage.data.storage_offset() + offset  # as_strided counts from the start of the memory, not of the view
    return storage.data.as_strided(shape, strides, start)


Buildable = OrderedDictStub | ObjectRecord | ArrayRecord | DtypeRecord | UnknownObject
"""The objects to which a pickle may give a state."""
