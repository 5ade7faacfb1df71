"""Latents of other tools are read from all of their formats; other files are refused with one line."""

from __future__ import annotations

import io
import pickle
import resource
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save as save_tensors

from draggan_engine.checkpoints.latent_files import read_latent, write_latent
from draggan_engine.core.errors import CheckpointError, OutputError, StorageError
from draggan_engine.storage.output_paths import LATENT_SUFFIXES
from tests.support.contained_reader import find_message_flaw

ROWS, WIDTH = 8, 16
WS = np.random.RandomState(0).randn(1, ROWS, WIDTH).astype(np.float32)


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_latent(path, ROWS, WIDTH)
    assert not find_message_flaw(str(caught.value), path)
    return str(caught.value)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("array", [WS, WS[0], WS.astype(np.float64)])
def test_every_format_is_read(array: np.ndarray, tmp_path: Path) -> None:
    npy, npz, tensors, new, legacy, nested = (tmp_path / name for name in "abcdef")
    with npy.open("wb") as file:
        np.save(file, array)
    with npz.open("wb") as file:
        np.savez(file, w=array, step=np.int64(3))
    save_file({"latent": array}, tensors)
    torch.save(torch.from_numpy(array), new)
    torch.save(torch.from_numpy(array), legacy, _use_new_zipfile_serialization=False)
    torch.save(OrderedDict(latent=[{"w": torch.nn.Parameter(torch.from_numpy(array))}], psi=0.7), nested)
    for path in (npy, npz, tensors, new, legacy, nested):
        assert np.array_equal(read_latent(path, ROWS, WIDTH), WS), path


