"""Unpickle without running anything that the pickle names.

A pickle is a program for a small stack machine. This machine knows only the instructions that plain data need. It looks a
name up in a given table and never imports it; it calls nothing but an `AllowedFunction` of that table; and it gives a state
only to the objects of `pickle_stubs` that accept one. It never allocates more memory than the file can justify, and no
instruction takes long.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from draggan_engine.checkpoints.checkpoint_file import printable_text

from .pickle_stubs import AllowedFunction, Buildable, OrderedDictStub, PickleRefusal, ReadBudget, check_key

_VIEW_BYTES = 1 << 12
_MAX_LINE_LENGTH = 1 << 10
_INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1",
    "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES",
    "BINBYTES8", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT",
    "EMPTY_SET", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID",
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
        """Return the bytes up to the end of the line; only the first ones if the line is longer than any name."""
        next_bytes = bytes(self._stream_data[self._position : self._position + _MAX_LINE_LENGTH])
        line = next_bytes[: next_bytes.find(b"\n") + 1] or next_bytes
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


def _reduce(unpickler: RestrictedUnpickler) -> None:
    arguments = unpickler.stack.pop()
    function = unpickler.stack[-1]
    if type(function) is not AllowedFunction or type(arguments) is not tuple:
        raise PickleRefusal(f"calls a {type(function).__name__}")
    unpickler.stack[-1] = function.call(*arguments)


def _new_object(unpickler: RestrictedUnpickler) -> None:
    arguments = unpickler.stack.pop()
    function = unpickler.stack.pop()
    if type(function) is not AllowedFunction or type(arguments) is not tuple or arguments:
        raise PickleRefusal(f"makes an object of a {type(function).__name__}")
    unpickler.stack.append(function.call())


def _build(unpickler: RestrictedUnpickler) -> None:
    state = unpickler.stack.pop()
    target = unpickler.stack[-1]
    if not isinstance(target, Buildable):
        raise PickleRefusal(f"gives a state to a {type(target).__name__}")
    target.build(state)


def _set_pairs(unpickler: RestrictedUnpickler, keys_and_values: list[Any]) -> None:
    target = unpickler.stack[-1]
    if type(target) not in (dict, OrderedDictStub):
        raise PickleRefusal(f"puts items into a {type(target).__name__}")
    for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=True):
        check_key(key)
        target[key] = value


def _set_item(unpickler: RestrictedUnpickler) -> None:
    value, key = unpickler.stack.pop(), unpickler.stack.pop()
    _set_pairs(unpickler, [key, value])


def _set_items(unpickler: RestrictedUnpickler) -> None:
    _set_pairs(unpickler, unpickler.pop_mark())


def _add_items(unpickler: RestrictedUnpickler) -> None:
    items = unpickler.pop_mark()
    target = unpickler.stack[-1]
    if type(target) is not set:
        raise PickleRefusal(f"adds items to a {type(target).__name__}")
    for item in items:
        check_key(item)
    target.update(items)


class RestrictedUnpickler(pickle._Unpickler):
    """The standard library's unpickler in pure Python, with only the instructions of `dispatch`. The standard library's
    unpickler in C would not do: it reserves memory for any memo index that a pickle mentions.

    Args:
        stream: read from its position to the end of the pickle, and no further.
        name_table: what replaces each (module, name).
        budget: limits the cost of reading.
        find_storage: returns what replaces a persistent id; None if the pickle may have none.
    """

    stack: list[Any]  # of the base class
    pop_mark: Callable[[], list[Any]]  # of the base class
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{opcode: _charge_budget(pickle._Unpickler.dispatch[opcode]) for opcode in _STANDARD_OPCODES},
        pickle.REDUCE[0]: _charge_budget(_reduce),
        pickle.NEWOBJ[0]: _charge_budget(_new_object),
        pickle.BUILD[0]: _charge_budget(_build),
        pickle.SETITEM[0]: _charge_budget(_set_item),
        pickle.SETITEMS[0]: _charge_budget(_set_items),
        pickle.ADDITEMS[0]: _charge_budget(_add_items),
    }

    def __init__(
        self,
        stream: ByteStream,
        name_table: Mapping[tuple[str, str], object],
        budget: ReadBudget,
        find_storage: Callable[[object], object] | None = None,
    ) -> None:
        super().__init__(stream)  # type: ignore[arg-type]  # the base class works with views instead of bytes as well
        self._name_table = name_table
        self._find_storage = find_storage
        self.budget = budget

    def find_class(self, module: str, name: str) -> object:
        """Return what replaces a name; nothing is imported."""
        if (module, name) not in self._name_table:
            raise PickleRefusal(f"asks for {printable_text(module)}.{printable_text(name)}")
        return self._name_table[module, name]

    def persistent_load(self, persistent_id: object) -> object:
        """Return what replaces a persistent id."""
        if self._find_storage is None:
            raise PickleRefusal("refers to data outside it")
        return self._find_storage(persistent_id)
