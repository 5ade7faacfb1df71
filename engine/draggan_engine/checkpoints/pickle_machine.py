"""Unpickles without running anything that the pickle names.

A pickle is a program for a small stack machine. Here the machine knows only the instructions that plain data
needs; a name is looked up in a given table, never imported; a call can only reach a `Function` of that table;
a state can only be given to the two stand-ins that take one. Reading never asks for more than the file holds.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

from .stand_ins import ArrayRecord, DtypeRecord, Function, Refused, check_plain, printable

_INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1",
    "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES",
    "BINBYTES8", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT",
    "EMPTY_SET", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL",
)  # fmt: skip


# A model file has some thousands; a byte each, they would take 200 times the file's size in memory.
MAX_CONTAINERS = 1_000_000
_CONTAINERS = ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "MARK")


class BoundedFile:
    """A file of a known size; `read` never makes room for more than what is left of it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size

    def read(self, count: int = -1, /) -> bytes:
        left = max(self._size - self._file.tell(), 0)
        return self._file.read(left if count < 0 else min(count, left))

    def readline(self) -> bytes:
        return self._file.readline()


def _counted(code: int) -> Callable[[Any], None]:
    """The standard instruction that makes a container, as long as there are not too many."""

    def load(machine: Any) -> None:
        machine.containers += 1
        if machine.containers > MAX_CONTAINERS:
            raise Refused("holds millions of empty containers")
        pickle._Unpickler.dispatch[code](machine)

    return load


def _reduce(machine: RestrictedUnpickler) -> None:
    args = machine.stack.pop()
    function = machine.stack[-1]
    if type(function) is not Function or type(args) is not tuple:
        raise Refused(f"calls a {type(function).__name__}")
    machine.stack[-1] = function.call(*args)


def _new_object(machine: RestrictedUnpickler) -> None:
    args = machine.stack.pop()
    function = machine.stack.pop()
    if type(function) is not Function or type(args) is not tuple or args:
        raise Refused(f"makes an object of a {type(function).__name__}")
    machine.stack.append(function.call())


def _build(machine: RestrictedUnpickler) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if not isinstance(target, ArrayRecord | DtypeRecord):
        raise Refused(f"gives a state to a {type(target).__name__}")
    target.build(state)


def _set_pairs(machine: RestrictedUnpickler, pairs: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not dict:
        raise Refused(f"puts items into a {type(target).__name__}")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        check_plain(key)
        target[key] = value


def _set_item(machine: RestrictedUnpickler) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set_pairs(machine, [key, value])


def _set_items(machine: RestrictedUnpickler) -> None:
    _set_pairs(machine, machine.pop_mark())


def _add_items(machine: RestrictedUnpickler) -> None:
    items = machine.pop_mark()
    target = machine.stack[-1]
    if type(target) is not set:
        raise Refused(f"adds items to a {type(target).__name__}")
    for item in items:
        check_plain(item)
    target.update(items)


class RestrictedUnpickler(pickle._Unpickler):
    """The standard library's machine in pure Python (the C one reserves memory for any index that it is told)
    with the instructions of `dispatch` only.

    Args:
        file: read from where it stands to the pickle's end, no further.
        names: what stands in for each (module, name).
    """

    stack: list[Any]  # of the base class
    pop_mark: Callable[[], list[Any]]  # of the base class
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: pickle._Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in _INSTRUCTIONS)},
        **{code: _counted(code) for code in (getattr(pickle, name)[0] for name in _CONTAINERS)},
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _new_object,
        pickle.BUILD[0]: _build,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
        pickle.ADDITEMS[0]: _add_items,
    }

    def __init__(self, file: IO[bytes] | BoundedFile, names: Mapping[tuple[str, str], object]) -> None:
        super().__init__(file)
        self._names = names
        self.containers = 0

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._names:
            raise Refused(f"asks for {printable(module)}.{printable(name)}")
        return self._names[module, name]
