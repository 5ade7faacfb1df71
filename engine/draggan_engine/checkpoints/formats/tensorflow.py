"""TensorFlow's StyleGAN2 pickles (stylegan2, stylegan2-ada) → parts.

The file is a triple (G, D, Gs) of `dnnlib.tflib.network.Network`, each with the source code that built it, which is left
where it is. Gs, the average, is used. Its variables are renamed and turned into what NVIDIA's PyTorch files hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import ModelParts
from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord, ObjectRecord
from draggan_engine.core.errors import CheckpointError

from .infer_config import infer_stylegan2_part

_OLDEST = 4
# Arguments of which one value is built, where the file has them.
_FIXED: dict[str, object] = {
    "architecture": "skip", "nonlinearity": "lrelu", "mapping_nonlinearity": "lrelu", "act": "lrelu",
    "normalize_latents": True, "use_noise": True, "label_size": 0,
}  # fmt: skip
_DENSE = re.compile(r"Dense([0-9]{1,2})/(weight|bias)")
_LAYER = re.compile(r"([0-9]{1,4})x\1/(Conv|Conv0_up|Conv1|ToRGB)/(weight|bias|noise_strength|mod_weight|mod_bias)")
_NOISE = re.compile(r"noise([0-9]{1,2})")
_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}
_KEYS = {"mod_weight": "affine.weight", "mod_bias": "affine.bias"}


def read_tensorflow_parts(root: object, path: Path) -> ModelParts | None:
    """None where the file is no triple of networks.

    Raises:
        CheckpointError: an argument that makes it another network, or variables that do not fit.
    """
    match root:
        case (ObjectRecord("Network"), ObjectRecord("Network"), ObjectRecord("Network") as network):
            pass
        case _:
            return None
    where = f"{path}: generator"
    version = network.state.get("version")
    if type(version) is not int or version < _OLDEST:
        raise CheckpointError(f"{where}: it is of a version older than StyleGAN2's, {_OLDEST}; use a newer file")
    args = _arguments(network)
    for name, value in _FIXED.items():
        if name in args and (type(args[name]) is not type(value) or args[name] != value):
            raise CheckpointError(f"{where}: the argument {name} makes it another network; use one where it is {value}")
    mapping, synthesis = _component(network, "mapping", where), _component(network, "synthesis", where)
    state = _mapping(_variables(mapping, where)) | _synthesis(_variables(synthesis, where), where)
    average = _variables(network, where).get("dlatent_avg")
    if average is not None:
        state["mapping.w_avg"] = average
    told: dict[str, object] = {name: args[name] for name in ("num_fp16_res", "conv_clamp") if name in args}
    told["mapping_lr_multiplier"] = args.get("mapping_lrmul", 0.01)
    return ModelParts("TensorFlow pickle (stylegan2)", infer_stylegan2_part(state, told, where))


def _arguments(network: ObjectRecord) -> dict[str, object]:
    """What the network and its components were made with."""
    found = network.state.get("static_kwargs")
    return {key: value for key, value in found.items() if type(key) is str} if isinstance(found, dict) else {}


def _component(network: ObjectRecord, name: str, where: str) -> ObjectRecord:
    components = network.state.get("components")
    component = components.get(name) if isinstance(components, dict) else None
    if not isinstance(component, ObjectRecord):
        raise CheckpointError(f"{where}: it has no {name} network; the file is no StyleGAN2")
    return component


def _variables(network: ObjectRecord, where: str) -> dict[str, Tensor]:
    """Name → numbers. A variable that is no array of plain numbers is damage, as is one that has another's name or
    array: each may be copied."""
    variables = network.state.get("variables")
    found: dict[str, Tensor] = {}
    used: set[int] = set()
    for variable in variables if isinstance(variables, list) else ():
        match variable:
            case (str(name), _) if name in found:
                raise CheckpointError(
                    f"{where}: {printable_text(name)} is there twice; the file is damaged: get it again"
                )
            case (str(name), ArrayRecord(array=array) as record) if array.dtype.kind == "f" and id(record) not in used:
                used.add(id(record))
                whole = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
                found[name] = torch.from_numpy(whole)
            case (str(name), float(number)):
                found[name] = torch.tensor(number)
            case _:
                raise CheckpointError(f"{where}: a variable is of an unknown kind; the file is damaged: get it again")
    return found


def _mapping(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, value in variables.items():
        if match := _DENSE.fullmatch(name):
            state[f"mapping.fc{int(match[1])}.{match[2]}"] = value.t() if value.ndim == 2 else value
        else:
            state[f"mapping.{name}"] = value  # whatever it is, it is named when it does not fit
    return state


def _synthesis(variables: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Kernels are [kh, kw, in, out] there, those of up layers turned by 180°; biases of styles lack their 1."""
    state: dict[str, Tensor] = {}
    for name, value in variables.items():
        if match := _LAYER.fullmatch(name):
            key = f"synthesis.b{match[1]}.{_LAYERS[match[2]]}.{_KEYS.get(match[3], match[3])}"
            state[key] = _turned(value, match[2], match[3])
        elif name == "4x4/Const/const" and value.ndim == 4:
            state["synthesis.b4.const"] = value[0]
        elif (match := _NOISE.fullmatch(name)) and value.ndim == 4:
            number = int(match[1])
            state[f"synthesis.b{2 ** ((number + 5) // 2)}.conv{(number + 1) % 2}.noise_const"] = value[0, 0]
        else:
            raise CheckpointError(
                f"{where}: {printable_text(name)} is not part of a StyleGAN2; use a file that holds one"
            )
    return state


def _turned(value: Tensor, layer: str, kind: str) -> Tensor:
    if kind == "mod_bias":
        return value + 1
    if kind == "mod_weight" and value.ndim == 2:
        return value.t()
    if kind == "weight" and value.ndim == 4:
        kernel = value.permute(3, 2, 0, 1)
        return kernel.flip(2, 3) if layer == "Conv0_up" else kernel
    return value
