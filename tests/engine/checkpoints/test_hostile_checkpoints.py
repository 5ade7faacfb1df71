"""Files that try to run code or to exhaust the machine, and broken files, give an error and nothing else."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord, PersistentObject, UnknownObject
from draggan_engine.core.errors import CheckpointError
from tests.support import pickle_assembler as asm
from tests.support.paths import CHECKPOINTS
from tests.support.read_pickle import read_pickle

MODEL_BYTES = (CHECKPOINTS / "sg2ada_64_clamp.pkl").read_bytes()


def read(directory: Path, body: bytes) -> object:
    path = directory / "model.pkl"
    path.write_bytes(asm.pickle_file(body))
    return read_pickle(path)


def refusal(directory: Path, body: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(directory, body)
    message = str(caught.value)
    assert "model.pkl" in message
    assert "\n" not in message
    assert len(message) < 500
    return message


# Code ---------------------------------------------------------------------------------------------------------------


class Canary:
    """An object whose pickle makes an ordinary unpickler call `function(argument)`."""

    def __init__(self, function: Callable[..., object], argument: str) -> None:
        self.reduced = (function, (argument,))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return self.reduced


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def system_call(canary: Path) -> bytes:
    return asm.call(asm.global_name("os", "system"), asm.text(f"touch {canary}"))


def test_an_ordinary_unpickler_runs_the_call(canary: Path) -> None:
    pickle.loads(asm.PROTO + system_call(canary) + asm.STOP)
    assert canary.exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("function", [eval, exec, open, __import__, pickle.loads])
def test_a_reduced_call_is_not_made(
    protocol: int, function: Callable[..., object], tmp_path: Path, canary: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"G_ema": Canary(function, f"open({str(canary)!r}, 'w')")}, protocol))
    with pytest.raises(CheckpointError) as caught:
        load_model(str(path), "cpu")
    assert not canary.exists()
    assert f".{function.__name__}, which this version does not know" in str(caught.value)


@pytest.mark.parametrize(
    ("module_name", "attribute"),
    [
        ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "eval"), ("builtins", "getattr"),
        ("subprocess", "Popen"), ("torch", "load"), ("torch._utils", "_rebuild_device_tensor_from_numpy"), ("numpy", "load"),
        ("collections", "OrderedDict.__class__"), ("torch.storage", "_load_from_bytes.__globals__"), ("", ""),
        ("dnnlib.tflib.network", "Net"), ("pickle", "loads"), ("functools", "partial"), ("os\n\x1b[2J", "system"),
    ],
)  # fmt: skip
def test_an_unknown_name_becomes_a_record(module_name: str, attribute: str, tmp_path: Path) -> None:
    name = asm.global_name(module_name, attribute)
    printable_name = "".join(sign if sign.isprintable() else "?" for sign in f"{module_name}.{attribute}")
    for made in (asm.call(name, asm.text("x")), name + asm.tuple_of(asm.text("x")) + b"\x81", asm.call(asm.call(name))):
        record = read(tmp_path, made + asm.dictionary(state=b"N") + b"b")
        assert isinstance(record, UnknownObject)
        assert str(record) == printable_name
        assert record.state == {"state": None}
    assert str(read(tmp_path, name)) == printable_name


def test_no_object_is_made_of_a_class(tmp_path: Path, canary: Path) -> None:
    arguments = asm.tuple_of(asm.text(str(canary)), asm.text("w"))
    record = read(tmp_path, asm.global_name("io", "FileIO") + arguments + b"\x81")
    assert str(record) == "io.FileIO"
    assert not canary.exists()


def test_items_of_unknown_objects_and_unknown_keys_are_dropped(tmp_path: Path) -> None:
    unknown = asm.call(asm.global_name("enum", "Colour"))
    assert isinstance(read(tmp_path, unknown + asm.text("key") + b"Ns"), UnknownObject)
    assert isinstance(read(tmp_path, unknown + b"(K\x01K\x02e"), UnknownObject)
    assert isinstance(read(tmp_path, unknown + b"(K\x01K\x02\x90"), UnknownObject)
    assert read(tmp_path, b"}(" + unknown + b"K\x01" + asm.text("a") + b"K\x02u") == {"a": 2}
    assert read(tmp_path, b"(" + unknown + b"K\x01\x91") == {1}


def test_what_is_made_of_an_unknown_object_is_unknown(tmp_path: Path) -> None:
    unknown = asm.call(asm.global_name("module", "Storage"))
    rebuild = asm.global_name("torch._utils", "_rebuild_parameter")
    record = read(tmp_path, asm.call(rebuild, unknown, b"\x88", b"N"))
    assert str(record) == "module.Storage"


def test_the_source_code_of_a_module_is_ignored(tmp_path: Path, canary: Path) -> None:
    record = read(tmp_path, asm.nvidia_module(source=f"open({str(canary)!r}, 'w')"))
    assert isinstance(record, PersistentObject)
    assert "module_src" not in record.state
    assert not canary.exists()


def test_the_source_code_of_a_whole_model_is_not_run(tmp_path: Path, canary: Path) -> None:
    source = asm.text(f"open({str(canary)!r}, 'w')")
    key, empty = b"\x8c\nmodule_src\x94", b"\x8c\x00"
    planted = bytearray(MODEL_BYTES.replace(key + empty, key + source, 1))
    (frame,) = struct.unpack_from("<Q", planted, 3)
    struct.pack_into("<Q", planted, 3, frame + len(source) - len(empty))
    path = tmp_path / "model.pkl"
    path.write_bytes(planted)
    assert load_model(str(path), "cpu").info.num_ws == 10
    assert not canary.exists()


def test_the_pickle_inside_a_storage_is_restricted_too(tmp_path: Path, canary: Path) -> None:
    assert "unknown layout" in refusal(tmp_path, asm.tensor(asm.PROTO + system_call(canary) + asm.STOP))
    assert "unknown way" in refusal(tmp_path, asm.tensor(asm.legacy_storage(kind=system_call(canary))))
    assert not canary.exists()


@pytest.mark.parametrize(
    "body",
    [
        asm.global_name("builtins", "set") + asm.dictionary(call=b"N") + b"b",  # BUILD on a function
        asm.global_name("torch", "FloatStorage") + asm.dictionary(itemsize=asm.number(0)) + b"b",
        asm.nvidia_module() + asm.dictionary(state=b"N") + b"b",
        asm.nvidia_module() + b"N" + asm.dictionary(class_name=asm.text("x")) + b"\x86b",
        b"}" + asm.dictionary(clear=b"N") + b"b",
        asm.tensor(asm.legacy_storage()) + asm.tuple_of(b"N", b"N") + b"b",
        asm.call(asm.nvidia_module()),  # REDUCE of an object that is no function
        asm.call(asm.global_name("torch", "FloatStorage"), asm.number(2**40)),
        asm.tensor(asm.legacy_storage()) + asm.tuple_of() + b"\x81",
        asm.tensor(asm.legacy_storage())
        + asm.number(0)
        + asm.number(0)
        + b"s",  # SETITEM on an object that is no dictionary
        asm.tensor(asm.legacy_storage()) + b"Nb",
    ],
)
def test_a_pickle_can_change_nothing_but_plain_data(body: bytes, tmp_path: Path) -> None:
    refusal(tmp_path, body)


@pytest.mark.parametrize("codec", ["zlib", "bz2", "hex", "rot13", "idna", "utf-8", "unicode_escape", "os.system"])
def test_codecs_are_not_looked_up(codec: str, tmp_path: Path) -> None:
    encode = asm.global_name("_codecs", "encode")
    assert codec in refusal(tmp_path, asm.call(encode, asm.text("aa"), asm.text(codec)))
    assert read(tmp_path, asm.call(encode, asm.text("\xff\x00"), asm.text("latin1"))) == b"\xff\x00"


# Plain data ---------------------------------------------------------------------------------------------------------


def test_plain_values_are_read(tmp_path: Path) -> None:
    dtype = asm.call(asm.global_name("numpy", "dtype"), asm.text("f8"), b"\x89", b"\x88")
    state = asm.tuple_of(asm.number(3), asm.text(">"), b"N", b"N", b"N", asm.number(-1), asm.number(-1), asm.number(0))
    scalar = asm.call(
        asm.global_name("numpy.core.multiarray", "scalar"),
        dtype + state + b"b",
        asm.byte_string(struct.pack(">d", 1.5)),
    )
    set_items = asm.call(asm.global_name("__builtin__", "set"), b"](" + asm.number(1) + asm.text("a") + b"e")
    easy_dict = asm.global_name("dnnlib.util", "EasyDict") + b")\x81" + asm.text("key") + b"\x88s"
    assert read(tmp_path, asm.tuple_of(scalar, set_items, easy_dict)) == (1.5, {1, "a"}, {"key": True})


def test_an_array_is_read(tmp_path: Path) -> None:
    record = read(tmp_path, asm.numpy_array("i4", (2, 1), asm.byte_string(struct.pack("<2i", 7, -7))))
    assert isinstance(record, ArrayRecord)
    assert record.array.tolist() == [[7], [-7]]


@pytest.mark.parametrize(
    "body",
    [
        asm.numpy_array("f4", (1,), b"](" + asm.number(1) + b"e"),
        asm.numpy_array("f4", (2**39, 2), asm.byte_string(b"")),
        asm.numpy_array("f4", (2**62, 2**62, 0), asm.byte_string(b"")),
        asm.numpy_array("f4", (-1,), asm.byte_string(bytes(4))),
        asm.numpy_array("f4", (2,), asm.byte_string(bytes(4))),
    ],
)
def test_impossible_arrays_are_refused(body: bytes, tmp_path: Path) -> None:
    refusal(tmp_path, body)


@pytest.mark.parametrize("code", ["V8", "f4,O", "U5", "V1000000000"])
def test_an_array_of_anything_but_numbers_is_read_as_an_empty_one(code: str, tmp_path: Path) -> None:
    record = read(tmp_path, asm.numpy_array(code, (1,), b"](" + asm.number(1) + b"e"))
    assert isinstance(record, ArrayRecord)
    assert (record.array.size, record.array.dtype) == (0, np.dtype(object))


def test_tensors_can_share_a_storage(tmp_path: Path) -> None:
    values = asm.legacy_storage(struct.pack("<6f", *range(6)), numel=6)
    storage = asm.load_storage(values) + b"\x94"
    rebuild = asm.global_name("torch._utils", "_rebuild_tensor_v2")
    first = asm.call(
        rebuild,
        storage,
        asm.number(0),
        asm.tuple_of(asm.number(2), asm.number(2)),
        asm.tuple_of(asm.number(1), asm.number(2)),
        b"\x89",
        b"N",
    )
    second = asm.call(
        rebuild, b"h\x00", asm.number(4), asm.tuple_of(asm.number(2)), asm.tuple_of(asm.number(1)), b"\x89", b"N"
    )
    tensors = read(
        tmp_path,
        asm.tuple_of(first, asm.call(asm.global_name("torch._utils", "_rebuild_parameter"), second, b"\x89", b"N")),
    )
    assert isinstance(tensors, tuple)
    assert [tensor.tolist() for tensor in tensors] == [[[0, 2], [1, 3]], [4, 5]]


def test_a_storage_can_be_a_view(tmp_path: Path) -> None:
    raw = asm.legacy_storage(
        struct.pack("<4f", *range(4)), view=asm.tuple_of(asm.text("1"), asm.number(1), asm.number(2))
    )
    tensor = read(tmp_path, asm.tensor(raw, size=(2,)))
    assert isinstance(tensor, Tensor)
    assert tensor.tolist() == [1, 2]
    assert "outside" in refusal(
        tmp_path, asm.tensor(asm.legacy_storage(view=asm.tuple_of(asm.text("1"), asm.number(3), asm.number(2))))
    )
    assert "outside" in refusal(tmp_path, asm.tensor(raw, size=(3,)))


# Memory -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        asm.legacy_storage(numel=2**38),
        asm.legacy_storage(numel=2**38, count=4),
        asm.legacy_storage(count=2**38),
        asm.legacy_storage(numel=-4),
        asm.legacy_storage(bytes(12)),
        asm.legacy_storage(bytes(20)),
        asm.legacy_storage()[:-20],
        b"",
    ],
)
def test_a_storage_of_a_wrong_size_is_refused(raw: bytes, tmp_path: Path) -> None:
    refusal(tmp_path, asm.tensor(raw))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (1,)), (1, (4,), (1,)), (4, (), ()), (-1, (1,), (1,)), (0, (2,), (4,)), (0, (2, 2), (3, 1)), (0, (4,), (-1,)),
        (0, (2**40,), (0,)), (0, (2**62, 2**62), (2**62, 0)), (0, (1,) * 9, (1,) * 9), (0, (2, 2), (1,)), (2**62, (1,), (1,)),
    ],
)  # fmt: skip
def test_a_tensor_outside_its_storage_is_refused(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...], tmp_path: Path
) -> None:
    refusal(tmp_path, asm.tensor(asm.legacy_storage(), offset, size, stride))


def test_data_that_are_used_too_often_are_refused(tmp_path: Path) -> None:
    raw = asm.legacy_storage(bytes(400_000), numel=100_000)
    big_storage = asm.load_storage(raw) + b"\x940"
    rebuild = asm.global_name("torch._utils", "_rebuild_tensor_v2")
    whole_tensor = asm.call(
        rebuild, b"h\x00", asm.number(0), asm.tuple_of(asm.number(100_000)), asm.tuple_of(asm.number(1)), b"\x89", b"N"
    )
    body = big_storage + asm.list_of(whole_tensor * 5000)
    assert "more data than it holds" in refusal(tmp_path, body)


@pytest.mark.parametrize(
    "instruction",
    [
        b"B\xff\xff\xff\x7f",
        b"\x8e" + struct.pack("<Q", 2**60),
        b"r\xff\xff\xff\xff",
        b"\x95" + struct.pack("<Q", 2**60),
    ],
)
def test_a_length_beyond_the_file_is_refused(instruction: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(asm.PROTO + b"N" + instruction)
    with pytest.raises(CheckpointError):
        read_pickle(path)


def test_deep_nesting_is_read_except_as_a_key(tmp_path: Path) -> None:
    deep_tuple = b")" + b"\x85" * 200_000
    assert isinstance(read(tmp_path, deep_tuple), tuple)
    refusal(tmp_path, b"}" + deep_tuple + b"Ns")  # as a key it would overflow the C stack
    refusal(tmp_path, b"\x8f(" + deep_tuple + b"\x90")
    refusal(tmp_path, asm.call(asm.global_name("builtins", "set"), asm.list_of(deep_tuple)))
