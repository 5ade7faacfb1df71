"""Read and write files of latents: those of other tools, such as the pivot of a PTI-tuned generator or the result of an
inversion, and our own exports."""

from __future__ import annotations

import io
import itertools
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor

from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord
from draggan_engine.checkpoints.unpickling.safe_unpickle import read_root_object
from draggan_engine.core.errors import CheckpointError
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.output_paths import LATENT_SUFFIXES, check_suffix
from draggan_engine.storage.utf8_path import utf8_path

from .checkpoint_file import PICKLED_FORMATS, CheckpointFile, CheckpointFormat, open_checkpoint, printable_text

Arrays = dict[str, NDArray[np.generic]]
_MAX_NESTING = 3
_SESSION_LATENTS = "latents.safetensors"
_DRAG_NAME = re.compile(r"drag-\d{3,}")
_MAX_ARCHIVE_BYTES = 64 << 20  # of all unpacked arrays
_MAX_NPY_HEADER_BYTES = 1 << 16
_NPZ_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile cannot limit what the other methods unpack
_ACCEPTED_LATENTS = "give a latent of [num_ws, w_dim] or [w_dim] as .pt, .npy, .npz or .safetensors"


def write_latent(path: Path, ws: NDArray[np.float32]) -> None:
    """Write one latent to a file for `read_latent` and other tools. The suffix of the path decides the format.

    Args:
        ws: `[1, num_ws, w_dim]`; its name is `w` where the format has names.

    Raises:
        OutputError: the suffix is none of `LATENT_SUFFIXES`.
        StorageError: the file cannot be written.
    """
    suffix = check_suffix(path, LATENT_SUFFIXES)
    with atomic_write(path) as part_path, part_path.open("wb") as file:
        if suffix == ".npy":
            np.save(file, ws)
        elif suffix == ".npz":
            np.savez(file, w=ws)
        else:
            file.write(save({"w": ws}))


def read_latent(path: Path, num_ws: int, w_dim: int) -> NDArray[np.float32]:
    """Read the one latent of a file, whose format is recognised by its content.

    Args:
        path: of the file. `FILE#NAME` chooses one of several latents, also of a session: `DIR#drag-002.after`; `FILE#N`
            chooses the Nth, counted from 1.
        num_ws, w_dim: the size of the model's latents.

    Returns:
        `[1, num_ws, w_dim]`. A latent of a single row is repeated for all rows.

    Raises:
        CheckpointError: the file does not exist, holds no latent that fits or several, or numbers that are not finite.
    """
    file_path, name = _split_latent_name(path)
    arrays = {key: array for key, array in _read_arrays(file_path).items() if array.dtype.kind in "fiu"}
    candidates = {name: arrays[name]} if name and name in arrays else arrays
    latents = _find_latents(candidates, num_ws, w_dim)
    if not latents:
        shapes = ", ".join(str(list(array.shape)) for array in list(candidates.values())[:5])
        raise CheckpointError(
            f"{path}: a latent of this model is [{num_ws}, {w_dim}], and the file holds "
            f"{printable_text(shapes, 200) or 'nothing'}; {_ACCEPTED_LATENTS}"
        )
    if name and name not in candidates:
        latents = _choose_latent(latents, name, path)
    if len(latents) > 1:
        raise CheckpointError(
            f"{path} holds {len(latents)} latents that this model could take; choose one, "
            f"as in {file_path.name}#{printable_text(next(iter(latents)), 100)}; it has {_join_names(latents)}"
        )
    (latent,) = latents.values()
    with np.errstate(over="ignore"):  # numbers that are too large become infinite, and are refused below
        ws = latent.astype(np.float32)[None]
    if not np.isfinite(ws).all():
        raise CheckpointError(f"{path}: its latent has numbers that are not finite; use another latent")
    return ws


def session_of_latent(path: Path) -> Path | None:
    """Return the directory of the session whose photograph a latent comes from; None if it comes from none.

    Args:
        path: as for `read_latent`.
    """
    file_path, _ = _split_latent_name(path)
    directory = file_path.parent
    if _DRAG_NAME.fullmatch(directory.name):
        try:
            record = json.loads((directory / "drag.json").read_bytes())
        except (OSError, ValueError):
            return None
        return directory.parent if isinstance(record, dict) and record.get("given") is True else None
    return directory if (directory / "session.json").is_file() else None


