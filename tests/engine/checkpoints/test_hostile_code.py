"""Code in every place of a file where code could be is not run, whatever the format of the file."""

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
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from tests.support import pickle_assembler as asm
from tests.support.contained_reader import CANARY, CANARY_MODULE, MODEL, ContainedReader, write_canary_module
from tests.support.nvidia_files import write_nvidia_pickle
from tests.support.paths import CHECKPOINTS, ROOT
from tests.support.patience import PATIENCE
from tests.support.read_pickle import read_pickle

COMMAND = f"touch {CANARY}"
SYSTEM_CALL = asm.call(asm.global_name("os", "system"), asm.text(COMMAND))
SOURCE_CODE = f"open({CANARY!r}, 'w')"
EXTENSION_CODE = 240
CODE = {
    "REDUCE": SYSTEM_CALL,
    "REDUCE by GLOBAL": b"cos\nsystem\n" + asm.tuple_of(asm.text(COMMAND)) + b"R",
    "INST": b"(" + asm.text(COMMAND) + b"ios\nsystem\n",
    "OBJ": b"(" + asm.global_name("os", "system") + asm.text(COMMAND) + b"o",
    "NEWOBJ": asm.global_name("io", "FileIO") + asm.tuple_of(asm.text(CANARY), asm.text("w")) + b"\x81",
    "NEWOBJ_EX": asm.global_name("io", "FileIO") + asm.tuple_of(asm.text(CANARY)) + asm.dictionary(mode=asm.text("w")) + b"\x92",
    "BUILD": asm.call(asm.global_name("builtins", "property")) + asm.dictionary(fget=SYSTEM_CALL) + b"b",
    "EXT1": b"\x82" + bytes([EXTENSION_CODE]) + asm.tuple_of(asm.text(COMMAND)) + b"R",
    "a codec": asm.call(asm.global_name("_codecs", "decode"), asm.text(COMMAND), asm.text("unicode_escape")),
    "in a list": asm.list_of(SYSTEM_CALL),
    "a method": asm.call(asm.global_name("builtins", "getattr"), asm.global_name("os", "path"), asm.text("os")),
    "an import": asm.call(asm.global_name(CANARY_MODULE, "function")),
    "an import by GLOBAL": b"c" + CANARY_MODULE.encode() + b"\nfunction\n",
    "a persistent id": b"P" + COMMAND.encode() + b"\n",
    "a persistent object": asm.tuple_of(asm.text("storage"), SYSTEM_CALL, asm.text("0")) + b"Q",
}  # fmt: skip
RUN_BY_ORDINARY_UNPICKLERS = ("REDUCE", "REDUCE by GLOBAL", "INST", "OBJ", "BUILD", "EXT1", "in a list")


def torch_archive(body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02" + body + asm.STOP)
        archive.writestr("model/data/0", bytes(16))
    return file.getvalue()


def legacy_file_with(code: bytes, position: int) -> bytes:
    """Return a legacy file with code in place of the magic number (position 0), the protocol, the facts about the system, the
    object or the keys."""
    system_facts = b"}(" + asm.text("little_endian") + b"\x88" + asm.text("type_sizes") + b"}u"
    values = [
        asm.number(asm.LEGACY_MAGIC),
        asm.number(asm.LEGACY_PROTOCOL),
        system_facts,
        asm.storage_reference(),
        asm.list_of(asm.text("0")),
    ]
    values[position] = code
    pickles = b"".join(b"\x80\x02" + value + asm.STOP for value in values)
    return pickles + struct.pack("<q", 4) + bytes(16)


def storage_with(code: bytes, position: int) -> bytes:
    return asm.pickle_file(asm.load_storage(legacy_file_with(code, position)))


def nvidia_file(**state: bytes) -> bytes:
    return asm.pickle_file(asm.dictionary(G_ema=asm.nvidia_generator(**state)))


def namespace(code: bytes) -> bytes:
    return asm.new_object("argparse.Namespace") + asm.dictionary(args=code) + b"b"


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "the root": lambda code: asm.pickle_file(code),
    "a value": lambda code: asm.pickle_file(asm.dictionary(G_ema=code)),
    "a key": lambda code: asm.pickle_file(b"}" + code + b"Ns"),
    "a value that is removed": lambda code: asm.pickle_file(code, b"0", asm.dictionary(G_ema=asm.nvidia_generator())),
    "the state of a module": lambda code: nvidia_file(hook=code),
    "the tensors of a module": lambda code: nvidia_file(_buffers=asm.dictionary(x=code)),
    "the arguments": lambda code: nvidia_file(_init_kwargs=asm.dictionary(img_resolution=code)),
    "a tensor": lambda code: asm.pickle_file(asm.dictionary(G_ema=asm.tensor(code))),
    "a tensor's hooks": lambda code: asm.pickle_file(asm.tensor(asm.legacy_storage())[:-3] + code + b"tR"),
    "a storage": lambda code: asm.pickle_file(asm.load_storage(asm.pickle_file(code))),
    "a storage's type": lambda code: asm.pickle_file(asm.tensor(asm.legacy_storage(kind=code))),
    "a storage's view": lambda code: asm.pickle_file(asm.tensor(asm.legacy_storage(view=code))),
    **{f"a storage, {position}": partial(storage_with, position=position) for position in range(5)},
    **{f"a legacy file, {position}": partial(legacy_file_with, position=position) for position in range(5)},
    "a legacy file's object": lambda code: asm.legacy_file(asm.dictionary(g_ema=code)),
    "an archive": torch_archive,
    "an archive's dictionary": lambda code: torch_archive(asm.dictionary(g_ema=asm.dictionary(x=code))),
    "options": lambda code: torch_archive(asm.dictionary(args=namespace(code))),
    "a network of TensorFlow": lambda code: asm.pickle_file(asm.tuple_of(code, code, code)),
    "its components": lambda code: asm.tensorflow_file(components=asm.dictionary(synthesis=code)),
    "its variables": lambda code: asm.tensorflow_file(variables=asm.list_of(code)),
    "an array": lambda code: asm.pickle_file(asm.numpy_array("f4", (1,), code)),
    "an array of objects": lambda code: asm.pickle_file(asm.numpy_array("O", (1,), asm.list_of(code))),
    "an array's type": lambda code: asm.pickle_file(asm.numpy_array_of_type(code, (1,), asm.byte_string(bytes(4)))),
    "an array's function": lambda code: asm.pickle_file(asm.call(asm.global_name("numpy.core.multiarray", "_reconstruct"), code)),
    "an array's buffer": lambda code: asm.pickle_file(asm.numpy_buffer("f4", (1,), code)),
    "an array's buffer that is read-only": lambda code: asm.pickle_file(asm.numpy_buffer("f4", (1,), code + b"\x98")),
    "an unknown object": lambda code: asm.pickle_file(asm.call(asm.global_name("pathlib", "PosixPath"), code)),
    "its state": lambda code: asm.pickle_file(asm.new_object("torch.nn.Sequential") + asm.dictionary(hook=code) + b"b"),
    "its items": lambda code: asm.pickle_file(asm.new_object("easydict.EasyDict") + asm.text("key") + code + b"s"),
    "a rebuilt object": lambda code: asm.pickle_file(asm.call(asm.global_name("copyreg", "_reconstructor"), code, code, code)),
    "a frozen set": lambda code: asm.pickle_file(b"(" + code + b"\x91"),
    "a dictionary of protocol 0": lambda code: b"(dp0\n" + asm.text("G_ema") + code + b"s.",
    "a set": lambda code: asm.pickle_file(asm.call(asm.global_name("builtins", "set"), asm.list_of(code))),
    "a dictionary": lambda code: asm.pickle_file(asm.call(asm.global_name("collections", "OrderedDict"), asm.list_of(asm.tuple_of(asm.text("a"), code)))),
    "a parameter": lambda code: asm.pickle_file(asm.call(asm.global_name("torch._utils", "_rebuild_parameter"), code, b"\x89", b"N")),
}  # fmt: skip


