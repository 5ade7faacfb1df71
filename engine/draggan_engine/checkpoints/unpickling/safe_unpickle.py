"""Read the pickles and `torch.save` files of other programs without running anything that they contain.

Such a file may contain the source code of its networks, which the original loader runs, and it names functions, which an
ordinary unpickler would call. Here each allowed name has a harmless replacement, and any other name becomes a record that
does nothing (`UnknownName`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import CheckpointFile, CheckpointFormat
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
    UnknownName,
    UnknownObject,
    check_key,
    encode_latin1,
    numpy_scalar,
    rebuild_tensor,
)
from .restricted_unpickler import ByteStream, RestrictedUnpickler
from .torch_storage import STORAGE_DTYPES, NameTable, load_storage, read_legacy_file, read_zip_file

_SET_ITEM_BYTES = 40  # of memory
_MAX_COPIES = 4  # one in the file's memory, one in the network's, and twice as much for tensors that share a storage


def _allowed_names(budget: ReadBudget) -> Mapping[tuple[str, str], object]:
    """Return what replaces each (module, name) that StyleGAN files use."""

    def build_tensor(*arguments: object) -> Tensor:
        tensor = rebuild_tensor(*arguments)
        budget.take_bytes(tensor.numel() * tensor.itemsize)
        return tensor

    def build_storage(data: object) -> TensorStorage:
        return load_storage(data, budget)

    def build_array(*_: object) -> ArrayRecord:
        return ArrayRecord(budget)

    def build_dill_array(function: object, _arguments: object, state: object, attributes: object = None) -> ArrayRecord:
        if type(function) is not AllowedFunction or function.call is not build_array or attributes:
            raise PickleRefusal("has an array of an unknown form")
        record = build_array()
        record.build(state)
        return record

    def build_parameter(data: object, *_: object) -> Tensor:
        if not isinstance(data, Tensor):
            raise PickleRefusal("has a parameter that is not a tensor")
        return data

    def encode_text(text: object, codec: object) -> bytes:
        data = encode_latin1(text, codec)
        budget.take_bytes(len(data))
        return data

    def build_set(items: object) -> set[object]:
        if type(items) is not list:
            raise PickleRefusal("has a set of an unknown form")
        budget.take_bytes(_SET_ITEM_BYTES * len(items))
        for item in items:
            check_key(item)
        return set(items)

    def rebuild_object(class_: object, _base: object, items: object) -> object:
        if type(class_) is UnknownName:
            return UnknownObject(class_)
        if type(class_) is not AllowedFunction:
            raise PickleRefusal("rebuilds an object of an unknown form")
        target = class_.call()
        if isinstance(target, OrderedDictStub) and isinstance(items, dict):
            budget.take_bytes(_SET_ITEM_BYTES * len(items))
            target.update(items)
        return target

    name_table: dict[tuple[str, str], object] = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): AllowedFunction(PersistentObject.from_meta),
        ("dnnlib.tflib.network", "Network"): AllowedFunction(lambda: ObjectRecord("Network")),
        ("argparse", "Namespace"): AllowedFunction(lambda: ObjectRecord("Namespace")),
        # Arguments are refused: the dictionary is filled by the instructions that follow.
        ("dnnlib.util", "EasyDict"): AllowedFunction(lambda: OrderedDictStub()),
        ("collections", "OrderedDict"): AllowedFunction(lambda: OrderedDictStub()),
        # How protocols 0 and 1 make objects of classes: with the class, its base and, of a dictionary, the items.
        ("copyreg", "_reconstructor"): AllowedFunction(rebuild_object),
        ("copy_reg", "_reconstructor"): AllowedFunction(rebuild_object),
        ("builtins", "set"): AllowedFunction(build_set),
        ("__builtin__", "set"): AllowedFunction(build_set),
        ("_codecs", "encode"): AllowedFunction(encode_text),
        ("torch.storage", "_load_from_bytes"): AllowedFunction(build_storage),
        ("torch._utils", "_rebuild_tensor_v2"): AllowedFunction(build_tensor),
        ("torch._utils", "_rebuild_parameter"): AllowedFunction(build_parameter),
        ("torch.nn.modules.sparse", "Embedding"): AllowedFunction(lambda: ObjectRecord("Embedding")),
        ("dill._dill", "_create_array"): AllowedFunction(build_dill_array),
        ("numpy", "dtype"): AllowedFunction(DtypeRecord.from_code),
    }
    for package in ("numpy.core", "numpy._core"):
        name_table[f"{package}.multiarray", "_reconstruct"] = AllowedFunction(build_array)
        name_table[f"{package}.multiarray", "scalar"] = AllowedFunction(numpy_scalar)
        name_table[f"{package}.numeric", "_frombuffer"] = AllowedFunction(partial(ArrayRecord.from_buffer, budget))
    return name_table | STORAGE_DTYPES


def read_root_object(file: CheckpointFile) -> object:
    """Read the root object of a pickle or a `torch.save` file.

    Returns:
        Dictionaries, lists, numbers and texts; tensors, which are views of `file.data`; and the records of `pickle_stubs`.

    Raises:
        CheckpointError: the file refers to something that no StyleGAN file needs, asks for more data than it holds, is
            damaged or is cut short.
    """
    budget = ReadBudget(_MAX_COPIES * len(file.data))
    name_table = _allowed_names(budget)
    try:
        root = _read_container(file, name_table, budget)
    except PickleRefusal as refusal:
        raise CheckpointError(
            f"{file.path} {refusal}, which this version does not read; nothing in it was run: use another file of the model"
        ) from refusal
    except Exception as error:  # a hostile or broken pickle can fail in any way
        raise CheckpointError(
            f"{file.path} is not a whole file ({type(error).__name__}); it is damaged or cut short: get it again"
        ) from error
    return root.data if isinstance(root, TensorStorage) else root


def _read_container(file: CheckpointFile, name_table: NameTable, budget: ReadBudget) -> object:
    match file.format:
        case CheckpointFormat.ZIP:
            return read_zip_file(file, name_table, budget)
        case CheckpointFormat.LEGACY_TORCH:
            return read_legacy_file(file.data, name_table, budget)
        case _:
            return RestrictedUnpickler(ByteStream(file.data), name_table, budget).load()
