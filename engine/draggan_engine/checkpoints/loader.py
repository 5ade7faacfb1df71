"""From what a user types, a model's name or a path, to a model that is ready."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from draggan_engine.checkpoints.formats.native_header import NativeInfo, SourceFile
from draggan_engine.checkpoints.unpickling.safe_unpickle import PICKLE, ZIP, read_root_object
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import CheckpointError, StorageError
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.networks.config import StyleGAN3Config
from draggan_engine.networks.devices import resolve_device, set_thread_count
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

from .checkpoint_file import LoadProgress, ignore_progress, opened, printable_text, sha256_of
from .default_model import LARGE_MODEL, SMALL_MODEL, is_quick_enough
from .formats.native import read_native, save_native
from .formats.nvidia import read_nvidia_parts
from .formats.rosinality import read_rosinality_parts
from .formats.tensorflow import read_tensorflow_parts
from .model_parts import FAMILIES, ModelParts
from .model_zoo import find_licence
from .registry import AUTO_MODEL, cached_copy, find_model_file

log = logging.getLogger("draggan_engine")
DEFAULT_PSI = 0.7
FEATURE_HEIGHT = 128  # the paper's block: features where the drag looks are no finer
_OPENS = "give a StyleGAN2 or StyleGAN3 file (NVIDIA's .pkl, TensorFlow's .pkl, rosinality's .pt) or a draggan-tui .safetensors file"


@dataclass(frozen=True, eq=False)
class Model:
    """A generator in evaluation mode (float32, no gradients, on its device), and what the screen shows of it.

    Attributes:
        spec: name or path that loads the same model again.
    """

    spec: str
    path: Path
    generator: Generator
    info: ModelInfo

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def sha256(self) -> str:
        return self.info.sha256

    def load_discriminator(self) -> Discriminator | None:
        """The file's discriminator, ready as the generator is and on its device; None if it has none. Reads the
        file again.

        Raises:
            CheckpointError: it cannot be read, or does not fit its own description.
        """
        part = _read(self.path, self.sha256)[0].discriminator()
        return None if part is None else part.build(self.path, self.generator.device)


def load_model(spec: str, device: str = "auto", progress: LoadProgress = ignore_progress) -> Model:
    """
    Args:
        spec: name of a bundled model or of one of the user's, or a path, whose format is told by its content; or "auto": the
            better one of the bundled models, or the quicker one on a CPU where a step of the better one takes too long.
        device: see `resolve_device`. On a CPU this also sets torch's threads to what serves the model, unless
            OMP_NUM_THREADS says how many.
        progress: told what is being done.

    Raises:
        CheckpointError: no such model, or its file cannot be used.
        DeviceError: the device is not there, or too small.
    """
    if spec != AUTO_MODEL:
        return _load(spec, device, progress)
    model = _load(LARGE_MODEL, device, progress)
    return (
        model
        if is_quick_enough(model.generator, model.info.settings.feature_block)
        else _load(SMALL_MODEL, device, progress)
    )


def _load(spec: str, device: str, progress: LoadProgress) -> Model:
    """As `load_model`, of one that has been decided on."""
    place = resolve_device(device)
    path = find_model_file(spec)
    sha256 = sha256_of(path, progress)
    progress("building", 0, 1)
    parts, info = _read(path, sha256)
    generator = parts.generator.build(path, place)
    if not _is_native(path):
        _remember(parts, info, path, sha256)
    progress("building", 1, 1)
    model = Model(spec, path, generator, _describe(generator, parts, info, path, sha256))
    set_thread_count(place, model.info.parameters)
    return model


def convert_model(spec: str, out: Path, name: str, progress: LoadProgress = ignore_progress) -> str | None:
    """Writes a model as a draggan-tui file, generator and discriminator in float32.

    Args:
        spec: as in `load_model`.
        out: the file; one that is there is replaced.
        name: what the model is called from then on.

    Returns:
        why the discriminator was left out, if it was.

    Raises:
        CheckpointError: the name cannot be one, or the model cannot be read, or does not fit its own description.
        StorageError: the file cannot be written.
    """
    path = find_model_file(spec)
    parts, info = _read(path, sha256_of(path, progress))
    try:
        named = NativeInfo.model_validate({**dict(info), "name": name})
    except ValidationError as error:
        raise CheckpointError(
            f"{printable_text(name)!r}: not a name for a model; give one of at most 100 signs that can be shown with --name"
        ) from error
    parts.generator.build(path, torch.device("meta"))  # whether all tensors are there and fit
    progress("writing", 0, 1)
    return _save(out, parts, named, path)


def check_model_file(path: Path) -> None:
    """
    Raises:
        CheckpointError: the file is no model that could be loaded.
    """
    parts = read_native(path)[0] if _is_native(path) else _foreign(path)
    parts.generator.build(path, torch.device("meta"))


def _save(out: Path, parts: ModelParts, info: NativeInfo, path: Path) -> str | None:
    """As `convert`, of parts that were read from `path`."""
    discriminator, problem = None, None
    try:
        discriminator = parts.discriminator()
        if discriminator is not None:
            discriminator.build(path, torch.device("meta"))
    except CheckpointError as error:
        discriminator, problem = None, str(error)
    save_native(out, parts.generator, discriminator, info)
    return problem


def _read(path: Path, sha256: str) -> tuple[ModelParts, NativeInfo]:
    """The file as it is, or its converted copy, which is quicker to read."""
    if _is_native(path):
        return read_native(path)
    copy = cached_copy(sha256)
    if copy.exists():
        try:
            return read_native(copy)
        except CheckpointError as error:
            log.warning("the converted copy of %s is damaged and is made anew (%s)", path.name, type(error).__name__)
            with suppress(OSError):
                copy.unlink()
    parts = _foreign(path)
    licence = find_licence(sha256, path.stat().st_size, path.name)
    source = SourceFile(format=parts.format, sha256=sha256)
    return parts, NativeInfo(name=_name(path), psi=DEFAULT_PSI, source=source, licence=licence)


def _foreign(path: Path) -> ModelParts:
    """What is in a file of others."""
    root = read_root_object(path)
    for read_parts in (read_nvidia_parts, read_tensorflow_parts, read_rosinality_parts):
        parts = read_parts(root, path)
        if parts is not None:
            return parts
    raise CheckpointError(f"{path}: it holds no generator that this version knows; {_OPENS}")


def _remember(parts: ModelParts, info: NativeInfo, path: Path, sha256: str) -> None:
    """Puts a converted copy of a foreign file into the cache; without room for it the next start is as slow.

    Never of a file of ours: it says itself what it was converted from, and could pass for another's copy.
    """
    copy = cached_copy(sha256)
    if copy.exists():
        return
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        _save(copy, parts, info, path)
    except (OSError, StorageError) as error:
        log.warning("no converted copy of %s is kept: %s", path, error)


def _is_native(path: Path) -> bool:
    """By what the file begins with.

    Raises:
        CheckpointError: neither ours nor a file that could hold a StyleGAN.
    """
    with opened(path) as file:
        head = file.read(9)
        size = file.seek(0, os.SEEK_END)
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return True
    if head[:2] in PICKLE or head.startswith(ZIP):
        return False
    raise CheckpointError(f"{path}: it is not a model file, or is damaged; {_OPENS}")


def _name(path: Path) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in path.stem[:100])


def _describe(generator: Generator, parts: ModelParts, info: NativeInfo, path: Path, sha256: str) -> ModelInfo:
    height, width = generator.size
    synthesis = generator.synthesis
    settings = info.settings or DragSettings.for_height(height, _feature_block(generator))
    if settings.feature_block not in synthesis.block_names:
        raise CheckpointError(
            f"{path}: info.settings.feature_block: there is no block {settings.feature_block}; get the file again"
        )
    config = generator.config
    family = FAMILIES[config.family]
    if isinstance(config, StyleGAN3Config):
        family += "-r" if config.use_radial_filters else "-t"
    return ModelInfo(
        name=info.name if _is_native(path) else _name(path),
        sha256=sha256,
        family=family,
        format=_format(parts, info, path),
        licence=info.licence,
        width=width,
        height=height,
        num_ws=generator.num_ws,
        z_dim=config.z_dim,
        w_dim=config.w_dim,
        classes=config.c_dim,
        mapping_layers=config.mapping_layers,
        blocks=synthesis.block_names,
        rows=synthesis.row_names,
        parameters=sum(parameter.numel() for parameter in generator.parameters()),
        psi=info.psi,
        settings=settings.model_copy(update={"layers": min(settings.layers, generator.num_ws)}),
    )


def _format(parts: ModelParts, info: NativeInfo, path: Path) -> str:
    if info.source is None:
        return parts.format
    return f"{parts.format}, made of: {info.source.format}" if _is_native(path) else info.source.format


def _feature_block(generator: Generator) -> str:
    """The paper's choice: the last block of at most 128 and, where there is one, coarser than the picture."""
    heights = {name: generator.synthesis.feature_height(name) for name in generator.synthesis.block_names}
    finest = max(min(FEATURE_HEIGHT, generator.size[0] // 2), min(heights.values()))
    return [name for name, height in heights.items() if height <= finest][-1]
