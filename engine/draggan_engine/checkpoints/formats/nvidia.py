"""NVIDIA's PyTorch pickles (stylegan2-ada-pytorch, stylegan3, StyleGAN-Human and their kin) → parts.

A StyleGAN2 may come from two repositories, which differ in where the synthesis arguments are (nested or flat) and in two
defaults. Whatever the modules themselves say or show (layer counts, clamps, the size of the constant) is read from
them, not assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart, ModelParts, validate_config
from draggan_engine.checkpoints.unpickling.pickle_stubs import PersistentObject
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config, StyleGAN3Config, pyramid_channels

OPENS = "this version opens StyleGAN2 and StyleGAN3 files"
_MAX_DEPTH = 8
_MAX_MEMBERS = 20_000
_GENERATOR_ARGS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
_DISCRIMINATOR_ARGS = (
    "c_dim", "img_resolution", "img_channels", "architecture", "channel_base", "channel_max", "num_fp16_res",
    "conv_clamp", "cmap_dim", "block_kwargs", "mapping_kwargs", "epilogue_kwargs",
)  # fmt: skip
_STYLEGAN3_ARGS = tuple(
    name
    for name in StyleGAN3Config.model_fields
    if name not in ("family", "resolution", "mapping_layers", "mapping_features", "mapping_lr_multiplier")
)
# Arguments that change no picture, or whose effect is in the tensors.
_IDLE = (
    "num_layers", "w_avg_beta", "embed_features", "cmap_dim", "square", "resample_filter",
    "freeze_layers", "channels_last", "fp16_channels_last", "fused_modconv_default", "magnitude_ema_beta",
)  # fmt: skip
# Arguments of which one value is built.
_FIXED: dict[str, object] = {"activation": "lrelu", "kernel_size": 3, "use_noise": True}


@dataclass(frozen=True)
class _Layout:
    """What a repository assumes where a file is silent."""

    name: str
    num_fp16_res: int
    conv_clamp: float | None


_ADA = _Layout("stylegan2-ada-pytorch", num_fp16_res=0, conv_clamp=None)
_STYLEGAN3_REPOSITORY = _Layout("stylegan3", num_fp16_res=4, conv_clamp=256)


def read_nvidia_parts(root: object, path: Path) -> ModelParts | None:
    """`G_ema` of the file, or `G` where there is no average, or the network that is the whole file; and `D`.
    None where there is no network of this kind.

    Raises:
        CheckpointError: no StyleGAN, or an argument or tensor that does not fit.
    """
    record = _generator_record(root)
    if record is None:
        return None
    synthesis, mapping = _module(record, "synthesis"), _module(record, "mapping")
    if synthesis is None or mapping is None:
        raise CheckpointError(f"{path}: its generator is a {printable_text(record.class_name)}, no StyleGAN; {OPENS}")
    kind = "pickle" if isinstance(root, dict) else "torch.save of a whole network"
    if _module(synthesis, "input") is not None:
        return ModelParts(
            f"NVIDIA PyTorch {kind} (stylegan3)",
            _stylegan3(record, mapping, path),
            lambda: _discriminator(root, _STYLEGAN3_REPOSITORY, path),
        )
    layout = _ADA if "synthesis_kwargs" in _arguments(record, _GENERATOR_ARGS, path) else _STYLEGAN3_REPOSITORY
    return ModelParts(
        f"NVIDIA PyTorch {kind} ({layout.name})",
        _stylegan2(record, synthesis, mapping, layout, path),
        lambda: _discriminator(root, layout, path),
    )


def _stylegan2(
    record: PersistentObject, synthesis: PersistentObject, mapping: PersistentObject, layout: _Layout, path: Path
) -> GeneratorPart:
    where = f"{path}: generator"
    args = _arguments(record, _GENERATOR_ARGS, path)
    mapping_args = _inner(args, "mapping_kwargs", path)
    args |= _inner(args, "synthesis_kwargs", path)
    values = {
        **_pyramid(args, layout, _module(synthesis, "b4", "conv1"), where),
        **_mapped(args, mapping_args, mapping),
    }
    for rest in (args, mapping_args):
        _settle(rest, _FIXED | {"architecture": "skip"}, where)
    state = _tensors(record, path)
    const = state.get("synthesis.b4.const")
    if const is None or const.ndim != 3 or const.shape[1] != 4 or not 1 <= const.shape[2] <= 16:
        raise CheckpointError(f"{where}: synthesis.b4.const is missing or of an unknown shape; {OPENS}")
    return GeneratorPart(validate_config(StyleGAN2Config, values | {"const_size": (4, const.shape[2])}, where), state)


def _stylegan3(record: PersistentObject, mapping: PersistentObject, path: Path) -> GeneratorPart:
    where = f"{path}: generator"
    args = _arguments(record, _GENERATOR_ARGS, path)
    mapping_args = _inner(args, "mapping_kwargs", path)
    args |= _inner(args, "synthesis_kwargs", path)
    values = {**_resolution(args), **_mapped(args, mapping_args, mapping), **_taken(args, _STYLEGAN3_ARGS)}
    for rest in (args, mapping_args):
        _settle(rest, _FIXED, where)
    state = _tensors(record, path)
    for key, tensor in state.items():
        if key.endswith("_filter") and not _symmetric(tensor):  # all of NVIDIA's are, and the network counts on it
            raise CheckpointError(f"{where}: {key} is not symmetric; {OPENS}")
    return GeneratorPart(validate_config(StyleGAN3Config, values, where), state)


def _symmetric(taps: Tensor) -> bool:
    taps = taps.double()
    return (
        bool((taps - taps.flip(tuple(range(taps.ndim)))).abs().amax() <= 1e-4 * taps.abs().amax())
        if taps.numel()
        else True
    )


def _discriminator(root: object, layout: _Layout, path: Path) -> DiscriminatorPart | None:
    record = root.get("D") if isinstance(root, dict) else None
    if not isinstance(record, PersistentObject):
        return None
    where = f"{path}: discriminator"
    args = _arguments(record, _DISCRIMINATOR_ARGS, path)
    mapping_args, epilogue_args = _inner(args, "mapping_kwargs", path), _inner(args, "epilogue_kwargs", path)
    args |= _inner(args, "block_kwargs", path)
    mapping = _module(record, "mapping")
    values = {
        **_pyramid(args, layout, _module(record, "b8", "conv0"), where),
        "mbstd_group_size": epilogue_args.pop("mbstd_group_size", 4),
        "mbstd_channels": epilogue_args.pop("mbstd_num_channels", 1),
        "mapping_layers": 0 if mapping is None else _count_layers(mapping),
    }
    for rest in (args, mapping_args, epilogue_args):
        _settle(rest, _FIXED | {"architecture": "resnet", "lr_multiplier": 0.01, "layer_features": None}, where)
    return DiscriminatorPart(validate_config(DiscriminatorConfig, values, where), _tensors(record, path))


def _generator_record(root: object) -> PersistentObject | None:
    networks = root if isinstance(root, dict) else {"G": root}
    for name in ("G_ema", "G"):
        if isinstance(record := networks.get(name), PersistentObject):
            return record
    return None


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
        raise CheckpointError(
            f"{path}: {printable_text(record.class_name)} has more arguments than StyleGAN's; {OPENS}"
        )
    return dict(zip(positions, record.init_args, strict=False)) | _by_name(record.init_kwargs, "_init_kwargs", path)


def _inner(args: dict[str, object], name: str, path: Path) -> dict[str, object]:
    """Takes the dictionary of that name out of the arguments; empty if there is none."""
    return _by_name(args.pop(name, {}), name, path)


def _by_name(args: object, name: str, path: Path) -> dict[str, object]:
    if not isinstance(args, dict) or not all(type(key) is str for key in args):
        raise CheckpointError(f"{path}: {name} is not a dictionary of arguments; the file is damaged: get it again")
    return dict(args)


def _taken(args: dict[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: args.pop(name) for name in names if name in args}


def _resolution(args: dict[str, object]) -> dict[str, object]:
    return {"resolution": args.pop("img_resolution")} if "img_resolution" in args else {}


def _mapped(args: dict[str, object], mapping_args: dict[str, object], mapping: PersistentObject) -> dict[str, object]:
    """Takes what the mapping network needs out of the arguments."""
    return {
        **_taken(args, ("z_dim", "w_dim")),
        "mapping_layers": _count_layers(mapping),
        "mapping_features": mapping_args.pop("layer_features", None),
        "mapping_lr_multiplier": mapping_args.pop("lr_multiplier", 0.01),
    }


def _pyramid(args: dict[str, object], layout: _Layout, layer: PersistentObject | None, where: str) -> dict[str, object]:
    """Takes what generator and discriminator have in common out of the arguments. The clamp is the one that the
    layer itself has: the discriminator's arguments look the same in both repositories and mean two things."""
    clamp = args.pop("conv_clamp", layout.conv_clamp)
    values = _taken(args, ("c_dim", "img_channels")) | _resolution(args)
    values["channels"] = _channels(
        values.get("resolution"), args.pop("channel_base", 32768), args.pop("channel_max", 512), where
    )
    values["num_fp16_res"] = args.pop("num_fp16_res", layout.num_fp16_res)
    values["conv_clamp"] = clamp if layer is None else layer.state.get("conv_clamp", clamp)
    return values


