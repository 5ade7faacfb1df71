"""Reads the pickles and `torch.save` files of others without running anything that they carry.

Such a file may hold its networks' source code, which the original loader executes, and names functions, which any
unpickler would call. Here every name has an inert stand-in, and a name that has none ends the reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import ByteStream, mapped
from draggan_engine.core.errors import CheckpointError

from .pickle_stubs import (
    AllowedFunction,
    ArrayRecord,
    DtypeRecord,
    ObjectRecord,
    OrderedDictStub,
    PersistentObject,
    PickleRefusal,
    ReadBudget,
    TensorStorage,
    check_key,
    encode_latin1,
    numpy_scalar,
    rebuild_tensor,
)
from .restricted_unpickler import RestrictedUnpickler
from .torch_storage import LEGACY_MAGIC, STORAGE_DTYPES, load_storage, read_legacy_file, read_zip_file

ZIP = b"PK\x03\x04"
PICKLE = frozenset(bytes([0x80, protocol]) for protocol in range(2, 6))
_LEGACY = b"\x80\x02\x8a\n" + LEGACY_MAGIC.to_bytes(10, "little") + b"."
_SET_ITEM = 40  # bytes of memory
_COPIES = 4  # a tensor in the file's memory, in the network's, and as much again for what shares a storage


def _names(budget: ReadBudget) -> Mapping[tuple[str, str], object]:
    """What stands in for each name that these files use."""

    def tensor(*parts: object) -> Tensor:
        view = rebuild_tensor(*parts)
        budget.take(view.numel() * view.itemsize)
        return view

    def storage(data: object) -> TensorStorage:
        return load_storage(data, budget)

    def array(*_: object) -> ArrayRecord:
        return ArrayRecord(budget)

    def parameter(data: object, *_: object) -> Tensor:
        if not isinstance(data, Tensor):
            raise PickleRefusal("has a parameter that is no tensor")
        return data

    def encoded(text: object, codec: object) -> bytes:
        data = encode_latin1(text, codec)
        budget.take(len(data))
        return data

    def new_set(items: object) -> set[object]:
        if type(items) is not list:
            raise PickleRefusal("has a set of an unknown form")
        budget.take(_SET_ITEM * len(items))
        for item in items:
            check_key(item)
        return set(items)

    names: dict[tuple[str, str], object] = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): AllowedFunction(PersistentObject.from_meta),
        ("dnnlib.tflib.network", "Network"): AllowedFunction(lambda: ObjectRecord("Network")),
        ("argparse", "Namespace"): AllowedFunction(lambda: ObjectRecord("Namespace")),
        ("dnnlib.util", "EasyDict"): AllowedFunction(
            lambda: OrderedDictStub()
        ),  # filled by instructions, never by its arguments
        ("collections", "OrderedDict"): AllowedFunction(lambda: OrderedDictStub()),
        ("builtins", "set"): AllowedFunction(new_set),
        ("__builtin__", "set"): AllowedFunction(new_set),
        ("_codecs", "encode"): AllowedFunction(encoded),
        ("torch.storage", "_load_from_bytes"): AllowedFunction(storage),
        ("torch._utils", "_rebuild_tensor_v2"): AllowedFunction(tensor),
        ("torch._utils", "_rebuild_parameter"): AllowedFunction(parameter),
        ("numpy", "ndarray"): None,  # only ever an argument
        ("numpy", "dtype"): AllowedFunction(DtypeRecord.from_code),
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[module, "_reconstruct"] = AllowedFunction(array)
        names[module, "scalar"] = AllowedFunction(numpy_scalar)
    return names | STORAGE_DTYPES


def read_root_object(path: Path) -> object:
    """The file's root object: dictionaries, lists, numbers, tensors (views of the file) and the records of
    `stand_ins`. The container is told by what the file begins with.

    Raises:
        CheckpointError: it names something that no StyleGAN file needs, asks for more than it holds, is damaged
            or cut short, or cannot be read.
    """
    data = mapped(path)
    budget = ReadBudget(_COPIES * len(data))
    names = _names(budget)
    try:
        if data[:4] == ZIP:
            root = read_zip_file(path, data, names, budget)
        elif data[: len(_LEGACY)] == _LEGACY:
            root = read_legacy_file(data, names, budget)
        else:
            root = RestrictedUnpickler(ByteStream(data), names, budget).load()
    except PickleRefusal as refusal:
        raise CheckpointError(
            f"{path}: it {refusal}, which no StyleGAN file needs; nothing in it was run: "
            "get the file from where the model was published"
        ) from refusal
    except CheckpointError:
        raise
    except Exception as error:  # a hostile or broken program for the machine can fail in any way
        raise CheckpointError(
            f"{path}: it is not a whole file ({type(error).__name__}); it is damaged or cut short: get it again"
        ) from error
    return root.data if isinstance(root, TensorStorage) else root
