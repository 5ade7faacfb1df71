"""Damage files with regard to their structure, so that the damage gets far into the reader.

Every change is drawn from a `random.Random`, so the same seed gives the same file.
"""

from __future__ import annotations

import io
import json
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tests.support import pickle_assembler as asm
from tests.support.contained_reader import CANARY, CANARY_MODULE

LEGACY_HEAD = b"\x80\x02\x8a\n"
EXTREME_NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63 - 1,
)
SHELL_CALL = asm.call(asm.global_name("os", "system"), asm.text(f"touch {CANARY}"))
HOSTILE_TEXTS = (
    "", "os", "system", "builtins", "eval", "__class__", "__reduce__", "\n", "\x1b[2J", "x" * 2000, "\ud800", "é", "G_ema",
    "state", "_modules", "_parameters", "_buffers", "_init_kwargs", "img_resolution", "synthesis_kwargs", "conv_clamp",
    "components", "variables", "storage", "cpu", "0", "latin1", "f8", "O8", "V1000000000", "<", "4x4/Conv/weight",
    "synthesis.b4.conv1.weight", "style.1.weight", "to_rgbs.99.bias",
    "g_ema", "params_ema", "state_dict", "latent_avg", "decoder.input.input", "synthesis.L0_36_32.weight", "convs.0.conv.blur.kernel",
    "layer_names", "embed", "c_dim", "in_size", "out_sampling_rate", "is_critically_sampled", "L6_52_32",
)  # fmt: skip
UNKNOWN_OBJECT = asm.call(asm.global_name("pathlib", "PosixPath"), asm.text("/data"))
UNKNOWN_CLASS = asm.global_name("torch.nn.modules.conv", "Conv2d")
# Instructions of all protocols that plain data rarely use: buffers, lines of text, frozen sets, objects with keywords.
RARE_INSTRUCTIONS = (
    b"\x91", b"\x92", b"\x97", b"\x98", b"\x96" + struct.pack("<Q", 4) + b"abcd", b"\x96" + b"\xff" * 8,
    b"\x96" + struct.pack("<Q", 2**33), b"p0\n", b"g0\n", b"p99999999999999999999\n", b"g-1\n", b"p\n", b"I1\n", b"I01\n",
    b"L" + b"7" * 5000 + b"L\n", b"L0x" + b"f" * 5000 + b"\n", b"F1e999\n", b"Fnan\n", b"S'text'\n", b"S'", b"Vtext\\u0041\n",
    b"V" + b"\\U0010ffff" * 300 + b"\n", b"T\x04\0\0\0abcd", b"T\xff\xff\xff\x7f", b"U\x02ab", b"\x83\x01\x02", b"\x84\x01\x02\x03\x04",
    b"(ipathlib\nPosixPath\n", b"(" + UNKNOWN_CLASS + b"K\x01o", b"(K\x01K\x02d", b"(K\x01l", b"Pid\n",
)  # fmt: skip
UNKNOWN_VALUES = (
    UNKNOWN_OBJECT, UNKNOWN_CLASS, asm.new_object("torch.nn.modules.container.Sequential"), asm.call(UNKNOWN_OBJECT),
    UNKNOWN_CLASS + b")}\x92", UNKNOWN_OBJECT + asm.dictionary(_modules=b"}") + b"b", UNKNOWN_OBJECT + b"}\x94h\x00b",
    asm.numpy_array("O8", (1,), asm.list_of(UNKNOWN_OBJECT)), asm.numpy_array("U4", (1,), asm.byte_string(bytes(16))),
    asm.call(asm.global_name("copyreg", "_reconstructor"), UNKNOWN_CLASS, asm.global_name("builtins", "object"), b"N"),
    asm.call(asm.global_name("copyreg", "_reconstructor"), asm.global_name("dnnlib.util", "EasyDict"), b"N", b"}(K\x01Nu"),
    asm.numpy_buffer("f4", (1,), b"\x96" + struct.pack("<Q", 4) + b"abcd"), asm.numpy_buffer("f4", (2**39, 2), b"C\x00"),
    b"}" + UNKNOWN_OBJECT + b"Ns", b"(" + UNKNOWN_OBJECT + b"K\x01\x91",
)  # fmt: skip
# Instructions that replace an instruction, or are inserted before it.
HOSTILE_INSTRUCTIONS = (
    *RARE_INSTRUCTIONS, *UNKNOWN_VALUES,
    *(bytes([code]) for code in b"(.0123N)]}\x85\x86\x87\x88\x89\x8f\x90\x94abeghjlostuRQcdi\x81\x92\x93\x97\x98IFSUVBCTXMJKL"),
    b"K\x00", b"K\xff", b"M\xff\xff", b"J\xff\xff\xff\x7f", b"h\x00", b"h\x07", b"q\x00", b"G" + struct.pack(">d", float("nan")),
    b"G" + struct.pack(">d", 1e308), b"\x82\x01", b"B\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8, b"\x95" + b"\xff" * 8, b"\x80\x05",
    b"cos\nsystem\n", b"(S'touch canary'\nios\nsystem\n", b"(cos\nsystem\nS'touch canary'\no", b"P0\n",
    *(asm.number(value) for value in EXTREME_NUMBERS), b"\x8a\xff" + b"\x7f" * 255,
    SHELL_CALL, asm.global_name(CANARY_MODULE, "function"), asm.call(asm.global_name("builtins", "exec"), asm.text(f"open({CANARY!r}, 'w')")),
    asm.tensor(asm.legacy_storage()), asm.legacy_storage(), asm.nvidia_module(), asm.nvidia_generator(), asm.tensorflow_network(), asm.numpy_array("f4", (1,), b"C\x04abcd"), asm.numpy_array("O8", (1,), b"](K\x01e"),
    asm.new_object("collections.OrderedDict"), asm.new_object("argparse.Namespace"), asm.call(asm.global_name("builtins", "set"), b"]"),
    asm.call(asm.global_name("torch.storage", "_load_from_bytes"), b"C\x00"), asm.tuple_of(b"N", b"N"), asm.dictionary(state=b"}"), b"}\x94h\x00a", b"]\x94\x94h\x00a",
)  # fmt: skip
# Instructions that leave one value on the stack, and take none from it.
HOSTILE_VALUES = (
    *UNKNOWN_VALUES,
    *(bytes([code]) for code in b"N)]}\x88\x89\x8f"), b"K\x00", b"K\xff", b"M\xff\xff", b"G" + struct.pack(">d", float("nan")),
    b"G" + struct.pack(">d", 1e308), *(asm.number(value) for value in EXTREME_NUMBERS), b"\x8a\xff" + b"\x7f" * 255, asm.tensor(asm.legacy_storage()),
    asm.tensor(asm.legacy_storage(), size=(2, 2), stride=(1, 2)), asm.nvidia_module(), asm.nvidia_generator(), asm.tensorflow_network(), asm.numpy_array("f4", (1,), b"C\x04abcd"),
    asm.numpy_array("i8", (0,), b"C\x00"), asm.new_object("collections.OrderedDict"), asm.new_object("argparse.Namespace"), asm.tuple_of(b"N", b"N"), asm.dictionary(state=b"}"),
    asm.call(asm.global_name("builtins", "set"), b"]"), b"}\x94h\x00a", b")" + b"\x85" * 2000, b"C\x04abcd", asm.global_name("torch", "FloatStorage"),
)  # fmt: skip
# The codes of single instructions in a file that do the same.
VALUE_OPCODES = b"NKMJG\x88\x89)]}hj\x8a\x8cXCB\x8f"
HOSTILE_JSON: tuple[object, ...] = (
    *EXTREME_NUMBERS, -5, 2**64, 10**30, 1e308, float("nan"), float("inf"), None, True, "", [], {}, [0], [0, 2**63], [1] * 500, "F64", "BF16",
    "F8_E4M3", "BOOL", "a\nb", "x" * 300, "stylegan3", [[]], {"a": {"b": []}},
)  # fmt: skip


