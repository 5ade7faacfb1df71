"""Write our networks as NVIDIA's tools do: as pickles whose modules run their source code when an ordinary unpickler reads
them."""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

SOURCE = "raise SystemExit('code of a checkpoint must never run')\n"
_NOT_ARGUMENTS = (
    "family", "resolution", "mapping_layers", "mapping_features", "mapping_lr_multiplier", "embed_features", "const_size",
    "channels",
)  # fmt: skip


class PersistentModule:
    """An object that is pickled as those of NVIDIA's persistent classes are."""

    def __init__(self, class_name: str, init_kwargs: dict[str, Any], state: dict[str, Any]) -> None:
        self.class_name, self.init_kwargs, self.state = class_name, init_kwargs, state

    def __reduce__(self) -> tuple[object, tuple[object]]:
        state = self.state | {"_init_args": (), "_init_kwargs": self.init_kwargs}
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self.class_name, "state": state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def persistence_module() -> Iterator[None]:
    """Provide the module that such pickles name while one is written."""
    module = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(_meta: object) -> object:
        raise SystemExit("code of a checkpoint must never run")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    sys.modules["torch_utils"], sys.modules["torch_utils.persistence"] = types.ModuleType("torch_utils"), module
    try:
        yield
    finally:
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]


def persist_generator(network: Generator) -> PersistentModule:
    """Return a StyleGAN2 as stylegan2-ada-pytorch has it (with nested arguments), or a StyleGAN3 as stylegan3 has it (flat)."""
    config = network.config
    arguments: dict[str, Any] = {
        "z_dim": config.z_dim,
        "c_dim": config.c_dim,
        "w_dim": config.w_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "mapping_kwargs": {
            "num_layers": config.mapping_layers,
            "layer_features": config.mapping_features,
            "embed_features": config.embed_features,
        },
    }
    synthesis = {
        name: value
        for name, value in config.model_dump().items()
        if name not in _NOT_ARGUMENTS and name not in arguments
    }
    if isinstance(config, StyleGAN3Config):
        arguments |= synthesis
    else:
        assert isinstance(config, StyleGAN2Config)
        arguments["synthesis_kwargs"] = {**synthesis, **_channel_arguments(config.channels)}
    return _persist_network("Generator", network, arguments)


def persist_discriminator(network: Discriminator) -> PersistentModule:
    config = network.config
    arguments = {
        "c_dim": config.c_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "epilogue_kwargs": {"mbstd_group_size": config.mbstd_group_size},
        **_channel_arguments(config.channels),
    }
    return _persist_network("Discriminator", network, arguments)


def write_nvidia_pickle(
    path: Path, generator: Generator, discriminator: Discriminator | None = None, *, copies: int = 1
) -> Path:
    """Write a model, and return its path.

    Args:
        copies: 2 writes `G` beside `G_ema`, as training does.
    """
    root: dict[str, Any] = {
        "G": persist_generator(generator) if copies > 1 else None,
        "D": None if discriminator is None else persist_discriminator(discriminator),
        "G_ema": persist_generator(generator),
        "augment_pipe": None,
        "training_set_kwargs": {},
    }
    with persistence_module(), path.open("wb") as file:
        pickle.dump(root, file)
    return path


def pickle_nvidia(root: object) -> bytes:
    """Return the pickle of a root object that holds a `PersistentModule`."""
    with persistence_module():
        return pickle.dumps(root)


def write_pti_file(path: Path, generator: Generator) -> Path:
    """Write the generator itself by torch.save, as PTI does, and return the path."""
    with persistence_module():
        torch.save(persist_generator(generator), path)
    return path


def _channel_arguments(channels: tuple[int, ...]) -> dict[str, int]:
    return {"channel_base": max(count * 4 << i for i, count in enumerate(channels)), "channel_max": max(channels)}


def _persist_network(class_name: str, network: nn.Module, arguments: dict[str, Any]) -> PersistentModule:
    persistent_network = _persist_module(network, class_name)
    persistent_network.init_kwargs = arguments
    return persistent_network


def _persist_module(module: nn.Module, class_name: str) -> PersistentModule:
    state: dict[str, Any] = {"training": False}
    state["_parameters"] = OrderedDict(
        (name, None if parameter is None else nn.Parameter(parameter.detach().clone()))
        for name, parameter in module._parameters.items()
    )
    state["_buffers"] = OrderedDict(
        (name, None if buffer is None else buffer.detach().clone())
        for name, buffer in module._buffers.items()
        if name not in module._non_persistent_buffers_set
    )
    state["_modules"] = OrderedDict(
        (name, _persist_module(child, type(child).__name__))
        for name, child in module._modules.items()
        if child is not None
    )
    if hasattr(module, "clamp"):
        state["conv_clamp"] = module.clamp
    return PersistentModule(class_name, {}, state)
