"""Read the generators of StyleGAN-XL's pickles.

Its networks are a StyleGAN3 and, for each doubling of the resolution, the same network without its last layers and with new
ones. The arguments of such a network name the file of the smaller one, so they do not describe it; the modules do. Classes
are embedded by a table of features of a classifier, `mapping.embed`, and a dense layer, `mapping.embed_proj`. Unconditional
files have the table too, but do not use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import GeneratorPart, validate_config
from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord, ObjectRecord, PersistentObject
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import LayerConfig, StyleGAN3Config

_ADVICE = "use a file of an unchanged StyleGAN-XL"
_EMBEDDING_KEY = "mapping.embed.weight"
_MAX_LAYERS = 65
# Attributes that are the same in all layers but toRGB; the configuration has fields of the same names.
_SHARED_ATTRIBUTES = ("conv_kernel", "conv_clamp", "filter_size", "use_radial_filters", "lrelu_upsampling")


def is_stylegan_xl(mapping: PersistentObject) -> bool:
    """Return whether a mapping network has StyleGAN-XL's table of class embeddings."""
    modules = mapping.state.get("_modules")
    return isinstance(modules, dict) and isinstance(modules.get("embed"), ObjectRecord)


def read_stylegan_xl(
    synthesis: PersistentObject, mapping: PersistentObject, tensors: Mapping[str, Tensor], where: str
) -> GeneratorPart:
    """Read a generator from the attributes of its modules.

    Args:
        tensors: those of the generator, by dotted name.
        where: file and part, for messages.

    Raises:
        CheckpointError: an attribute is missing or does not fit the others; the message names the module.
    """
    state = dict(tensors)
    values = _read_mapping_values(mapping, where) | _read_synthesis_values(synthesis, where)
    table = state.get(_EMBEDDING_KEY)
    if values["c_dim"] == 0:
        state.pop(_EMBEDDING_KEY, None)
    elif table is not None:
        values["class_embedding"] = tuple(table.shape)
    return GeneratorPart(validate_config(StyleGAN3Config, values, where), state)


def _read_mapping_values(mapping: PersistentObject, where: str) -> dict[str, object]:
    modules = mapping.state["_modules"]
    assert isinstance(modules, dict)
    first_layer = modules.get("fc0")
    if not isinstance(first_layer, PersistentObject):
        raise CheckpointError(f"{where}: mapping.fc0 is missing; {_ADVICE}")
    return {
        **_read_values(mapping, ("z_dim", "c_dim", "w_dim")),
        "mapping_layers": sum(type(name) is str and name.startswith("fc") for name in modules),
        "mapping_lr_multiplier": _read_value(first_layer.state.get("bias_gain")),
    }


def _read_synthesis_values(synthesis: PersistentObject, where: str) -> dict[str, object]:
    modules, names = synthesis.state.get("_modules"), synthesis.state.get("layer_names")
    if not isinstance(modules, dict) or not isinstance(names, list) or not 2 < len(names) <= _MAX_LAYERS:
        raise CheckpointError(f"{where}: synthesis.layer_names does not list its layers; {_ADVICE}")
    first_map, *layers = (_find_layer(modules, name, where) for name in ["input", *names])
    shared_values = _read_values(layers[0], _SHARED_ATTRIBUTES)
    for name, layer in zip(names[:-1], layers[:-1], strict=True):
        if _read_values(layer, _SHARED_ATTRIBUTES) != shared_values:
            raise CheckpointError(f"{where}: synthesis.{printable_text(name)} differs from the other layers; {_ADVICE}")
    is_critical = [layer.state.get("is_critically_sampled") is True for layer in layers[:-1]]
    if is_critical != sorted(is_critical):
        raise CheckpointError(f"{where}: a layer before the last ones is critically sampled; {_ADVICE}")
    return {
        **_read_values(synthesis, ("img_channels", "output_scale", "num_fp16_res", "margin_size")),
        **shared_values,
        "resolution": _read_value(synthesis.state.get("img_resolution")),
        "num_layers": len(names) - 1,
        "num_critical": is_critical.count(True),
        "first_cutoff": _read_value(first_map.state.get("bandwidth")),
        "layers": _read_layers(names, first_map, layers, where),
    }


def _find_layer(modules: Mapping[object, object], name: object, where: str) -> PersistentObject:
    layer = modules.get(name) if type(name) is str else None
    if not isinstance(layer, PersistentObject):
        raise CheckpointError(f"{where}: synthesis.{printable_text(name)} is missing; {_ADVICE}")
    return layer


def _read_layers(
    names: list[object], first_map: PersistentObject, layers: list[PersistentObject], where: str
) -> tuple[LayerConfig, ...]:
    """Return the layers, after checking that each takes the map that the one before it makes.

    Args:
        first_map: the module that makes the first map, which has the size of the first layer's.
    """
    source_map = tuple(_read_value(first_map.state.get(name)) for name in ("channels", "sampling_rate", "size"))
    if source_map != _read_map(layers[0], "out"):
        raise CheckpointError(f"{where}: synthesis.{printable_text(names[0])} changes the size of its map; {_ADVICE}")
    configs: list[LayerConfig] = []
    for name, layer in zip(names, layers, strict=True):
        layer_where = f"{where}: synthesis.{printable_text(name)}"
        if source_map != _read_map(layer, "in"):
            raise CheckpointError(f"{layer_where} does not take the map of the layer before it; {_ADVICE}")
        source_map = _read_map(layer, "out")
        channels, rate, size = source_map
        number = _read_layer_number(str(name))
        config = validate_config(LayerConfig, {"number": number, "rate": rate, "channels": channels}, layer_where)
        if name != f"L{config.number}_{size}_{config.channels}":
            raise CheckpointError(f"{layer_where} has another size than its name says; {_ADVICE}")
        configs.append(config)
    return tuple(configs)


def _read_layer_number(name: str) -> int | None:
    """Return the number in the name of a layer, such as "L6_148_512"; None if there is none."""
    digits = name.removeprefix("L").partition("_")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 4 else None


def _read_map(layer: PersistentObject, side: Literal["in", "out"]) -> tuple[object, ...]:
    """Return the channels, the sampling rate and the size of the map that a layer takes or makes."""
    return tuple(_read_values(layer, (f"{side}_channels", f"{side}_sampling_rate", f"{side}_size")).values())


def _read_values(module: PersistentObject, names: tuple[str, ...]) -> dict[str, object]:
    """Return attributes of a module by name."""
    return {name: _read_value(module.state.get(name)) for name in names}


def _read_value(value: object) -> object:
    """Return the value of an attribute in a form that can be compared: a number or None. A whole number may be stored as a
    float, and the size of a square map for both of its axes. Of anything else, return the name of its type."""
    if isinstance(value, ArrayRecord) and value.array.dtype.kind in "if" and value.array.shape == (2,):
        width, height = value.array.tolist()
        return _read_value(width) if width == height else "two sizes"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, bool | int | float | None) else type(value).__name__
