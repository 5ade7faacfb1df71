"""A mapping learns what a latent says of its animal, before it draws any. That takes no pictures: thousands of latents a second can
be learned from, where a picture takes a CPU a twentieth of a second."""

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
LATENTS_PER_STEP = 1024  # a step
MUON_LR, ADAM_LR = 0.02, 0.004  # at first; they fall to a hundredth


def scene_targets(z: NDArray[np.float64]) -> NDArray[np.float32]:
    """Where an animal's parts are, their shapes, colours and markings, `[N, K]`, of latents `[N, Z_DIM]`."""
    p = animal_parameters(z)
    traits = animal_traits(p)
    animal = build_anatomy(p, traits)
    parts = animal.ellipsoids
    found = (
        parts.centre, parts.axes, parts.radii, parts.cut, animal.head, animal.gaze, animal.opening, animal.mouth,
        animal.whiskers, marking_parameters(p, traits, animal), scene_colors(p, traits), p["light_x"], p["light_y"],
    )  # fmt: skip
    return np.concatenate([part.reshape(len(z), -1) for part in found], axis=1).astype(np.float32)


def pretrain_mapping(mapping: MappingNetwork, known: Sequence[int], seed: int, steps: int = PRETRAINING_STEPS) -> float:
    """Teaches the hidden layers so that their last features tell the scene's numbers, by a linear layer that is thrown away.

    Args:
        known: how many features of each hidden layer, from the first, stay as they are.

    Returns:
        The root mean square of what the numbers, each with a spread of 1, are missed by on latents that are new.
    """
    rng = np.random.default_rng([seed, 1])

    def latents(count: int) -> tuple[Tensor, Tensor]:
        z = rng.standard_normal((count, mapping.z_dim))
        return torch.from_numpy(z.astype(np.float32)), torch.from_numpy(scene_targets(z))

    _, sample = latents(8 * LATENTS_PER_STEP)
    middle, spread = sample.mean(dim=0), sample.std(dim=0)
    told = spread > 1e-4  # some are the same for all animals
    hidden = [mapping_layer(mapping, i) for i in range(len(known))]
    features = hidden[-1].weight.shape[0]
    head = DenseLayer(features, int(told.sum()))

    def error(count: int) -> Tensor:
        z, numbers = latents(count)
        x = normalize_rms(z)
        for layer in hidden:
            x = layer(x)
        return F.mse_loss(head(x), (numbers - middle)[:, told] / spread[told])

    layers = [*hidden, head]
    muon = Muon([(layer.weight, 1 / layer.lr_multiplier) for layer in layers])
    adam = torch.optim.Adam(
        [{"params": [layer.bias], "scale": 1 / layer.lr_multiplier} for layer in layers], betas=(0.9, 0.99), fused=True
    )
    for step in range(steps):
        for layer in layers:
            layer.zero_grad(set_to_none=True)
        error(LATENTS_PER_STEP).backward()  # type: ignore[no-untyped-call]
        for layer, count in zip(hidden, known, strict=True):
            for p in layer.parameters():
                assert p.grad is not None
                p.grad[:count] = 0
        fall = max(0.01, 1 - step / steps)
        for group in adam.param_groups:
            group["lr"] = ADAM_LR * fall * group["scale"]
        adam.step()
        muon.step(MUON_LR * fall)
    with torch.no_grad():
        return float(error(8 * LATENTS_PER_STEP).sqrt())
