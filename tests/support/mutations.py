"""Damages files with an eye for their structure, so that the damage gets far into the reader.

Every change is drawn from a `random.Random`: the same seed gives the same file.
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

from tests.support.contained_reader import CANARY
from tests.support.pickle_assembler import (
    STOP,
    array,
    call,
    generator,
    group,
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

LEGACY = b"\x80\x02\x8a\n"
BULK = 400  # bytes: a longer value is weights
EXTREMES = (0, 1, -1, 2, 7, 8, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1)
SHELL = call(name("os", "system"), text(f"touch {CANARY}"))
TEXTS = (
    "", "os", "system", "builtins", "eval", "__class__", "__reduce__", "\n", "\x1b[2J", "x" * 2000, "\ud800", "é", "G_ema",
    "state", "_modules", "_parameters", "_buffers", "_init_kwargs", "img_resolution", "synthesis_kwargs", "conv_clamp",
    "components", "variables", "storage", "cpu", "0", "latin1", "f8", "O8", "V1000000000", "<", "4x4/Conv/weight",
    "synthesis.b4.conv1.weight", "style.1.weight", "to_rgbs.99.bias",
)  # fmt: skip
# What an instruction can be replaced by, or have put before it.
INSTRUCTIONS = (
    *(bytes([code]) for code in b"(.0123N)]}\x85\x86\x87\x88\x89\x8f\x90\x94abeghjlostuRQcdi\x81\x92\x93\x97\x98IFSUVBCTXMJKL"),
    b"K\x00", b"K\xff", b"M\xff\xff", b"J\xff\xff\xff\x7f", b"h\x00", b"h\x07", b"q\x00", b"G" + struct.pack(">d", float("nan")),
    b"G" + struct.pack(">d", 1e308), b"\x82\x01", b"B\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8, b"\x95" + b"\xff" * 8, b"\x80\x05",
    b"cos\nsystem\n", b"(S'touch canary'\nios\nsystem\n", b"(cos\nsystem\nS'touch canary'\no", b"P0\n",
    *(number(value) for value in EXTREMES), b"\x8a\xff" + b"\x7f" * 255,
    SHELL, call(name("builtins", "exec"), text(f"open({CANARY!r}, 'w')")),
    tensor(storage()), storage(), module(), generator(), network(), array("f4", (1,), b"C\x04abcd"), array("O8", (1,), b"](K\x01e"),
    made("collections.OrderedDict"), made("argparse.Namespace"), call(name("builtins", "set"), b"]"),
    call(name("torch.storage", "_load_from_bytes"), b"C\x00"), group(b"N", b"N"), mapping(state=b"}"), b"}\x94h\x00a", b"]\x94\x94h\x00a",
)  # fmt: skip
# Those that leave one value on the stack, and take none from it; the codes of simpler ones that do the same in a file.
VALUES = (
    *(bytes([code]) for code in b"N)]}\x88\x89\x8f"), b"K\x00", b"K\xff", b"M\xff\xff", b"G" + struct.pack(">d", float("nan")),
    b"G" + struct.pack(">d", 1e308), *(number(value) for value in EXTREMES), b"\x8a\xff" + b"\x7f" * 255, tensor(storage()),
    tensor(storage(), size=(2, 2), stride=(1, 2)), module(), generator(), network(), array("f4", (1,), b"C\x04abcd"),
    array("i8", (0,), b"C\x00"), made("collections.OrderedDict"), made("argparse.Namespace"), group(b"N", b"N"), mapping(state=b"}"),
    call(name("builtins", "set"), b"]"), b"}\x94h\x00a", b")" + b"\x85" * 2000, b"C\x04abcd", name("torch", "FloatStorage"),
)  # fmt: skip
ONE_VALUE = b"NKMJG\x88\x89)]}hj\x8a\x8cXCB\x8f"
JSON: tuple[object, ...] = (
    *EXTREMES, -5, 2**64, 10**30, 1e308, float("nan"), float("inf"), None, True, "", [], {}, [0], [0, 2**63], [1] * 500, "F64", "BF16",
    "F8_E4M3", "BOOL", "a\nb", "x" * 300, "stylegan3", [[]], {"a": {"b": []}},
)  # fmt: skip


def mutated(chance: random.Random, files: Mapping[str, bytes], of: str) -> bytes:
    """A damaged copy of the file of that name.

    Args:
        files: whatever else a part may be taken from.
    """
    content = files[of]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice(_ways(content))(chance, content, tuple(files.values()))
    return content


def program(content: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The instructions of the pickles that a file begins with, without frames, and what follows them."""
    found: list[bytes] = []
    place = 0
    while content[place : place + 1] == b"\x80":
        try:
            starts = [position for _, _, position in pickletools.genops(content[place:]) if position is not None]
        except Exception:
            break
        end = content.index(STOP, starts[-1] + place) + 1 - place
        pieces = [content[place + a : place + b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
        found += [piece for piece in pieces if piece[0] != 0x95]
        place += end
    return tuple(found), content[place:]


_program = lru_cache(100)(program)  # of the files themselves, and of a damaged one from one change to the next
Way = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _ways(content: bytes) -> tuple[Way, ...]:
    ways: tuple[Way, ...] = (_flipped, _cut, _rubbed, _spliced)
    if content[:1] == b"\x80":
        return (*ways, *[_rewritten] * 12)
    if content[:4] == b"PK\x03\x04":
        return (*ways, *[_repacked] * 8, *[_relisted] * 4)
    if content[8:9] == b"{":
        return (*ways, *[_redescribed] * 10)
    return (*ways, *[_flipped] * 4)


def _places(content: bytes) -> tuple[range, ...]:
    """Where there is more to break than weights."""
    if content[:4] == b"PK\x03\x04":
        return (range(min(2000, len(content))), range(max(len(content) - 4000, 0), len(content)))
    if content[8:9] == b"{":
        return (range(min(int.from_bytes(content[:8], "little") + 8, len(content))),)
    return (range(len(content)), range(min(400, len(content))))


def _flipped(chance: random.Random, content: bytes, _others: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 50))):
        place = chance.choice(chance.choice(_places(content)) or range(1)) if content else 0
        if place < len(changed):
            changed[place] = chance.choice((changed[place] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255))
    return bytes(changed)


