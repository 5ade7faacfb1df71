"""Small files that ask for much work must not cost much time or memory. Both are measured in a process of its own."""

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

FILE_BYTES = 2_000_000  # approximate size of a file
ALLOWED_INSTRUCTIONS = 200_000  # fewer than are refused, so each of them must be cheap
BUNDLED = ROOT / "engine/draggan_engine/checkpoints/bundled/critters-128.safetensors"


def memoize(*values: bytes) -> bytes:
    """Put values into the memo as 0, 1, …, and leave none on the stack."""
    return b"".join(value + b"\x940" for value in values)


def memo_value(index: int) -> bytes:
    return b"h" + bytes([index])


def repeat(instructions: bytes, count: int, max_instructions: int = ALLOWED_INSTRUCTIONS) -> bytes:
    """Return a list of as many equal values as the number of instructions allows.

    Args:
        instructions: that make one value.
        count: the number of these instructions.
    """
    return b"](" + instructions * (max_instructions // count) + b"e"


def flood(instruction: bytes) -> bytes:
    return asm.pickle_file(b"N", instruction * (FILE_BYTES // len(instruction)))


def repeated_call(function: bytes, *arguments: bytes) -> bytes:
    """Return a file that makes the same call again and again."""
    return asm.pickle_file(memoize(function, asm.tuple_of(*arguments)), repeat(memo_value(0) + memo_value(1) + b"R", 3))


def numbered_texts(count: int, form: str = "{}") -> list[bytes]:
    return [asm.text(form.format(i)) for i in range(count)]


def colliding_numbers() -> bytes:
    """Python's hash of each multiple of this number is 0."""
    return asm.pickle_file(
        b"}(", *(asm.number(i * (2**61 - 1)) + b"N" for i in range(ALLOWED_INSTRUCTIONS // 2 - 10)), b"u"
    )


def equal_texts() -> bytes:
    long = asm.text("x" * 1_000_000)
    return asm.pickle_file(memoize(long, long), b"}", b"h\x00Nsh\x01Ns" * (ALLOWED_INSTRUCTIONS // 6))


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
    body = memoize(*pid) + b"](" + (memo_value(0) + b"Q" + memo_value(1) + b"Q") * (ALLOWED_INSTRUCTIONS // 8) + b"e"
    return asm.legacy_file(body, b"](" + asm.text(long) + b"e")


def a_state_set_again_and_again() -> bytes:
    state = b"}(" + b"".join(key + b"N" for key in numbered_texts(50_000)) + b"u"
    return asm.pickle_file(
        memoize(state), asm.new_object("argparse.Namespace"), (memo_value(0) + b"b") * (ALLOWED_INSTRUCTIONS // 2)
    )


def arguments_used_again_and_again() -> bytes:
    arguments = b"}(" + b"".join(key + b"N" for key in numbered_texts(50_000)) + b"u"
    meta = asm.dictionary(
        type=asm.text("class"), class_name=asm.text("G"), state=asm.dictionary(_init_kwargs=arguments)
    )
    return repeated_call(asm.global_name("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def a_storage_loaded_again_and_again() -> bytes:
    return repeated_call(
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
    body = memoize(reference) + repeat(memo_value(0) + b"Q", 2, ALLOWED_INSTRUCTIONS // 2)
    return asm.legacy_file(body, b"](" + asm.text("0") + b"e", struct.pack("<q", 4000) + bytes(4000))


def tensors() -> bytes:
    loaded = asm.call(asm.global_name("torch.storage", "_load_from_bytes"), asm.byte_string(asm.legacy_storage()))
    return repeated_call(
        asm.global_name("torch._utils", "_rebuild_tensor_v2"), loaded, b"K\x00", b")", b")", b"\x89", b"N"
    )


def copied_dictionaries() -> bytes:
    entries = b"}(" + b"".join(key + b"N" for key in numbered_texts(50_000)) + b"u"
    return repeated_call(asm.global_name("collections", "OrderedDict"), entries)


def a_deep_key_in_an_argument() -> bytes:
    deep = b")" + b"\x85" * ALLOWED_INSTRUCTIONS
    return asm.pickle_file(asm.call(asm.global_name("collections", "OrderedDict"), b"](" + deep + b"N\x86e"))


def long_unknown_names() -> bytes:
    long = asm.text("x" * 1_000_000)
    return asm.pickle_file(memoize(long), repeat((memo_value(0) * 2 + b"\x93)R"), 5))


def unknown_objects_in_each_other() -> bytes:
    made = asm.global_name("a", "b") + b"\x940h\x00)R"
    return asm.pickle_file(made, b"h\x00)R" * (ALLOWED_INSTRUCTIONS // 4), b"b" * (ALLOWED_INSTRUCTIONS // 4))


def items_of_an_unknown_object() -> bytes:
    items = memoize(asm.list_of(*numbered_texts(50_000)))
    return asm.pickle_file(items, asm.call(asm.global_name("a", "b")), (b"(" + memo_value(0) * 2 + b"u") * 40_000)


def colliding_memo_indices() -> bytes:
    """Python's hash of each multiple of this number is 0."""
    return asm.pickle_file(b"N", *(b"p%d\n" % (i * (2**61 - 1)) for i in range(ALLOWED_INSTRUCTIONS)))


def lines_without_an_end() -> bytes:
    return asm.pickle_file(b"V" * FILE_BYTES)


def empty_lines() -> bytes:
    return asm.pickle_file(b"V\n" * (FILE_BYTES // 2))


def wide_lines() -> bytes:
    return asm.pickle_file((b"V" + b"\\U0010ffff" * 100 + b"\n") * (FILE_BYTES // 1000))


def arrays_of_one_buffer() -> bytes:
    return repeated_call(
        asm.global_name("numpy.core.numeric", "_frombuffer"),
        b"\x96" + struct.pack("<Q", 1_000_000) + bytes(1_000_000),
        asm.call(asm.global_name("numpy", "dtype"), asm.text("u1"), b"\x89", b"\x88"),
        asm.tuple_of(asm.number(1_000_000)),
        asm.text("C"),
    )


def rebuilt_dictionaries() -> bytes:
    entries = b"}(" + b"".join(key + b"N" for key in numbered_texts(50_000)) + b"u"
    kind = asm.global_name("dnnlib.util", "EasyDict")
    return repeated_call(asm.global_name("copy_reg", "_reconstructor"), kind, b"N", entries)


def arguments_without_number() -> bytes:
    arguments = b"(" + b"".join(numbered_texts(50_000)) + b"t"
    rebuild = asm.global_name("numpy.core.multiarray", "_reconstruct")
    return asm.pickle_file(memoize(rebuild, arguments), repeat(memo_value(0) + memo_value(1) + b"R", 3, 100_000))


def sets() -> bytes:
    return repeated_call(asm.global_name("builtins", "set"), b"](" + b"".join(numbered_texts(30_000)) + b"e")


def members_of_many_modules() -> bytes:
    """Many different modules share one dictionary of buffers."""
    buffers = b"}(" + b"".join(key + memo_value(0) for key in numbered_texts(20_000)) + b"u"
    module = asm.nvidia_module(_buffers=memo_value(1))
    inside = b"}(" + b"".join(key + module for key in numbered_texts(4_000)) + b"u"
    return asm.pickle_file(
        memoize(asm.tensor(asm.legacy_storage()), buffers), asm.dictionary(G_ema=asm.nvidia_generator(_modules=asm.dictionary(
            synthesis=asm.nvidia_module(_modules=asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=asm.tensor(asm.legacy_storage(), size=(1, 4, 1), stride=(4, 1, 1)))))),
            mapping=asm.nvidia_module(_modules=asm.dictionary(fc0=asm.nvidia_module())),
            more=asm.nvidia_module(_modules=inside),
        ))),
    )  # fmt: skip


def tensorflow(variables: bytes) -> bytes:
    part = asm.tensorflow_network(variables=variables)
    return asm.tensorflow_file(components=asm.dictionary(mapping=part, synthesis=part))


def arrays_of_another_byte_order() -> bytes:
    """One array of another byte order has many names."""
    order = (
        asm.tuple_of(asm.number(3), asm.text(">"), b"N", b"N", b"N", asm.number(-1), asm.number(-1), asm.number(0))
        + b"b"
    )
    values = asm.numpy_array("f4", (500_000,), asm.byte_string(bytes(2_000_000))).replace(b"\x88tR", b"\x88tR" + order)
    pairs = b"".join(key + memo_value(0) + b"\x86" for key in numbered_texts(20_000))
    return asm.PROTO + memoize(values) + tensorflow(asm.list_of(pairs))[2:]


def biases_that_are_copied() -> bytes:
    values = asm.numpy_array("f4", (500_000,), asm.byte_string(bytes(2_000_000)))
    pairs = b"".join(key + memo_value(0) + b"\x86" for key in numbered_texts(9_000, "{0}x{0}/ToRGB/mod_bias"))
    return asm.PROTO + memoize(values) + tensorflow(asm.list_of(pairs))[2:]


def variables_with_one_name() -> bytes:
    long = asm.text("x" * 1_000_000)
    one, two = (key + b"G" + bytes(8) + b"\x86" for key in (long, long))
    return (
        asm.PROTO
        + memoize(one, two)
        + tensorflow(repeat(memo_value(0) + memo_value(1), 2, ALLOWED_INSTRUCTIONS // 2))[2:]
    )


def shared_weights(dtype: torch.dtype) -> bytes:
    """Return a whole StyleGAN2 whose dense layers all have the same tensor."""
    config = StyleGAN2Config(resolution=8, z_dim=2048, w_dim=2048, mapping_layers=64, channels=(8, 8))
    with torch.device("meta"):
        generator = persist_generator(Generator(config))
    tensors_by_shape: dict[tuple[int, ...], torch.Tensor] = {}

    def fill(module: PersistentModule) -> None:
        for kind in ("_parameters", "_buffers"):
            for key, value in module.state[kind].items():
                shape = tuple(value.shape)
                module.state[kind][key] = tensors_by_shape.setdefault(shape, torch.zeros(shape, dtype=dtype))
        for child in module.state["_modules"].values():
            fill(child)

    fill(generator)
    return pickle_nvidia({"G_ema": generator})


def biases_that_would_be_copied_to_flatten_them() -> bytes:
    packed = io.BytesIO()
    matrix = torch.zeros(1000, 1000).t()
    state = {f"to_rgbs.{i}.bias": matrix for i in range(100)} | {"input.input": torch.zeros(1, 8, 4, 4)}
    torch.save({"g_ema": state}, packed)
    return packed.getvalue()


def a_large_filter_of_many_images() -> bytes:
    state = {f"synthesis.output{i}.weight": torch.zeros(3, 8, 1, 1) for i in range(100)}
    state |= {
        "synthesis.early_layer.const": torch.zeros(1, 8, 4, 4),
        "synthesis.upsample.kernel": torch.zeros(2_000_000),
    }
    return saved({"generator": state})


def huge_images_without_noise() -> bytes:
    """A whole StyleGAN2 of one channel, whose noise would be 16 times as wide as its first map."""
    config = StyleGAN2Config(
        resolution=2048, z_dim=4, w_dim=4, mapping_layers=1, channels=(1,) * 10, const_size=(4, 16)
    )
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in Generator(config).state_dict().items()}
    return saved({key: torch.zeros(shape) for key, shape in shapes.items() if not key.endswith("noise_const")})


def tensors_that_would_be_copied_to_convert_them(first_name: str, form: str) -> bytes:
    """A state dict has one large tensor under many names.

    Args:
        first_name: the name of the tensor by which its program is recognised.
        form: of the names, with `{}` for the number of a layer.
    """
    large = torch.zeros(1_000_000)
    return saved({first_name: torch.zeros(1, 8, 4, 4)} | {form.format(i): large for i in range(100)})


def saved(value: object) -> bytes:
    packed = io.BytesIO()
    torch.save(value, packed)
    return packed.getvalue()


def lists_in_lists() -> bytes:
    ones = b"](" + asm.number(1) * 500 + b"e"
    return asm.pickle_file(
        memoize(ones), memoize(b"](" + memo_value(0) * 50_000 + b"e"), b"](" + memo_value(1) * 50_000 + b"e"
    )


def packed_arrays(count: int, megabytes: int, stated_bytes: int) -> bytes:
    """Return an archive of deflated arrays.

    Args:
        stated_bytes: the size of each array according to the archive.
    """
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = compressor.compress(array_head(megabytes << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(count):
            archive.writestr(f"{i}.npy", start + block * megabytes + compressor.copy().flush())
            archive.infolist()[-1].compress_type = zipfile.ZIP_DEFLATED
            archive.infolist()[-1].file_size = stated_bytes
    return file.getvalue()


def array_head(count: int) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
    return file.getvalue()


def a_missing_array() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", array_head(10**11))
    return file.getvalue()


def native(tensors: dict[str, object], **entries: str) -> bytes:
    """Return the file of the bundled model with some entries and all tensors replaced."""
    content = BUNDLED.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    header_bytes = json.dumps({"__metadata__": header["__metadata__"] | entries, **tensors}).encode()
    return len(header_bytes).to_bytes(8, "little") + header_bytes


def overlapping_entries() -> bytes:
    """The directory of an archive has many names for the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/data.pkl", asm.pickle_file(b"N"))
        archive.writestr("m/data/x", bytes(1_000_000))
        entry = archive.infolist()[-1]
        for entry_number in range(40_000):
            archive.filelist.append(zipfile.ZipInfo(f"m/data/{entry_number}"))
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(archive.filelist[-1], field, getattr(entry, field))
    return file.getvalue()


EMPTY_TENSOR = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
HUGE_CONFIG = {"channels": [65536] * 10, "resolution": 2048, "z_dim": 8192, "w_dim": 8192, "mapping_layers": 64}

FILES: dict[str, Callable[[], bytes]] = {
    **{f"a flood of {name}": partial(flood, instruction) for name, instruction in {
        "tuples": b"\x85", "memo entries": b"\x94", "sets": b"\x8f", "lists": b"]", "marks": b"(",
        "records": asm.new_object("argparse.Namespace"), "frames": b"\x95" + bytes(8),
        "unknown names": b"ca\nb\n", "unknown objects": b"(ia\nb\n", "byte arrays": b"\x96" + bytes(8),
        "byte arrays that are too long": b"\x96" + struct.pack("<Q", 2**33), "frozen sets": b"(\x91",
    }.items()},
    **{
        function.__name__.replace("_", " "): function
        for function in (
            colliding_numbers, equal_texts, equal_storage_names, a_state_set_again_and_again, arguments_used_again_and_again,
            a_storage_loaded_again_and_again, references_to_a_storage, tensors, copied_dictionaries,
            long_unknown_names, unknown_objects_in_each_other, items_of_an_unknown_object, colliding_memo_indices,
            lines_without_an_end, empty_lines, wide_lines, arrays_of_one_buffer, rebuilt_dictionaries,
            arguments_without_number, a_deep_key_in_an_argument, sets, members_of_many_modules, arrays_of_another_byte_order, biases_that_are_copied,
            variables_with_one_name, biases_that_would_be_copied_to_flatten_them, lists_in_lists, overlapping_entries,
            a_missing_array, huge_images_without_noise, a_large_filter_of_many_images,
        )
    },
    "weights that are all the same": lambda: shared_weights(torch.float16),
    "weights of bytes that are all the same": lambda: shared_weights(torch.uint8),
    **{f"tensors to convert from {form}": partial(tensors_that_would_be_copied_to_convert_them, first_name, form) for first_name, form in (
        ("input.input", "convs.{}.conv.blur.kernel"),
        ("constant_input.input", "to_rgbs.{}.conv.weight_orig"),
        ("synthesis.early_layer.const", "synthesis.layer{}.style.bias"),
    )},
    "one tensor many times": lambda: saved([torch.zeros(500_000, dtype=torch.float64)] * 2000),
    "packed arrays": lambda: packed_arrays(20, 60, stated_bytes=60 << 20),
    "an archive that states a smaller size": lambda: packed_arrays(1, 1000, stated_bytes=1000),
    "a configuration of many fields": lambda: native({}, config=json.dumps(dict.fromkeys(map(str, range(300_000)), 1))),
    "a configuration that is too large": lambda: native({}, config=json.dumps({"generator": {"family": "stylegan2", **HUGE_CONFIG}})),
    "many empty tensors": lambda: native({f"G_ema.{i}": EMPTY_TENSOR for i in range(50_000)}),
}  # fmt: skip
# The files that are costly if one looks for latents in them.
LATENT_FILES = (
    "lists in lists",
    "one tensor many times",
    "packed arrays",
    "an archive that states a smaller size",
    "a missing array",
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedReader]:
    with ContainedReader(tmp_path_factory.mktemp("files")) as contained_reader:
        yield contained_reader


@pytest.mark.parametrize("name", FILES)
def test_a_small_file_costs_little(name: str, reader: ContainedReader) -> None:
    content = FILES[name]()
    assert len(content) < 10e6
    outcome = reader.read(content, thoroughly=name in LATENT_FILES)
    print(f"{name}: {len(content) / 1e6:.1f} MB, {outcome}")
    assert not outcome.problem
    assert outcome.result != MODEL
