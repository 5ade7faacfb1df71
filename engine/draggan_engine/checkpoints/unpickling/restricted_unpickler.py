"""Unpickle without running anything that the pickle names.

A pickle is a program for a small stack machine. This machine has its own version of every instruction that could do more
than make plain data. It looks a name up in a given table and never imports it; a name that is not in the table becomes a
record that does nothing. It calls nothing but an `AllowedFunction` of that table, and it gives a state only to the objects of
`pickle_stubs` that accept one. It never allocates more memory than the file can justify, and no instruction takes long.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .pickle_stubs import (
    AllowedFunction,
    Buildable,
    OrderedDictStub,
    PickleRefusal,
    ReadBudget,
    UnknownName,
    UnknownObject,
    check_key,
)

_VIEW_BYTES = 1 << 12
_LINE_BYTES = 1 << 10  # longer than any name
_MAX_ARGUMENTS = 16
_MAX_MEMO_DIGITS = 10
_INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1",
    "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES",
    "BINBYTES8", "EMPTY_LIST", "LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT",
    "EMPTY_SET", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID",
    "INT", "LONG", "FLOAT", "STRING", "SHORT_BINSTRING", "UNICODE", "PERSID",
)  # fmt: skip
_STANDARD_OPCODES: tuple[int, ...] = tuple(getattr(pickle, name)[0] for name in _INSTRUCTIONS)


class ByteStream:
    """A stream over memory for the unpickler. It returns long pieces as views, without a copy, and never makes room for
    bytes that do not exist."""

    def __init__(self, data: memoryview) -> None:
        self._stream_data, self._position = data, 0

    def read(self, count: int = -1, /) -> bytes | memoryview:
        """Return the next `count` bytes, or as many as are left; a view of the memory if they are many."""
        end = len(self._stream_data) if count < 0 else min(self._position + count, len(self._stream_data))
        next_piece = self._stream_data[self._position : end]
        self._position = end
        return next_piece if len(next_piece) >= _VIEW_BYTES else bytes(next_piece)

    def readline(self) -> bytes:
        """Return the bytes up to the end of the line, or to the end of the data if no line ends before that."""
        length, line_end = _LINE_BYTES, 0
        while not line_end:
            next_bytes = bytes(self._stream_data[self._position : self._position + length])
            line_end = next_bytes.find(b"\n") + 1
            if len(next_bytes) < length:
                break
            length *= 4
        line = next_bytes[: line_end or len(next_bytes)]
        self._position += len(line)
        return line

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        self._position = position


def _charge_budget(instruction: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return the instruction, charged to the budget of the file."""

    def load(unpickler: RestrictedUnpickler) -> None:
        unpickler.budget.take_instruction()
        instruction(unpickler)

    return load


def _call(function: object, arguments: object) -> object:
    """Return what a function or class of the pickle makes of the arguments: only an `AllowedFunction` is ever called."""
    if type(function) is UnknownName:
        return UnknownObject(function)
    if type(function) is UnknownObject:
        return UnknownObject(function.origin)
    if type(function) is not AllowedFunction or type(arguments) is not tuple or len(arguments) > _MAX_ARGUMENTS:
        raise PickleRefusal(f"calls a {type(function).__name__}")
    for argument in arguments:
        if type(argument) is UnknownObject:  # what is made of it is unknown as well
            return UnknownObject(argument.origin)
    try:
        return function.call(*arguments)
    except TypeError as error:
        raise PickleRefusal("calls a function with arguments of an unknown form") from error


def _reduce(unpickler: RestrictedUnpickler) -> None:
    arguments = unpickler.stack.pop()
    unpickler.stack[-1] = _call(unpickler.stack[-1], arguments)


def _make_object(unpickler: RestrictedUnpickler, class_: object, arguments: object) -> None:
    if type(class_) is AllowedFunction and arguments:
        raise PickleRefusal("makes an object with arguments")
    unpickler.stack.append(_call(class_, ()))


