"""The network of UserControllableLT (Endo 2022): how a latent must change so that points of its image move.

It is the paper's transformer in small. Each point is a token of its motion and of the generator's features there; an encoder
relates the tokens, and a decoder changes the first rows of the latent. The network knows nothing of a token's position or
order. It is trained for one generator, and its weights are only used for that one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from draggan_engine.core.errors import InputError
from draggan_engine.core.frozen_model import FrozenModel
from draggan_engine.networks.generator import Generator
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.user_directories import data_directory

TRAINING_COMMAND = "python -m draggan_engine.evaluation.baselines.latent_transformer_training --model MODEL"
BUNDLED_WEIGHTS_DIRECTORY = Path(__file__).parents[1] / "weights" / "latent-transformers"
FEATURE_HEIGHT = 64
"""Features are read from the first block whose map has this height or more."""
_Count = Annotated[int, Field(ge=1, le=4096)]


class LatentTransformerConfig(FrozenModel):
    """The shape of a network, and what it was trained for. It is stored as JSON in the metadata of the weights.

    Attributes:
        generator_sha256: `generator_checksum` of the generator.
        model: the name of the generator's model, for messages.
        feature_block: the block that features are read from.
        predicted_rows: how many rows of the latent are changed, from the first; 1 in the space W.
        moved_rows: how many rows of ws the change is added to: as many as `predicted_rows`, or in W all that share it.
    """

    generator_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    model: str
    feature_block: str
    feature_channels: _Count
    w_dim: _Count
    predicted_rows: _Count
    moved_rows: _Count
    width: _Count = 256
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    layers: Annotated[int, Field(ge=1, le=12)] = 3


class LatentTransformer(nn.Module):
    """Tokens of motion and features, and rows of a latent → the change of these rows.

    Inputs and outputs are scaled by buffers, which `set_scales` computes from training data.
    """

    feature_mean: Tensor
    feature_scale: Tensor
    w_mean: Tensor
    w_scale: Tensor
    change_scale: Tensor
    motion_scale: Tensor

    def __init__(self, config: LatentTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.motion_input = nn.Linear(2, width // 2)
        self.feature_input = nn.Linear(config.feature_channels, width // 2)
        self.token_input = nn.Linear(2 * (width // 2), width)
        self.row_input = nn.Linear(config.w_dim, width)
        self.row_positions = nn.Parameter(0.02 * torch.randn(config.predicted_rows, width))
        self.encoder = nn.ModuleList(_layer(nn.TransformerEncoderLayer, config) for _ in range(config.layers))
        self.decoder = nn.ModuleList(_layer(nn.TransformerDecoderLayer, config) for _ in range(config.layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.output = nn.Linear(width, config.w_dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        for buffer_name, shape in (
            ("feature_mean", (config.feature_channels,)),
            ("feature_scale", (config.feature_channels,)),
            ("w_mean", (config.predicted_rows, config.w_dim)),
            ("w_scale", (config.predicted_rows, config.w_dim)),
            ("change_scale", (config.predicted_rows, config.w_dim)),
            ("motion_scale", ()),
        ):
            self.register_buffer(buffer_name, torch.ones(shape))

    def set_scales(self, features: Tensor, w: Tensor, changes: Tensor, motions: Tensor) -> None:
        """Compute all scales from training data.

        Args:
            features: `[N, C]`.
            w: `[N, predicted_rows, w_dim]`.
            changes: `[N, predicted_rows, w_dim]`.
            motions: `[N, 2]` of points that move, in image pixels.
        """
        self.feature_mean.copy_(features.mean(dim=0))
        self.feature_scale.copy_(features.std(dim=0).clamp_min(1e-6))
        self.w_mean.copy_(w.mean(dim=0))
        self.w_scale.copy_(w.std(dim=0).clamp_min(1e-6))
        self.change_scale.copy_(changes.square().mean(dim=0).sqrt().clamp_min(1e-9))
        self.motion_scale.copy_(motions.norm(dim=1).mean().clamp_min(1e-6))

    def forward(self, w: Tensor, motions: Tensor, features: Tensor, exists: Tensor) -> Tensor:
        """Return the change of the rows that moves the points, in units of `change_scale`.

        Args:
            w: `[N, predicted_rows, w_dim]`.
            motions: `[N, T, 2]` in units of `motion_scale`; zero for an anchor.
            features: `[N, T, C]`.
            exists: bool `[N, T]`; other tokens are ignored. Each latent needs at least one.

        Returns:
            `[N, predicted_rows, w_dim]`.
        """
        features = (features - self.feature_mean) / self.feature_scale
        inputs = torch.cat([self.motion_input(motions).relu(), self.feature_input(features).relu()], dim=2)
        tokens = self.token_input(inputs).relu()
        is_missing = None if bool(exists.all()) else ~exists
        for layer in self.encoder:
            tokens = layer(tokens, src_key_padding_mask=is_missing)
        tokens = self.encoder_norm(tokens)
        rows = self.row_input((w - self.w_mean) / self.w_scale).relu() + self.row_positions
        for layer in self.decoder:
            rows = layer(rows, tokens, memory_key_padding_mask=is_missing)
        change: Tensor = self.output(self.decoder_norm(rows))
        return change


def _layer(
    layer_type: type[nn.TransformerEncoderLayer] | type[nn.TransformerDecoderLayer], config: LatentTransformerConfig
) -> nn.Module:
    return layer_type(config.width, config.heads, config.width, 0.0, "gelu", batch_first=True, norm_first=True)


def generator_checksum(generator: Generator) -> str:
    """Return the SHA-256 of a generator's parameters: the same for every file format and device."""
    checksum = hashlib.sha256()
    for parameter_name, parameter in sorted(generator.named_parameters()):
        checksum.update(parameter_name.encode())
        checksum.update(parameter.detach().cpu().contiguous().numpy().data)
    return checksum.hexdigest()