def _cut(chance: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place = chance.randrange(len(content) + 1)
    return chance.choice(
        (content[:place], content[:place] + content[place + chance.randrange(1, 500) :], content + content[:place])
    )


def _rubbed(chance: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place, count = chance.randrange(len(content) + 1), chance.randrange(1, 300)
    return content[:place] + chance.choice((b"\0", b"\xff", b"(", b"\x80")) * count + content[place + count :]


def _spliced(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    start, place = chance.randrange(len(other) + 1), chance.randrange(len(content) + 1)
    part = other[start : start + chance.randrange(1, 5000)]
    return content[:place] + part + content[place + chance.choice((0, len(part))) :]


def _rewritten(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """With another pickle program; what comes after it stays."""
    instructions, rest = _program(content)
    if not instructions:
        return content
    donor = next(
        (_program(other)[0] for other in chance.sample(others, len(others)) if other[:1] == b"\x80"), instructions
    )
    changed = list(instructions)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change(chance, changed, donor, others)
    if chance.random() < 0.02:
        rest = chance.choice((rest[:-1], b"", rest + b"\0"))
    return b"".join(changed) + rest


def _change(chance: random.Random, program: list[bytes], donor: Sequence[bytes], others: Sequence[bytes]) -> None:
    place = chance.randrange(len(program))
    part = slice(place, place + chance.choice((1, 1, 2, 3, 8, 40)))
    match chance.randrange(18):
        case 0:
            program[part] = []
        case 1:
            program[place:place] = program[part] * chance.choice((1, 2, 100))
        case 2:
            program[place] = chance.choice(INSTRUCTIONS)
        case 3:
            program.insert(place, chance.choice(INSTRUCTIONS))
        case 4:
            start = chance.randrange(len(donor))
            program[part] = donor[start : start + chance.choice((1, 3, 20, 200))]
        case 5:
            other = chance.randrange(len(program))
            program[place], program[other] = program[other], program[place]
        case 6:
            _change_one(chance, program, b"KMJ\x8aGN\x88\x89", lambda: number(chance.choice(EXTREMES)))
        case 7:
            strings = [piece for piece in chance.sample(donor, min(len(donor), 50)) if piece[0] in b"X\x8c"]
            _change_one(chance, program, b"X\x8c", lambda: chance.choice(strings or [b"N"]))
            if chance.random() < 0.5:
                value = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
                _change_one(chance, program, b"X\x8c", lambda: b"X" + struct.pack("<I", len(value)) + value)
        case 8 | 9:
            _change_storage(chance, program, others)
        case 10 | 11:
            _change_one(chance, program, ONE_VALUE, lambda: b"h" + bytes([chance.randrange(256)]))
        case 12 | 13:
            _change_one(chance, program, ONE_VALUE, lambda: chance.choice(program))
        case _:
            _change_one(chance, program, ONE_VALUE, lambda: chance.choice(VALUES))


def _change_one(chance: random.Random, program: list[bytes], codes: bytes, new: Callable[[], bytes]) -> None:
    """Another instruction in the place of one that has one of the codes."""
    for place in chance.sample(range(len(program)), min(len(program), 100)):
        if program[place][0] in codes:
            program[place] = new()
            return


def _change_storage(chance: random.Random, program: list[bytes], others: Sequence[bytes]) -> None:
    """Inside a storage that the program has as bytes, if it has any."""
    for place in chance.sample(range(len(program)), min(len(program), 200)):
        piece = program[place]
        start = {ord("C"): 2, ord("B"): 5}.get(piece[0], 0)
        if start and piece[start : start + 4] == LEGACY:
            inner = chance.choice((_rewritten, _rewritten, _flipped, _cut))(chance, piece[start:], others)
            program[place] = b"B" + struct.pack("<I", len(inner)) + inner
            return


def _repacked(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A zip with some of its files changed, renamed, gone or compressed; in order otherwise."""
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
                                    *TEXTS[:10],
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
                            inside = chance.choice((_rewritten if inside[:1] == b"\x80" else _flipped, _flipped, _cut))(
                                chance, inside, others
                            )
                new.writestr(zipfile.ZipInfo(title), inside, entry.compress_type)  # of 1980, always
    except Exception:
        return _flipped(chance, content, others)
    return packed.getvalue()


def _relisted(chance: random.Random, content: bytes, _others: Sequence[bytes]) -> bytes:
    """A zip with other numbers in its list of contents, at its end or before one of its files."""
    changed = bytearray(content)
    signature = chance.choice(
        (b"PK\x01\x02", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
    )
    places = [i for i in range(len(content) - 60) if content.startswith(signature, i)] if chance.random() < 0.1 else []
    place = chance.choice(places) if places else content.rfind(signature)
    for _ in range(chance.choice((1, 1, 3))):
        form = chance.choice("BHIQ")
        offset = place + chance.randrange(4, 56)
        if place >= 0 and offset + struct.calcsize(form) <= len(changed):
            limit = 1 << 8 * struct.calcsize(form)
            value = chance.choice((*EXTREMES, chance.randrange(limit), len(content))) % limit
            struct.pack_into("<" + form, changed, offset, value)
    return bytes(changed)


def _redescribed(chance: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    """A safetensors file with another header."""
    length = int.from_bytes(content[:8], "little")
    try:
        header: Any = json.loads(content[8 : 8 + length])
        entries = header.get("__metadata__")
        name_ = chance.choice([*entries]) if entries and chance.random() < 0.6 else None
        if name_ is not None and name_ in ("config", "info") and chance.random() < 0.9:
            inner = json.loads(entries[name_])
            _change_json(chance, inner)
            entries[name_] = json.dumps(inner)
        elif name_ is not None:
            entries[name_] = chance.choice(("", "1", "2", "draggan-tui", "\n", "x" * 200, "[" * 500, "{}", "null"))
        else:
            _change_json(chance, header)
        text_ = json.dumps(header).encode()
    except Exception:
        return content
    if chance.random() < 0.05:
        text_ = text_.replace(b'"', chance.choice((b"'", b"\xff", b'""')), 1)
    told = chance.choice((len(text_),) * 20 + (len(text_) + 1, 2**63, 2**27))
    return struct.pack("<Q", told) + text_ + content[8 + length :]


def _change_json(chance: random.Random, value: Any) -> None:
    """One change, at any depth."""
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
                value[chance.choice(TEXTS).encode("utf-8", "replace").decode()] = value.pop(key)
            case _:
                value[key] = chance.choice(JSON)
        return
