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
from tests.support.contained_reader import CANARY, Reader
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pickle_assembler import (
    PROTO,
    STOP,
    array,
    call,
    data,
    generator,
    group,
    legacy,
    made,
    mapping,
    module,
    name,
    network,
    number,
    storage,
    tensor,
    text,
)
from tests.support.read_pickle import read_pickle
from tests.support.specimens import FOLDER

COMMAND = f"touch {CANARY}"
SOURCE = text(f"open({CANARY!r}, 'w')")
REGISTERED = 240
CODE = {
    "REDUCE": call(name("os", "system"), text(COMMAND)),
    "REDUCE by GLOBAL": b"cos\nsystem\n" + group(text(COMMAND)) + b"R",
    "INST": b"(" + text(COMMAND) + b"ios\nsystem\n",
    "OBJ": b"(" + name("os", "system") + text(COMMAND) + b"o",
    "NEWOBJ": name("io", "FileIO") + group(text(CANARY), text("w")) + b"\x81",
    "NEWOBJ_EX": name("io", "FileIO") + group(text(CANARY)) + mapping(mode=text("w")) + b"\x92",
    "BUILD": call(name("builtins", "property")) + mapping(fget=call(name("os", "system"), text(COMMAND))) + b"b",
    "EXT1": b"\x82" + bytes([REGISTERED]) + group(text(COMMAND)) + b"R",
    "of a codec": call(name("_codecs", "decode"), text(COMMAND), text("unicode_escape")),
    "through a list": b"](" + call(name("os", "system"), text(COMMAND)) + b"e",
    "through a method": call(name("builtins", "getattr"), name("os", "path"), text("os")),
    "a persistent id": b"P" + COMMAND.encode() + b"\n",
    "a persistent object": group(text("storage"), call(name("os", "system"), text(COMMAND)), text("0")) + b"Q",
}
SINGS = ("REDUCE", "REDUCE by GLOBAL", "INST", "OBJ", "BUILD", "EXT1", "through a list")


def pickled(*body: bytes) -> bytes:
    return PROTO + b"".join(body) + STOP


def zipped(body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02" + body + STOP)
        archive.writestr("model/data/0", bytes(16))
    return file.getvalue()


def legacy_with(place: int, code: bytes) -> bytes:
    """In place of the magic number, the protocol, the facts of the system, the object or the keys."""
    facts = b"}(" + text("little_endian") + b"\x88" + text("type_sizes") + b"}u"
    reference = group(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), number(4), b"N") + b"Q"
    values = [number(0x1950A86A20F9469CFC6C), number(1001), facts, reference, b"](" + text("0") + b"e"]
    values[place] = code
    pickles = b"".join(b"\x80\x02" + value + STOP for value in values)
    return pickles + struct.pack("<q", 4) + bytes(16)


def loaded(raw: bytes) -> bytes:
    return call(name("torch.storage", "_load_from_bytes"), data(raw))


def storage_with(place: int, code: bytes) -> bytes:
    return pickled(loaded(legacy_with(place, code)))


def namespace(code: bytes) -> bytes:
    return made("argparse.Namespace") + mapping(args=code) + b"b"


