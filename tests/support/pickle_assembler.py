"""A small assembler of pickles. Most functions return the instructions that leave one value on the unpickler's stack."""

from __future__ import annotations

import struct

PROTO, STOP = b"\x80\x04", b"."
LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def pickle_file(*values: bytes) -> bytes:
    """Return a whole pickle. Its object is the last value."""
    return PROTO + b"".join(values) + STOP


# Values ---------------------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def byte_string(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    raw = value.to_bytes(10, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def list_of(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def dictionary(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


# Functions and objects ------------------------------------------------------------------------------------------------


def global_name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def new_object(class_name: str) -> bytes:
    """Return an object by NEWOBJ.

    Args:
        class_name: with its module.
    """
    return global_name(*class_name.rsplit(".", 1)) + b")\x81"


def numpy_array(code: str, shape: tuple[int, ...], values: bytes) -> bytes:
    dtype = call(global_name("numpy", "dtype"), text(code), b"\x89", b"\x88")
    return numpy_array_of_type(dtype, shape, values)


def numpy_array_of_type(dtype: bytes, shape: tuple[int, ...], values: bytes) -> bytes:
    reconstruct = global_name("numpy.core.multiarray", "_reconstruct")
    empty = call(reconstruct, global_name("numpy", "ndarray"), tuple_of(number(0)), byte_string(b"b"))
    return empty + tuple_of(number(1), tuple_of(*map(number, shape)), dtype, b"\x89", values) + b"b"


def numpy_buffer(code: str, shape: tuple[int, ...], values: bytes) -> bytes:
    """Return an array as protocol 5 pickles it."""
    dtype = call(global_name("numpy", "dtype"), text(code), b"\x89", b"\x88")
    return call(
        global_name("numpy.core.numeric", "_frombuffer"), values, dtype, tuple_of(*map(number, shape)), text("C")
    )


# torch ----------------------------------------------------------------------------------------------------------------


def storage_reference(
    numel: int = 4, key: str = "0", kind: bytes = global_name("torch", "FloatStorage"), view: bytes = b"N"
) -> bytes:
    """Return a storage by its persistent id."""
    return tuple_of(text("storage"), kind, text(key), text("cpu"), number(numel), view) + b"Q"


def legacy_file(body: bytes, keys: bytes = b"]", storages: bytes = b"") -> bytes:
    """Return a file as torch.save wrote it before version 1.6.

    Args:
        body: its object.
        keys: the list of the keys of its storages.
        storages: for each key, the number of elements and the raw bytes.
    """
    system_facts = b"}(" + text("little_endian") + b"\x88u"
    values = (number(LEGACY_MAGIC), number(LEGACY_PROTOCOL), system_facts, body, keys)
    return b"".join(b"\x80\x02" + value + STOP for value in values) + storages


def legacy_storage(
    values: bytes = bytes(16),
    *,
    numel: int = 4,
    count: int | None = None,
    kind: bytes = global_name("torch", "FloatStorage"),
    view: bytes = b"N",
) -> bytes:
    """Return a storage as a legacy file, which is what `_load_from_bytes` gets.

    Args:
        values: the raw bytes.
        numel: the number of elements in the persistent id.
        count: the number of elements before the raw bytes, if it is another.
    """
    storages = struct.pack("<q", numel if count is None else count) + values
    return legacy_file(storage_reference(numel, kind=kind, view=view), list_of(text("0")), storages)


def load_storage(legacy_bytes: bytes) -> bytes:
    return call(global_name("torch.storage", "_load_from_bytes"), byte_string(legacy_bytes))


def tensor(legacy_bytes: bytes, offset: int = 0, size: tuple[int, ...] = (4,), stride: tuple[int, ...] = (1,)) -> bytes:
    shape, strides = tuple_of(*map(number, size)), tuple_of(*map(number, stride))
    rebuild = global_name("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, load_storage(legacy_bytes), number(offset), shape, strides, b"\x89", b"N")


# Networks -------------------------------------------------------------------------------------------------------------


def nvidia_module(class_name: str = "Generator", source: str = "", **state: bytes) -> bytes:
    meta = dictionary(
        type=text("class"),
        version=number(6),
        module_src=text(source),
        class_name=text(class_name),
        state=dictionary(**state),
    )
    return call(global_name("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def nvidia_generator(arguments: bytes | None = None, /, **state: bytes) -> bytes:
    """Return a generator of NVIDIA's with everything but its tensors.

    Args:
        arguments: of its constructor; those of a StyleGAN2 of 32×32 pixels by default.
        state: entries of its state that are added or replaced.
    """
    arguments = arguments or dictionary(img_resolution=b"K\x20", z_dim=b"K\x08", w_dim=b"K\x08", synthesis_kwargs=b"}")
    modules = dictionary(
        synthesis=nvidia_module(_modules=dictionary(b4=nvidia_module())),
        mapping=nvidia_module(_modules=dictionary(fc0=nvidia_module())),
    )
    return nvidia_module("Generator", "", **({"_init_kwargs": arguments, "_modules": modules} | state))


def tensorflow_network(**state: bytes) -> bytes:
    """Return a network of TensorFlow's. Entries of its state that are not given are empty."""
    full_state = {"version": b"K\x04", "components": b"}", "variables": b"]", "static_kwargs": b"}"} | state
    return new_object("dnnlib.tflib.network.Network") + dictionary(**full_state) + b"b"


def tensorflow_file(**state: bytes) -> bytes:
    """Return a file of three networks.

    Args:
        state: entries of the state of the last one, which is the averaged generator.
    """
    networks = (tensorflow_network(), tensorflow_network(), tensorflow_network(**state))
    return pickle_file(tuple_of(*networks))
