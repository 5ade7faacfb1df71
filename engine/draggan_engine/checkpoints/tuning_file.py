"""The file of a generator's tuning to a photograph: safetensors with the tensors that changed, and the model they belong to.

weights.NAME              what is added to the weight NAME of the synthesis network
mask, features, image     the `BlendTensors`, if there are any; their block is in the metadata
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from draggan_engine.core.errors import InputError
from draggan_engine.networks.feature_blend import BlendTensors
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import GeneratorTuning, blend_shapes
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.utf8_path import utf8_path

_FORMAT = "draggan-tui tuning 1"
_WEIGHT_PREFIX = "weights."
_NO_BLOCK = ""
_DTYPES = {"F16": torch.float16, "F32": torch.float32}


def write_tuning(path: Path, tuning: GeneratorTuning, model_sha256: str) -> None:
    """Write a tuning.

    Args:
        model_sha256: of the file of the model whose generator is tuned.

    Raises:
        StorageError: the file cannot be written.
    """
    tensors = {_WEIGHT_PREFIX + name: change for name, change in tuning.weight_changes.items()}
    block_name = _NO_BLOCK
    if tuning.blend is not None:
        block_name = tuning.blend.block_name
        tensors |= {"mask": tuning.blend.mask, "features": tuning.blend.features}
        if tuning.blend.image is not None:
            tensors["image"] = tuning.blend.image
    stored_tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(stored_tensors, {"format": _FORMAT, "model_sha256": model_sha256, "block": block_name})
    with atomic_write(path) as temporary_path:
        temporary_path.write_bytes(content)


def read_tuning(path: Path, generator: Generator, model_sha256: str) -> GeneratorTuning:
    """Read a tuning of a model's generator.

    Raises:
        InputError: the file cannot be read, is damaged, or belongs to another model.
    """
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise _damaged(path, "it has another format")
            if metadata.get("model_sha256") != model_sha256:
                raise InputError(
                    f"{path}: this generator was tuned from another model file; open the session with the model that it was made with"
                )
            stored_names = set(file.keys())
            block_name = metadata.get("block", _NO_BLOCK)
            shapes = _expected_shapes(path, generator, stored_names, block_name)
            tensors = {}
            for name, shape in shapes.items():
                tensor_slice = file.get_slice(name)
                if tuple(tensor_slice.get_shape()) != shape or tensor_slice.get_dtype() not in _DTYPES:
                    raise _damaged(path, f"the tensor {name} does not fit the model")
                tensors[name] = file.get_tensor(name)
    except (OSError, SafetensorError) as read_error:
        raise _damaged(path, "it cannot be read") from read_error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise _damaged(path, f"the tensor {name} has numbers that are not finite")
    return _tuning_of(tensors, block_name)


def _expected_shapes(
    path: Path, generator: Generator, stored_names: set[str], block_name: str
) -> dict[str, tuple[int, ...]]:
    """Return the shape that each stored tensor must have.

    Raises:
        InputError: a tensor is missing, or the model has no place for one.
    """
    parameters = dict(generator.synthesis.named_parameters())
    shapes = {_WEIGHT_PREFIX + name: tuple(parameter.shape) for name, parameter in parameters.items()}
    blend_names: set[str] = set()
    if block_name != _NO_BLOCK:
        try:
            blend_parts = blend_shapes(generator.synthesis, block_name)
        except KeyError as lookup_error:
            raise _damaged(path, "the model has no block of the name that it states") from lookup_error
        shapes |= blend_parts
        blend_names = set(blend_parts)
    if wrong_names := (blend_names - stored_names) | (stored_names - set(shapes)):
        raise _damaged(path, f"the tensor {min(wrong_names)} is missing, or the model has none of this name"[:200])
    return {name: shapes[name] for name in sorted(stored_names)}


def _tuning_of(tensors: dict[str, Tensor], block_name: str) -> GeneratorTuning:
    changes = {
        name.removeprefix(_WEIGHT_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(_WEIGHT_PREFIX)
    }
    if block_name == _NO_BLOCK:
        return GeneratorTuning(changes)
    blend = BlendTensors(block_name, tensors["mask"], tensors["features"], tensors.get("image"))
    return GeneratorTuning(changes, blend)


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(f"{path} is damaged: {problem}; restore the file, or invert the photograph again")
