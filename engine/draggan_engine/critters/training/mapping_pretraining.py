"""Teach new features of a mapping network to describe the scene, before the generator learns any image.

This needs no images: thousands of latents can be learned per second, while drawing one image takes a CPU 50 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.critters.scene.anatomy import build_anatomy
from draggan_engine.critters.scene.animal_parameters import animal_parameters
from draggan_engine.critters.scene.palette import scene_colors
from draggan_engine.critters.scene.scene import marking_parameters
from draggan_engine.critters.scene.species import animal_traits
from draggan_engine.networks.mapping import MappingNetwork, normalize_rms
from draggan_engine.networks.ops import DenseLayer

from .muon import Muon
from .w_whitening import mapping_layer

PRETRAINING_STEPS = 9_600
LATENTS_PER_STEP = 1024
MUON_LR, ADAM_LR = 0.02, 0.004  # at the start; they fall to a hundredth


def scene_targets(z: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return positions, shapes, colours and markings of the animals of latents `[N, Z_DIM]` as `[N, K]`."""
    parameters = animal_parameters(z)
    traits = animal_traits(parameters)
    animal = build_anatomy(parameters, traits)
    ellipsoids = animal.ellipsoids
    target_arrays = (
        ellipsoids.centre, ellipsoids.axes, ellipsoids.radii, ellipsoids.cut, animal.head, animal.gaze, animal.opening,
        animal.mouth, animal.whiskers, marking_parameters(parameters, traits, animal), scene_colors(parameters, traits),
        parameters["light_x"], parameters["light_y"],
    )  # fmt: skip
    return np.concatenate([target_array.reshape(len(z), -1) for target_array in target_arrays], axis=1).astype(
        np.float32
    )


def pretrain_mapping(
    mapping: MappingNetwork, fixed_features: Sequence[int], seed: int, step_count: int = PRETRAINING_STEPS
) -> float:
    """Train the hidden layers until a linear layer, which is discarded, can predict the scene from their last features.

    Args:
        fixed_features: how many features of each hidden layer, from the first, stay as they are.

    Returns:
        The root mean square error on new latents, in units of each target's standard deviation.
    """
    rng = np.random.default_rng([seed, 1])

    def sample(latent_count: int) -> tuple[Tensor, Tensor]:
        z = rng.standard_normal((latent_count, mapping.z_dim))
        return torch.from_numpy(z.astype(np.float32)), torch.from_numpy(scene_targets(z))

    _, target_sample = sample(8 * LATENTS_PER_STEP)
    target_means, target_deviations = target_sample.mean(dim=0), target_sample.std(dim=0)
    is_varying = target_deviations > 1e-4  # some targets are the same for all animals
    hidden_layers = [mapping_layer(mapping, i) for i in range(len(fixed_features))]
    output_layer = DenseLayer(hidden_layers[-1].weight.shape[0], int(is_varying.sum()))

    def squared_error(latent_count: int) -> Tensor:
        z, sample_targets = sample(latent_count)
        x = normalize_rms(z)
        for dense_layer in hidden_layers:
            x = dense_layer(x)
        return F.mse_loss(
            output_layer(x), (sample_targets - target_means)[:, is_varying] / target_deviations[is_varying]
        )

    all_layers = [*hidden_layers, output_layer]
    muon_optimizer = Muon([(dense_layer.weight, 1 / dense_layer.lr_multiplier) for dense_layer in all_layers])
    adam_optimizer = torch.optim.Adam(
        [{"params": [dense_layer.bias], "scale": 1 / dense_layer.lr_multiplier} for dense_layer in all_layers],
        betas=(0.9, 0.99),
        fused=True,
    )
    for step_number in range(step_count):
        for dense_layer in all_layers:
            dense_layer.zero_grad(set_to_none=True)
        squared_error(LATENTS_PER_STEP).backward()  # type: ignore[no-untyped-call]
        for dense_layer, fixed_count in zip(hidden_layers, fixed_features, strict=True):
            for layer_parameter in dense_layer.parameters():
                assert layer_parameter.grad is not None
                layer_parameter.grad[:fixed_count] = 0
        lr_scale = max(0.01, 1 - step_number / step_count)
        for parameter_group in adam_optimizer.param_groups:
            parameter_group["lr"] = ADAM_LR * lr_scale * parameter_group["scale"]
        adam_optimizer.step()
        muon_optimizer.step(MUON_LR * lr_scale)
    with torch.no_grad():
        return float(squared_error(8 * LATENTS_PER_STEP).sqrt())
