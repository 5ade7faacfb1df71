"""A small assembler of pickles: each function gives the instructions that leave one value on the stack."""

from __future__ import annotations

import struct

PROTO, STOP = b"\x80\x04", b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    raw = value.to_bytes(10, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def group(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + group(*arguments) + b"R"


def mapping(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(
    values: bytes = bytes(16),
    *,
    numel: int = 4,
    count: int | None = None,
    kind: bytes = name("torch", "FloatStorage"),
    view: bytes = b"N",
) -> bytes:
    """A storage in torch's legacy layout, as the bytes that `_load_from_bytes` gets."""
    reference = group(text("storage"), kind, text("0"), text("cpu"), number(numel), view) + b"Q"
    return legacy(reference, b"](" + text("0") + b"e", struct.pack("<q", numel if count is None else count) + values)


def tensor(raw: bytes, offset: int = 0, size: tuple[int, ...] = (4,), stride: tuple[int, ...] = (1,)) -> bytes:
    loaded = call(name("torch.storage", "_load_from_bytes"), data(raw))
    shape, steps = group(*map(number, size)), group(*map(number, stride))
    return call(name("torch._utils", "_rebuild_tensor_v2"), loaded, number(offset), shape, steps, b"\x89", b"N")


def module(class_name: str = "Generator", source: str = "", **state: bytes) -> bytes:
    meta = mapping(
        type=text("class"),
        version=number(6),
        module_src=text(source),
        class_name=text(class_name),
        state=mapping(**state),
    )
    return call(name("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def array(code: str, shape: tuple[int, ...], values: bytes) -> bytes:
    start = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), group(number(0)), data(b"b"))
    dtype = call(name("numpy", "dtype"), text(code), b"\x89", b"\x88")
    return start + group(number(1), group(*map(number, shape)), dtype, b"\x89", values) + b"b"


def made(function: str) -> bytes:
    """An object by NEWOBJ; `function` is its module and name."""
    return name(*function.rsplit(".", 1)) + b")\x81"


def network(**state: bytes) -> bytes:
    """One of TensorFlow's; what is not given is empty."""
    whole = {"version": b"K\x04", "components": b"}", "variables": b"]", "static_kwargs": b"}"} | state
    return made("dnnlib.tflib.network.Network") + mapping(**whole) + b"b"


def generator(arguments: bytes | None = None, /, **state: bytes) -> bytes:
    """One of NVIDIA's, with everything but its tensors.

    Args:
        arguments: what it was made with; default: what a StyleGAN2 of 32×32 pixels needs.
        state: what it has more, or instead.
    """
    arguments = arguments or mapping(img_resolution=b"K\x20", z_dim=b"K\x08", w_dim=b"K\x08", synthesis_kwargs=b"}")
    parts = mapping(synthesis=module(_modules=mapping(b4=module())), mapping=module(_modules=mapping(fc0=module())))
    return module("Generator", "", **({"_init_kwargs": arguments, "_modules": parts} | state))


def legacy(body: bytes, keys: bytes = b"]", storages: bytes = b"") -> bytes:
    """A file of torch.save as it was before version 1.6; `body` is its object, `keys` the list of its storages."""
    facts = b"}(" + text("little_endian") + b"\x88u"
    values = (number(0x1950A86A20F9469CFC6C), number(1001), facts, body, keys)
    return b"".join(b"\x80\x02" + value + STOP for value in values) + storages