def own_directory() -> Path:
    """Return the directory for the weights that the user has trained. It need not exist."""
    return data_directory() / "latent-transformers"


def save_transformer(network: LatentTransformer, path: Path) -> None:
    """Write a network: its parameters in float16, its scales in float32.

    Raises:
        StorageError: the file cannot be written.
    """
    tensors = {name: parameter.detach().half().contiguous() for name, parameter in network.named_parameters()}
    tensors |= {name: buffer.contiguous() for name, buffer in network.named_buffers()}
    with atomic_write(path) as part_path:
        save_file(tensors, part_path, {"latent_transformer": network.config.model_dump_json()})


def read_transformer(path: Path) -> LatentTransformer:
    """Read a network, in float32 and evaluation mode.

    Raises:
        InputError: the file cannot be read, or holds no such network.
    """
    try:
        config = _read_config(path)
        with safe_open(path, framework="pt") as weights_file:
            tensors = {name: weights_file.get_tensor(name).float() for name in weights_file.keys()}  # noqa: SIM118
        with torch.device("meta"):
            network = LatentTransformer(config)
        network.load_state_dict(tensors, assign=True)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError, AssertionError) as read_error:
        raise InputError(
            f"{path}: it holds no weights of UserControllableLT, or is damaged; train it again with {TRAINING_COMMAND}"
        ) from read_error
    return network.eval().requires_grad_(False)


def _read_config(path: Path) -> LatentTransformerConfig:
    with safe_open(path, framework="pt") as weights_file:
        metadata = weights_file.metadata() or {}
    return LatentTransformerConfig.model_validate_json(metadata["latent_transformer"])


def transformer_path(generator: Generator) -> Path:
    """Return the weights for a generator: the user's own, or those that come with the program.

    Raises:
        InputError: there are none.
    """
    checksum = generator_checksum(generator)
    for directory in (own_directory(), BUNDLED_WEIGHTS_DIRECTORY):
        for path in sorted(directory.glob("*.safetensors")) if directory.is_dir() else ():
            try:
                trained_checksum = _read_config(path).generator_sha256
            except (OSError, SafetensorError, ValueError, KeyError):
                continue  # a file of something else
            if trained_checksum == checksum:
                return path
    raise InputError(f"UserControllableLT: it has not been trained for this model; run {TRAINING_COMMAND}")