def _new_object(unpickler: RestrictedUnpickler) -> None:
    arguments = unpickler.stack.pop()
    _make_object(unpickler, unpickler.stack.pop(), arguments)


def _new_object_with_keywords(unpickler: RestrictedUnpickler) -> None:
    keywords, arguments = unpickler.stack.pop(), unpickler.stack.pop()
    _make_object(unpickler, unpickler.stack.pop(), arguments or keywords)


def _instance(unpickler: RestrictedUnpickler) -> None:
    module, name = (unpickler.readline()[:-1].decode("utf-8") for _ in range(2))
    _make_object(unpickler, unpickler.find_class(module, name), unpickler.pop_mark())


def _object(unpickler: RestrictedUnpickler) -> None:
    class_, *arguments = unpickler.pop_mark()
    _make_object(unpickler, class_, arguments)


def _build(unpickler: RestrictedUnpickler) -> None:
    state = unpickler.stack.pop()
    target = unpickler.stack[-1]
    if not isinstance(target, Buildable):
        raise PickleRefusal(f"gives a state to a {type(target).__name__}")
    target.build(state)


def _set_pairs(unpickler: RestrictedUnpickler, keys_and_values: list[Any]) -> None:
    target = unpickler.stack[-1]
    if type(target) is UnknownObject:
        return
    if type(target) not in (dict, OrderedDictStub):
        raise PickleRefusal(f"puts items into a {type(target).__name__}")
    for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=True):
        if not isinstance(key, UnknownName | UnknownObject):
            check_key(key)
            target[key] = value


def _set_item(unpickler: RestrictedUnpickler) -> None:
    value, key = unpickler.stack.pop(), unpickler.stack.pop()
    _set_pairs(unpickler, [key, value])


def _set_items(unpickler: RestrictedUnpickler) -> None:
    _set_pairs(unpickler, unpickler.pop_mark())


def _dictionary(unpickler: RestrictedUnpickler) -> None:
    keys_and_values = unpickler.pop_mark()
    unpickler.stack.append({})
    _set_pairs(unpickler, keys_and_values)


def _extend(unpickler: RestrictedUnpickler, items: list[Any]) -> None:
    target = unpickler.stack[-1]
    if type(target) is list:
        target.extend(items)
    elif type(target) is not UnknownObject:
        raise PickleRefusal(f"appends items to a {type(target).__name__}")


def _append(unpickler: RestrictedUnpickler) -> None:
    item = unpickler.stack.pop()
    _extend(unpickler, [item])


def _appends(unpickler: RestrictedUnpickler) -> None:
    _extend(unpickler, unpickler.pop_mark())


def _hashable_items(items: list[Any]) -> list[Any]:
    """Return the items that a set can hold, without unknown ones.

    Raises:
        PickleRefusal: hashing an item could be expensive.
    """
    hashable_items = [item for item in items if not isinstance(item, UnknownName | UnknownObject)]
    for item in hashable_items:
        check_key(item)
    return hashable_items


def _add_items(unpickler: RestrictedUnpickler) -> None:
    items = unpickler.pop_mark()
    target = unpickler.stack[-1]
    if type(target) is set:
        target.update(_hashable_items(items))
    elif type(target) is not UnknownObject:
        raise PickleRefusal(f"adds items to a {type(target).__name__}")


def _frozen_set(unpickler: RestrictedUnpickler) -> None:
    items = _hashable_items(unpickler.pop_mark())
    unpickler.stack.append(frozenset(items))


def _byte_array(unpickler: RestrictedUnpickler) -> None:
    """The standard library's instruction makes room for as many bytes as the pickle states before it reads them."""
    (length,) = struct.unpack("<Q", unpickler.read(8))
    data = unpickler.read(length)
    if len(data) < length:
        raise EOFError("the pickle ends inside a bytearray")
    unpickler.stack.append(data)


def _binary_string(unpickler: RestrictedUnpickler) -> None:
    """A text of Python 2, in which every byte is a character."""
    (length,) = struct.unpack("<I", unpickler.read(4))
    unpickler.stack.append(str(unpickler.read(length), "latin-1"))


