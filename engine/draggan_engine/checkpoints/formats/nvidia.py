"""Read NVIDIA's PyTorch pickles: stylegan2-ada-pytorch, stylegan3, StyleGAN-Human and similar ones.

A StyleGAN2 may come from two repositories. They differ in where the arguments of the synthesis network are (nested in
`synthesis_kwargs`, or among the generator's own) and in two default values. What the modules themselves show (numbers of
layers, clamps, the size of the constant) is read from them rather than assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart, ModelParts, validate_config
from draggan_engine.checkpoints.unpickling.pickle_stubs import (
    ObjectRecord,
    PersistentObject,
    UnknownName,
    UnknownObject,
)
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config, StyleGAN3Config, pyramid_channels

from .arguments import SUPPORTED_NETWORKS, check_arguments, describe_value
from .stylegan_xl import is_stylegan_xl, read_stylegan_xl

_MAX_DEPTH = 8
_MAX_MEMBERS = 20_000
_GENERATOR_PARAMETERS = (
    "z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs",
)  # fmt: skip
_DISCRIMINATOR_PARAMETERS = (
    "c_dim", "img_resolution", "img_channels", "architecture", "channel_base", "channel_max", "num_fp16_res",
    "conv_clamp", "cmap_dim", "block_kwargs", "mapping_kwargs", "epilogue_kwargs",
)  # fmt: skip
_STYLEGAN3_ARGUMENTS = tuple(
    name
    for name in StyleGAN3Config.model_fields
    if name
    not in (
        "family",
        "resolution",
        "mapping_layers",
        "mapping_features",
        "mapping_lr_multiplier",
        "class_embedding",
        "embed_features",
        "layers",
    )
)
# Arguments that change no image, or whose effect is in the tensors.
_IGNORED_ARGUMENTS = (
    "num_layers", "w_avg_beta", "embed_features", "cmap_dim", "square", "resample_filter", "freeze_layers", "freeze_embed",
    "init_res", "channels_last", "fp16_channels_last", "fused_modconv_default", "magnitude_ema_beta", "resize", "verbose",
)  # fmt: skip
# Arguments with the only value that our networks implement.
_FIXED_ARGUMENTS: dict[str, object] = {"activation": "lrelu", "kernel_size": 3, "use_noise": True}

Arguments = dict[str, object]


@dataclass(frozen=True)
class _Repository:
    """The default values of the repository that a StyleGAN2 comes from."""

    name: str
    num_fp16_res: int
    conv_clamp: float | None


_ADA_REPOSITORY = _Repository("stylegan2-ada-pytorch", num_fp16_res=0, conv_clamp=None)
_STYLEGAN3_REPOSITORY = _Repository("stylegan3", num_fp16_res=4, conv_clamp=256)


def read_nvidia_parts(root: object, path: Path) -> ModelParts | None:
    """Read the networks of a file.

    Args:
        root: the root object of the file: a dictionary with `G_ema` (or `G`, if there is no average) and perhaps `D`, or the
            generator itself.
        path: of the file, for messages.

    Returns:
        None if the file has no network of this kind.

    Raises:
        CheckpointError: the network is no StyleGAN, or has an argument or tensor that does not fit.
    """
    generator = _find_generator(root, path)
    if generator is None:
        return None
    synthesis, mapping = _find_module(generator, "synthesis"), _find_module(generator, "mapping")
    if synthesis is None or mapping is None:
        raise CheckpointError(
            f"{path}: its generator is a {printable_text(generator.class_name)}, not a StyleGAN; {SUPPORTED_NETWORKS}"
        )
    container = "pickle" if isinstance(root, dict) else "torch.save of a whole network"
    if is_stylegan_xl(mapping):
        return ModelParts(
            f"NVIDIA PyTorch {container} (stylegan-xl)",
            read_stylegan_xl(synthesis, mapping, _collect_tensors(generator, path), f"{path}: generator"),
            lambda: _read_discriminator(root, _STYLEGAN3_REPOSITORY, path),
        )
    if _find_module(synthesis, "input") is not None:
        return ModelParts(
            f"NVIDIA PyTorch {container} (stylegan3)",
            _read_stylegan3(generator, mapping, path),
            lambda: _read_discriminator(root, _STYLEGAN3_REPOSITORY, path),
        )
    has_nested_arguments = "synthesis_kwargs" in _constructor_arguments(generator, _GENERATOR_PARAMETERS, path)
    repository = _ADA_REPOSITORY if has_nested_arguments else _STYLEGAN3_REPOSITORY
    return ModelParts(
        f"NVIDIA PyTorch {container} ({repository.name})",
        _read_stylegan2(generator, synthesis, mapping, repository, path),
        lambda: _read_discriminator(root, repository, path),
    )


def _read_stylegan2(
    generator: PersistentObject,
    synthesis: PersistentObject,
    mapping: PersistentObject,
    repository: _Repository,
    path: Path,
) -> GeneratorPart:
    where = f"{path}: generator"
    arguments, mapping_arguments = _generator_arguments(generator, path)
    state = _collect_tensors(generator, path)
    values = {
        **_take_pyramid_values(arguments, repository, _find_module(synthesis, "b4", "conv1"), where),
        **_take_mapping_values(arguments, mapping_arguments, mapping, state),
    }
    fixed_arguments = _FIXED_ARGUMENTS | {"architecture": "skip"}
    check_arguments(arguments, fixed_arguments, _IGNORED_ARGUMENTS, where)
    check_arguments(mapping_arguments, fixed_arguments, _IGNORED_ARGUMENTS, where)
    const = state.get("synthesis.b4.const")
    if const is None or const.ndim != 3:
        raise CheckpointError(f"{where}: synthesis.b4.const is missing or of an unknown shape; {SUPPORTED_NETWORKS}")
    values["const_size"] = (const.shape[1], const.shape[2])
    return GeneratorPart(validate_config(StyleGAN2Config, values, where), state)


def _read_stylegan3(generator: PersistentObject, mapping: PersistentObject, path: Path) -> GeneratorPart:
    where = f"{path}: generator"
    arguments, mapping_arguments = _generator_arguments(generator, path)
    state = _collect_tensors(generator, path)
    values = {
        **_take_resolution(arguments),
        **_take_mapping_values(arguments, mapping_arguments, mapping, state),
        **_take_arguments(arguments, _STYLEGAN3_ARGUMENTS),
    }
    check_arguments(arguments, _FIXED_ARGUMENTS, _IGNORED_ARGUMENTS, where)
    check_arguments(mapping_arguments, _FIXED_ARGUMENTS, _IGNORED_ARGUMENTS, where)
    return GeneratorPart(validate_config(StyleGAN3Config, values, where), _collect_tensors(generator, path))


def _read_discriminator(root: object, repository: _Repository, path: Path) -> DiscriminatorPart | None:
    discriminator = root.get("D") if isinstance(root, dict) else None
    where = f"{path}: discriminator"
    if isinstance(discriminator, UnknownObject):
        raise CheckpointError(
            f"{where}: it is an object of {discriminator}, which this version does not know and has not run"
        )
    if not isinstance(discriminator, PersistentObject):
        return None
    arguments = _constructor_arguments(discriminator, _DISCRIMINATOR_PARAMETERS, path)
    mapping_arguments = _take_dictionary(arguments, "mapping_kwargs", path)
    epilogue_arguments = _take_dictionary(arguments, "epilogue_kwargs", path)
    arguments |= _take_dictionary(arguments, "block_kwargs", path)
    mapping = _find_module(discriminator, "mapping")
    values = {
        **_take_pyramid_values(arguments, repository, _find_module(discriminator, "b8", "conv0"), where),
        "mbstd_group_size": epilogue_arguments.pop("mbstd_group_size", 4),
        "mbstd_channels": epilogue_arguments.pop("mbstd_num_channels", 1),
        "mapping_layers": 0 if mapping is None else _count_layers(mapping),
    }
    fixed_arguments = _FIXED_ARGUMENTS | {"architecture": "resnet", "lr_multiplier": 0.01, "layer_features": None}
    for remaining_arguments in (arguments, mapping_arguments, epilogue_arguments):
        check_arguments(remaining_arguments, fixed_arguments, _IGNORED_ARGUMENTS, where)
    return DiscriminatorPart(validate_config(DiscriminatorConfig, values, where), _collect_tensors(discriminator, path))


def _find_generator(root: object, path: Path) -> PersistentObject | None:
    """Return the averaged generator, or the other one if there is no average.

    Raises:
        CheckpointError: it is an object of an unknown class.
    """
    networks = root if isinstance(root, dict) else {"G": root}
    for name in ("G_ema", "G"):
        network = networks.get(name)
        if isinstance(network, UnknownName | UnknownObject):
            raise CheckpointError(
                f"{path}: its generator is {describe_value(network)}, which this version does not know and has not run; "
                f"{SUPPORTED_NETWORKS}"
            )
        if isinstance(network, PersistentObject):
            return network
    return None


def _find_module(module: PersistentObject, *names: str) -> PersistentObject | None:
    """Return the module at a path of names inside a module; None if there is none."""
    for name in names:
        modules = module.state.get("_modules")
        child = modules.get(name) if isinstance(modules, dict) else None
        if not isinstance(child, PersistentObject):
            return None
        module = child
    return module


def _count_layers(mapping: PersistentObject) -> int:
    modules = mapping.state.get("_modules")
    return sum(type(name) is str and name.startswith("fc") for name in modules) if isinstance(modules, dict) else 0


# Functions whose names begin with _take remove what they return from the arguments. check_arguments then checks the rest.


def _generator_arguments(generator: PersistentObject, path: Path) -> tuple[Arguments, Arguments]:
    """Return the arguments of a generator, including those of its synthesis network, and those of its mapping network."""
    arguments = _constructor_arguments(generator, _GENERATOR_PARAMETERS, path)
    mapping_arguments = _take_dictionary(arguments, "mapping_kwargs", path)
    arguments |= _take_dictionary(arguments, "synthesis_kwargs", path)
    return arguments, mapping_arguments


def _constructor_arguments(module: PersistentObject, parameters: tuple[str, ...], path: Path) -> Arguments:
    """Return the arguments that a network was made with, by name.

    Args:
        parameters: the names of the positional parameters.
    """
    if len(module.init_args) > len(parameters):
        raise CheckpointError(
            f"{path}: {printable_text(module.class_name)} has more arguments than StyleGAN's; {SUPPORTED_NETWORKS}"
        )
    positional = dict(zip(parameters, module.init_args, strict=False))
    return positional | _copy_arguments(module.init_kwargs, "_init_kwargs", path)


def _copy_arguments(arguments: object, name: str, path: Path) -> Arguments:
    """Return a copy of a dictionary of arguments.

    Raises:
        CheckpointError: it is no dictionary whose keys are texts.
    """
    if not isinstance(arguments, dict) or not all(type(key) is str for key in arguments):
        raise CheckpointError(
            f"{path}: {name} is {describe_value(arguments)}, not a dictionary of arguments; {SUPPORTED_NETWORKS}"
        )
    return dict(arguments)


def _take_dictionary(arguments: Arguments, name: str, path: Path) -> Arguments:
    """Take the dictionary of that name; it is empty if there is none."""
    return _copy_arguments(arguments.pop(name, {}), name, path)


def _take_arguments(arguments: Arguments, names: tuple[str, ...]) -> Arguments:
    return {name: arguments.pop(name) for name in names if name in arguments}


def _take_resolution(arguments: Arguments) -> Arguments:
    return {"resolution": arguments.pop("img_resolution")} if "img_resolution" in arguments else {}


def _take_mapping_values(
    arguments: Arguments, mapping_arguments: Arguments, mapping: PersistentObject, state: Mapping[str, Tensor]
) -> Arguments:
    """Take the configuration of the mapping network.

    Args:
        state: the tensors of the generator, which show how wide the embedded class is.
    """
    embedding = state.get("mapping.embed.weight")
    embed_features = len(embedding) if embedding is not None and embedding.ndim else None
    return {
        "embed_features": None if embed_features == arguments.get("w_dim") else embed_features,
        **_take_arguments(arguments, ("z_dim", "w_dim")),
        "mapping_layers": _count_layers(mapping),
        "mapping_features": mapping_arguments.pop("layer_features", None),
        "mapping_lr_multiplier": mapping_arguments.pop("lr_multiplier", 0.01),
    }


def _take_pyramid_values(
    arguments: Arguments, repository: _Repository, layer: PersistentObject | None, where: str
) -> Arguments:
    """Take the configuration that generators and discriminators have in common.

    Args:
        layer: a layer of the network. Its own clamp counts, because a discriminator's arguments look the same in both
            repositories although the defaults differ.
    """
    clamp = arguments.pop("conv_clamp", repository.conv_clamp)
    values = _take_arguments(arguments, ("c_dim", "img_channels")) | _take_resolution(arguments)
    values["channels"] = _count_channels(
        values.get("resolution"), arguments.pop("channel_base", 32768), arguments.pop("channel_max", 512), where
    )
    values["num_fp16_res"] = arguments.pop("num_fp16_res", repository.num_fp16_res)
    values["conv_clamp"] = clamp if layer is None else layer.state.get("conv_clamp", clamp)
    return values


def _count_channels(resolution: object, channel_base: object, channel_max: object, where: str) -> tuple[int, ...]:
    """Return the number of channels of each block.

    Raises:
        CheckpointError: an argument is no reasonable number, or leaves a block without channels.
    """
    arguments = {"img_resolution": resolution, "channel_base": channel_base, "channel_max": channel_max}
    for name, value in arguments.items():
        if type(value) is not int or not 0 < value < 2**20:
            raise CheckpointError(f"{where}: the value of {name} is impossible; {SUPPORTED_NETWORKS}")
    channels = pyramid_channels(cast(int, resolution), cast(int, channel_base), cast(int, channel_max))
    if 0 in channels:
        raise CheckpointError(
            f"{where}: channel_base {channel_base} leaves its highest block without channels; {SUPPORTED_NETWORKS}"
        )
    return channels


def _collect_tensors(network: PersistentObject, path: Path) -> dict[str, Tensor]:
    """Return all parameters and buffers of a module and of the modules inside it, by dotted name.

    Raises:
        CheckpointError: a module holds itself or too much, which would make a small file costly to read, or something else
            than tensors and modules.
    """
    tensors: dict[str, Tensor] = {}
    visited_ids: set[int] = set()
    member_count = 0

    def visit(module: PersistentObject | ObjectRecord, prefix: str, depth: int) -> None:
        nonlocal member_count
        if id(module) in visited_ids or depth > _MAX_DEPTH:
            raise CheckpointError(
                f"{path}: {printable_text(prefix)} holds itself or is shared; the file is not a StyleGAN"
            )
        visited_ids.add(id(module))
        for member_kind in ("_parameters", "_buffers", "_modules"):
            members = module.state.get(member_kind)
            member_count += len(members) if isinstance(members, dict) else 0
            if member_count > _MAX_MEMBERS:  # different modules may share one large dictionary
                raise CheckpointError(f"{path}: its networks have more parts than any StyleGAN; {SUPPORTED_NETWORKS}")
            for name, member in members.items() if isinstance(members, dict) else ():
                if (
                    type(name) is str
                    and isinstance(member, PersistentObject | ObjectRecord)
                    and member_kind == "_modules"
                ):
                    visit(member, f"{prefix}{name}.", depth + 1)
                elif type(name) is str and isinstance(member, Tensor) and member_kind != "_modules":
                    tensors[f"{prefix}{name}"] = member
                elif isinstance(member, UnknownObject):
                    raise CheckpointError(
                        f"{path}: {printable_text(prefix)}{printable_text(name)} is an object of {member}, which this version "
                        f"does not know and has not run; {SUPPORTED_NETWORKS}"
                    )
                elif member is not None:
                    raise CheckpointError(
                        f"{path}: {printable_text(prefix)}{printable_text(name)} is of an unknown kind; {SUPPORTED_NETWORKS}"
                    )

    visit(network, "", 0)
    return tensors
