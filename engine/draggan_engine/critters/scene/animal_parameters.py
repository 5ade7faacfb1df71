"""The parameters of the animal of a latent z: each is a fixed, continuous function of one component of the normalised z."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .species import SPECIES, VARIABLE_TRAITS

Array = NDArray[np.float64]

# name: (law, a, b). "normal": a + b·n with |n| clipped to 2.2. "uniform": from a to b. "share": from a to b, which no
# parameter may exceed, not even in training data with wider ranges.
PARAMETERS: dict[str, tuple[str, float, float]] = {
    "yaw": ("normal", 0.0, 0.28),
    "pitch": ("normal", 0.0, 0.16),
    "roll": ("normal", 0.0, 0.04),
    **dict.fromkeys(SPECIES, ("normal", 0.0, 1.0)),
    "ear_tilt_left": ("uniform", -1.0, 1.0),
    "ear_tilt_right": ("uniform", -1.0, 1.0),
    "gaze_x": ("normal", 0.0, 0.20),
    "gaze_y": ("normal", 0.0, 0.12),
    "lid_open": ("share", 0.0, 1.0),
    "lid_difference": ("normal", 0.0, 0.12),
    "lid_low": ("share", 0.0, 1.0),
    "mouth_open": ("share", 0.0, 1.0),
    "smile": ("uniform", -0.25, 1.0),
    "tongue_out": ("share", 0.0, 1.0),
    **dict.fromkeys(VARIABLE_TRAITS, ("uniform", -1.0, 1.0)),
    "fur_tone": ("share", 0.0, 1.0),
    "fur_value": ("uniform", -1.0, 1.0),
    "fur_hue": ("share", 0.0, 1.0),
    "fancy_hue": ("share", 0.0, 1.0),
    "iris_hue": ("share", 0.0, 1.0),
    "nose_hue": ("share", 0.0, 1.0),
    "sky_hue": ("share", 0.0, 1.0),
    "sky_value": ("share", 0.0, 1.0),
    "glow_light": ("share", 0.0, 1.0),
    "light_x": ("normal", -0.40, 0.25),
    "light_y": ("normal", 0.65, 0.18),
}
Z_DIM = len(PARAMETERS)


def animal_parameters(z: Array) -> dict[str, Array]:
    """Return the parameters, each `[N]`, of latents `z` `[N, Z_DIM]` of any scale."""
    z = z / np.sqrt(np.mean(z**2, axis=1, keepdims=True) + 1e-8)
    uniform_values = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    parameters: dict[str, Array] = {}
    for i, (parameter_name, (value_law, a, b)) in enumerate(PARAMETERS.items()):
        parameters[parameter_name] = (
            a + b * np.clip(z[:, i], -2.2, 2.2) if value_law == "normal" else a + (b - a) * uniform_values[:, i]
        )
    return parameters


def z_of_seed(seed: int) -> Array:
    """Return z `[1, Z_DIM]` of a seed, as the generator draws it."""
    return np.random.RandomState(seed).randn(1, Z_DIM)