def _channels(resolution: object, base: object, most: object, where: str) -> tuple[int, ...]:
    for name, value in (("img_resolution", resolution), ("channel_base", base), ("channel_max", most)):
        if type(value) is not int or not 0 < value < 2**20:
            raise CheckpointError(f"{where}: {name}: it cannot be that; the file is damaged: get it again")
    channels = pyramid_channels(cast(int, resolution), cast(int, base), cast(int, most))
    if 0 in channels:
        raise CheckpointError(f"{where}: channel_base {base} leaves its highest block without channels; {OPENS}")
    return channels


def _settle(args: Mapping[str, object], fixed: Mapping[str, object], where: str) -> None:
    """Refuses what is left of the arguments unless it makes no difference."""
    for name, value in args.items():
        if name in fixed and type(value) is type(fixed[name]) and value == fixed[name]:
            continue
        if name == "architecture" and name in fixed:
            kind = fixed[name]
            raise CheckpointError(
                f"{where}: its architecture is {printable_text(value)}; {OPENS} whose architecture is {kind}"
            )
        if name not in _IDLE:
            raise CheckpointError(f"{where}: the argument {printable_text(name)} makes it another network; {OPENS}")


def _tensors(record: PersistentObject, path: Path) -> dict[str, Tensor]:
    """All parameters and buffers of a module and those inside it, by dotted name."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    count = 0

    def walk(module: PersistentObject, prefix: str, depth: int) -> None:
        nonlocal count
        if id(module) in seen or depth > _MAX_DEPTH:  # else a small file could ask for an endless walk
            raise CheckpointError(
                f"{path}: {printable_text(prefix)} holds itself or is shared; the file is no StyleGAN"
            )
        seen.add(id(module))
        for kind in ("_parameters", "_buffers", "_modules"):
            members = module.state.get(kind)
            count += len(members) if isinstance(members, dict) else 0
            if count > _MAX_MEMBERS:  # the modules themselves are not shared, but what they hold may be
                raise CheckpointError(f"{path}: its networks have more parts than any StyleGAN; {OPENS}")
            for name, member in members.items() if isinstance(members, dict) else ():
                if type(name) is str and isinstance(member, PersistentObject) and kind == "_modules":
                    walk(member, f"{prefix}{name}.", depth + 1)
                elif type(name) is str and isinstance(member, Tensor) and kind != "_modules":
                    found[f"{prefix}{name}"] = member
                elif member is not None:
                    raise CheckpointError(
                        f"{path}: {printable_text(prefix)}{printable_text(name)} is of an unknown kind; {OPENS}"
                    )

    walk(record, "", 0)
    return found
