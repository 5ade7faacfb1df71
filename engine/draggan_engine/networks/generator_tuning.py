"""What tuning to a photograph changes in a generator, and the generator that results."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .feature_blend import BlendTensors, FeatureBlend
from .generator import Generator
from .stylegan2 import StyleGAN2Block, StyleGAN2Synthesis
from .stylegan3 import StyleGAN3Layer, StyleGAN3Synthesis
from .synthesis import SynthesisNetwork

MAX_BLEND_HEIGHT = 128  # of features that stand beside the generator's own; the published method uses this height


@dataclass(frozen=True, eq=False)
class GeneratorTuning:
    """What tuning to a photograph changes in a generator.

    Attributes:
        weight_changes: what is added to the weights of the synthesis network, by the names of its parameters.
        blend: features beside the generator's own; None = none.
    """

    weight_changes: Mapping[str, Tensor]
    blend: BlendTensors | None = None


@torch.no_grad()
def tuned_generator(generator: Generator, tuning: GeneratorTuning) -> Generator:
    """Return a copy of a generator with the changes of a tuning. Both have the same mapping network.

    Args:
        generator: it stays as it is.
        tuning: of this generator; its tensors may be on another device and of another number type.
    """
    tuned = copy.deepcopy(generator, {id(generator.mapping): generator.mapping})
    for name, change in tuning.weight_changes.items():
        parameter = tuned.synthesis.get_parameter(name)
        parameter.add_(change.to(parameter))
    if tuning.blend is not None:
        set_blend(tuned.synthesis, tuning.blend)
    return tuned


def set_blend(synthesis: SynthesisNetwork, tensors: BlendTensors) -> None:
    """Blend the features of a block with others, which are copied to the number type and the device of the network."""
    like = next(synthesis.parameters()).detach()
    image = None if tensors.image is None else tensors.image.to(like)
    features = tensors.features.to(like).contiguous(memory_format=torch.channels_last)
    moved = BlendTensors(tensors.block_name, tensors.mask.to(like), features, image)
    _block(synthesis, tensors.block_name).blend = FeatureBlend(moved)


@torch.no_grad()
def compact_tuning(generator: Generator, tuning: GeneratorTuning, ws: Tensor) -> GeneratorTuning:
    """Return a tuning in float16 where the image of a latent stays within one level of 255, else in its own number type.

    Args:
        ws: `[1, num_ws, w_dim]`.
    """
    exact_image = _limited_image(generator, tuning, ws)
    half_changes = {name: change.half() for name, change in tuning.weight_changes.items()}
    half_blend = None if tuning.blend is None else tuning.blend.half()
    for half_parts in ({"weight_changes": half_changes}, {"blend": half_blend}):
        candidate = replace(tuning, **half_parts)
        difference = (_limited_image(generator, candidate, ws) - exact_image).abs().max()
        if bool(difference * 127.5 <= 1):
            tuning = candidate
    return tuning


def _limited_image(generator: Generator, tuning: GeneratorTuning, ws: Tensor) -> Tensor:
    image: Tensor = tuned_generator(generator, tuning).synthesis(ws).image
    return image.clamp(-1, 1)


def can_blend(synthesis: SynthesisNetwork) -> bool:
    """Return whether the features of a network can be blended."""
    return isinstance(synthesis, StyleGAN2Synthesis | StyleGAN3Synthesis)


def blend_shapes(synthesis: SynthesisNetwork, block_name: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of a block's `BlendTensors`, by their names.

    Raises:
        KeyError: the network has no such block.
    """
    if block_name not in synthesis.block_names or not can_blend(synthesis):
        raise KeyError(block_name)
    block = _block(synthesis, block_name)
    channels, height, width = block.map_shape
    shapes: dict[str, tuple[int, ...]] = {"mask": (1, 1, height, width), "features": (1, channels, height, width)}
    if isinstance(block, StyleGAN2Block):
        shapes["image"] = (1, len(block.torgb.weight), height, width)
    return shapes


def choose_blend_block(synthesis: SynthesisNetwork) -> str:
    """Return the highest block with features of at most 128 rows and a quarter of the image's height, or the lowest block.

    Drags usually move rows of ws of this block and of lower ones only, so what is blended stays as it is.
    """
    max_height = min(MAX_BLEND_HEIGHT, synthesis.image_shape[0] // 4)
    low_names = [name for name in synthesis.block_names if synthesis.feature_height(name) <= max_height]
    return low_names[-1] if low_names else synthesis.block_names[0]


@torch.no_grad()
def own_features(synthesis: SynthesisNetwork, block_name: str, ws: Tensor, inside: Tensor) -> BlendTensors:
    """Return the blend that changes nothing: the block's own features of a latent.

    Args:
        ws: `[1, num_ws, w_dim]`.
        inside: where the generator's own features stay in use, `[1, 1, H, W]` in 0…1, over the image.
    """
    if isinstance(synthesis, StyleGAN3Synthesis):
        features = next(x for name, x in synthesis.full_maps(ws) if name == block_name)
        image = None
    else:
        height = synthesis.feature_height(block_name)
        result = synthesis(ws, features=(block_name,), image=height)
        features, image = result.features[block_name], result.image
    height = synthesis.feature_height(block_name)
    width = height * synthesis.image_shape[1] // synthesis.image_shape[0]
    mask = F.adaptive_avg_pool2d(inside, (height, width))
    rows, columns = (features.shape[2] - height) // 2, (features.shape[3] - width) // 2
    return BlendTensors(block_name, F.pad(mask, (columns, columns, rows, rows), mode="replicate"), features, image)


@torch.no_grad()
def own_feature_area(synthesis: SynthesisNetwork) -> Tensor | None:
    """Return where a tuned generator uses its own features, `[1, 1, H, W]` in 0…1, over the image; None: everywhere.

    It is as fine as the features that are blended, and interpolated in between.
    """
    for block_name in synthesis.block_names:
        blend = _block(synthesis, block_name).blend if can_blend(synthesis) else None
        if blend is not None:
            image_height, image_width = synthesis.image_shape
            height = synthesis.feature_height(block_name)
            width = height * image_width // image_height
            top, left = (blend.mask.shape[2] - height) // 2, (blend.mask.shape[3] - width) // 2
            mask = blend.mask[..., top : top + height, left : left + width]
            return F.interpolate(mask, synthesis.image_shape, mode="bilinear", align_corners=False)
    return None


def _block(synthesis: SynthesisNetwork, block_name: str) -> StyleGAN2Block | StyleGAN3Layer:
    block = synthesis.get_submodule(block_name)
    assert isinstance(block, StyleGAN2Block | StyleGAN3Layer), f"{block_name} has no features"
    return block
