"""Writes networks of ours as NVIDIA's tools would have: pickles whose modules would run their source if an ordinary
unpickler read them. For tests and benchmarks of the reader."""

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
from torch import Tensor, nn

from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

SOURCE = "raise SystemExit('code of a checkpoint must never run')\n"
_IDLE = (
    "family", "resolution", "mapping_layers", "mapping_features", "mapping_lr_multiplier", "const_size", "channels",
)  # fmt: skip


class Persistent:
    """Pickles as NVIDIA's persistent classes do."""

    def __init__(self, class_name: str, init_kwargs: dict[str, Any], state: dict[str, Any]) -> None:
        self.class_name, self.init_kwargs, self.state = class_name, init_kwargs, state

    def __reduce__(self) -> tuple[object, tuple[object]]:
        state = self.state | {"_init_args": (), "_init_kwargs": self.init_kwargs}
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self.class_name, "state": state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def persistence() -> Iterator[None]:
    """The module that such pickles name, for as long as it takes to write one."""
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


def generator_object(network: Generator) -> Persistent:
    """As stylegan2-ada-pytorch (nested arguments) or stylegan3 (flat ones) has it."""
    config = network.config
    arguments: dict[str, Any] = {
        "z_dim": config.z_dim,
        "c_dim": config.c_dim,
        "w_dim": config.w_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "mapping_kwargs": {"num_layers": config.mapping_layers, "layer_features": config.mapping_features},
    }
    synthesis = {k: v for k, v in config.model_dump().items() if k not in _IDLE and k not in arguments}
    if isinstance(config, StyleGAN3Config):
        arguments |= synthesis
    else:
        assert isinstance(config, StyleGAN2Config)
        arguments["synthesis_kwargs"] = {**synthesis, **_base_and_max(config.channels)}
    return _object("Generator", network, arguments)


def discriminator_object(network: Discriminator) -> Persistent:
    config = network.config
    arguments = {
        "c_dim": config.c_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "epilogue_kwargs": {"mbstd_group_size": config.mbstd_group_size},
        **_base_and_max(config.channels),
    }
    return _object("Discriminator", network, arguments)


def write(path: Path, generator: Generator, discriminator: Discriminator | None = None, *, copies: int = 1) -> Path:
    """
    Args:
        copies: 2 = `G` beside `G_ema`, as training leaves it.
    """
    root: dict[str, Any] = {
        "G": generator_object(generator) if copies > 1 else None,
        "D": None if discriminator is None else discriminator_object(discriminator),
        "G_ema": generator_object(generator),
        "augment_pipe": None,
        "training_set_kwargs": {},
    }
    with persistence(), path.open("wb") as file:
        pickle.dump(root, file)
    return path


def pickled(root: object) -> bytes:
    """Of a file's root object, with `Persistent` ones in it."""
    with persistence():
        return pickle.dumps(root)


def write_pti(path: Path, generator: Generator) -> Path:
    """torch.save of the module itself."""
    with persistence():
        torch.save(generator_object(generator), path)
    return path


def _base_and_max(channels: tuple[int, ...]) -> dict[str, int]:
    return {"channel_base": max(count * 4 << i for i, count in enumerate(channels)), "channel_max": max(channels)}


def _object(class_name: str, network: nn.Module, arguments: dict[str, Any]) -> Persistent:
    def tree(module: nn.Module, name: str) -> Persistent:
        state: dict[str, Any] = {"training": False}
        state["_parameters"] = OrderedDict((k, _own(v, parameter=True)) for k, v in module._parameters.items())
        buffers = {k: v for k, v in module._buffers.items() if k not in module._non_persistent_buffers_set}
        state["_buffers"] = OrderedDict((k, _own(v, parameter=False)) for k, v in buffers.items())
        state["_modules"] = OrderedDict(
            (k, tree(v, type(v).__name__)) for k, v in module._modules.items() if v is not None
        )
        if hasattr(module, "clamp"):
            state["conv_clamp"] = module.clamp
        return Persistent(name, {}, state)

    whole = tree(network, class_name)
    whole.init_kwargs = arguments
    return whole


def _own(tensor: Tensor | None, *, parameter: bool) -> Tensor | None:
    if tensor is None:
        return None
    return nn.Parameter(tensor.detach().clone()) if parameter else tensor.detach().clone()