def described(code: bytes) -> bytes:
    """An array whose description is code."""
    start = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), group(number(0)), data(b"b"))
    return start + group(number(1), group(number(1)), code, b"\x89", data(bytes(4))) + b"b"


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "the root": lambda code: pickled(code),
    "a value": lambda code: pickled(mapping(G_ema=code)),
    "a key": lambda code: pickled(b"}" + code + b"Ns"),
    "what is thrown away": lambda code: pickled(code, b"0", mapping(G_ema=generator())),
    "the state of a module": lambda code: pickled(mapping(G_ema=generator(hook=code))),
    "the tensors of a module": lambda code: pickled(mapping(G_ema=generator(_buffers=mapping(x=code)))),
    "the arguments": lambda code: pickled(mapping(G_ema=generator(mapping(img_resolution=code)))),
    "a tensor": lambda code: pickled(mapping(G_ema=tensor(code))),
    "a tensor's hooks": lambda code: pickled(tensor(storage())[:-3] + code + b"tR"),
    "a storage": lambda code: pickled(loaded(pickled(code))),
    "a storage's type": lambda code: pickled(tensor(storage(kind=code))),
    "a storage's view": lambda code: pickled(tensor(storage(view=code))),
    **{f"a storage, {i}": partial(storage_with, i) for i in range(5)},
    **{f"an older file, {i}": partial(legacy_with, i) for i in range(5)},
    "an older file's object": lambda code: legacy(mapping(g_ema=code)),
    "an archive": zipped,
    "an archive's dictionary": lambda code: zipped(mapping(g_ema=mapping(x=code))),
    "options": lambda code: zipped(mapping(args=namespace(code))),
    "a network of TensorFlow": lambda code: pickled(group(code, code, code)),
    "its components": lambda code: pickled(group(network(), network(), network(components=mapping(synthesis=code)))),
    "its variables": lambda code: pickled(group(network(), network(), network(variables=b"](" + code + b"e"))),
    "an array": lambda code: pickled(array("f4", (1,), code)),
    "an array of objects": lambda code: pickled(array("O", (1,), b"](" + code + b"e")),
    "an array's type": lambda code: pickled(described(code)),
    "an array's function": lambda code: pickled(call(name("numpy.core.multiarray", "_reconstruct"), code)),
    "a set": lambda code: pickled(call(name("builtins", "set"), b"](" + code + b"e")),
    "a dictionary": lambda code: pickled(call(name("collections", "OrderedDict"), b"](" + group(text("a"), code) + b"e")),
    "a parameter": lambda code: pickled(call(name("torch._utils", "_rebuild_parameter"), code, b"\x89", b"N")),
}  # fmt: skip


@pytest.fixture(scope="module")
def extension() -> Iterator[None]:
    """A number that stands for os.system, as a program may have registered one."""
    copyreg.add_extension("os", "system", REGISTERED)
    yield
    copyreg.remove_extension("os", "system", REGISTERED)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with Reader(tmp_path_factory.mktemp("code")) as one:
        yield one


@pytest.mark.parametrize("kind", SINGS)
@pytest.mark.usefixtures("extension")
def test_the_canary_sings_in_an_ordinary_unpickler(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        pickle.loads(pickled(CODE[kind]))
    except (TypeError, AttributeError):
        assert kind == "BUILD"  # what is inside has been called by then
    assert Path(CANARY).exists()


@pytest.mark.usefixtures("extension")
def test_a_registered_number_stands_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.pkl").write_bytes(pickled(CODE["EXT1"]))
    with pytest.raises(CheckpointError):
        read_pickle(Path("model.pkl"))
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("place", PLACES)
def test_no_code_is_run(place: str, reader: Reader) -> None:
    for kind, code in CODE.items():
        outcome = reader.read(PLACES[place](code))
        assert not outcome.problem, kind
        assert outcome.said != "a model"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (pickled(mapping(G_ema=module(source=f"open({CANARY!r}, 'w')"))), "its generator is a Generator, no StyleGAN"),
        (
            pickled(group(network(), network(), network(build_module_src=SOURCE, build_func_name=text("f")))),
            "it has no mapping network",
        ),
    ],
)
def test_source_code_is_left_where_it_is(content: bytes, what: str, reader: Reader) -> None:
    outcome = reader.read(content)
    assert what in outcome.said
    assert not outcome.problem


def test_the_commands_say_one_line(tmp_path: Path) -> None:
    files = {
        "code.pkl": pickled(CODE["REDUCE"]),
        "short.pt": (FOLDER / "rosinality_trained_16.pt").read_bytes()[:100_000],
        "deep.pkl": pickled(b"}" + b")" + b"\x85" * 200_000 + b"Ns"),
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
