"""Rescale W without changing any image. The scale of W matters because the steps of training and dragging do not adapt to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import MappingNetwork
from draggan_engine.networks.ops import SQRT2, DenseLayer
from draggan_engine.networks.stylegan2 import StyleGAN2Layer, ToRGB

W_SAMPLES = 20_000
MAX_WIDENING = 1000.0
"""Directions are widened by at most this factor, because rounding errors would be widened too."""
BIAS_LIFT = 2.0
"""The bias that makes a leaky ReLU linear, in units of the largest distance of a sample from the mean."""


def mapping_layer(mapping: MappingNetwork, number: int) -> DenseLayer:
    """Return a layer of the mapping, counted from 0."""
    layer = mapping.get_submodule(f"fc{number}")
    assert isinstance(layer, DenseLayer)
    return layer


def last_mapping_layer(generator: Generator) -> DenseLayer:
    """Return the layer of the mapping that makes w."""
    return mapping_layer(generator.mapping, generator.config.mapping_layers - 1)


def style_layers(generator: Generator) -> Iterator[DenseLayer]:
    """Return all layers whose input is w."""
    for name, module in generator.synthesis.named_modules():
        if name.endswith("affine"):
            assert isinstance(module, DenseLayer)
            yield module


def sample_w(generator: Generator) -> Tensor:
    """Return w of `W_SAMPLES` latents, which are the same at each call, `[W_SAMPLES, w_dim]`."""
    w: Tensor = generator.mapping(sample_z(generator))[:, 0]
    return w


def sample_z(generator: Generator, count: int = W_SAMPLES) -> Tensor:
    """Return `[count, z_dim]`, standard normal, the same at each call."""
    z = np.random.RandomState(0).randn(count, generator.config.z_dim).astype(np.float32)
    return torch.from_numpy(z).to(generator.device)


@torch.no_grad()
def equalize_scales(generator: Generator) -> None:
    """Give every component of w its standard deviation of an untrained network, √2, and every layer's styles an RMS of 1.

    No image changes. Steps have fixed sizes, and weights that have grown in several trainings would hardly be changed by
    them. The last mapping layer is positively homogeneous (leaky ReLU): its rows are scaled, and the style layers divide by
    the same factors. A demodulated convolution does not depend on the scale of its styles; a toRGB kernel is rescaled.
    """
    last, w = last_mapping_layer(generator), sample_w(generator)
    factor = SQRT2 / w.std(dim=0)
    w = w * factor
    last.weight.mul_(factor[:, None])
    last.bias.mul_(factor)
    generator.mapping.w_avg.copy_(w.mean(dim=0))
    for module in generator.synthesis.modules():
        if isinstance(module, StyleGAN2Layer | ToRGB):
            module.affine.weight.div_(factor)
            size = module.affine(w).square().mean().sqrt()
            module.affine.weight.div_(size)
            module.affine.bias.div_(size)
            if isinstance(module, ToRGB):
                module.weight.mul_(size)


@torch.no_grad()
def whiten_w(generator: Generator) -> Generator:
    """Return a generator with the same images whose W has a standard deviation of at least 1 in every direction.

    Narrower directions are widened, by at most `MAX_WIDENING`. A drag with Adam makes steps of about the same size along all
    components. After training, the animals differ along few directions of W; in the others nothing has been taught, and a
    few steps lead to impossible images. In the new W they lead no farther than animals differ.

    One more mapping layer makes the new W, and the style layers undo it. The layer is a leaky ReLU like the others, but its
    bias lifts every w to where that function is linear.
    """
    w = sample_w(generator).double()
    scale = 1 / w.std(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov((w * scale).T))
    widening = variances.clamp(MAX_WIDENING**-2, 1).rsqrt()
    matrix = directions * widening @ directions.T * scale
    wide_w = (w - w.mean(dim=0)) @ matrix.T
    offset = BIAS_LIFT * wide_w.abs().max() - matrix @ w.mean(dim=0)

    config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers + 1})
    result = Generator(config).requires_grad_(False)
    state = result.state_dict() | generator.state_dict()
    for name in _last_parameters(generator):  # w may have fewer features than hidden layers
        rows = config.mapping_widths[-2] - config.w_dim
        state[name] = F.pad(state[name], (0, 0) * (state[name].ndim - 1) + (0, rows))
    result.load_state_dict(state)
    last = last_mapping_layer(result)
    last.weight.zero_()
    last.weight[:, : config.w_dim] = matrix / (SQRT2 * last.gain)
    last.bias.copy_(offset / (SQRT2 * last.lr_multiplier))
    inverse = torch.linalg.inv(matrix)
    transform_style_inputs(result, inverse, -inverse @ offset)
    result.mapping.w_avg.copy_(sample_w(result).mean(dim=0))
    return result


@torch.no_grad()
def unwhiten_w(generator: Generator) -> Generator:
    """Return the generator that `whiten_w` was called with: the same images without the last mapping layer."""
    last = last_mapping_layer(generator)
    matrix = last.weight[:, : generator.config.w_dim].double() * (SQRT2 * last.gain)
    offset = last.bias.double() * (SQRT2 * last.lr_multiplier)
    config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers - 1})
    result = Generator(config).requires_grad_(False)
    state = {name: generator.state_dict()[name] for name in result.state_dict()}
    for name in _last_parameters(result):
        state[name] = state[name][: config.w_dim]
    result.load_state_dict(state)
    transform_style_inputs(result, matrix, offset)
    result.mapping.w_avg.copy_(torch.linalg.solve(matrix, generator.mapping.w_avg.double() - offset))
    return result


def _last_parameters(generator: Generator) -> tuple[str, str]:
    layer = f"mapping.fc{generator.config.mapping_layers - 1}"
    return f"{layer}.weight", f"{layer}.bias"


def transform_style_inputs(generator: Generator, matrix: Tensor, offset: Tensor) -> None:
    """Change the style layers so that v takes the place of w = matrix · v + offset as their input. No image changes."""
    for style in style_layers(generator):
        weight = style.weight.double()
        style.bias.add_(weight @ offset * (style.gain / style.lr_multiplier))
        style.weight.copy_(weight @ matrix)
