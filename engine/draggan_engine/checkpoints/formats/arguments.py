"""Judge the arguments that a network of a file was made with."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.unpickling.pickle_stubs import UnknownName, UnknownObject
from draggan_engine.core.errors import CheckpointError

log = logging.getLogger("draggan_engine")
SUPPORTED_NETWORKS = "this version opens StyleGAN2 and StyleGAN3 files"


def check_arguments(
    arguments: Mapping[str, object], fixed_arguments: Mapping[str, object], ignored_names: Collection[str], where: str
) -> None:
    """Refuse arguments that would make another network.

    An argument that is not listed is ignored if its value is None, False, 0 or empty: with such a value, code that was added
    to a network is idle. The log mentions it.

    Args:
        fixed_arguments: the arguments with the only value that our networks implement.
        ignored_names: the arguments that change no image, or whose effect is in the tensors.
        where: file and part, for messages.

    Raises:
        CheckpointError: an argument makes it another network, or may make it one.
    """
    for name, value in arguments.items():
        if name in fixed_arguments:
            if not _is_same(value, fixed_arguments[name]):
                raise CheckpointError(
                    f"{where}: its {name} is {describe_value(value)}; {SUPPORTED_NETWORKS} whose {name} is "
                    f"{describe_value(fixed_arguments[name])}"
                )
        elif name not in ignored_names:
            if not _is_idle(value):
                raise CheckpointError(
                    f"{where}: the argument {printable_text(name)}, whose value is {describe_value(value)}, may make it "
                    f"another network; {SUPPORTED_NETWORKS}"
                )
            log.info("%s: the argument %s is unknown and has no effect", where, printable_text(name))


def describe_value(value: object) -> str:
    """Return a value from a file in a form that is safe in a message."""
    match value:
        case UnknownObject() | UnknownName():
            return f"an object of {value}"
        case bool() | float() | None:
            return str(value)
        case int():
            return str(value) if abs(value) < 2**63 else "a huge number"
        case str():
            return printable_text(value)
    return f"a {type(value).__name__}"


def _is_same(value: object, fixed_value: object) -> bool:
    return type(value) is type(fixed_value) and value == fixed_value


def _is_idle(value: object) -> bool:
    return value is None or (isinstance(value, bool | int | float | str | list | tuple | dict) and not value)