@pytest.mark.parametrize("row", [WS[0, :1], WS[0, 0], WS[:, :1]])
def test_a_single_row_is_repeated(row: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", row)
    latent = read_latent(tmp_path / "w.npy", ROWS, WIDTH)
    assert latent.shape == (1, ROWS, WIDTH)
    assert (latent == WS[:, :1]).all()


def test_a_latent_that_does_not_fit_is_described(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, w=np.zeros((1, 18, 512)))
    assert "[8, 16], and the file holds [1, 18, 512]" in refusal(path)
    np.savez(path, a=WS, b=WS)
    assert "holds 2 latents" in refusal(path)
    np.savez(path, a=WS * np.nan)
    assert "not finite" in refusal(path)
    np.savez(path, a=np.array(["text"]))
    assert "holds nothing" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY", b"PK\x03\x04", b"\x80\x04", b"\x10\0\0\0\0\0\0\0{}", b"\x80\x04N."]
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    refusal(path)
    refusal(tmp_path / "nothing")
    refusal(tmp_path)


class Intruder:
    """An object whose pickle makes a file when an ordinary unpickler reads it."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (Path("canary"),)  # type: ignore[return-value]


def test_a_dictionary_in_an_npy_file_is_read_without_running_it(tmp_path: Path) -> None:
    path = tmp_path / "latents.npy"
    np.save(path, {"first": WS, "all": np.concatenate([WS + 1, WS + 2]), "seeds": [1, 2]}, allow_pickle=True)
    assert "holds 3 latents" in refusal(path) and refusal(path).endswith("#first; it has first, all.1, all.2")
    for name, latent in {"first": WS, "all.2": WS + 2, "3": WS + 2}.items():
        assert np.array_equal(read_latent(Path(f"{path}#{name}"), ROWS, WIDTH), latent)
    np.savez(tmp_path / "latents.npz", inverted=np.array({"w": WS}, dtype=object))
    assert np.array_equal(read_latent(tmp_path / "latents.npz", ROWS, WIDTH), WS)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "the file holds nothing" in refusal(path)


def test_an_array_of_hostile_objects_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.array([{"w": WS, "x": Intruder()}], dtype=object), allow_pickle=True)
    with suppress(CheckpointError):
        read_latent(Path("w.npy"), ROWS, WIDTH)
    assert not Path("canary").exists()


@pytest.mark.parametrize("array", [np.array([None]), np.array([{"w": WS}, 1], dtype=object)])
def test_an_array_of_objects_that_states_another_shape_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    shape = b"(K\x01K" + bytes([len(array)]) + b"\x85"  # of the state of the array
    content = pickle.dumps(array, 3)
    assert shape in content
    header = npy_file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}")
    message = refusal(write(tmp_path / "w.npy", header + content.replace(shape, b"(K\x01K\x09\x85")))
    assert "holds an array of shape [9]" in message


def test_one_of_a_batch_is_chosen_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "latents.pt"
    batch = torch.from_numpy(np.concatenate([WS, WS + 1, WS + 2]))
    torch.save(batch, path)
    assert refusal(path) == (
        f"{path} holds 3 latents that this model could take; choose one, as in latents.pt#1; it has 1 to 3"
    )
    assert np.array_equal(read_latent(Path(f"{path}#3"), ROWS, WIDTH), WS + 2)
    for name in ("0", "4", "-1", "1.5", "999999999999999999999"):
        assert refusal(Path(f"{path}#{name}")).endswith(f"holds no latent called {name}; choose from: 1 to 3")
    save_file({"w": batch.numpy(), "z": np.zeros((3, WIDTH + 1), np.float32)}, path)
    assert "it has w.1 to w.3" in refusal(path) and "it has w.1 to w.3" in refusal(Path(f"{path}#w"))
    assert np.array_equal(read_latent(Path(f"{path}#w.2"), ROWS, WIDTH), WS + 1)
    torch.save([batch[:, :1]], path)
    assert (read_latent(Path(f"{path}#2"), ROWS, WIDTH) == WS[:, :1] + 1).all()


def test_a_size_beyond_the_file_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,), }".ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(100)
    (tmp_path / "w.npy").write_bytes(array)
    refusal(tmp_path / "w.npy")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", array + bytes(100 << 20))
    (tmp_path / "w.npz").write_bytes(packed.getvalue())
    assert "compressed" in refusal(tmp_path / "w.npz")


def npy_file(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    packed = header.encode()
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(packed))
    return b"\x93NUMPY" + version + length + packed + body


NPY_HEADERS = {
    "not closed": "{'descr': '<f4', 'shape': (1,",
    "deep": "(" * 900 + ")" * 900,
    "signs": "-" * 9000 + "1",
    "long": "{" + " " * 20_000 + "}",
    "not closed text": "{'descr': '''",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "objects in a record": "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}",
    "no bytes": "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,)}",
    "huge items": "{'descr': '|V1000000000000', 'fortran_order': False, 'shape': (1,)}",
    "huge": "{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,)}",
    "larger": "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "dimensions": "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9999999999," * 63 + "0)}",
    "a call": "{'descr': __import__('os').system('touch canary'), 'fortran_order': False, 'shape': ()}",
    "control signs": "\x1b[2J\n{",
    "a list": "[]",
    "true": "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
}


@pytest.mark.parametrize("kind", NPY_HEADERS)
def test_hostile_array_headers_are_refused(kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    for version in (b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\xff\xff"):
        content = npy_file(NPY_HEADERS[kind], bytes(4), version)
        refusal(write(tmp_path / "w.npy", content))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("w.npy", content)
        refusal(write(tmp_path / "w.npz", packed.getvalue()))
    assert not recwarn.list
    assert not Path("canary").exists()


def test_an_archive_of_another_method_is_refused(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as archive:
            archive.writestr("w.npy", npy_file(NPY_HEADERS["huge"]))
        assert "compressed" in refusal(write(tmp_path / "w.npz", packed.getvalue()))


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    for value in (1e300, np.nan, np.inf, -np.inf):
        np.save(tmp_path / "w.npy", np.full((ROWS, WIDTH), value))
        assert "not finite" in refusal(tmp_path / "w.npy")
    assert not recwarn.list


def test_latents_of_other_types_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "w"
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        path.write_bytes(save_tensors({"w": torch.from_numpy(WS).to(dtype)}))
        assert np.allclose(read_latent(path, ROWS, WIDTH), WS, rtol=1e-2)
    path.write_bytes(
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (8L, 16L)}", WS.tobytes())
    )  # Python 2's
    assert np.array_equal(read_latent(path, ROWS, WIDTH), WS)
    refusal(write(path, save_tensors({"w": torch.from_numpy(WS).to(torch.float8_e5m2)})))


def test_the_same_latent_twice_counts_once(tmp_path: Path) -> None:
    latent = torch.from_numpy(WS)
    torch.save([latent, {"w": latent}], tmp_path / "w")
    assert np.array_equal(read_latent(tmp_path / "w", ROWS, WIDTH), WS)


@pytest.mark.parametrize("suffix", LATENT_SUFFIXES)
def test_a_written_latent_is_read_back_exactly(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    write_latent(path, WS)
    assert read_latent(path, ROWS, WIDTH).tobytes() == WS.tobytes()
    assert list(tmp_path.iterdir()) == [path]


def test_other_tools_can_read_a_written_latent(tmp_path: Path) -> None:
    for suffix in LATENT_SUFFIXES:
        write_latent(tmp_path / f"w{suffix}", WS)
    arrays = (np.load(tmp_path / "w.npy"), np.load(tmp_path / "w.npz")["w"], load_file(tmp_path / "w.safetensors")["w"])
    assert all(array.dtype == np.float32 and array.shape == (1, ROWS, WIDTH) for array in arrays)
    assert all(np.array_equal(array, WS) for array in arrays)


def test_a_latent_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"give one of \.npy, \.npz, \.safetensors"):
        write_latent(tmp_path / "w.pt", WS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for suffix in LATENT_SUFFIXES:
            with pytest.raises(StorageError, match="could not be written"):
                write_latent(tmp_path / f"w{suffix}", WS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_one_of_several_latents_is_chosen_by_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"latents.{kind}"
    stored = {"drag-001.before": WS, "drag-001.after": WS + 1, "other": np.zeros((2, 3), np.float32)}
    if kind == "npz":
        np.savez(path, **stored)
    else:
        save_file(stored, path)
    message = refusal(path)
    assert "holds 2 latents" in message and f"latents.{kind}#drag-001." in message and "drag-001.after" in message
    for name in ("drag-001.before", "drag-001.after"):
        assert np.array_equal(read_latent(Path(f"{path}#{name}"), ROWS, WIDTH), stored[name])
    assert "#drag-002.after holds no latent called drag-002.after; choose from: drag-001" in refusal(
        Path(f"{path}#drag-002.after")
    )
    assert "the file holds [2, 3]" in refusal(Path(f"{path}#other"))


def test_one_of_several_latents_in_a_pickle_is_chosen_by_its_number(tmp_path: Path) -> None:
    torch.save([torch.from_numpy(WS), torch.from_numpy(WS + 1)], tmp_path / "w.pt")
    assert "it has 1, 2" in refusal(tmp_path / "w.pt")
    assert np.array_equal(read_latent(tmp_path / "w.pt#2", ROWS, WIDTH), WS + 1)


def test_a_file_whose_name_contains_a_number_sign_takes_precedence(tmp_path: Path) -> None:
    for name, array in (("w.npy", WS), ("w.npy#1", WS + 1)):
        with (tmp_path / name).open("wb") as file:
            np.save(file, array)
    assert np.array_equal(read_latent(tmp_path / "w.npy#1", ROWS, WIDTH), WS + 1)
    assert "w.npz#1: there is no such file" in refusal(tmp_path / "w.npz#1")
