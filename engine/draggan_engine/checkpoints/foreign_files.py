"""Recognise files that hold no generator for this program, so that a refusal says what they are and what would help."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord, ObjectRecord, PersistentObject
from draggan_engine.core.errors import CheckpointError, Remedy

from .checkpoint_file import CheckpointFile, CheckpointFormat, printable_text

ACCEPTED_FILES = "give a StyleGAN2 or StyleGAN3 file; the documentation on models lists the formats"
_MAX_LISTED_KEYS = 8
_MAX_KEYS_LENGTH = 200
_MAX_EXAMINED_KEYS = 20_000
_FIRST_STYLEGAN2_VERSION = 4  # of TensorFlow's networks
_USE_STYLEGAN = "use a file of StyleGAN2 or StyleGAN3 instead"
_IMAGE_HEADS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_ARCHIVE_HEADS = {b"\x1f\x8b": "gzip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"\xfd7zXZ\0": "xz"}
_END_RECORD_BYTES, _MAX_ZIP_TAIL_BYTES = 22, 1 << 20  # of a zip archive
_LFS_HEAD = b"version https://git-lfs.github.com/spec/"
_WEB_PAGE_HEADS = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class _ForeignNetwork:
    """A kind of network that this version cannot use.

    Attributes:
        description: what a file with it holds.
        advice: what its owner can do.
    """

    description: str
    advice: str = _USE_STYLEGAN


_STYLEGAN1 = _ForeignNetwork("a StyleGAN1 generator")
_GFPGAN = _ForeignNetwork(
    "a GFPGAN restoration network, which is conditioned on an image",
    "use an unconditional StyleGAN2 instead, for example the one that GFPGAN was trained from",
)
_SEMANTIC_STYLEGAN = _ForeignNetwork(
    "a SemanticStyleGAN generator, which draws each part of a face with a network of its own"
)
_LUCIDRAINS = _ForeignNetwork("a generator of lucidrains' stylegan2-pytorch, which is another network than StyleGAN2")
_FASTGAN = _ForeignNetwork("a FastGAN generator, which has no w")
_EG3D = _ForeignNetwork("an EG3D generator, which renders three-dimensional scenes")
_DIFFUSION_MODEL = _ForeignNetwork("a diffusion model, such as Stable Diffusion")

# A file holds the network if each of these is the beginning of a key.
_NETWORKS_BY_KEYS: dict[tuple[str, ...], _ForeignNetwork] = {
    ("g_mapping.", "g_synthesis."): _STYLEGAN1,
    ("generator.progression.",): _STYLEGAN1,
    ("stylegan_decoder.",): _GFPGAN,
    ("local_nets.", "render_net."): _SEMANTIC_STYLEGAN,
    ("S.net.", "G.initial_block"): _LUCIDRAINS,
    ("feat_8.", "se_64."): _FASTGAN,
    ("model.diffusion_model.",): _DIFFUSION_MODEL,
}
_NETWORKS_BY_CLASS: dict[str, _ForeignNetwork] = {
    "FastganSynthesis": _FASTGAN,
    "FastganSynthesisCond": _FASTGAN,
    "TriPlaneGenerator": _EG3D,
}


def refuse_foreign_content(file: CheckpointFile) -> None:
    """
    Raises:
        CheckpointError: the file is of a kind that holds no model, such as an image; the message says which.
    """
    if file.format is CheckpointFormat.NUMPY or _is_numpy_archive(file):
        raise CheckpointError(f"{file.path} holds arrays of numpy, not a model", Remedy.start_from_latent)
    if file.format is CheckpointFormat.ZIP and _is_other_archive(file.data):
        raise CheckpointError(
            f"{file.path} is a zip archive, not a model; unpack it, and give the model that it contains"
        )
    if file.format is CheckpointFormat.UNKNOWN:
        raise CheckpointError(f"{file.path} {_describe_content(bytes(file.data[:512]))}")


def _is_numpy_archive(file: CheckpointFile) -> bool:
    """Return whether the first entry of a zip archive is an array of numpy."""
    name_length = int.from_bytes(file.data[26:28], "little")
    first_name = bytes(file.data[30 : 30 + name_length])
    return file.format is CheckpointFormat.ZIP and first_name.endswith(b".npy")


def _is_other_archive(data: memoryview) -> bool:
    """Return whether a zip archive is whole but was not written by `torch.save`."""
    tail = bytes(data[-_MAX_ZIP_TAIL_BYTES:])
    return tail[-_END_RECORD_BYTES:].startswith(b"PK\x05\x06") and b"data.pkl" not in tail


def _describe_content(head: bytes) -> str:
    """Return what the first bytes of a file show, as a sentence without its subject."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(_LFS_HEAD):
        return "is a git-LFS pointer, a small text in place of the model; get the model itself with: git lfs pull"
    if text.startswith(_WEB_PAGE_HEADS):
        return "is a web page, not a model; open its address in a browser and download the model from there"
    image_names = [name for image_head, name in _IMAGE_HEADS.items() if head.startswith(image_head)]
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        image_names = ["WebP"]
    if image_names:
        return f"is an image ({image_names[0]}), not a model; {ACCEPTED_FILES}"
    archive_names = [name for archive_head, name in _ARCHIVE_HEADS.items() if head.startswith(archive_head)]
    if archive_names:
        return f"is a compressed file ({archive_names[0]}); unpack it, and give the model that it contains"
    return f"is not a model file, or its beginning is missing; {ACCEPTED_FILES}"