def _find_latents(arrays: Arrays, num_ws: int, w_dim: int) -> Arrays:
    """Return the latents `[num_ws, w_dim]` in the arrays of a file, by name. Those of a batch are numbered from 1."""
    latents: Arrays = {}
    for key, array in arrays.items():
        if (latent := _as_latent(array, num_ws, w_dim)) is not None:
            latents[key or "1"] = latent
        elif array.ndim > 2 and len(array) and _as_latent(array[0], num_ws, w_dim) is not None:
            for number, row in enumerate(array, 1):
                row_latent = _as_latent(row, num_ws, w_dim)
                assert row_latent is not None
                latents[f"{key}.{number}" if key else str(number)] = row_latent
    return latents


def _choose_latent(latents: Arrays, name: str, path: Path) -> Arrays:
    """Return the latent with that name or, counted from 1, with that number; only one may match.

    Raises:
        CheckpointError: there is none; the message lists the names.
    """
    is_number = name.isascii() and name.isdecimal() and len(name) < 10
    if name not in latents and is_number and 0 < int(name) <= len(latents):
        name = list(latents)[int(name) - 1]
    if name not in latents:
        raise CheckpointError(
            f"{path} holds no latent called {printable_text(name, 100)}; choose from: {_join_names(latents)}"
        )
    return {name: latents[name]}


def _split_latent_name(path: Path) -> tuple[Path, str]:
    """Return the path of the file and the name of the latent in it; the name is empty if the path has none.

    Raises:
        CheckpointError: the path is a session that has no such latent, or cannot be examined.
    """
    base_path, _, name = str(path).rpartition("#")
    try:
        file_path, name = (Path(base_path), name) if base_path and not path.exists() else (path, "")
        session = file_path.parent if file_path.name == _SESSION_LATENTS else file_path
        if (session / "session.json").is_file():
            return _find_session_latent(session, name)
        return (file_path, name) if file_path.is_file() else (path, "")
    except OSError as error:  # the name is too long, or a directory may not be searched
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {_ACCEPTED_LATENTS}") from error


def _find_session_latent(session: Path, name: str) -> tuple[Path, str]:
    """Return the file of a session's latent and its name in that file.

    Each drag has a file of its own with the latents `before` and `after`. In older sessions one file holds all latents. Both
    forms of a name are understood: `DIR#drag-002.after`, and `DIR/latents.safetensors#drag-002.after`.
    """
    drag_name, _, moment = name.partition(".")
    if _DRAG_NAME.fullmatch(drag_name) and (session / drag_name / _SESSION_LATENTS).is_file():
        return session / drag_name / _SESSION_LATENTS, moment
    if (session / _SESSION_LATENTS).is_file():
        return session / _SESSION_LATENTS, name
    problem_text = f"it has no latent {name}" if name else "it is a session"
    raise CheckpointError(f"{session}: {problem_text}; choose one of its latents, as in {session}#drag-001.after")


def _join_names(latents: Arrays) -> str:
    """Return the names of latents for a message; those of a batch as a range."""
    names: list[str] = []
    for batch_name, group in itertools.groupby(latents, _batch_name):
        group_names = list(group)
        is_batch = batch_name is not None and len(group_names) > 2
        names += [f"{group_names[0]} to {group_names[-1]}"] if is_batch else group_names
    return printable_text(", ".join(names), 200)


def _batch_name(latent_name: str) -> str | None:
    """Return the name of the batch that a numbered latent may be part of; None if its name ends without a number."""
    batch_name, _, number = latent_name.rpartition(".")
    return batch_name if number.isdecimal() else None


def _as_latent(array: NDArray[np.generic], num_ws: int, w_dim: int) -> NDArray[np.generic] | None:
    """Return the array as `[num_ws, w_dim]`, without a copy; None if it has another shape."""
    latent = array.reshape(array.shape[1:]) if array.ndim > 1 and array.shape[0] == 1 else array
    if latent.shape in ((w_dim,), (1, w_dim)):
        latent = np.broadcast_to(latent, (num_ws, w_dim))
    return latent if latent.shape == (num_ws, w_dim) else None


