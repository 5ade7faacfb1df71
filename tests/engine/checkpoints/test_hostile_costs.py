"""Small files that ask for much work: seconds and megabytes, measured in a process of its own."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch

from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from tests.support import pickle_assembler as asm
from tests.support.contained_reader import MODEL, ContainedReader
from tests.support.nvidia_files import PersistentModule, persist_generator, pickle_nvidia
from tests.support.paths import ROOT

SIZE = 2_000_000  # bytes of a file, about
FEW = 200_000  # instructions: fewer than are refused, so that each has to be cheap
BUNDLED = ROOT / "engine/draggan_engine/checkpoints/bundled/critters-128.safetensors"


def kept(*values: bytes) -> bytes:
    """The values go into the memo as 0, 1, …, and are gone from the stack."""
    return b"".join(value + b"\x940" for value in values)


def get(place: int) -> bytes:
    return b"h" + bytes([place])


def many(instructions: bytes, each: int, instructions_left: int = FEW) -> bytes:
    """A list of as many values as instructions allow; `each` is how many a value takes."""
    return b"](" + instructions * (instructions_left // each) + b"e"


def flood(instruction: bytes) -> bytes:
    return asm.pickle_file(b"N", instruction * (SIZE // len(instruction)))


def called(function: bytes, *arguments: bytes) -> bytes:
    """The same call, over and over."""
    return asm.pickle_file(kept(function, asm.tuple_of(*arguments)), many(get(0) + get(1) + b"R", 3))


def names_of(count: int, form: str = "{}") -> list[bytes]:
    return [asm.text(form.format(i)) for i in range(count)]


def colliding_numbers() -> bytes:
    """Python's hash of every multiple of this number is 0."""
    return asm.pickle_file(b"}(", *(asm.number(i * (2**61 - 1)) + b"N" for i in range(FEW // 2 - 10)), b"u")


def equal_texts() -> bytes:
    long = asm.text("x" * 1_000_000)
    return asm.pickle_file(kept(long, long), b"}", b"h\x00Nsh\x01Ns" * (FEW // 6))


def equal_storage_names() -> bytes:
    long = "k" * 1_000_000
    pid = [
        asm.tuple_of(
            asm.text("storage"),
            asm.global_name("torch", "FloatStorage"),
            asm.text(long),
            asm.text("cpu"),
            b"K\x00",
            b"N",
        )
        for _ in "ab"
    ]
    body = kept(*pid) + b"](" + (get(0) + b"Q" + get(1) + b"Q") * (FEW // 8) + b"e"
    return asm.legacy_file(body, b"](" + asm.text(long) + b"e")


def a_state_again_and_again() -> bytes:
    state = b"}(" + b"".join(key + b"N" for key in names_of(50_000)) + b"u"
    return asm.pickle_file(kept(state), asm.new_object("argparse.Namespace"), (get(0) + b"b") * (FEW // 2))


def arguments_again_and_again() -> bytes:
    arguments = b"}(" + b"".join(key + b"N" for key in names_of(50_000)) + b"u"
    meta = asm.dictionary(
        type=asm.text("class"), class_name=asm.text("G"), state=asm.dictionary(_init_kwargs=arguments)
    )
    return called(asm.global_name("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def the_same_storage_again_and_again() -> bytes:
    return called(
        asm.global_name("torch.storage", "_load_from_bytes"),
        asm.byte_string(asm.legacy_storage(bytes(3600), numel=900)),
    )


def references_to_a_storage() -> bytes:
    reference = asm.tuple_of(
        asm.text("storage"),
        asm.global_name("torch", "ByteStorage"),
        asm.text("0"),
        asm.text("cpu"),
        asm.number(4000),
        b"N",
    )
    body = kept(reference) + many(get(0) + b"Q", 2, FEW // 2)
    return asm.legacy_file(body, b"](" + asm.text("0") + b"e", struct.pack("<q", 4000) + bytes(4000))


def tensors() -> bytes:
    loaded = asm.call(asm.global_name("torch.storage", "_load_from_bytes"), asm.byte_string(asm.legacy_storage()))
    return called(asm.global_name("torch._utils", "_rebuild_tensor_v2"), loaded, b"K\x00", b")", b")", b"\x89", b"N")


def copied_dictionaries() -> bytes:
    entries = b"}(" + b"".join(key + b"N" for key in names_of(50_000)) + b"u"
    return called(asm.global_name("collections", "OrderedDict"), entries)


def a_deep_key_in_an_argument() -> bytes:
    deep = b")" + b"\x85" * FEW
    return asm.pickle_file(asm.call(asm.global_name("collections", "OrderedDict"), b"](" + deep + b"N\x86e"))


def sets() -> bytes:
    return called(asm.global_name("builtins", "set"), b"](" + b"".join(names_of(30_000)) + b"e")


def members_of_many_modules() -> bytes:
    """Modules that are not the same, with one dictionary of buffers."""
    buffers = b"}(" + b"".join(key + get(0) for key in names_of(20_000)) + b"u"
    one = asm.nvidia_module(_buffers=get(1))
    inside = b"}(" + b"".join(key + one for key in names_of(4_000)) + b"u"
    return asm.pickle_file(
        kept(asm.tensor(asm.legacy_storage()), buffers), asm.dictionary(G_ema=asm.nvidia_generator(_modules=asm.dictionary(
            synthesis=asm.nvidia_module(_modules=asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=asm.tensor(asm.legacy_storage(), size=(1, 4, 1), stride=(4, 1, 1)))))),
            mapping=asm.nvidia_module(_modules=asm.dictionary(fc0=asm.nvidia_module())),
            more=asm.nvidia_module(_modules=inside),
        ))),
    )  # fmt: skip


def tensorflow(variables: bytes) -> bytes:
    part = asm.tensorflow_network(variables=variables)
    return asm.pickle_file(
        asm.tuple_of(
            asm.tensorflow_network(),
            asm.tensorflow_network(),
            asm.tensorflow_network(components=asm.dictionary(mapping=part, synthesis=part)),
        )
    )


def arrays_to_be_turned() -> bytes:
    """One array of the other byte order under many names."""
    order = (
        asm.tuple_of(asm.number(3), asm.text(">"), b"N", b"N", b"N", asm.number(-1), asm.number(-1), asm.number(0))
        + b"b"
    )
    values = asm.numpy_array("f4", (500_000,), asm.byte_string(bytes(2_000_000))).replace(b"\x88tR", b"\x88tR" + order)
    pairs = b"".join(key + get(0) + b"\x86" for key in names_of(20_000))
    return asm.PROTO + kept(values) + tensorflow(asm.list_of(pairs))[2:]


def biases_to_be_raised() -> bytes:
    values = asm.numpy_array("f4", (500_000,), asm.byte_string(bytes(2_000_000)))
    pairs = b"".join(key + get(0) + b"\x86" for key in names_of(9_000, "{0}x{0}/ToRGB/mod_bias"))
    return asm.PROTO + kept(values) + tensorflow(asm.list_of(pairs))[2:]


def variables_of_one_name() -> bytes:
    long = asm.text("x" * 1_000_000)
    one, two = (key + b"G" + bytes(8) + b"\x86" for key in (long, long))
    return asm.PROTO + kept(one, two) + tensorflow(many(get(0) + get(1), 2, FEW // 2))[2:]


def shared_weights(dtype: torch.dtype) -> bytes:
    """A whole StyleGAN2 whose dense layers are all the same tensor."""
    config = StyleGAN2Config(resolution=8, z_dim=2048, w_dim=2048, mapping_layers=64, channels=(8, 8))
    with torch.device("meta"):
        whole = persist_generator(Generator(config))
    values: dict[tuple[int, ...], torch.Tensor] = {}

    def fill(part: PersistentModule) -> None:
        for kind in ("_parameters", "_buffers"):
            for key, value in part.state[kind].items():
                shape = tuple(value.shape)
                part.state[kind][key] = values.setdefault(shape, torch.zeros(shape, dtype=dtype))
        for child in part.state["_modules"].values():
            fill(child)

    fill(whole)
    return pickle_nvidia({"G_ema": whole})


def biases_to_be_flattened() -> bytes:
    packed = io.BytesIO()
    matrix = torch.zeros(1000, 1000).t()
    state = {f"to_rgbs.{i}.bias": matrix for i in range(100)} | {"input.input": torch.zeros(1, 8, 4, 4)}
    torch.save({"g_ema": state}, packed)
    return packed.getvalue()


def saved(value: object) -> bytes:
    packed = io.BytesIO()
    torch.save(value, packed)
    return packed.getvalue()


def lists_in_lists() -> bytes:
    ones = b"](" + asm.number(1) * 500 + b"e"
    return asm.pickle_file(kept(ones), kept(b"](" + get(0) * 50_000 + b"e"), b"](" + get(1) * 50_000 + b"e")


def arrays(count: int, megabytes: int, told: int) -> bytes:
    """An archive of deflated arrays.

    Args:
        told: how many bytes each takes, as the archive says.
    """
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = press.compress(array_head(megabytes << 20)) + press.flush(zlib.Z_FULL_FLUSH)
    block = press.compress(bytes(1 << 20)) + press.flush(zlib.Z_FULL_FLUSH)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(count):
            archive.writestr(f"{i}.npy", start + block * megabytes + press.copy().flush())
            archive.infolist()[-1].compress_type = zipfile.ZIP_DEFLATED
            archive.infolist()[-1].file_size = told
    return file.getvalue()


def array_head(count: int) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
    return file.getvalue()


def an_array_that_is_not_there() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", array_head(10**11))
    return file.getvalue()


def native(tensors: dict[str, object], **entries: str) -> bytes:
    """A file of ours: the bundled model's entries with others over them, and other tensors."""
    content = BUNDLED.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    header_bytes = json.dumps({"__metadata__": header["__metadata__"] | entries, **tensors}).encode()
    return len(header_bytes).to_bytes(8, "little") + header_bytes


def overlapping_entries() -> bytes:
    """An archive whose list has many names for the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/data.pkl", asm.pickle_file(b"N"))
        archive.writestr("m/data/x", bytes(1_000_000))
        one = archive.infolist()[-1]
        for entry_number in range(40_000):
            archive.filelist.append(zipfile.ZipInfo(f"m/data/{entry_number}"))
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(archive.filelist[-1], field, getattr(one, field))
    return file.getvalue()


EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
HUGE = {"channels": [65536] * 10, "resolution": 2048, "z_dim": 8192, "w_dim": 8192, "mapping_layers": 64}

FILES: dict[str, Callable[[], bytes]] = {
    **{f"a flood of {what}": partial(flood, instruction) for what, instruction in {
        "tuples": b"\x85", "memo entries": b"\x94", "sets": b"\x8f", "lists": b"]", "marks": b"(",
        "records": asm.new_object("argparse.Namespace"), "frames": b"\x95" + bytes(8),
    }.items()},
    **{
        function.__name__.replace("_", " "): function
        for function in (
            colliding_numbers, equal_texts, equal_storage_names, a_state_again_and_again, arguments_again_and_again,
            the_same_storage_again_and_again, references_to_a_storage, tensors, copied_dictionaries,
            a_deep_key_in_an_argument, sets, members_of_many_modules, arrays_to_be_turned, biases_to_be_raised,
            variables_of_one_name, biases_to_be_flattened, lists_in_lists, overlapping_entries,
            an_array_that_is_not_there,
        )
    },
    "weights that are all the same": lambda: shared_weights(torch.float16),
    "weights of bytes that are all the same": lambda: shared_weights(torch.uint8),
    "one tensor many times": lambda: saved([torch.zeros(500_000, dtype=torch.float64)] * 2000),
    "packed arrays": lambda: arrays(20, 60, told=60 << 20),
    "an archive that says less": lambda: arrays(1, 1000, told=1000),
    "a configuration of many fields": lambda: native({}, config=json.dumps(dict.fromkeys(map(str, range(300_000)), 1))),
    "a configuration that is too large": lambda: native({}, config=json.dumps({"generator": {"family": "stylegan2", **HUGE}})),
    "many empty tensors": lambda: native({f"G_ema.{i}": EMPTY for i in range(50_000)}),
}  # fmt: skip
# Those that are meant for who looks for latents.
LATENTS = (
    "lists in lists",
    "one tensor many times",
    "packed arrays",
    "an archive that says less",
    "an array that is not there",
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedReader]:
    with ContainedReader(tmp_path_factory.mktemp("files")) as one:
        yield one


@pytest.mark.parametrize("what", FILES)
def test_a_small_file_costs_little(what: str, reader: ContainedReader) -> None:
    content = FILES[what]()
    assert len(content) < 10e6
    outcome = reader.read(content, thoroughly=what in LATENTS)
    print(f"{what}: {len(content) / 1e6:.1f} MB, {outcome}")
    assert not outcome.problem
    assert outcome.result != MODEL
