"""Read TensorFlow's StyleGAN2 pickles: stylegan2 and stylegan2-ada.

The file is a triple (G, D, Gs) of `dnnlib.tflib.network.Network`. Each contains the source code that built it, which is
ignored. Gs, the moving average of G, is used. Its variables are renamed and converted to the layout of NVIDIA's PyTorch
files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.checkpoints.model_parts import ModelParts, refuse_discriminator
from draggan_engine.checkpoints.unpickling.pickle_stubs import ArrayRecord, ObjectRecord
from draggan_engine.core.errors import CheckpointError

from .arguments import SUPPORTED_NETWORKS, check_arguments, describe_value
from .infer_config import infer_stylegan2_part

# Arguments with the only value that our networks implement, if the file states them.
_FIXED_ARGUMENTS: dict[str, object] = {
    "architecture": "skip", "nonlinearity": "lrelu", "mapping_nonlinearity": "lrelu", "act": "lrelu",
    "normalize_latents": True, "use_noise": True,
}  # fmt: skip
# Arguments that change no image, whose effect is in the variables, or that are read elsewhere.
_IGNORED_ARGUMENTS = (
    "num_channels", "resolution", "latent_size", "dlatent_size", "dlatent_broadcast", "label_size", "fmap_base",
    "fmap_decay", "fmap_min", "fmap_max", "mapping_layers", "mapping_fmaps", "mapping_lrmul", "mapping_func",
    "synthesis_func", "func_name", "dtype", "resample_kernel", "fused_modconv", "num_fp16_res", "conv_clamp",
    "randomize_noise", "style_mixing_prob", "dlatent_avg_beta", "truncation_psi", "truncation_cutoff",
    "truncation_psi_val", "truncation_cutoff_val", "components", "is_template_graph", "force_clean_graph",
)  # fmt: skip
_DENSE_NAME = re.compile(r"(?:Dense([0-9]{1,2})|LabelEmbed)/(weight|bias)")
_LAYER_NAME = re.compile(
    r"([0-9]{1,4})x\1/(Conv|Conv0_up|Conv1|ToRGB)/(weight|bias|noise_strength|mod_weight|mod_bias)"
)
_FILTERED_LAYER = re.compile(r"synthesis\.b[0-9]{1,4}\.conv[01]")
_FILTER_TAPS = 4
_MAX_TAP = 1e6
_NOISE_NAME = re.compile(r"noise([0-9]{1,2})")
_LAYER_KEYS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}
_TENSOR_KEYS = {"mod_weight": "affine.weight", "mod_bias": "affine.bias"}


def read_tensorflow_parts(root: object, path: Path) -> ModelParts | None:
    """Read the averaged generator of a file.

    Args:
        root: the root object of the file.
        path: of the file, for messages.

    Returns:
        None if the file is no triple of networks.

    Raises:
        CheckpointError: an argument makes it another network, or its variables do not fit.
    """
    match root:
        case (ObjectRecord("Network"), ObjectRecord("Network"), ObjectRecord("Network") as generator):
            pass
        case _:
            return None
    where = f"{path}: generator"
    arguments = _constructor_arguments(generator)
    check_arguments(arguments, _FIXED_ARGUMENTS, _IGNORED_ARGUMENTS, where)
    mapping, synthesis = _find_component(generator, "mapping", where), _find_component(generator, "synthesis", where)
    state = _convert_mapping(_read_variables(mapping, where))
    state |= _convert_synthesis(_read_variables(synthesis, where), where)
    w_average = _read_variables(generator, where).get("dlatent_avg")
    if w_average is not None:
        state["mapping.w_avg"] = w_average
    if "resample_kernel" in arguments:
        state |= _make_filters(arguments["resample_kernel"], state, where)
    config_values: dict[str, object] = {"mapping_lr_multiplier": arguments.get("mapping_lrmul", 0.01)}
    config_values |= {name: arguments[name] for name in ("num_fp16_res", "conv_clamp") if name in arguments}
    part = infer_stylegan2_part(state, config_values, where)
    if (label_size := arguments.get("label_size", 0)) != part.config.c_dim:
        raise CheckpointError(
            f"{where}: its label_size is {describe_value(label_size)}, but its mapping network embeds {part.config.c_dim} "
            f"classes; {SUPPORTED_NETWORKS}"
        )
    return ModelParts("TensorFlow pickle (stylegan2)", part, refuse_discriminator(path, "TensorFlow pickles"))


def _constructor_arguments(network: ObjectRecord) -> dict[str, object]:
    """Return the arguments that the network and its components were made with."""
    arguments = network.state.get("static_kwargs")
    return {key: value for key, value in arguments.items() if type(key) is str} if isinstance(arguments, dict) else {}


def _find_component(network: ObjectRecord, name: str, where: str) -> ObjectRecord:
    components = network.state.get("components")
    component = components.get(name) if isinstance(components, dict) else None
    if not isinstance(component, ObjectRecord):
        raise CheckpointError(f"{where}: the {name} network is missing; the file is not a StyleGAN2")
    return component


def _read_variables(network: ObjectRecord, where: str) -> dict[str, Tensor]:
    """Return the variables of a network by name.

    Raises:
        CheckpointError: a variable is no array of floating-point numbers, or shares its name or its array with another.
            Each may have to be copied, so shared arrays would make a small file costly.
    """
    variables = network.state.get("variables")
    tensors: dict[str, Tensor] = {}
    used_ids: set[int] = set()
    for variable in variables if isinstance(variables, list) else ():
        match variable:
            case (str(name), _) if name in tensors:
                raise CheckpointError(
                    f"{where}: {printable_text(name)} occurs twice; use a file that holds an unchanged StyleGAN2"
                )
            case (str(name), ArrayRecord(array=array) as record) if (
                array.dtype.kind == "f" and id(record) not in used_ids
            ):
                used_ids.add(id(record))
                native_array = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
                tensors[name] = torch.from_numpy(native_array)
            case (str(name), float(number)):
                tensors[name] = torch.tensor(number)
            case _:
                raise CheckpointError(
                    f"{where}: a variable is of an unknown kind; use a file that holds an unchanged StyleGAN2"
                )
    return tensors


def _convert_mapping(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in variables.items():
        if match := _DENSE_NAME.fullmatch(name):
            layer_name = "embed" if match[1] is None else f"fc{int(match[1])}"
            state[f"mapping.{layer_name}.{match[2]}"] = tensor.t() if tensor.ndim == 2 else tensor
        else:
            state[f"mapping.{name}"] = tensor  # building the network refuses it if it does not belong to one
    return state


def _convert_synthesis(variables: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Convert the variables of a synthesis network.

    Raises:
        CheckpointError: a variable does not belong to a StyleGAN2.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in variables.items():
        if match := _LAYER_NAME.fullmatch(name):
            resolution, layer, variable = match.groups()
            key = f"synthesis.b{resolution}.{_LAYER_KEYS[layer]}.{_TENSOR_KEYS.get(variable, variable)}"
            state[key] = _nvidia_layout(tensor, layer, variable)
        elif name == "4x4/Const/const" and tensor.ndim == 4:
            state["synthesis.b4.const"] = tensor[0]
        elif (match := _NOISE_NAME.fullmatch(name)) and tensor.ndim == 4:
            noise_index = int(match[1])
            block_resolution = 2 ** ((noise_index + 5) // 2)
            state[f"synthesis.b{block_resolution}.conv{(noise_index + 1) % 2}.noise_const"] = tensor[0, 0]
        else:
            raise CheckpointError(
                f"{where}: {printable_text(name)} is not part of a StyleGAN2; use a file that holds one"
            )
    return state


def _make_filters(kernel: object, state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return the filters of all layers and blocks.

    Args:
        kernel: the taps along either axis, as the network was made with them.
        state: the tensors under NVIDIA's keys, which show what layers there are.

    Raises:
        CheckpointError: the kernel is not four numbers that are the same in both directions.
    """
    is_supported = (
        isinstance(kernel, list | tuple)
        and len(kernel) == _FILTER_TAPS
        and all(type(tap) in (int, float) and abs(tap) <= _MAX_TAP for tap in kernel)
        and kernel[::-1] == kernel
        and sum(kernel) != 0
    )
    if not is_supported:
        raise CheckpointError(
            f"{where}: its resample_kernel is not four numbers that are the same in both directions, such as 1, 3, 3, 1; "
            f"{SUPPORTED_NETWORKS}"
        )
    taps = torch.tensor(kernel, dtype=torch.float32)
    kernel_2d = torch.outer(taps, taps) / taps.sum().square()
    layer_names = {match[0] for key in state if (match := _FILTERED_LAYER.match(key))}
    layer_names |= {name.rpartition(".conv")[0] for name in layer_names}
    return {f"{name}.resample_filter": kernel_2d.clone() for name in layer_names}


def _nvidia_layout(tensor: Tensor, layer: str, variable: str) -> Tensor:
    """Return a variable of a layer as NVIDIA's PyTorch files have it; one of an unexpected shape as it is.

    TensorFlow's kernels are `[kh, kw, in, out]`, and those of upsampling layers are turned by 180°. The biases of styles
    lack their constant 1.
    """
    if variable == "mod_bias":
        return tensor + 1
    if variable == "mod_weight" and tensor.ndim == 2:
        return tensor.t()
    if variable == "weight" and tensor.ndim == 4:
        kernel = tensor.permute(3, 2, 0, 1)
        return kernel.flip(2, 3) if layer == "Conv0_up" else kernel
    return tensor
