"""How wide W is. A network gives the same pictures whatever its scale, but steps in it are of fixed sizes."""

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
MAX_WIDENING = 1000.0  # times as wide; what is narrower still stays a little narrow, or rounding would be widened
BIAS_LIFT = 2.0  # times the farthest that a sample lies from the mean


def mapping_layer(mapping: MappingNetwork, number: int) -> DenseLayer:
    """The first is 0."""
    layer = mapping.get_submodule(f"fc{number}")
    assert isinstance(layer, DenseLayer)
    return layer


def last_mapping_layer(generator: Generator) -> DenseLayer:
    """Of the mapping: it makes w."""
    return mapping_layer(generator.mapping, generator.config.mapping_layers - 1)


def style_layers(generator: Generator) -> Iterator[DenseLayer]:
    """All that take w."""
    for name, module in generator.synthesis.named_modules():
        if name.endswith("affine"):
            assert isinstance(module, DenseLayer)
            yield module


def sample_w(generator: Generator) -> Tensor:
    """W of the same `SAMPLES` latents each time, `[SAMPLES, w_dim]`."""
    w: Tensor = generator.mapping(sample_z(generator))[:, 0]
    return w


def sample_z(generator: Generator, count: int = W_SAMPLES) -> Tensor:
    """`[count, z_dim]`, standard normal."""
    z = np.random.RandomState(0).randn(count, generator.config.z_dim).astype(np.float32)
    return torch.from_numpy(z).to(generator.device)


@torch.no_grad()
def equalize_scales(generator: Generator) -> None:
    """Gives every component of w the spread that it has when training starts, √2, and the styles of every layer a root mean
    square of 1; no picture changes.

    Steps are of fixed sizes, and what has grown in one training after another hardly notices them any more. The last mapping
    layer is positively homogeneous (leaky ReLU): its rows are scaled, and the style layers take it back. A demodulated
    convolution does not notice how large its styles are; for toRGB the kernel takes it back.
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
    """The same pictures from another W: the components' spread (standard deviation) is 1 or more, and directions that are
    narrower than 1 are widened to it, by `WIDEST` at most.

    A drag takes steps of about the same size along all components (Adam). The animals differ along few directions of
    the W that a training ends with; along the others nothing has been taught, and a few steps there lead out of all that
    can be drawn. In this W they lead no farther than animals differ.

    One mapping layer more does it, and the style layers take it back. It is a leaky ReLU as the others, but its bias lifts
    every w to where that is linear.
    """
    w = sample_w(generator).double()
    unit = 1 / w.std(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov((w * unit).T))
    widen = variances.clamp(MAX_WIDENING**-2, 1).rsqrt()
    matrix = directions * widen @ directions.T * unit
    wide = (w - w.mean(dim=0)) @ matrix.T
    offset = BIAS_LIFT * wide.abs().max() - matrix @ w.mean(dim=0)

    config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers + 1})
    result = Generator(config).requires_grad_(False)
    state = result.state_dict() | generator.state_dict()
    for name in _last_parameters(generator):  # what was w may be fewer features than other hidden layers have
        rows = config.mapping_widths[-2] - config.w_dim
        state[name] = F.pad(state[name], (0, 0) * (state[name].ndim - 1) + (0, rows))
    result.load_state_dict(state)
    last = last_mapping_layer(result)
    last.weight.zero_()
    last.weight[:, : config.w_dim] = matrix / (SQRT2 * last.gain)
    last.bias.copy_(offset / (SQRT2 * last.lr_multiplier))
    back = torch.linalg.inv(matrix)
    transform_style_inputs(result, back, -back @ offset)
    result.mapping.w_avg.copy_(sample_w(result).mean(dim=0))
    return result


@torch.no_grad()
def unwhiten_w(generator: Generator) -> Generator:
    """What `stretched` was given: the same pictures without its last mapping layer."""
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
    """Its style layers, for w, get those for v, where w = matrix · v + offset; no picture changes."""
    for style in style_layers(generator):
        weight = style.weight.double()
        style.bias.add_(weight @ offset * (style.gain / style.lr_multiplier))
        style.weight.copy_(weight @ matrix)
