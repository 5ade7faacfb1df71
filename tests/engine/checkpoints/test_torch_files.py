"""The two containers of torch.save, with dictionaries, tensors and whole modules in them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.unpickling.torch_storage import zip_directory_bytes
from draggan_engine.core.errors import CheckpointError
from tests.support import pickle_assembler as asm
from tests.support.nvidia_files import write_pti_file
from tests.support.paths import CHECKPOINTS
from tests.support.read_pickle import read_pickle

ROSINALITY = CHECKPOINTS / "rosinality_converted_32.pt"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(str(path), "cpu")
    message = str(caught.value)
    assert message.startswith((f"{path}: ", f"{path} "))
    assert message.isprintable()
    return message


def repacked(path: Path, changes: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write the rosinality file with some entries changed or, where None, removed."""
    with zipfile.ZipFile(ROSINALITY) as old, zipfile.ZipFile(path, "w", compression) as new:
        for entry in old.infolist():
            name = entry.filename.partition("/")[2]
            content = changes.get(name, old.read(entry))
            if content is not None:
                new.writestr(f"model/{name}", content)
        for name in changes.keys() - {entry.filename.partition("/")[2] for entry in old.infolist()}:
            new.writestr(name, changes[name] or b"")
    return path


@pytest.mark.parametrize("new", [True, False])
def test_every_kind_of_tensor_is_read(new: bool, tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32)
    tensors: dict[str, Any] = OrderedDict(
        view=base[4:16].reshape(3, 4).t(),
        same=base,
        half=base.half(),
        brain=base.bfloat16(),
        scalar=torch.tensor(3.5),
        empty=torch.empty(0, 5),
        flags=torch.tensor([True, False]),
        parameter=torch.nn.Parameter(base.double()),
    )
    torch.save(tensors, tmp_path / "f", _use_new_zipfile_serialization=new)
    root = read_pickle(tmp_path / "f")
    assert isinstance(root, dict)
    for name, tensor in tensors.items():
        assert isinstance(root[name], Tensor)
        assert root[name].dtype == tensor.dtype
        assert torch.equal(root[name], tensor.detach()), name


def test_the_legacy_container_holds_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save(torch.load(ROSINALITY, weights_only=True), path, _use_new_zipfile_serialization=False)
    old, new = load_model(str(path), "cpu").generator, load_model(str(ROSINALITY), "cpu").generator
    assert all(torch.equal(a, b) for a, b in zip(old.state_dict().values(), new.state_dict().values(), strict=True))


def test_tensors_are_views_that_do_not_change_the_file(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "f")
    root = read_pickle(tmp_path / "f")
    assert isinstance(root, dict)
    root["a"][0] = 7  # changes the memory, and not the file
    again = read_pickle(tmp_path / "f")
    assert isinstance(again, dict)
    assert again["a"][0] == 0


# PTI ----------------------------------------------------------------------------------------------------------------


def test_a_generator_tuned_by_pti_is_loaded(tmp_path: Path) -> None:
    original = load_model(str(CHECKPOINTS / "sg2ada_32.pkl"), "cpu")
    model = load_model(str(write_pti_file(tmp_path / "model_ABC.pt", original.generator)), "cpu")
    ws = torch.from_numpy(np.random.RandomState(0).randn(1, 8, 64).astype(np.float32))
    assert torch.equal(model.generator.synthesis(ws).image, original.generator.synthesis(ws).image)
    assert "whole network" in model.info.format
    assert model.load_discriminator() is None


