"""How wide W is. A network gives the same pictures whatever its scale, but steps in it are of fixed sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from draggan_engine.networks.generator import Generator
from draggan_engine.networks.ops import SQRT2, Dense

SAMPLES = 20_000
WIDEST = 1000.0  # times as wide; what is narrower still stays a little narrow, or rounding would be widened
LIFT = 2.0  # times the farthest that a sample lies from the mean


def last_layer(generator: Generator) -> Dense:
    """Of the mapping: it makes w."""
    last = generator.mapping.get_submodule(f"fc{generator.config.mapping_layers - 1}")
    assert isinstance(last, Dense)
    return last


def style_layers(generator: Generator) -> Iterator[Dense]:
    """All that take w."""
    for name, module in generator.synthesis.named_modules():
        if name.endswith("affine"):
            assert isinstance(module, Dense)
            yield module


@torch.no_grad()
def scale_w(generator: Generator, factor: float) -> None:
    """Makes all w that factor larger; no picture changes.

    The last mapping layer is positively homogeneous (leaky ReLU), so scaling its weight and bias scales w, and each
    style layer takes it back.
    """
    last = last_layer(generator)
    last.weight.mul_(factor)
    last.bias.mul_(factor)
    generator.mapping.w_avg.mul_(factor)
    for style in style_layers(generator):
        style.weight.div_(factor)


@torch.no_grad()
def stretched(generator: Generator) -> Generator:
    """The same pictures from another W: the components' spread (standard deviation) is 1 or more, and directions that are
    narrower than 1 are widened to it, by `WIDEST` at most.

    A drag takes steps of about the same size along all components (Adam). The animals differ along few directions of
    the W that a training ends with; along the others nothing has been taught, and a few steps there lead out of all that
    can be drawn. In this W they lead no farther than animals differ.

    One mapping layer more does it, and the style layers take it back. It is a leaky ReLU as the others, but its bias lifts
    every w to where that is linear.
    """
    z = torch.from_numpy(np.random.RandomState(0).randn(SAMPLES, generator.config.z_dim).astype(np.float32))
    w = generator.mapping(z)[:, 0].double()
    unit = 1 / w.std(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov((w * unit).T))
    widen = variances.clamp(WIDEST**-2, 1).rsqrt()
    matrix = directions * widen @ directions.T * unit
    wide = (w - w.mean(dim=0)) @ matrix.T
    offset = LIFT * wide.abs().max() - matrix @ w.mean(dim=0)

    config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers + 1})
    result = Generator(config).requires_grad_(False)
    result.load_state_dict(result.state_dict() | generator.state_dict())
    last = last_layer(result)
    last.weight.copy_(matrix / (SQRT2 * last.gain))
    last.bias.copy_(offset / (SQRT2 * last.lr_multiplier))
    back = torch.linalg.inv(matrix)
    _turn_styles(result, back, -back @ offset)
    result.mapping.w_avg.copy_(result.mapping(z)[:, 0].mean(dim=0))
    return result


@torch.no_grad()
def unstretched(generator: Generator) -> Generator:
    """What `stretched` was given: the same pictures without its last mapping layer."""
    last = last_layer(generator)
    matrix = last.weight.double() * (SQRT2 * last.gain)
    offset = last.bias.double() * (SQRT2 * last.lr_multiplier)
    config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers - 1})
    result = Generator(config).requires_grad_(False)
    state = generator.state_dict()
    result.load_state_dict({name: state[name] for name in result.state_dict()})
    _turn_styles(result, matrix, offset)
    result.mapping.w_avg.copy_(torch.linalg.solve(matrix, generator.mapping.w_avg.double() - offset))
    return result


def _turn_styles(generator: Generator, matrix: Tensor, offset: Tensor) -> None:
    """Its style layers, for w, get those for v, where w = matrix · v + offset."""
    for style in style_layers(generator):
        weight = style.weight.double()
        style.bias.add_(weight @ offset * (style.gain / style.lr_multiplier))
        style.weight.copy_(weight @ matrix)
