"""Reads the plain pickles of NVIDIA's PyTorch StyleGANs without running anything that they carry.

Such a file holds its networks' source code, which the original loader executes, and names functions, which any
unpickler would call. Here every name has an inert stand-in, and a name that has none ends the reading.
"""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor

from ..protocol.errors import CheckpointError
from .pickle_machine import BoundedFile, RestrictedUnpickler
from .reading import opened
from .stand_ins import (
    ArrayRecord,
    Budget,
    DtypeRecord,
    Function,
    PersistentObject,
    Refused,
    Storage,
    check_plain,
    latin1_bytes,
    numpy_scalar,
    rebuild_tensor,
)
from .torch_storage import STORAGE_TYPES, load_storage

_COPIES = 4  # a storage, the tensor on it, and as much again for what shares a storage


def _names(budget: Budget) -> dict[tuple[str, str], object]:
    """What stands in for each name that these files use."""

    def storage(data: object) -> Storage:
        return load_storage(data, budget)

    def tensor(*parts: object) -> Tensor:
        view = rebuild_tensor(*parts)
        budget.take(view.numel() * view.itemsize)
        return view

    def parameter(data: object, *_: object) -> Tensor:
        if not isinstance(data, Tensor):
            raise Refused("has a parameter that is no tensor")
        return data

    def encoded(text: object, codec: object) -> bytes:
        data = latin1_bytes(text, codec)
        budget.take(len(data))
        return data

    def new_dict() -> dict[object, object]:
        return {}

    def new_set(items: object) -> set[object]:
        if type(items) is not list:
            raise Refused("has a set of an unknown form")
        budget.take(len(items))
        for item in items:
            check_plain(item)
        return set(items)

    names: dict[tuple[str, str], object] = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Function(PersistentObject.from_meta),
        ("dnnlib.util", "EasyDict"): Function(new_dict),
        ("collections", "OrderedDict"): Function(new_dict),
        ("builtins", "set"): Function(new_set),
        ("__builtin__", "set"): Function(new_set),
        ("_codecs", "encode"): Function(encoded),
        ("torch.storage", "_load_from_bytes"): Function(storage),
        ("torch._utils", "_rebuild_tensor_v2"): Function(tensor),
        ("torch._utils", "_rebuild_parameter"): Function(parameter),
        ("numpy", "ndarray"): None,  # only ever an argument
        ("numpy", "dtype"): Function(DtypeRecord.from_code),
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[module, "_reconstruct"] = Function(ArrayRecord.empty)
        names[module, "scalar"] = Function(numpy_scalar)
    return names | STORAGE_TYPES


def read_pickle(path: Path) -> object:
    """The file's root object: dictionaries, lists, numbers, tensors and `PersistentObject`s.

    Raises:
        CheckpointError: it names something that no StyleGAN file needs, asks for more than it holds, is damaged
            or cut short, or cannot be read.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            return RestrictedUnpickler(BoundedFile(file, size), _names(Budget(_COPIES * size))).load()
    except Refused as refusal:
        raise CheckpointError(
            f"{path}: it {refusal}, which NVIDIA's PyTorch StyleGAN files do not; nothing in it was run: "
            "get the file from where the model was published"
        ) from refusal
    except CheckpointError:
        raise
    except Exception as error:  # a hostile or broken program for the machine can fail in any way
        raise CheckpointError(
            f"{path}: it is not a whole pickle ({type(error).__name__}); it is damaged or cut short: get it again"
        ) from error