def refuse_foreign_network(root: object, path: Path) -> None:
    """
    Args:
        root: the root object of a file.
        path: of the file, for messages.

    Raises:
        CheckpointError: the file holds a network that is known, but no StyleGAN2 or StyleGAN3; or only latents.
    """
    if network := _find_foreign_network(root):
        raise CheckpointError(f"{path} holds {network.description}; {network.advice}")
    if shapes := _latent_shapes(root):
        shape_text = printable_text(str(list(shapes[0])))
        raise CheckpointError(
            f"{path} holds a latent or another array ({shape_text}), not a model", Remedy.start_from_latent
        )


def unknown_file_error(root: object, path: Path) -> CheckpointError:
    """Return the error for a file that no reader knows. It lists the keys of its root object."""
    if not isinstance(root, dict):
        content = f"it is a {printable_text(getattr(root, 'class_name', type(root).__name__))}"
    elif root:
        keys = printable_text(", ".join(map(str, itertools.islice(root, _MAX_LISTED_KEYS))), _MAX_KEYS_LENGTH)
        content = (
            f"its {len(root)} top-level keys begin with {keys}"
            if len(root) > _MAX_LISTED_KEYS
            else f"its top-level keys are {keys}"
        )
    else:
        content = "it is an empty dictionary"
    return CheckpointError(f"{path} holds no generator that this version can load; {content}; {ACCEPTED_FILES}")


def _find_foreign_network(root: object) -> _ForeignNetwork | None:
    match root:
        case (ObjectRecord("Network"), ObjectRecord("Network"), ObjectRecord("Network") as average):
            version = average.state.get("version")
            return _STYLEGAN1 if type(version) is int and version < _FIRST_STYLEGAN2_VERSION else None
    for class_name in itertools.islice(_class_names(root), _MAX_EXAMINED_KEYS):
        if class_name in _NETWORKS_BY_CLASS:
            return _NETWORKS_BY_CLASS[class_name]
    keys = list(itertools.islice(_keys(root), _MAX_EXAMINED_KEYS))  # different keys may share one large dictionary
    for beginnings, network in _NETWORKS_BY_KEYS.items():
        if all(any(key.startswith(beginning) for key in keys) for beginning in beginnings):
            return network
    return None


def _class_names(root: object) -> Iterator[str]:
    """Yield the class names of the networks in a file, and of the modules right inside them."""
    for network in root.values() if isinstance(root, dict) else [root]:
        if isinstance(network, PersistentObject):
            yield network.class_name
            modules = network.state.get("_modules")
            for module in modules.values() if isinstance(modules, dict) else ():
                if isinstance(module, PersistentObject):
                    yield module.class_name


def _keys(root: object) -> Iterator[str]:
    """Yield the keys of the root object and of the dictionaries in it, without the "module." of a DataParallel."""
    if not isinstance(root, dict):
        return
    for value in (root, *root.values()):
        for key in value if isinstance(value, dict) else ():
            if type(key) is str:
                yield key.removeprefix("module.")


def _latent_shapes(root: object) -> list[tuple[int, ...]]:
    """Return the shapes of all arrays of a file if it may be a file of latents: if they all have at most three dimensions
    and end in the same one; else none."""
    values = list(root.values()) if isinstance(root, dict) else list(root) if isinstance(root, list | tuple) else [root]
    shapes: list[tuple[int, ...]] = []
    for value in values:
        if isinstance(value, Tensor):
            shapes.append(tuple(value.shape))
        elif isinstance(value, ArrayRecord):
            shapes.append(value.array.shape)
        else:
            return []
    is_latent = all(1 <= len(shape) <= 3 and shape[-1] == shapes[0][-1] for shape in shapes)
    return shapes if is_latent else []
