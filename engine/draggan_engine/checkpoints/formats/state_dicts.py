"""Read files that hold the tensors of a generator by name, a *state dict*, without the network that they belong to.

Programs name the tensors differently, and put them at different places of a file. Each scheme of names is recognised by the
name of one tensor, wherever the state dict is. Its module returns the tensors under NVIDIA's keys, and the shapes show the
configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import GeneratorPart, ModelParts, check_tensors, refuse_discriminator
from draggan_engine.core.errors import CheckpointError

from .basicsr import convert_basicsr
from .genforce import convert_genforce
from .infer_config import infer_stylegan2_part, infer_stylegan3_part
from .mmgeneration import convert_mmgeneration
from .rosinality import convert_rosinality, flatten_vector

_AVERAGED_PLACES = frozenset({"g_ema", "G_ema", "params_ema", "generator_ema", "generator_smooth"})
_OTHER_PLACES = frozenset({"g", "G", "params", "generator", "decoder", "state_dict", "module"})
"""Names of dictionaries that hold a generator, and beginnings of the names of its tensors."""
_PLACES = _AVERAGED_PLACES | _OTHER_PLACES
_DISCRIMINATOR_PLACES = frozenset({"d", "D", "discriminator"})
_MAX_DEPTH = 3
_W_AVERAGE_NAME, _W_AVERAGE_KEY = "latent_avg", "mapping.w_avg"
_MAX_LATENT_ROWS = 64

_State = Mapping[str, Tensor]


class NamingScheme(NamedTuple):
    """How a program names the tensors of a generator.

    Attributes:
        program: whose names these are.
        first_name: the name of the tensor that the network begins with, by which the scheme is recognised.
        convert: returns the tensors under NVIDIA's keys and in their layout; takes file and part, for messages.
        infer: returns the part with its configuration from these tensors; takes file and part, for messages.
    """

    program: str
    first_name: str
    convert: Callable[[_State, str], dict[str, Tensor]]
    infer: Callable[[_State, str], GeneratorPart]


def _keep_names(state: _State, _where: str) -> dict[str, Tensor]:
    return dict(state)


def _infer_stylegan2(state: _State, where: str) -> GeneratorPart:
    """As `infer_stylegan2_part`. The tensors do not show whether activations were limited, and no limit is assumed."""
    return infer_stylegan2_part(state, {}, where)


_SCHEMES = (
    NamingScheme("NVIDIA StyleGAN2", "synthesis.b4.const", _keep_names, _infer_stylegan2),
    NamingScheme("NVIDIA StyleGAN3", "synthesis.input.freqs", _keep_names, infer_stylegan3_part),
    NamingScheme("rosinality", "input.input", convert_rosinality, _infer_stylegan2),
    NamingScheme("BasicSR", "constant_input.weight", convert_basicsr, _infer_stylegan2),
    NamingScheme("MMGeneration", "constant_input.input", convert_mmgeneration, _infer_stylegan2),
    NamingScheme("GenForce", "synthesis.early_layer.const", convert_genforce, _infer_stylegan2),
)


@dataclass(frozen=True)
class _Location:
    """Where a file has a generator.

    Attributes:
        scheme: how its tensors are named.
        dictionaries: the one that holds the tensors, and before it those around it, from the root.
        prefix: of its tensors' names in that dictionary.
        places: the names of the dictionaries and the words of the prefix.
    """

    scheme: NamingScheme
    dictionaries: tuple[dict[object, object], ...]
    prefix: str
    places: tuple[str, ...]

    @property
    def is_averaged(self) -> bool:
        return not _AVERAGED_PLACES.isdisjoint(self.places)


def read_state_dict_parts(root: object, path: Path) -> ModelParts | None:
    """Read the generator of a file; of several, the averaged one.

    Args:
        root: the root object of the file.
        path: of the file, for messages.

    Returns:
        None if the file has no state dict of a generator.

    Raises:
        CheckpointError: a tensor does not belong to a StyleGAN, or does not fit.
    """
    locations = list(_find_generators(root))
    if not locations:
        return None
    location = max(locations, key=lambda location: location.is_averaged)  # the first of several
    where = f"{path}: generator"
    tensors = _read_tensors(location, where)
    check_tensors(tensors, where)
    state = location.scheme.convert(tensors, where)
    if _W_AVERAGE_KEY not in state and (w_average := _find_w_average(location.dictionaries)) is not None:
        state[_W_AVERAGE_KEY] = w_average
    place_text = f" ({'.'.join(location.places)})" if location.places else ""
    parts = ModelParts(
        f"state dict with {location.scheme.program} names{place_text}", location.scheme.infer(state, where)
    )
    if _has_discriminator(location.dictionaries):
        return replace(parts, discriminator=refuse_discriminator(path, "state dicts"))
    return parts


def _has_discriminator(dictionaries: Iterable[Mapping[object, object]]) -> bool:
    """Return whether dictionaries hold the tensors of a discriminator beside those of the generator."""
    return any(
        (key in _DISCRIMINATOR_PLACES and isinstance(value, dict) and bool(value))
        or (type(key) is str and key.startswith("discriminator."))
        for dictionary in dictionaries
        for key, value in dictionary.items()
    )


def _find_generators(root: object) -> Iterator[_Location]:
    """Yield all generators in a file."""
    for dictionaries, places in _walk_dictionaries(root):
        for key in dictionaries[-1]:
            for scheme in _SCHEMES:
                if type(key) is str and key.endswith(scheme.first_name):
                    prefix = key.removesuffix(scheme.first_name)
                    words = tuple(prefix.split(".")[:-1])
                    if prefix == "".join(f"{word}." for word in words) and _PLACES.issuperset(words):
                        yield _Location(scheme, dictionaries, prefix, places + words)


def _walk_dictionaries(root: object) -> Iterator[tuple[tuple[dict[object, object], ...], tuple[str, ...]]]:
    """Yield each dictionary that may hold a generator, after those around it, and their names. A dictionary that is at several
    places is yielded once, so that a small file cannot take long."""
    waiting: list[tuple[tuple[dict[object, object], ...], tuple[str, ...]]] = []
    if isinstance(root, dict):
        waiting.append(((root,), ()))
    visited_ids = {id(root)}
    while waiting:
        dictionaries, places = waiting.pop(0)
        yield dictionaries, places
        for place in sorted(_PLACES) if len(places) < _MAX_DEPTH else ():
            member = dictionaries[-1].get(place)
            if isinstance(member, dict) and id(member) not in visited_ids:
                visited_ids.add(id(member))
                waiting.append(((*dictionaries, member), (*places, place)))


def _read_tensors(location: _Location, where: str) -> dict[str, Tensor]:
    """Return the tensors of a generator by name.

    Raises:
        CheckpointError: it has a member that is not a tensor.
    """
    tensors: dict[str, Tensor] = {}
    for key, member in location.dictionaries[-1].items():
        if type(key) is str and not key.startswith(location.prefix):
            continue
        if type(key) is not str or not isinstance(member, Tensor):
            raise CheckpointError(
                f"{where}: {printable_text(key)} is not a tensor; use a file that holds an unchanged StyleGAN"
            )
        tensors[key.removeprefix(location.prefix)] = member
    tensors.pop(_W_AVERAGE_NAME, None)
    return tensors


def _find_w_average(dictionaries: tuple[dict[object, object], ...]) -> Tensor | None:
    """Return the average w that is stored beside a generator, or beside a dictionary around it; None if there is none.

    It is stored as a vector, or repeated for each row of ws.
    """
    stored_averages = (dictionary.get(_W_AVERAGE_NAME) for dictionary in reversed(dictionaries))
    w_average = next((average for average in stored_averages if isinstance(average, Tensor)), None)
    if w_average is None:
        return None
    is_repeated = w_average.ndim == 2 and 1 < len(w_average) <= _MAX_LATENT_ROWS
    return w_average.double().mean(dim=0) if is_repeated else flatten_vector(w_average)