@pytest.fixture(scope="module")
def extension() -> Iterator[None]:
    """Register an extension code for os.system, as a program may do."""
    copyreg.add_extension("os", "system", EXTENSION_CODE)
    yield
    copyreg.remove_extension("os", "system", EXTENSION_CODE)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedReader]:
    with ContainedReader(tmp_path_factory.mktemp("code")) as contained_reader:
        yield contained_reader


@pytest.mark.parametrize("kind", RUN_BY_ORDINARY_UNPICKLERS)
@pytest.mark.usefixtures("extension")
def test_an_ordinary_unpickler_runs_the_code(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        pickle.loads(asm.pickle_file(CODE[kind]))
    except (TypeError, AttributeError):
        assert kind == "BUILD"  # the call inside it has been made by then
    assert Path(CANARY).exists()


@pytest.mark.parametrize("kind", ["an import", "an import by GLOBAL"])
def test_an_ordinary_unpickler_imports_the_module(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_canary_module(tmp_path)
    with pytest.raises(AttributeError):  # the module has been imported by then, and has no such function
        pickle.loads(asm.pickle_file(CODE[kind]))
    assert Path(CANARY).exists()
    del sys.modules[CANARY_MODULE]


@pytest.mark.usefixtures("extension")
def test_a_registered_extension_code_is_not_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("kind", CODE)
def test_code_beside_the_generator_is_not_run(kind: str, reader: ContainedReader, tmp_path: Path) -> None:
    """A model opens although its file holds unknown objects as well."""
    config = StyleGAN2Config(resolution=8, z_dim=4, w_dim=4, mapping_layers=1, channels=(4, 4))
    model_bytes = write_nvidia_pickle(tmp_path / "model.pkl", Generator(config)).read_bytes()
    outcome = reader.read(model_bytes[: model_bytes.rindex(asm.STOP)] + asm.text("more") + CODE[kind] + b"s" + asm.STOP)
    assert not outcome.problem
    assert (outcome.result == MODEL) == (kind not in ("EXT1", "a persistent id", "a persistent object"))


@pytest.mark.parametrize(
    ("content", "expected_text"),
    [
        (
            asm.pickle_file(asm.dictionary(G_ema=asm.nvidia_module(source=SOURCE_CODE))),
            "its generator is a Generator, not a StyleGAN",
        ),
        (
            asm.tensorflow_file(build_module_src=asm.text(SOURCE_CODE), build_func_name=asm.text("f")),
            "the mapping network is missing",
        ),
    ],
)
def test_source_code_in_a_file_is_ignored(content: bytes, expected_text: str, reader: ContainedReader) -> None:
    outcome = reader.read(content)
    assert expected_text in outcome.result
    assert not outcome.problem


def test_the_commands_print_one_line(tmp_path: Path) -> None:
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
        assert problem.startswith((f"draggan-tui: {file}: ", f"draggan-tui: {file} "))
        assert problem.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