# Damaged and hostile archives ---------------------------------------------------------------------------------------


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    assert "is compressed" in refusal(repacked(tmp_path / "f", {}, zipfile.ZIP_DEFLATED))
    bomb = repacked(tmp_path / "bomb", {"data/0": bytes(200 << 20)}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2 << 20
    assert "is compressed" in refusal(bomb)


@pytest.mark.parametrize(
    ("changes", "expected_text"),
    [
        ({"data.pkl": None}, "is a zip archive, not a model"),
        ({"other/data.pkl": b"N."}, "without the one data.pkl"),
        ({"data/3": None}, "does not have"),
        ({"data/3": b"short"}, "in 5 bytes"),
        ({"byteorder": b"big"}, "byte order"),
        ({"data.pkl": b"\x80\x02cos\nsystem\n)R."}, "os.system"),
        ({"data.pkl": b"\x80\x02}."}, "no generator"),
        ({"data.pkl": b""}, "damaged or cut short"),
    ],
)
def test_incomplete_or_hostile_archives_are_refused(
    changes: dict[str, bytes | None], expected_text: str, tmp_path: Path
) -> None:
    assert expected_text in refusal(repacked(tmp_path / "f", changes))


def test_an_entry_outside_the_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(ROSINALITY.read_bytes())
    start = struct.unpack_from("<I", content, len(content) - 22 + 16)[0]
    first = content.index(b"PK\x01\x02", start)
    struct.pack_into("<I", content, first + 42, 0xFFFFFFF0)
    (tmp_path / "f").write_bytes(content)
    refusal(tmp_path / "f")


def test_a_huge_archive_directory_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"model/data/{number:060}", b"")
        archive.writestr("model/data.pkl", b"")
    (tmp_path / "f").write_bytes(packed.getvalue())
    assert "list of contents" in refusal(tmp_path / "f")


def test_the_directory_of_an_archive_is_measured_where_python_reads_it(tmp_path: Path) -> None:
    """A locator can point elsewhere than to the record right before it, which is the one that Python reads."""
    content = (CHECKPOINTS / "rosinality_trained_16.pt").read_bytes()
    end_record = content[-22:]
    entry_count, directory_bytes, start = struct.unpack("<HII", end_record[10:20])
    adjacent_record = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entry_count, entry_count, directory_bytes, start + 56
    )
    pointed_record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 0, 0, 0, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start, 1)
    end_record = end_record[:12] + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + end_record[20:]
    directory = content[start : start + directory_bytes]
    changed = content[:start] + pointed_record + directory + adjacent_record + locator + end_record
    path = tmp_path / "model.pt"
    path.write_bytes(changed)
    assert read_pickle(path)
    assert zip_directory_bytes(memoryview(changed)) == directory_bytes


def test_an_archive_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "f", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02N.")
        archive.writestr("model/data.pkl", b"\x80\x02cos\nsystem\n.")
    assert "twice" in refusal(tmp_path / "f")


@pytest.mark.parametrize("new", [True, False])
def test_code_in_torch_files_is_not_run(new: bool, tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'canary')!r}, 'w')",)

    torch.save({"G_ema": Canary()}, tmp_path / "f", _use_new_zipfile_serialization=new)
    assert "exec" in refusal(tmp_path / "f")
    assert not (tmp_path / "canary").exists()


def legacy(body: bytes, keys: list[str], storages: bytes) -> bytes:
    return asm.legacy_file(body, asm.list_of(*map(asm.text, keys)), storages)


@pytest.mark.parametrize(
    ("content", "expected_text"),
    [
        (legacy(asm.storage_reference(), ["0"], struct.pack("<q", 4) + bytes(12)), "in 12 bytes"),
        (legacy(asm.storage_reference(), ["0"], struct.pack("<q", 2**40) + bytes(16)), "elements"),
        (legacy(asm.storage_reference(numel=2**30), ["0"], struct.pack("<q", 2**30) + bytes(16)), "in 16 bytes"),
        (legacy(asm.storage_reference(), ["0"], struct.pack("<q", 4) + bytes(20)), "nothing uses"),
        (legacy(asm.storage_reference(), ["1"], struct.pack("<q", 4) + bytes(16)), "other storages"),
        (legacy(asm.storage_reference(), ["0", "0"], b""), "other storages"),
        (legacy(asm.storage_reference() + asm.storage_reference(numel=5) + b"\x86", ["0"], b""), "two ways"),
        (legacy(b"N", [], b""), "no generator"),
    ],
)
def test_hostile_legacy_containers_are_refused(content: bytes, expected_text: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    assert expected_text in refusal(tmp_path / "f")
