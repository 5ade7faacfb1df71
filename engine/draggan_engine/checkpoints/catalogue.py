"""From what a user types, a bundled model's name or a path, to a model that is ready."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import ModuleType

import torch

from ..networks.discriminator import Discriminator
from ..networks.stylegan2 import Generator
from ..protocol.edit import DragSettings
from ..protocol.errors import CheckpointError
from ..protocol.messages import ModelInfo
from . import native, nvidia
from .devices import resolve_device, threads_for
from .reading import opened

USER_PSI = 0.7
_ZIP = b"PK\x03\x04"
_PICKLE = frozenset(bytes([0x80, protocol]) for protocol in range(2, 6))


@dataclass(frozen=True, eq=False)
class Model:
    """A generator in evaluation mode (float32, no gradients, on its device), and what the screen shows of it."""

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
        part = _reader(self.path).read_discriminator(self.path)
        return None if part is None else part.build(self.path, self.generator.device)


def bundled_models() -> dict[str, Path]:
    """Names and files of the models that come with the program."""
    folder = Path(str(resources.files(__package__) / "bundled"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def load_model(spec: str, device: str = "auto") -> Model:
    """
    Args:
        spec: name of a bundled model, or a path to a draggan-tui .safetensors file or an NVIDIA StyleGAN2 .pkl
            (told apart by content, not by name).
        device: see `resolve_device`. On a CPU this also sets torch's threads to what serves the model, unless
            OMP_NUM_THREADS says how many.

    Raises:
        CheckpointError: no such model, or its file cannot be used.
        DeviceError: the device is not there, or too small.
    """
    place = resolve_device(device)
    path = _find(spec)
    reader = _reader(path)
    generator = reader.read_generator(path).build(path, place)
    info = native.read_info(path) if reader is native else None
    model = Model(path, generator, _describe(generator, path, info))
    if place.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads_for(model.info.parameters))
    return model


def _find(spec: str) -> Path:
    """The file that is meant; it is there and not empty."""
    bundled = bundled_models()
    if spec in bundled:
        return bundled[spec]
    names = ", ".join(bundled) or "none"
    try:
        path = Path(spec).expanduser()
        size = path.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{spec!r}: there is no such model or file; give the name of a bundled model ({names}) or a path to a model file"
        ) from error
    if not path.is_file():
        raise CheckpointError(
            f"{path}: it is not a file; give a path to a model file or the name of a bundled model ({names})"
        )
    if size == 0:
        raise CheckpointError(f"{path}: it is empty; get it again")
    return path


def _reader(path: Path) -> ModuleType:
    """`native` or `nvidia`, by what the file begins with."""
    with opened(path) as file:
        head = file.read(9)
        size = file.seek(0, os.SEEK_END)
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return native
    if head[:2] in _PICKLE:
        return nvidia
    kinds = "give an NVIDIA StyleGAN2 .pkl or a draggan-tui .safetensors file"
    if head.startswith(_ZIP):
        raise CheckpointError(
            f"{path}: it is a zip archive, as torch.save writes, and this version does not open those; {kinds}"
        )
    raise CheckpointError(f"{path}: it is not a model file, or is damaged; {kinds}")


def _describe(generator: Generator, path: Path, info: native.NativeInfo | None) -> ModelInfo:
    height, width = generator.size
    blocks = generator.synthesis.block_names
    settings = info.settings if info else None
    if settings is None:
        settings = DragSettings.for_height(height, f"b{min(128, height // 2)}")  # never the last block
    if settings.feature_block not in blocks:
        raise CheckpointError(
            f"{path}: info.settings.feature_block: there is no block {settings.feature_block}; get the file again"
        )
    return ModelInfo(
        name=info.name if info else path.stem,
        sha256=_sha256(path),
        width=width,
        height=height,
        num_ws=generator.num_ws,
        z_dim=generator.config.z_dim,
        w_dim=generator.config.w_dim,
        blocks=blocks,
        parameters=sum(parameter.numel() for parameter in generator.parameters()),
        psi=info.psi if info else USER_PSI,
        settings=settings.model_copy(update={"layers": min(settings.layers, generator.num_ws)}),
    )


def _sha256(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
