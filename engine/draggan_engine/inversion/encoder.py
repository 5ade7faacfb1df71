"""The encoder: a small network that guesses the z of an image, as the first guess of an inversion.

An encoder is trained for some models whose images of one z show the same. The one of the bundled models comes with the
program; `draggan_engine.critters.training.train_encoder` trains it. For other models there is none.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from draggan_engine.checkpoints.registry import bundled_encoders
from draggan_engine.core.errors import CheckpointError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.networks.convolution_blocks import TRUNK_CHANNELS, ConvolutionalTrunk
from draggan_engine.networks.mapping import normalize_rms
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.utf8_path import utf8_path

ENCODER_SIZE = 64
"""Height and width of the network's input, px."""
FINAL_SIZE = ENCODER_SIZE // 2 ** len(TRUNK_CHANNELS)
_METADATA_KEY = "encoder"
_Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class EncoderConfig(FrozenModel):
    """For which models an encoder was trained. It is stored as JSON in the metadata of its file.

    Attributes:
        models: the SHA-256 of each model's file.
        z_dim: of these models.
    """

    models: tuple[_Checksum, ...]
    z_dim: Annotated[int, Field(ge=1, le=4096)]


class Encoder(ConvolutionalTrunk):
    """Images → the z that they were made of.

    Attributes:
        config: as given.
        uncertainty: the standard deviation of z from what is predicted, `[z_dim]`.
    """

    uncertainty: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.output = nn.Linear(TRUNK_CHANNELS[-1] * FINAL_SIZE**2, config.z_dim)
        self.register_buffer("uncertainty", torch.ones(config.z_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of z for images `[N, 3, 64, 64]` in −1…1, `[N, z_dim]`. What an image does not show is near 0."""
        features = self.down8(self.down16(self.down32(self.down64(images))))
        z: Tensor = self.output(features.flatten(1))
        return z


@torch.no_grad()
def guess_z(encoder: Encoder, image: Tensor, count: int) -> Tensor:
    """Return guesses of the z of an image, `[count, z_dim]`, on the CPU, with a root mean square of 1.

    All have what the image shows. The first has no more; in the others, what it does not show is random, and always the same.

    Args:
        image: `[1, 3, H, W]` in −1…1.
    """
    small_image = F.adaptive_avg_pool2d(image.cpu(), (ENCODER_SIZE, ENCODER_SIZE))
    return fill_uncertain(encoder(small_image), encoder.uncertainty, count)


def fill_uncertain(mean_z: Tensor, uncertainty: Tensor, count: int) -> Tensor:
    """Return z `[count, z_dim]`: the mean `[1, z_dim]`, and this with random additions that bring its root mean square to 1.

    Without them the mapping, which scales z to a root mean square of 1, would exaggerate all that is certain.

    Args:
        uncertainty: the scales of the additions, `[z_dim]`.
    """
    random_numbers = np.random.RandomState(0).randn(count - 1, len(uncertainty)).astype(np.float32)
    additions = torch.from_numpy(random_numbers) * uncertainty
    # Find t ≥ 0 with mean((mean_z + t·addition)²) = 1.
    squares, products = additions.square().mean(dim=1, keepdim=True), (additions * mean_z).mean(dim=1, keepdim=True)
    missing_length = (1 - mean_z.square().mean()).clamp_min(0)
    factors = ((products.square() + squares * missing_length).sqrt() - products) / squares.clamp_min(1e-9)
    return normalize_rms(torch.cat([mean_z, mean_z + factors * additions]))


@cache
def encoder_of_model(sha256: str) -> Encoder | None:
    """Return the encoder of a model; None if there is none.

    Args:
        sha256: of the model's file.

    Raises:
        CheckpointError: a file of an encoder cannot be read.
    """
    for path in bundled_encoders():
        if sha256 in _read_config(path).models:
            return read_encoder(path)
    return None


def write_encoder(path: Path, encoder: Encoder) -> None:
    """Write an encoder in float16.

    Raises:
        StorageError: the file cannot be written.
    """
    tensors = {
        name: tensor.half().contiguous() for name, tensor in encoder.state_dict().items() if tensor.is_floating_point()
    }
    with atomic_write(path) as temporary_path:
        temporary_path.write_bytes(save(tensors, {_METADATA_KEY: encoder.config.model_dump_json()}))


def read_encoder(path: Path) -> Encoder:
    """Read an encoder, in float32 and evaluation mode.

    Raises:
        CheckpointError: the file cannot be read, or holds no encoder.
    """
    encoder = Encoder(_read_config(path))
    expected_tensors = {name: tensor for name, tensor in encoder.state_dict().items() if tensor.is_floating_point()}
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            if shapes != {name: tuple(tensor.shape) for name, tensor in expected_tensors.items()}:
                raise CheckpointError(f"{path} holds no encoder: its tensors are those of another network")
            tensors = {name: file.get_tensor(name).float() for name in shapes}
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: the file is damaged") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise CheckpointError(f"{path} holds no encoder: some of its numbers are not finite")
    encoder.load_state_dict(tensors, strict=False)
    return encoder.eval().requires_grad_(False)


def _read_config(path: Path) -> EncoderConfig:
    """
    Raises:
        CheckpointError: the file cannot be read, or holds no encoder.
    """
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: the file is damaged") from error
    if _METADATA_KEY not in metadata:
        raise CheckpointError(f"{path} holds no encoder: its metadata lack {_METADATA_KEY!r}")
    try:
        return EncoderConfig.model_validate_json(metadata[_METADATA_KEY])
    except ValueError as error:
        raise CheckpointError(f"{path} holds no encoder: its metadata {_METADATA_KEY!r} are damaged") from error
