"""Unpickles without running anything that the pickle names.

A pickle is a program for a small stack machine. Here the machine knows only the instructions that plain data
needs; a name is looked up in a given table, never imported; a call can only reach a `Function` of that table;
a state can only be given to the stand-ins that take one. Reading never asks for more than the file holds, and no
instruction takes long.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from draggan_engine.checkpoints.checkpoint_file import ByteStream, printable_text

from .pickle_stubs import AllowedFunction, Buildable, OrderedDictStub, PickleRefusal, ReadBudget, check_key

_INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1",
    "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES",
    "BINBYTES8", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT",
    "EMPTY_SET", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID",
)  # fmt: skip
_STANDARD: tuple[int, ...] = tuple(getattr(pickle, name)[0] for name in _INSTRUCTIONS)


def _counted(instruction: Callable[[Any], None]) -> Callable[[Any], None]:
    """The instruction, as long as the file has not had too many."""

    def load(machine: RestrictedUnpickler) -> None:
        machine.budget.step()
        instruction(machine)

    return load


def _reduce(machine: RestrictedUnpickler) -> None:
    args = machine.stack.pop()
    function = machine.stack[-1]
    if type(function) is not AllowedFunction or type(args) is not tuple:
        raise PickleRefusal(f"calls a {type(function).__name__}")
    machine.stack[-1] = function.call(*args)


def _new_object(machine: RestrictedUnpickler) -> None:
    args = machine.stack.pop()
    function = machine.stack.pop()
    if type(function) is not AllowedFunction or type(args) is not tuple or args:
        raise PickleRefusal(f"makes an object of a {type(function).__name__}")
    machine.stack.append(function.call())


def _build(machine: RestrictedUnpickler) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if not isinstance(target, Buildable):
        raise PickleRefusal(f"gives a state to a {type(target).__name__}")
    target.build(state)


def _set_pairs(machine: RestrictedUnpickler, pairs: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) not in (dict, OrderedDictStub):
        raise PickleRefusal(f"puts items into a {type(target).__name__}")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        check_key(key)
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
        raise PickleRefusal(f"adds items to a {type(target).__name__}")
    for item in items:
        check_key(item)
    target.update(items)


class RestrictedUnpickler(pickle._Unpickler):
    """The standard library's machine in pure Python (the C one reserves memory for any index that it is told)
    with the instructions of `dispatch` only.

    Args:
        stream: read from where it stands to the pickle's end, no further.
        names: what stands in for each (module, name).
        budget: what the reading may cost.
        persistent: what stands in for a persistent id; None where there are none.
    """

    stack: list[Any]  # of the base class
    pop_mark: Callable[[], list[Any]]  # of the base class
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: _counted(pickle._Unpickler.dispatch[code]) for code in _STANDARD},
        pickle.REDUCE[0]: _counted(_reduce),
        pickle.NEWOBJ[0]: _counted(_new_object),
        pickle.BUILD[0]: _counted(_build),
        pickle.SETITEM[0]: _counted(_set_item),
        pickle.SETITEMS[0]: _counted(_set_items),
        pickle.ADDITEMS[0]: _counted(_add_items),
    }

    def __init__(
        self,
        stream: ByteStream,
        names: Mapping[tuple[str, str], object],
        budget: ReadBudget,
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        super().__init__(stream)  # type: ignore[arg-type]  # a view where the standard library has bytes: cheaper, and as good
        self._names = names
        self._persistent = persistent
        self.budget = budget

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._names:
            raise PickleRefusal(f"asks for {printable_text(module)}.{printable_text(name)}")
        return self._names[module, name]

    def persistent_load(self, pid: object) -> object:
        if self._persistent is None:
            raise PickleRefusal("refers to data outside it")
        return self._persistent(pid)
