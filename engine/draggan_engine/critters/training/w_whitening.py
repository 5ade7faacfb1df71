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


def mapping_layer(mapping: MappingNetwork, layer_number: int) -> DenseLayer:
    """Return a layer of the mapping, counted from 0."""
    dense_layer = mapping.get_submodule(f"fc{layer_number}")
    assert isinstance(dense_layer, DenseLayer)
    return dense_layer


def last_mapping_layer(generator: Generator) -> DenseLayer:
    """Return the layer of the mapping that makes w."""
    return mapping_layer(generator.mapping, generator.config.mapping_layers - 1)


def style_layers(generator: Generator) -> Iterator[DenseLayer]:
    """Return all layers whose input is w."""
    for module_name, synthesis_module in generator.synthesis.named_modules():
        if module_name.endswith("affine"):
            assert isinstance(synthesis_module, DenseLayer)
            yield synthesis_module


def sample_w(generator: Generator) -> Tensor:
    """Return w of `W_SAMPLES` latents, which are the same at each call, `[W_SAMPLES, w_dim]`."""
    w: Tensor = generator.mapping(sample_z(generator))[:, 0]
    return w


def sample_z(generator: Generator, latent_count: int = W_SAMPLES) -> Tensor:
    """Return `[latent_count, z_dim]`, standard normal, the same at each call."""
    z = np.random.RandomState(0).randn(latent_count, generator.config.z_dim).astype(np.float32)
    return torch.from_numpy(z).to(generator.device)


@torch.no_grad()
def equalize_scales(generator: Generator) -> None:
    """Give every component of w its standard deviation of an untrained network, √2, and every layer's styles an RMS of 1.

    No image changes. Steps have fixed sizes, and weights that have grown in several trainings would hardly be changed by
    them. The last mapping layer is positively homogeneous (leaky ReLU): its rows are scaled, and the style layers divide by
    the same factors. A demodulated convolution does not depend on the scale of its styles; a toRGB kernel is rescaled.
    """
    last_layer, w = last_mapping_layer(generator), sample_w(generator)
    scale_factors = SQRT2 / w.std(dim=0)
    w = w * scale_factors
    last_layer.weight.mul_(scale_factors[:, None])
    last_layer.bias.mul_(scale_factors)
    generator.mapping.w_avg.copy_(w.mean(dim=0))
    for synthesis_module in generator.synthesis.modules():
        if isinstance(synthesis_module, StyleGAN2Layer | ToRGB):
            synthesis_module.affine.weight.div_(scale_factors)
            style_size = synthesis_module.affine(w).square().mean().sqrt()
            synthesis_module.affine.weight.div_(style_size)
            synthesis_module.affine.bias.div_(style_size)
            if isinstance(synthesis_module, ToRGB):
                synthesis_module.weight.mul_(style_size)


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
    component_scales = 1 / w.std(dim=0)
    w_variances, w_directions = torch.linalg.eigh(torch.cov((w * component_scales).T))
    widening_factors = w_variances.clamp(MAX_WIDENING**-2, 1).rsqrt()
    w_matrix = w_directions * widening_factors @ w_directions.T * component_scales
    wide_w = (w - w.mean(dim=0)) @ w_matrix.T
    w_offset = BIAS_LIFT * wide_w.abs().max() - w_matrix @ w.mean(dim=0)

    new_config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers + 1})
    new_generator = Generator(new_config).requires_grad_(False)
    new_state = new_generator.state_dict() | generator.state_dict()
    for tensor_name in _last_parameters(generator):  # w may have fewer features than hidden layers
        missing_rows = new_config.mapping_widths[-2] - new_config.w_dim
        new_state[tensor_name] = F.pad(
            new_state[tensor_name], (0, 0) * (new_state[tensor_name].ndim - 1) + (0, missing_rows)
        )
    new_generator.load_state_dict(new_state)
    last_layer = last_mapping_layer(new_generator)
    last_layer.weight.zero_()
    last_layer.weight[:, : new_config.w_dim] = w_matrix / (SQRT2 * last_layer.gain)
    last_layer.bias.copy_(w_offset / (SQRT2 * last_layer.lr_multiplier))
    inverse_matrix = torch.linalg.inv(w_matrix)
    transform_style_inputs(new_generator, inverse_matrix, -inverse_matrix @ w_offset)
    new_generator.mapping.w_avg.copy_(sample_w(new_generator).mean(dim=0))
    return new_generator


@torch.no_grad()
def unwhiten_w(generator: Generator) -> Generator:
    """Return the generator that `whiten_w` was called with: the same images without the last mapping layer."""
    last_layer = last_mapping_layer(generator)
    w_matrix = last_layer.weight[:, : generator.config.w_dim].double() * (SQRT2 * last_layer.gain)
    w_offset = last_layer.bias.double() * (SQRT2 * last_layer.lr_multiplier)
    new_config = generator.config.model_copy(update={"mapping_layers": generator.config.mapping_layers - 1})
    new_generator = Generator(new_config).requires_grad_(False)
    new_state = {tensor_name: generator.state_dict()[tensor_name] for tensor_name in new_generator.state_dict()}
    for tensor_name in _last_parameters(new_generator):
        new_state[tensor_name] = new_state[tensor_name][: new_config.w_dim]
    new_generator.load_state_dict(new_state)
    transform_style_inputs(new_generator, w_matrix, w_offset)
    new_generator.mapping.w_avg.copy_(torch.linalg.solve(w_matrix, generator.mapping.w_avg.double() - w_offset))
    return new_generator


def _last_parameters(generator: Generator) -> tuple[str, str]:
    layer_name = f"mapping.fc{generator.config.mapping_layers - 1}"
    return f"{layer_name}.weight", f"{layer_name}.bias"


def transform_style_inputs(generator: Generator, w_matrix: Tensor, w_offset: Tensor) -> None:
    """Change the style layers so that v takes the place of w = matrix · v + offset as their input. No image changes."""
    for style_layer in style_layers(generator):
        style_weight = style_layer.weight.double()
        style_layer.bias.add_(style_weight @ w_offset * (style_layer.gain / style_layer.lr_multiplier))
        style_layer.weight.copy_(style_weight @ w_matrix)