def _read_arrays(path: Path) -> Arrays:
    """Read the arrays of a file by name. An array that is the whole file has an empty name; the name of one within
    dictionaries and lists consists of their keys, and of numbers from 1."""
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; {_ACCEPTED_LATENTS}")
    with open_checkpoint(path) as file:
        try:
            if arrays := _read_named_arrays(file):
                return arrays
        except CheckpointError:
            raise
        except Exception as error:  # a hostile or broken header can fail in any way
            problem_text = printable_text(str(error), 200)
            raise CheckpointError(f"{path} cannot be read ({problem_text}); {_ACCEPTED_LATENTS}") from error
        if file.format in PICKLED_FORMATS:
            return _name_arrays(read_root_object(file))
        if file.format is CheckpointFormat.UNKNOWN:
            raise CheckpointError(f"{path} holds no latent; {_ACCEPTED_LATENTS}")
        return {}


def _read_named_arrays(file: CheckpointFile) -> Arrays:
    """Read a file of numpy or safetensors; the result is empty if the file has another format."""
    match file.format:
        case CheckpointFormat.NUMPY:
            return _read_npy(file, file.data)
        case CheckpointFormat.ZIP:
            return _read_npz(file)
        case CheckpointFormat.SAFETENSORS:
            with utf8_path(file.path) as readable_path, safe_open(readable_path, framework="pt") as tensors:
                return {key: _to_array(tensors.get_tensor(key)) for key in tensors.keys()}  # noqa: SIM118 (not a dictionary)
        case _:
            return {}


def _read_npy(file: CheckpointFile, data: memoryview) -> Arrays:
    """Return the array in numpy's own format as a view, under an empty name; or the arrays in a pickled object, which
    `np.save` writes for a dictionary. (`np.load` would allocate what the header of an archive states.)

    Args:
        data: the content of `file`, or of an entry of this archive.

    Raises:
        CheckpointError: the pickle cannot be read.
        ValueError: the format is newer, or the array holds Python objects beside numbers.
        Exception: the header is broken.
    """
    stream = io.BytesIO(data[:_MAX_NPY_HEADER_BYTES])
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("it has a newer format")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings(action="ignore"):  # numpy warns about headers that Python 2 wrote
        shape, fortran_order, dtype = read_header(stream)
    if dtype == np.dtype(object):
        return _name_arrays(read_root_object(replace(file, data=data[stream.tell() :], format=CheckpointFormat.PICKLE)))
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return {"": np.ndarray(shape, dtype, data, stream.tell(), order="F" if fortran_order else "C")}


def _read_npz(file: CheckpointFile) -> Arrays:
    """Read the arrays of numpy's archive; none if it is another archive, or unpacks to more than latents need."""
    with zipfile.ZipFile(file.stream) as archive:
        entries = archive.infolist()
        is_numpy_archive = all(
            entry.filename.endswith(".npy") and entry.compress_type in _NPZ_COMPRESSIONS for entry in entries
        )
        if not is_numpy_archive or sum(entry.file_size for entry in entries) > _MAX_ARCHIVE_BYTES:
            return {}
        return {
            _join_keys(entry.filename.removesuffix(".npy"), name): array
            for entry in entries
            for name, array in _read_npy(file, memoryview(_unpack_entry(archive, entry))).items()
        }


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Unpack at most as many bytes as the entry states. (`archive.read` would unpack everything first.)"""
    with archive.open(entry) as entry_file:
        return entry_file.read(entry.file_size)


def _to_array(tensor: Tensor) -> NDArray[np.generic]:
    """Return the tensor's numbers; a view, except for bfloat16, which numpy does not have."""
    array: NDArray[np.generic] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _name_arrays(root: object) -> Arrays:
    """Return the arrays in the root object of a pickle by name; see `_read_arrays`."""
    return dict(_iterate_arrays(root, "", _MAX_NESTING, set()))


def _iterate_arrays(
    value: object, name: str, max_nesting: int, visited_ids: set[int]
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield the arrays in an object and in the containers that it holds, with their names; each object only once."""
    if id(value) in visited_ids:
        return
    visited_ids.add(id(value))
    if isinstance(value, Tensor):
        yield name, _to_array(value)
    elif isinstance(value, ArrayRecord):
        yield from (
            _iterate_arrays(value.objects, name, max_nesting, visited_ids) if value.objects else [(name, value.array)]
        )
    elif isinstance(value, dict | list | tuple) and max_nesting:
        items = value.items() if isinstance(value, dict) else enumerate(value, 1)
        is_single = isinstance(value, list | tuple) and len(value) == 1
        for key, item in items:
            item_name = name if is_single else _join_keys(name, str(key))
            yield from _iterate_arrays(item, item_name, max_nesting - 1, visited_ids)


def _join_keys(*keys: str) -> str:
    return ".".join(key for key in keys if key)