def mutate(chance: random.Random, files: Mapping[str, bytes], name: str) -> bytes:
    """Return a damaged copy of a file.

    Args:
        files: the contents of all files by name. A part of any of them may get into the copy.
    """
    content = files[name]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice(_mutations(content))(chance, content, tuple(files.values()))
    return content


def is_old_pickle(content: bytes) -> bool:
    """Return whether a file is a pickle of protocol 0 or 1, which does not state its protocol."""
    return content[:2] in (b"(d", b"}q") and content[-1:] == asm.STOP


def split_pickles(content: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Return the instructions of the pickles that a file begins with, without frames, and the rest of the file."""
    instructions: list[bytes] = []
    start = 0
    while content[start : start + 1] == b"\x80" or (start == 0 and is_old_pickle(content)):
        try:
            positions = [position for _, _, position in pickletools.genops(content[start:]) if position is not None]
        except Exception:
            break
        end = content.index(asm.STOP, positions[-1] + start) + 1 - start
        pieces = [
            content[start + position : start + next_position]
            for position, next_position in zip(positions, [*positions[1:], end], strict=True)
        ]
        instructions += [piece for piece in pieces if piece[0] != 0x95]
        start += end
    return tuple(instructions), content[start:]


_split_pickles = lru_cache(100)(split_pickles)  # the files, and a damaged one from one change to the next
Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _mutations(content: bytes) -> tuple[Mutation, ...]:
    """Return the mutations that suit a file; one that is repeated is more likely."""
    mutations: tuple[Mutation, ...] = (_flip_bytes, _cut, _overwrite, _splice)
    if content[:1] == b"\x80" or is_old_pickle(content):
        return (*mutations, *[_change_pickle] * 12)
    if content[:4] == b"PK\x03\x04":
        return (*mutations, *[_change_zip_entries] * 8, *[_change_zip_directory] * 4)
    if content[8:9] == b"{":
        return (*mutations, *[_change_safetensors_header] * 10)
    return (*mutations, *[_flip_bytes] * 4)


def _structured_ranges(content: bytes) -> tuple[range, ...]:
    """Return the ranges of a file where it has more structure than weights have."""
    if content[:4] == b"PK\x03\x04":
        return (range(min(2000, len(content))), range(max(len(content) - 4000, 0), len(content)))
    if content[8:9] == b"{":
        return (range(min(int.from_bytes(content[:8], "little") + 8, len(content))),)
    return (range(len(content)), range(min(400, len(content))))


def _flip_bytes(chance: random.Random, content: bytes, _others: Sequence[bytes]) -> bytes:
    changed_content = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 50))):
        place = chance.choice(chance.choice(_structured_ranges(content)) or range(1)) if content else 0
        if place < len(changed_content):
            changed_content[place] = chance.choice(
                (changed_content[place] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255)
            )
    return bytes(changed_content)


def _cut(chance: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place = chance.randrange(len(content) + 1)
    return chance.choice(
        (content[:place], content[:place] + content[place + chance.randrange(1, 500) :], content + content[:place])
    )


def _overwrite(chance: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place, count = chance.randrange(len(content) + 1), chance.randrange(1, 300)
    return content[:place] + chance.choice((b"\0", b"\xff", b"(", b"\x80")) * count + content[place + count :]


def _splice(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    start, place = chance.randrange(len(other) + 1), chance.randrange(len(content) + 1)
    part = other[start : start + chance.randrange(1, 5000)]
    return content[:place] + part + content[place + chance.choice((0, len(part))) :]


def _change_pickle(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the instructions of the pickles that a file begins with."""
    instructions, rest = _split_pickles(content)
    if not instructions:
        return content
    donor = next(
        (_split_pickles(other)[0] for other in chance.sample(others, len(others)) if other[:1] == b"\x80"), instructions
    )
    changed = list(instructions)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change_instructions(chance, changed, donor, others)
    if chance.random() < 0.02:
        rest = chance.choice((rest[:-1], b"", rest + b"\0"))
    return b"".join(changed) + rest


def _change_instructions(
    chance: random.Random, instructions: list[bytes], donor: Sequence[bytes], others: Sequence[bytes]
) -> None:
    place = chance.randrange(len(instructions))
    part = slice(place, place + chance.choice((1, 1, 2, 3, 8, 40)))
    match chance.randrange(18):
        case 0:
            instructions[part] = []
        case 1:
            instructions[place:place] = instructions[part] * chance.choice((1, 2, 100))
        case 2:
            instructions[place] = chance.choice(HOSTILE_INSTRUCTIONS)
        case 3:
            instructions.insert(place, chance.choice(HOSTILE_INSTRUCTIONS))
        case 4:
            start = chance.randrange(len(donor))
            instructions[part] = donor[start : start + chance.choice((1, 3, 20, 200))]
        case 5:
            other = chance.randrange(len(instructions))
            instructions[place], instructions[other] = instructions[other], instructions[place]
        case 6:
            _replace_one(chance, instructions, b"KMJ\x8aGN\x88\x89", lambda: asm.number(chance.choice(EXTREME_NUMBERS)))
        case 7:
            strings = [piece for piece in chance.sample(donor, min(len(donor), 50)) if piece[0] in b"X\x8c"]
            _replace_one(chance, instructions, b"X\x8c", lambda: chance.choice(strings or [b"N"]))
            if chance.random() < 0.5:
                value = chance.choice(HOSTILE_TEXTS).encode("utf-8", "surrogatepass")
                _replace_one(chance, instructions, b"X\x8c", lambda: b"X" + struct.pack("<I", len(value)) + value)
        case 8 | 9:
            _change_storage(chance, instructions, others)
        case 10 | 11:
            _replace_one(chance, instructions, VALUE_OPCODES, lambda: b"h" + bytes([chance.randrange(256)]))
        case 12 | 13:
            _replace_one(chance, instructions, VALUE_OPCODES, lambda: chance.choice(instructions))
        case _:
            _replace_one(chance, instructions, VALUE_OPCODES, lambda: chance.choice(HOSTILE_VALUES))


def _replace_one(chance: random.Random, instructions: list[bytes], codes: bytes, new: Callable[[], bytes]) -> None:
    """Replace one instruction that has one of the opcodes."""
    for place in chance.sample(range(len(instructions)), min(len(instructions), 100)):
        if instructions[place][0] in codes:
            instructions[place] = new()
            return


def _change_storage(chance: random.Random, instructions: list[bytes], others: Sequence[bytes]) -> None:
    """Change the inside of a storage that is in the pickle as bytes, if there is one."""
    for place in chance.sample(range(len(instructions)), min(len(instructions), 200)):
        piece = instructions[place]
        start = {ord("C"): 2, ord("B"): 5}.get(piece[0], 0)
        if start and piece[start : start + 4] == LEGACY_HEAD:
            inner = chance.choice((_change_pickle, _change_pickle, _flip_bytes, _cut))(chance, piece[start:], others)
            instructions[place] = b"B" + struct.pack("<I", len(inner)) + inner
            return


def _change_zip_entries(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change, rename, remove or compress one entry of a zip archive; the archive is intact otherwise."""
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
            entries = [entry for entry in old.infolist() if entry.file_size < 1 << 22]
            chosen = chance.choice([*entries, *[e for e in entries if e.filename.endswith(("data.pkl", ".npy"))] * 20])
            for entry in entries:
                title, inside = entry.filename, old.read(entry)
                if entry is chosen:
                    match chance.randrange(12):
                        case 0:
                            continue
                        case 1:
                            title = chance.choice(
                                [
                                    *HOSTILE_TEXTS[:10],
                                    "data.pkl",
                                    "a/data.pkl",
                                    "../x",
                                    "a.npy",
                                    chance.choice(entries).filename,
                                ]
                            )
                            title = title.encode("utf-8", "replace").decode() or "x"
                        case 2:
                            entry.compress_type = zipfile.ZIP_DEFLATED
                        case _:
                            inside = chance.choice(
                                (_change_pickle if inside[:1] == b"\x80" else _flip_bytes, _flip_bytes, _cut)
                            )(chance, inside, others)
                new.writestr(zipfile.ZipInfo(title), inside, entry.compress_type)  # of 1980, always
    except Exception:
        return _flip_bytes(chance, content, others)
    return packed.getvalue()


def _change_zip_directory(chance: random.Random, content: bytes, _others: Sequence[bytes]) -> bytes:
    """Change numbers in the directory of a zip archive, at its end or before one of its entries."""
    changed_content = bytearray(content)
    signature = chance.choice(
        (b"PK\x01\x02", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
    )
    places = [i for i in range(len(content) - 60) if content.startswith(signature, i)] if chance.random() < 0.1 else []
    place = chance.choice(places) if places else content.rfind(signature)
    for _ in range(chance.choice((1, 1, 3))):
        form = chance.choice("BHIQ")
        offset = place + chance.randrange(4, 56)
        if place >= 0 and offset + struct.calcsize(form) <= len(changed_content):
            limit = 1 << 8 * struct.calcsize(form)
            value = chance.choice((*EXTREME_NUMBERS, chance.randrange(limit), len(content))) % limit
            struct.pack_into("<" + form, changed_content, offset, value)
    return bytes(changed_content)


def _change_safetensors_header(chance: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    """Change the header of a safetensors file."""
    old_length = int.from_bytes(content[:8], "little")
    try:
        header: Any = json.loads(content[8 : 8 + old_length])
        entries = header.get("__metadata__")
        entry_name = chance.choice([*entries]) if entries and chance.random() < 0.6 else None
        if entry_name is not None and entry_name in ("config", "info") and chance.random() < 0.9:
            inner = json.loads(entries[entry_name])
            _change_json(chance, inner)
            entries[entry_name] = json.dumps(inner)
        elif entry_name is not None:
            entries[entry_name] = chance.choice(("", "1", "2", "draggan-tui", "\n", "x" * 200, "[" * 500, "{}", "null"))
        else:
            _change_json(chance, header)
        header_bytes = json.dumps(header).encode()
    except Exception:
        return content
    if chance.random() < 0.05:
        header_bytes = header_bytes.replace(b'"', chance.choice((b"'", b"\xff", b'""')), 1)
    header_length = chance.choice((len(header_bytes),) * 20 + (len(header_bytes) + 1, 2**63, 2**27))
    return struct.pack("<Q", header_length) + header_bytes + content[8 + old_length :]


def _change_json(chance: random.Random, value: Any) -> None:
    """Make one change, at any depth."""
    while True:
        keys = [*value] if isinstance(value, dict) else [*range(len(value))]
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.8:
            value = value[key]
            continue
        match chance.randrange(4) if isinstance(value, dict) else 0:
            case 1:
                del value[key]
            case 2:
                value[chance.choice(HOSTILE_TEXTS).encode("utf-8", "replace").decode()] = value.pop(key)
            case _:
                value[key] = chance.choice(HOSTILE_JSON)
        return
