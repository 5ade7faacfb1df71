"""Load a model from what a user types: the name of a model, the path of a checkpoint, or an address on the hub."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import ValidationError

from draggan_engine.checkpoints.formats.native_header import NativeInfo, SourceFile, is_native_file
from draggan_engine.checkpoints.unpickling.safe_unpickle import read_root_object
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import CheckpointError, Remedy, StorageError
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.networks.config import StyleGAN3Config
from draggan_engine.networks.cpu_threads import set_thread_count
from draggan_engine.networks.devices import resolve_device
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

from .checkpoint_file import (
    CheckpointFile,
    CheckpointFormat,
    ReadProgress,
    ignore_progress,
    open_checkpoint,
    printable_text,
)
from .default_model import LARGE_BUNDLED_MODEL, SMALL_BUNDLED_MODEL, is_quick_enough
from .foreign_files import refuse_foreign_content, refuse_foreign_network, unknown_file_error
from .formats.native import read_foreign_safetensors, read_native, save_native
from .formats.nvidia import read_nvidia_parts
from .formats.state_dicts import read_state_dict_parts
from .formats.tensorflow import read_tensorflow_parts
from .hub.hub_address import is_hub_address, parse_hub_address
from .hub.hub_files import find_hub_file
from .hub.hub_settings import read_hub_settings
from .model_parts import FAMILY_NAMES, DiscriminatorPart, ModelParts
from .model_zoo import find_licence
from .registry import AUTO_MODEL, cached_copy, find_model_file
from .w_covariance import attach_w_covariance

log = logging.getLogger("draggan_engine")
DEFAULT_PSI = 0.7  # of models whose file states no psi
MAX_FEATURE_HEIGHT = 128  # the height of the features that the paper's drag compares
LEAST_SQUARES_FEATURE_HEIGHT = 64  # the least with which least squares is as exact as the paper's drag


@dataclass(frozen=True, eq=False)
class Model:
    """A generator that is ready to use, and what the editor shows about it.

    Attributes:
        spec: the name or path that loads the same model again.
        generator: in evaluation mode, float32, without gradients, on its device.
        photograph_generator: the same, tuned to the photograph that a session starts from; None: it is not tuned.
    """

    spec: str
    path: Path
    generator: Generator
    info: ModelInfo
    photograph_generator: Generator | None = None

    def generator_of(self, source: LatentRef) -> Generator:
        """Return the generator of an image. Only latents that come from the session's photograph have its tuned one, so that
        the image of a seed is the same in all sessions."""
        if source.from_file and self.photograph_generator is not None:
            return self.photograph_generator
        return self.generator

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def sha256(self) -> str:
        return self.info.sha256

    def load_discriminator(self) -> Discriminator | None:
        """Read the file again and return its discriminator in the state and on the device of the generator; None if the
        file has none.

        Raises:
            CheckpointError: the discriminator cannot be read, or does not fit its own configuration.
        """
        with open_checkpoint(self.path) as file:
            part = _read_model(file, self.sha256)[0].discriminator()
        return None if part is None else part.build(self.path, self.generator.device)


def load_model(spec: str, device: str = "auto", progress: ReadProgress = ignore_progress) -> Model:
    """Load a model.

    Args:
        spec: the name of a bundled model or of one of the user's models; a path, whose file is recognised by its content;
            an address `hf://…` on the hub, whose file is downloaded if it is not on this machine; or "auto" for
            `load_default_model`.
        device: see `resolve_device`. On a CPU, this also sets the number of torch's threads to suit the model, unless
            OMP_NUM_THREADS states one.

    Raises:
        CheckpointError: there is no such model, or its file cannot be used.
        DownloadError, StorageError: the file cannot be downloaded from the hub.
        DeviceError: the device does not exist, or has too little memory.
    """
    if spec == AUTO_MODEL:
        return load_default_model(device, progress)
    torch_device = resolve_device(device)
    path = obtain_model_file(spec, progress)
    with open_checkpoint(path) as file:
        sha256 = file.sha256(progress)
        progress("building", 0, 1)
        parts, info = _read_model(file, sha256)
        generator = parts.generator.build(path, torch_device)
        if not _is_native(file):
            _keep_converted_copy(parts, info, path, sha256)
        attach_w_covariance(generator.mapping, sha256)
        progress("building", 1, 1)
        model = Model(spec, path, generator, _describe_model(generator, parts, info, file, sha256))
    set_thread_count(torch_device, model.info.parameters)
    return model


def obtain_model_file(spec: str, progress: ReadProgress) -> Path:
    """Return the file of a model, as `find_model_file` does, but download a file of the hub that is not on this machine.

    Raises:
        CheckpointError, DownloadError, StorageError: see `find_model_file` and `download_from_hub`.
    """
    if not is_hub_address(spec):
        return find_model_file(spec)
    address, settings = parse_hub_address(spec), read_hub_settings()
    if (path := find_hub_file(address, settings)) is not None:
        return path
    from .hub.hub_download import download_from_hub  # imports httpx, which other models do not need

    return download_from_hub(address, settings, check=check_model_file, progress=progress)


def load_default_model(
    device: str = "auto",
    progress: ReadProgress = ignore_progress,
    is_quick: Callable[[Generator, str], bool] = is_quick_enough,
) -> Model:
    """Load the large bundled model, or the small one if a drag step of the large one is too slow here.

    Raises:
        CheckpointError, DeviceError: see `load_model`.
    """
    model = load_model(LARGE_BUNDLED_MODEL, device, progress)
    if is_quick(model.generator, model.info.settings.feature_block):
        return model
    return load_model(SMALL_BUNDLED_MODEL, device, progress)


def convert_model(spec: str, native_path: Path, name: str, progress: ReadProgress = ignore_progress) -> str | None:
    """Write a model as a draggan-tui file, with generator and discriminator in float32.

    Args:
        spec: as in `load_model`.
        native_path: the file to write; an existing one is replaced.
        name: the name of the model in the new file.

    Returns:
        The reason why the discriminator was left out; None if it was not, or if there is none.

    Raises:
        CheckpointError: the name is invalid, or the model cannot be read or does not fit its own configuration.
        DownloadError: the file cannot be downloaded from the hub.
        StorageError: a file cannot be written.
    """
    path = obtain_model_file(spec, progress)
    with open_checkpoint(path) as file:
        parts, info = _read_model(file, file.sha256(progress))
        try:
            named_info = NativeInfo.model_validate({**dict(info), "name": name})
        except ValidationError as error:
            raise CheckpointError(
                f"{printable_text(name)!r}: not a name for a model; it must have 1 to 100 printable characters",
                Remedy.choose_model_name,
            ) from error
        parts.generator.build(path, torch.device("meta"))  # checks that all tensors exist and fit
        progress("writing", 0, 1)
        return _save_native_copy(native_path, parts, named_info, path)


def check_model_file(path: Path) -> None:
    """
    Raises:
        CheckpointError: the file holds no generator that could be loaded.
    """
    with open_checkpoint(path) as file:
        parts = _read_parts(file)
        parts.generator.build(path, torch.device("meta"))


def _read_parts(file: CheckpointFile) -> ModelParts:
    """Read a file of any supported format.

    Raises:
        CheckpointError: the file holds no generator that this version can load.
    """
    if _is_native(file):
        return read_native(file.path)[0]
    refuse_foreign_content(file)
    is_safetensors = file.format is CheckpointFormat.SAFETENSORS
    root = read_foreign_safetensors(file.path) if is_safetensors else read_root_object(file)
    refuse_foreign_network(root, file.path)
    for read_parts in (read_nvidia_parts, read_tensorflow_parts, read_state_dict_parts):
        parts = read_parts(root, file.path)
        if parts is not None:
            return parts
    raise unknown_file_error(root, file.path)


def _is_native(file: CheckpointFile) -> bool:
    return file.format is CheckpointFormat.SAFETENSORS and is_native_file(file.path)


def _read_model(file: CheckpointFile, sha256: str) -> tuple[ModelParts, NativeInfo]:
    """Read a file of any supported format, or its converted copy, which is faster to read."""
    if _is_native(file):
        return read_native(file.path)
    copy_path = cached_copy(sha256)
    if copy_path.exists():
        try:
            copied_parts, info = read_native(copy_path)
            copied_parts.generator.build(copy_path, torch.device("meta"))  # checks that all tensors exist and fit
            return _with_discriminator_of(file, copied_parts), info
        except CheckpointError as error:
            log.warning(
                "the converted copy of %s is damaged and is made again (%s)", file.path.name, type(error).__name__
            )
            with suppress(OSError):
                copy_path.unlink()
    parts = _read_parts(file)
    licence = find_licence(sha256, len(file.data), file.path.name)
    source = SourceFile(format=parts.format, sha256=sha256)
    return parts, NativeInfo(name=_display_name(file.path), psi=DEFAULT_PSI, source=source, licence=licence)


def _with_discriminator_of(file: CheckpointFile, copied_parts: ModelParts) -> ModelParts:
    """Return the parts of a converted copy; if the copy has no discriminator, with that of the file itself, or the reason
    why it cannot be used."""

    def read_discriminator() -> DiscriminatorPart | None:
        return copied_parts.discriminator() or _read_parts(file).discriminator()

    return replace(copied_parts, discriminator=read_discriminator)


def _save_native_copy(native_path: Path, parts: ModelParts, info: NativeInfo, source_path: Path) -> str | None:
    """Write the parts of a model; see `convert_model`.

    Args:
        source_path: the file that the parts were read from, for messages.
    """
    discriminator, problem = None, None
    try:
        discriminator = parts.discriminator()
        if discriminator is not None:
            discriminator.build(source_path, torch.device("meta"))
    except CheckpointError as error:
        discriminator, problem = None, str(error)
    save_native(native_path, parts.generator, discriminator, info)
    return problem


def _keep_converted_copy(parts: ModelParts, info: NativeInfo, path: Path, sha256: str) -> None:
    """Keep a converted copy in the cache, so that the next start is faster. Without room for it, go on without.

    Native files are never kept: such a file states itself which file it was converted from, so it could replace the copy
    of another file.
    """
    copy_path = cached_copy(sha256)
    if copy_path.exists():
        return
    try:
        copy_path.parent.mkdir(parents=True, exist_ok=True)
        _save_native_copy(copy_path, parts, info, path)
    except (OSError, StorageError) as error:
        log.warning("no converted copy of %s is kept: %s", path, error)


def _display_name(path: Path) -> str:
    return "".join(character if character.isprintable() else "?" for character in path.stem[:100])


def _describe_model(
    generator: Generator, parts: ModelParts, info: NativeInfo, file: CheckpointFile, sha256: str
) -> ModelInfo:
    height, width = generator.image_shape
    synthesis = generator.synthesis
    settings = info.settings or DragSettings.for_height(height, _default_feature_block(generator))
    if settings.feature_block not in synthesis.block_names:
        raise CheckpointError(
            f"{file.path}: info.settings.feature_block: the model has no block {settings.feature_block}; get the file again"
        )
    if "method" not in settings.model_fields_set:
        settings = _with_finer_features(settings.for_new_edit(), generator)
    config = generator.config
    is_native = _is_native(file)
    return ModelInfo(
        name=info.name if is_native else _display_name(file.path),
        sha256=sha256,
        family=_family_name(generator),
        format=_describe_format(parts, info, is_native=is_native),
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
        is_w_average_estimated=generator.mapping.lacks_w_average,
        psi=info.psi,
        settings=settings.model_copy(update={"layers": min(settings.layers, generator.num_ws)}),
    )


def _family_name(generator: Generator) -> str:
    config = generator.config
    family_name = FAMILY_NAMES[config.family]
    if isinstance(config, StyleGAN3Config):
        if config.layers is not None:
            return "StyleGAN-XL"
        return family_name + ("-r" if config.use_radial_filters else "-t")
    return family_name


def _describe_format(parts: ModelParts, info: NativeInfo, *, is_native: bool) -> str:
    """Return the format of the user's file, whose parts may have been read from its converted copy."""
    if info.source is None:
        return parts.format
    return f"{parts.format}, made of: {info.source.format}" if is_native else info.source.format


def _default_feature_block(generator: Generator) -> str:
    """Return the block whose features the paper's drag compares: the last one with features of at most 128 rows that are
    coarser than the image, if there is such a block."""
    block_heights = {name: generator.synthesis.feature_height(name) for name in generator.synthesis.block_names}
    max_height = max(min(MAX_FEATURE_HEIGHT, generator.image_shape[0] // 2), min(block_heights.values()))
    return [name for name, height in block_heights.items() if height <= max_height][-1]


def _with_finer_features(settings: DragSettings, generator: Generator) -> DragSettings:
    """Return settings that were chosen for the paper's method with features that are high enough for least squares.

    Models without such features that are coarser than the image keep theirs.
    """
    synthesis, max_height = generator.synthesis, generator.image_shape[0] // 2
    if synthesis.feature_height(settings.feature_block) >= LEAST_SQUARES_FEATURE_HEIGHT:
        return settings
    finer_blocks = [
        name
        for name in synthesis.block_names
        if LEAST_SQUARES_FEATURE_HEIGHT <= synthesis.feature_height(name) <= max_height
    ]
    return settings.model_copy(update={"feature_block": finer_blocks[0]}) if finer_blocks else settings
