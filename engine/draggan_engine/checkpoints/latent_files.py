"""Latents in files: those that other tools have stored, such as the pivot of a PTI-tuned generator or the result of an
inversion, and those that are exported here."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor

from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord
from draggan_engine.checkpoints.unpickling.safe_unpickle import PICKLE, ZIP, read_root_object
from draggan_engine.core.errors import CheckpointError
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.output_paths import LATENT_SUFFIXES, check_suffix
from draggan_engine.storage.utf8_path import utf8_path

from .checkpoint_file import mapped, opened, printable_text

_NPY = b"\x93NUMPY"
_DEPTH = 3
_SESSION_LATENTS = "latents.safetensors"
_DRAG = re.compile(r"drag-\d{3,}")
_LARGEST = 64 << 20  # bytes of an archive's arrays
_LONGEST_HEADER = 1 << 16
_NPZ_TYPES = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack in one go
_WAYS = "give a latent of [num_ws, w_dim] or [w_dim] as .pt, .npy, .npz or .safetensors"


def write_latent(path: Path, ws: NDArray[np.float32]) -> None:
    """One latent in a file that `read_latent`, and other tools, read; the path's suffix tells which kind.

    Args:
        ws: `[1, num_ws, w_dim]`; in an archive it is called `w`.

    Raises:
        OutputError: a suffix that is none of `LATENTS`.
        StorageError: it cannot be written.
    """
    suffix = check_suffix(path, LATENT_SUFFIXES)
    with atomic_write(path) as part, part.open("wb") as file:
        if suffix == ".npy":
            np.save(file, ws)
        elif suffix == ".npz":
            np.savez(file, w=ws)
        else:
            file.write(save({"w": ws}))


def read_latent(path: Path, num_ws: int, w_dim: int) -> NDArray[np.float32]:
    """The one latent in a file; the kind of file is told by its content.

    Args:
        path: of the file; `FILE#NAME` chooses one of several, also of a session: `DIR#drag-002.after`.
        num_ws, w_dim: what the model needs.

    Returns:
        `[1, num_ws, w_dim]`; a latent of a single row is used for all rows.

    Raises:
        CheckpointError: no such file, no latent in it or several that fit, or numbers that are not finite.
    """
    file, name = _chosen(path)
    found = {key: array for key, array in _arrays(file).items() if array.dtype.kind in "fiu"}
    if name and name not in found:
        raise CheckpointError(
            f"{path}: it holds no latent called {printable_text(name, 100)}; choose from: {_listed(found)}"
        )
    asked = {name: found[name]} if name else found
    fitting = {key: rows for key, array in asked.items() if (rows := _rows(array, num_ws, w_dim)) is not None}
    if len(fitting) > 1:
        raise CheckpointError(
            f"{path}: it holds {len(fitting)} latents that this model could take; "
            f"choose one, as in {path.name}#{printable_text(next(iter(fitting)), 100)}; there are {_listed(fitting)}"
        )
    if not fitting:
        shapes = (
            printable_text(", ".join(str(list(array.shape)) for array in list(asked.values())[:5]), 200) or "nothing"
        )
        raise CheckpointError(
            f"{path}: a latent of this model is [{num_ws}, {w_dim}], and the file holds {shapes}; {_WAYS}"
        )
    (rows,) = fitting.values()
    with np.errstate(over="ignore"):  # it becomes infinite, and is refused
        latent = rows.astype(np.float32)[None]
    if not np.isfinite(latent).all():
        raise CheckpointError(f"{path}: its latent has numbers that are not finite; get the file again")
    return latent


def _chosen(path: Path) -> tuple[Path, str]:
    """Return the file and the name of the latent in it; the name is empty where the path has none.

    Raises:
        CheckpointError: the path is a session that has no such latent, or cannot be examined.
    """
    base, _, name = str(path).rpartition("#")
    try:
        file, name = (Path(base), name) if base and not path.exists() else (path, "")
        session = file.parent if file.name == _SESSION_LATENTS else file
        if (session / "session.json").is_file():
            return _chosen_in_session(session, name)
        return (file, name) if file.is_file() else (path, "")
    except OSError as error:  # a name that is too long, a directory that may not be searched
        raise CheckpointError(f"{path}: it cannot be read ({error.strerror}); {_WAYS}") from error


def _chosen_in_session(session: Path, name: str) -> tuple[Path, str]:
    """Each drag has a file of its own, with its latents `before` and `after`. They can be named as they were when all were
    in one file: `DIR#drag-002.after`, or `DIR/latents.safetensors#drag-002.after`."""
    drag, _, moment = name.partition(".")
    if _DRAG.fullmatch(drag) and (session / drag / _SESSION_LATENTS).is_file():
        return session / drag / _SESSION_LATENTS, moment
    if (session / _SESSION_LATENTS).is_file():
        return session / _SESSION_LATENTS, name
    problem = f"it has no latent {name}" if name else "it is a session"
    raise CheckpointError(f"{session}: {problem}; choose one of its latents, as in {session}#drag-001.after")


def _listed(arrays: dict[str, NDArray[np.generic]]) -> str:
    return printable_text(", ".join(arrays), 200) or "none"


def _rows(array: NDArray[np.generic], num_ws: int, w_dim: int) -> NDArray[np.generic] | None:
    """`[num_ws, w_dim]`, without a copy, or None where the array has another shape."""
    rows = array.reshape(array.shape[1:]) if array.ndim > 1 and array.shape[0] == 1 else array
    if rows.shape in ((w_dim,), (1, w_dim)):
        rows = np.broadcast_to(rows, (num_ws, w_dim))
    return None if rows.shape != (num_ws, w_dim) else rows


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """By name, as far as the file has names, else by number."""
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; {_WAYS}")
    with opened(path) as file:
        head = file.read(9)
    try:
        if head.startswith(_NPY):
            return {"1": _npy(mapped(path))}
        if head.startswith(ZIP) and (arrays := _npz(path)):
            return arrays
        if head[8:] == b"{":
            with utf8_path(path) as readable, safe_open(readable, framework="pt") as stored:
                return {key: _array(stored.get_tensor(key)) for key in stored.keys()}  # noqa: SIM118 (not a dictionary)
    except Exception as error:  # hostile or broken headers can fail in any way
        raise CheckpointError(f"{path}: it cannot be read ({printable_text(str(error), 200)}); {_WAYS}") from error
    if head[:2] in PICKLE or head.startswith(ZIP):
        return {str(i): array for i, array in enumerate(_inside(read_root_object(path), _DEPTH, set()), 1)}
    raise CheckpointError(f"{path}: it is no file of a latent; {_WAYS}")


def _npy(data: memoryview) -> NDArray[np.generic]:
    """An array in numpy's own format, as a view: `np.load` would make room for what an archive's header asks for.

    Raises:
        ValueError: it is of another format, or holds Python objects. Others: it is broken.
    """
    stream = io.BytesIO(data[:_LONGEST_HEADER])
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("it has a newer format")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings(action="ignore"):  # that it was written by Python 2
        shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return np.ndarray(shape, dtype, data, stream.tell(), order="F" if fortran else "C")


def _npz(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of numpy's archive; none where it is another's, or unpacks to more than latents do."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        numpys = all(entry.filename.endswith(".npy") and entry.compress_type in _NPZ_TYPES for entry in entries)
        if not numpys or sum(entry.file_size for entry in entries) > _LARGEST:
            return {}
        return {entry.filename.removesuffix(".npy"): _npy(memoryview(_unpacked(archive, entry))) for entry in entries}


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """No more of an entry than its size, whatever is packed in it (`archive.read` unpacks all first)."""
    with archive.open(entry) as file:
        return file.read(entry.file_size)


def _array(tensor: Tensor) -> NDArray[np.generic]:
    """Without a copy, where numpy has that type."""
    array: NDArray[np.generic] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _inside(value: object, depth: int, seen: set[int]) -> Iterator[NDArray[np.generic]]:
    """The arrays in a file's root object and in what it holds; each is counted once, however often it is there."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield _array(value)
    elif isinstance(value, ArrayRecord):
        yield value.array
    elif isinstance(value, dict | list | tuple) and depth:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _inside(item, depth - 1, seen)
