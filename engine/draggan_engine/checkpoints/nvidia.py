"""NVIDIA's PyTorch StyleGAN2 pickles (stylegan2-ada-pytorch, stylegan3's StyleGAN2 and their kin) → parts.

The two repositories differ in where the synthesis arguments are (nested or flat) and in two defaults. Whatever the
modules themselves say or show (layer counts, clamps, the size of the constant) is read from them, not assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from torch import Tensor

from ..networks.config import DiscriminatorConfig, GeneratorConfig
from ..protocol.errors import CheckpointError
from .parts import DiscriminatorPart, GeneratorPart
from .restricted_pickle import read_pickle
from .stand_ins import PersistentObject, printable

OPENS = "this version opens StyleGAN2 files"
_MAX_DEPTH = 8
_GENERATOR_ARGS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
_DISCRIMINATOR_ARGS = (
    "c_dim", "img_resolution", "img_channels", "architecture", "channel_base", "channel_max", "num_fp16_res",
    "conv_clamp", "cmap_dim", "block_kwargs", "mapping_kwargs", "epilogue_kwargs",
)  # fmt: skip
# Arguments that change no picture, or whose effect is in the tensors.
_IDLE = (
    "num_layers", "w_avg_beta", "embed_features", "layer_features", "cmap_dim", "square", "resample_filter",
    "freeze_layers", "channels_last", "fp16_channels_last", "fused_modconv_default",
)  # fmt: skip
# Arguments of which one value is built.
_FIXED: dict[str, object] = {"activation": "lrelu", "kernel_size": 3, "use_noise": True}

_Config = TypeVar("_Config", bound=BaseModel)


@dataclass(frozen=True)
class _Layout:
    """What a repository assumes where a file is silent."""

    num_fp16_res: int
    conv_clamp: float | None


_ADA = _Layout(num_fp16_res=0, conv_clamp=None)
_STYLEGAN3_REPOSITORY = _Layout(num_fp16_res=4, conv_clamp=256)


def read_generator(path: Path) -> GeneratorPart:
    """`G_ema` of the file, or `G` where there is no average.

    Raises:
        CheckpointError: hostile, damaged, no StyleGAN2, or an argument or tensor that does not fit.
    """
    return generator_part(read_pickle(path), path)


def read_discriminator(path: Path) -> DiscriminatorPart | None:
    """`D` of the file, if it has one.

    Raises:
        CheckpointError: as `read_generator`.
    """
    return discriminator_part(read_pickle(path), path)


def generator_part(root: object, path: Path) -> GeneratorPart:
    """As `read_generator`, of a root object that has been read."""
    record = _generator_record(root, path)
    synthesis, mapping = _module(record, "synthesis"), _module(record, "mapping")
    if synthesis is None or mapping is None:
        raise CheckpointError(f"{path}: its generator is a {printable(record.class_name)}, no StyleGAN2; {OPENS}")
    if _module(synthesis, "input") is not None:
        raise CheckpointError(f"{path}: it is a StyleGAN3; {OPENS}")
    args = _arguments(record, _GENERATOR_ARGS, path)
    layout = _layout(args)
    mapping_args = _inner(args, "mapping_kwargs", path)
    args |= _inner(args, "synthesis_kwargs", path)
    values = {
        **_pyramid(args, layout, _module(synthesis, "b4", "conv1")),
        **_taken(args, ("z_dim", "w_dim")),
        "mapping_layers": _count_layers(mapping),
        "mapping_lr_multiplier": mapping_args.pop("lr_multiplier", 0.01),
    }
    for rest in (args, mapping_args):
        _settle(rest, _FIXED | {"architecture": "skip"}, f"{path}: generator")
    config = _validated(GeneratorConfig, values, f"{path}: generator")
    state = _tensors(record, path)
    const = state.get("synthesis.b4.const")
    if const is None or const.ndim != 3 or const.shape[1] != 4 or not 1 <= const.shape[2] <= 16:
        raise CheckpointError(f"{path}: generator: synthesis.b4.const is missing or of an unknown shape; {OPENS}")
    return GeneratorPart(config, (4, const.shape[2]), state)


def discriminator_part(root: object, path: Path) -> DiscriminatorPart | None:
    """As `read_discriminator`, of a root object that has been read."""
    record = root.get("D") if isinstance(root, dict) else None
    if not isinstance(record, PersistentObject):
        return None
    args = _arguments(record, _DISCRIMINATOR_ARGS, path)
    layout = _layout(_arguments(_generator_record(root, path), _GENERATOR_ARGS, path))
    mapping_args, epilogue_args = _inner(args, "mapping_kwargs", path), _inner(args, "epilogue_kwargs", path)
    args |= _inner(args, "block_kwargs", path)
    mapping = _module(record, "mapping")
    values = {
        **_pyramid(args, layout, _module(record, "b8", "conv0")),
        "mbstd_group_size": epilogue_args.pop("mbstd_group_size", 4),
        "mbstd_channels": epilogue_args.pop("mbstd_num_channels", 1),
        "mapping_layers": 0 if mapping is None else _count_layers(mapping),
    }
    for rest in (args, mapping_args, epilogue_args):
        _settle(rest, _FIXED | {"architecture": "resnet", "lr_multiplier": 0.01}, f"{path}: discriminator")
    return DiscriminatorPart(_validated(DiscriminatorConfig, values, f"{path}: discriminator"), _tensors(record, path))


def _generator_record(root: object, path: Path) -> PersistentObject:
    networks = root if isinstance(root, dict) else {}
    for name in ("G_ema", "G"):
        if isinstance(record := networks.get(name), PersistentObject):
            return record
    raise CheckpointError(f"{path}: it is a pickle without a generator (G_ema); {OPENS}")


def _module(record: PersistentObject, *names: str) -> PersistentObject | None:
    """The submodule of that path, if there is one."""
    for name in names:
        modules = record.state.get("_modules")
        child = modules.get(name) if isinstance(modules, dict) else None
        if not isinstance(child, PersistentObject):
            return None
        record = child
    return record


def _count_layers(mapping: PersistentObject) -> int:
    modules = mapping.state.get("_modules")
    return sum(type(name) is str and name.startswith("fc") for name in modules) if isinstance(modules, dict) else 0


def _arguments(record: PersistentObject, positions: tuple[str, ...], path: Path) -> dict[str, object]:
    """What the network was made with, by name."""
    if len(record.init_args) > len(positions):
        raise CheckpointError(f"{path}: {printable(record.class_name)} has more arguments than StyleGAN2's; {OPENS}")
    return dict(zip(positions, record.init_args, strict=False)) | record.init_kwargs


def _inner(args: dict[str, object], name: str, path: Path) -> dict[str, object]:
    """Takes the dictionary of that name out of the arguments; empty if there is none."""
    inner = args.pop(name, {})
    if not isinstance(inner, dict) or not all(type(key) is str for key in inner):
        raise CheckpointError(f"{path}: {name} is not a dictionary of arguments; the file is damaged: get it again")
    return dict(inner)


def _layout(generator_args: dict[str, object]) -> _Layout:
    return _ADA if "synthesis_kwargs" in generator_args else _STYLEGAN3_REPOSITORY


def _taken(args: dict[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: args.pop(name) for name in names if name in args}


def _pyramid(args: dict[str, object], layout: _Layout, layer: PersistentObject | None) -> dict[str, object]:
    """Takes what generator and discriminator have in common out of the arguments. The clamp is the one that the
    layer itself has: the discriminator's arguments look the same in both repositories and mean two things."""
    clamp = args.pop("conv_clamp", layout.conv_clamp)
    values = _taken(args, ("c_dim", "img_channels", "channel_base", "channel_max"))
    if "img_resolution" in args:
        values["resolution"] = args.pop("img_resolution")
    values["num_fp16_res"] = args.pop("num_fp16_res", layout.num_fp16_res)
    values["conv_clamp"] = clamp if layer is None else layer.state.get("conv_clamp", clamp)
    return values


