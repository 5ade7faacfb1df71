"""Code in every place of a file where code could be: it is not run, whatever kind of file it is in."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from draggan_engine.core.errors import CheckpointError
from tests.support import pickle_assembler as asm
from tests.support.contained_reader import CANARY, MODEL, ContainedReader
from tests.support.paths import CHECKPOINTS, ROOT
from tests.support.patience import PATIENCE
from tests.support.read_pickle import read_pickle

COMMAND = f"touch {CANARY}"
SOURCE = asm.text(f"open({CANARY!r}, 'w')")
REGISTERED = 240
CODE = {
    "REDUCE": asm.call(asm.global_name("os", "system"), asm.text(COMMAND)),
    "REDUCE by GLOBAL": b"cos\nsystem\n" + asm.tuple_of(asm.text(COMMAND)) + b"R",
    "INST": b"(" + asm.text(COMMAND) + b"ios\nsystem\n",
    "OBJ": b"(" + asm.global_name("os", "system") + asm.text(COMMAND) + b"o",
    "NEWOBJ": asm.global_name("io", "FileIO") + asm.tuple_of(asm.text(CANARY), asm.text("w")) + b"\x81",
    "NEWOBJ_EX": asm.global_name("io", "FileIO")
    + asm.tuple_of(asm.text(CANARY))
    + asm.dictionary(mode=asm.text("w"))
    + b"\x92",
    "BUILD": asm.call(asm.global_name("builtins", "property"))
    + asm.dictionary(fget=asm.call(asm.global_name("os", "system"), asm.text(COMMAND)))
    + b"b",
    "EXT1": b"\x82" + bytes([REGISTERED]) + asm.tuple_of(asm.text(COMMAND)) + b"R",
    "of a codec": asm.call(asm.global_name("_codecs", "decode"), asm.text(COMMAND), asm.text("unicode_escape")),
    "through a list": b"](" + asm.call(asm.global_name("os", "system"), asm.text(COMMAND)) + b"e",
    "through a method": asm.call(asm.global_name("builtins", "getattr"), asm.global_name("os", "path"), asm.text("os")),
    "a persistent id": b"P" + COMMAND.encode() + b"\n",
    "a persistent object": asm.tuple_of(
        asm.text("storage"), asm.call(asm.global_name("os", "system"), asm.text(COMMAND)), asm.text("0")
    )
    + b"Q",
}
SINGS = ("REDUCE", "REDUCE by GLOBAL", "INST", "OBJ", "BUILD", "EXT1", "through a list")


def zipped(body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02" + body + asm.STOP)
        archive.writestr("model/data/0", bytes(16))
    return file.getvalue()


def legacy_with(place: int, code: bytes) -> bytes:
    """In place of the magic number, the protocol, the facts of the system, the object or the keys."""
    facts = b"}(" + asm.text("little_endian") + b"\x88" + asm.text("type_sizes") + b"}u"
    reference = (
        asm.tuple_of(
            asm.text("storage"),
            asm.global_name("torch", "FloatStorage"),
            asm.text("0"),
            asm.text("cpu"),
            asm.number(4),
            b"N",
        )
        + b"Q"
    )
    values = [asm.number(0x1950A86A20F9469CFC6C), asm.number(1001), facts, reference, b"](" + asm.text("0") + b"e"]
    values[place] = code
    pickles = b"".join(b"\x80\x02" + value + asm.STOP for value in values)
    return pickles + struct.pack("<q", 4) + bytes(16)


def loaded(raw: bytes) -> bytes:
    return asm.call(asm.global_name("torch.storage", "_load_from_bytes"), asm.byte_string(raw))


def storage_with(place: int, code: bytes) -> bytes:
    return asm.pickle_file(loaded(legacy_with(place, code)))


def namespace(code: bytes) -> bytes:
    return asm.new_object("argparse.Namespace") + asm.dictionary(args=code) + b"b"


def described(code: bytes) -> bytes:
    """An array whose description is code."""
    start = asm.call(
        asm.global_name("numpy.core.multiarray", "_reconstruct"),
        asm.global_name("numpy", "ndarray"),
        asm.tuple_of(asm.number(0)),
        asm.byte_string(b"b"),
    )
    return (
        start
        + asm.tuple_of(asm.number(1), asm.tuple_of(asm.number(1)), code, b"\x89", asm.byte_string(bytes(4)))
        + b"b"
    )


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "the root": lambda code: asm.pickle_file(code),
    "a value": lambda code: asm.pickle_file(asm.dictionary(G_ema=code)),
    "a key": lambda code: asm.pickle_file(b"}" + code + b"Ns"),
    "what is thrown away": lambda code: asm.pickle_file(code, b"0", asm.dictionary(G_ema=asm.nvidia_generator())),
    "the state of a module": lambda code: asm.pickle_file(asm.dictionary(G_ema=asm.nvidia_generator(hook=code))),
    "the tensors of a module": lambda code: asm.pickle_file(asm.dictionary(G_ema=asm.nvidia_generator(_buffers=asm.dictionary(x=code)))),
    "the arguments": lambda code: asm.pickle_file(asm.dictionary(G_ema=asm.nvidia_generator(asm.dictionary(img_resolution=code)))),
    "a tensor": lambda code: asm.pickle_file(asm.dictionary(G_ema=asm.tensor(code))),
    "a tensor's hooks": lambda code: asm.pickle_file(asm.tensor(asm.legacy_storage())[:-3] + code + b"tR"),
    "a storage": lambda code: asm.pickle_file(loaded(asm.pickle_file(code))),
    "a storage's type": lambda code: asm.pickle_file(asm.tensor(asm.legacy_storage(kind=code))),
    "a storage's view": lambda code: asm.pickle_file(asm.tensor(asm.legacy_storage(view=code))),
    **{f"a storage, {i}": partial(storage_with, i) for i in range(5)},
    **{f"an older file, {i}": partial(legacy_with, i) for i in range(5)},
    "an older file's object": lambda code: asm.legacy_file(asm.dictionary(g_ema=code)),
    "an archive": zipped,
    "an archive's dictionary": lambda code: zipped(asm.dictionary(g_ema=asm.dictionary(x=code))),
    "options": lambda code: zipped(asm.dictionary(args=namespace(code))),
    "a network of TensorFlow": lambda code: asm.pickle_file(asm.tuple_of(code, code, code)),
    "its components": lambda code: asm.pickle_file(asm.tuple_of(asm.tensorflow_network(), asm.tensorflow_network(), asm.tensorflow_network(components=asm.dictionary(synthesis=code)))),
    "its variables": lambda code: asm.pickle_file(asm.tuple_of(asm.tensorflow_network(), asm.tensorflow_network(), asm.tensorflow_network(variables=asm.list_of(code)))),
    "an array": lambda code: asm.pickle_file(asm.numpy_array("f4", (1,), code)),
    "an array of objects": lambda code: asm.pickle_file(asm.numpy_array("O", (1,), asm.list_of(code))),
    "an array's type": lambda code: asm.pickle_file(described(code)),
    "an array's function": lambda code: asm.pickle_file(asm.call(asm.global_name("numpy.core.multiarray", "_reconstruct"), code)),
    "a set": lambda code: asm.pickle_file(asm.call(asm.global_name("builtins", "set"), asm.list_of(code))),
    "a dictionary": lambda code: asm.pickle_file(asm.call(asm.global_name("collections", "OrderedDict"), b"](" + asm.tuple_of(asm.text("a"), code) + b"e")),
    "a parameter": lambda code: asm.pickle_file(asm.call(asm.global_name("torch._utils", "_rebuild_parameter"), code, b"\x89", b"N")),
}  # fmt: skip


@pytest.fixture(scope="module")
def extension() -> Iterator[None]:
    """A number that stands for os.system, as a program may have registered one."""
    copyreg.add_extension("os", "system", REGISTERED)
    yield
    copyreg.remove_extension("os", "system", REGISTERED)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedReader]:
    with ContainedReader(tmp_path_factory.mktemp("code")) as one:
        yield one


@pytest.mark.parametrize("kind", SINGS)
@pytest.mark.usefixtures("extension")
def test_the_canary_sings_in_an_ordinary_unpickler(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        pickle.loads(asm.pickle_file(CODE[kind]))
    except (TypeError, AttributeError):
        assert kind == "BUILD"  # what is inside has been called by then
    assert Path(CANARY).exists()


@pytest.mark.usefixtures("extension")
def test_a_registered_number_stands_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.pkl").write_bytes(asm.pickle_file(CODE["EXT1"]))
    with pytest.raises(CheckpointError):
        read_pickle(Path("model.pkl"))
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("place", PLACES)
def test_no_code_is_run(place: str, reader: ContainedReader) -> None:
    for kind, code in CODE.items():
        outcome = reader.read(PLACES[place](code))
        assert not outcome.problem, kind
        assert outcome.result != MODEL


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            asm.pickle_file(asm.dictionary(G_ema=asm.nvidia_module(source=f"open({CANARY!r}, 'w')"))),
            "its generator is a Generator, no StyleGAN",
        ),
        (
            asm.pickle_file(
                asm.tuple_of(
                    asm.tensorflow_network(),
                    asm.tensorflow_network(),
                    asm.tensorflow_network(build_module_src=SOURCE, build_func_name=asm.text("f")),
                )
            ),
            "it has no mapping network",
        ),
    ],
)
def test_source_code_is_left_where_it_is(content: bytes, what: str, reader: ContainedReader) -> None:
    outcome = reader.read(content)
    assert what in outcome.result
    assert not outcome.problem


def test_the_commands_say_one_line(tmp_path: Path) -> None:
    files = {
        "code.pkl": asm.pickle_file(CODE["REDUCE"]),
        "short.pt": (CHECKPOINTS / "rosinality_trained_16.pt").read_bytes()[:100_000],
        "deep.pkl": asm.pickle_file(b"}" + b")" + b"\x85" * 200_000 + b"Ns"),
        "tensors.safetensors": b"\x20\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32","shape":[9]}}'.ljust(32),
    }
    arguments = {"tensors.safetensors": ("convert", "--out", "out.safetensors"), "short.pt": ("import",)}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "engine")))}
    running = {}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
        command, *more = arguments.get(file, ("info",))
        running[file] = subprocess.Popen(
            [sys.executable, "-m", "draggan_tui", "models", command, file, *more],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    for file, process in running.items():
        out, problem = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2, problem
        assert out == ""
        assert problem.startswith(f"draggan-tui: {file}: ")
        assert problem.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