def _memo_index(unpickler: RestrictedUnpickler) -> int:
    line = unpickler.readline()[:-1]
    if not line.isdigit() or len(line) > _MAX_MEMO_DIGITS:
        raise PickleRefusal("uses an impossible key")
    return int(line)


def _put(unpickler: RestrictedUnpickler) -> None:
    unpickler.memo[_memo_index(unpickler)] = unpickler.stack[-1]


def _get(unpickler: RestrictedUnpickler) -> None:
    unpickler.stack.append(unpickler.memo[_memo_index(unpickler)])


def _keep_buffer(_unpickler: RestrictedUnpickler) -> None:
    """The data of a pickle are never written to, so that a read-only buffer is like any other."""


def _refuse_outside_data(_unpickler: RestrictedUnpickler) -> None:
    raise PickleRefusal("refers to data outside it")


def _refuse_extension(_unpickler: RestrictedUnpickler) -> None:
    raise PickleRefusal("refers to a class by a number that only the program that wrote it knows")


_OWN_INSTRUCTIONS: dict[bytes, Callable[[Any], None]] = {
    pickle.REDUCE: _reduce,
    pickle.NEWOBJ: _new_object,
    pickle.NEWOBJ_EX: _new_object_with_keywords,
    pickle.INST: _instance,
    pickle.OBJ: _object,
    pickle.BUILD: _build,
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: _set_items,
    pickle.DICT: _dictionary,
    pickle.APPEND: _append,
    pickle.APPENDS: _appends,
    pickle.ADDITEMS: _add_items,
    pickle.FROZENSET: _frozen_set,
    pickle.BYTEARRAY8: _byte_array,
    pickle.BINSTRING: _binary_string,
    pickle.PUT: _put,
    pickle.GET: _get,
    pickle.READONLY_BUFFER: _keep_buffer,
    pickle.NEXT_BUFFER: _refuse_outside_data,
    pickle.EXT1: _refuse_extension,
    pickle.EXT2: _refuse_extension,
    pickle.EXT4: _refuse_extension,
}


class RestrictedUnpickler(pickle._Unpickler):
    """The standard library's unpickler in pure Python, with only the instructions of `dispatch`. The standard library's
    unpickler in C would not do: it reserves memory for any memo index that a pickle mentions.

    Args:
        stream: read from its position to the end of the pickle, and no further.
        name_table: what replaces each (module, name).
        budget: limits the cost of reading.
        find_storage: returns what replaces a persistent id; None if the pickle may have none.
    """

    # Attributes and methods of the base class:
    stack: list[Any]
    memo: dict[int, Any]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes | memoryview]
    readline: Callable[[], bytes]

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{opcode: _charge_budget(pickle._Unpickler.dispatch[opcode]) for opcode in _STANDARD_OPCODES},
        **{opcode[0]: _charge_budget(instruction) for opcode, instruction in _OWN_INSTRUCTIONS.items()},
    }

    def __init__(
        self,
        stream: ByteStream,
        name_table: Mapping[tuple[str, str], object],
        budget: ReadBudget,
        find_storage: Callable[[object], object] | None = None,
    ) -> None:
        super().__init__(stream, encoding="latin1")  # type: ignore[arg-type]  # the base class works with views instead of bytes as well
        self._name_table = name_table
        self._find_storage = find_storage
        self.budget = budget

    def find_class(self, module: str, name: str) -> object:
        """Return what replaces a name: its entry in the table, or an `UnknownName`. Nothing is imported."""
        return self._name_table[module, name] if (module, name) in self._name_table else UnknownName(module, name)

    def persistent_load(self, persistent_id: object) -> object:
        """Return what replaces a persistent id."""
        if self._find_storage is None:
            raise PickleRefusal("refers to data outside it")
        match persistent_id:
            case ("module", UnknownName() | AllowedFunction() as class_, *_):  # of a torch module, with its source code
                return class_
        return self._find_storage(persistent_id)