def _settle(args: Mapping[str, object], fixed: Mapping[str, object], where: str) -> None:
    """Refuses what is left of the arguments unless it makes no difference."""
    for name, value in args.items():
        if name in fixed and type(value) is type(fixed[name]) and value == fixed[name]:
            continue
        if name == "architecture":
            kind = fixed[name]
            raise CheckpointError(
                f"{where}: its architecture is {printable(value)}; {OPENS} whose architecture is {kind}"
            )
        if name not in _IDLE:
            raise CheckpointError(f"{where}: the argument {printable(name)} makes it another network; {OPENS}")


def _validated(kind: type[_Config], values: Mapping[str, Any], where: str) -> _Config:
    for field, value in values.items():
        if not isinstance(value, str | int | float | None):
            raise CheckpointError(
                f"{where}: {field}: it is a {type(value).__name__}; the file is damaged: get it again"
            )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise CheckpointError(f"{where}: {field}: {first['msg']}; the file is damaged or not a StyleGAN2") from error


def _tensors(record: PersistentObject, path: Path) -> dict[str, Tensor]:
    """All parameters and buffers of a module and those inside it, by dotted name."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()

    def walk(module: PersistentObject, prefix: str, depth: int) -> None:
        if id(module) in seen or depth > _MAX_DEPTH:  # else a small file could ask for an endless walk
            raise CheckpointError(f"{path}: {printable(prefix)} holds itself or is shared; the file is no StyleGAN2")
        seen.add(id(module))
        for kind in ("_parameters", "_buffers", "_modules"):
            members = module.state.get(kind)
            for name, member in members.items() if isinstance(members, dict) else ():
                if type(name) is str and isinstance(member, PersistentObject) and kind == "_modules":
                    walk(member, f"{prefix}{name}.", depth + 1)
                elif type(name) is str and isinstance(member, Tensor) and kind != "_modules":
                    found[f"{prefix}{name}"] = member
                elif member is not None:
                    raise CheckpointError(
                        f"{path}: {printable(prefix)}{printable(name)} is of an unknown kind; {OPENS}"
                    )

    walk(record, "", 0)
    return found
