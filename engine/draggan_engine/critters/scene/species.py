"""The average traits of four species, and how far an animal may differ from them.

An animal is a mixture of species, usually almost all of one. Lengths are in image plane units (an image is 2 wide), angles
in radians.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SPECIES = ("cat", "bear", "fox", "rabbit")
SPECIES_TEMPERATURE = 0.16
"""The temperature of the softmax over the species. With it, two animals in three are more than 90 % of one species."""

# trait: the means of the species, then how far an animal may differ, relative to the mean and absolutely.
VARIABLE_TRAITS: dict[str, tuple[tuple[float, float, float, float], float, float]] = {
    "head_width": ((0.510, 0.520, 0.475, 0.450), 0.07, 0.000),
    "head_height": ((0.440, 0.470, 0.440, 0.445), 0.07, 0.000),
    "cheek": ((0.045, 0.020, 0.070, 0.030), 0.00, 0.035),
    "ear_length": ((0.340, 0.165, 0.365, 0.385), 0.20, 0.000),
    "ear_width": ((0.195, 0.155, 0.175, 0.110), 0.15, 0.000),
    "ear_point": ((0.620, 0.000, 0.620, 0.250), 0.20, 0.0),
    "ear_place": ((0.660, 0.800, 0.600, 0.300), 0.00, 0.080),
    "ear_tilt": ((0.380, 0.780, 0.360, 0.170), 0.0, 0.12),
    "eye_size": ((0.165, 0.125, 0.145, 0.152), 0.18, 0.000),
    "eye_spacing": ((0.470, 0.420, 0.470, 0.560), 0.00, 0.060),
    "eye_height": ((0.100, 0.130, 0.140, 0.130), 0.0, 0.06),
    "eye_slant": ((0.110, -0.050, 0.130, -0.020), 0.00, 0.120),
    "iris_size": ((0.760, 0.740, 0.720, 0.790), 0.10, 0.0),
    "pupil_size": ((0.560, 0.600, 0.500, 0.580), 0.00, 0.150),
    "muzzle_length": ((0.085, 0.130, 0.220, 0.085), 0.38, 0.000),
    "muzzle_width": ((0.165, 0.185, 0.140, 0.140), 0.16, 0.000),
    "muzzle_height": ((-0.165, -0.165, -0.170, -0.150), 0.0, 0.03),
    "nose_size": ((0.056, 0.086, 0.068, 0.050), 0.26, 0.000),
    "nose_height": ((0.000, 0.000, 0.000, 0.000), 0.0, 0.03),
    "mouth_width": ((0.145, 0.155, 0.130, 0.110), 0.25, 0.000),
    "tooth_length": ((0.060, 0.040, 0.055, 0.070), 0.40, 0.0),
    "whisker_length": ((0.420, 0.300, 0.330, 0.380), 0.20, 0.0),
    "whisker_droop": ((-0.020, 0.000, 0.020, 0.060), 0.0, 0.10),
    "stripes": ((0.550, -0.600, -0.600, -0.600), 0.0, 0.70),
    "patches": ((-0.500, 0.500, -0.500, -0.600), 0.0, 0.60),
    "mask": ((0.200, -0.300, 0.950, -0.200), 0.0, 0.50),
    "blaze": ((0.100, -0.500, 0.000, 0.450), 0.0, 0.60),
    "spots": ((-0.300, -0.500, -0.500, 0.550), 0.0, 0.65),
    "ear_tips": ((0.000, 0.100, 0.800, 0.200), 0.0, 0.50),
}
SPECIES_TRAITS: dict[str, tuple[float, float, float, float]] = {
    "slit": (0.9, 0.0, 0.35, 0.0),
    "ear_root": (0.22, 0.45, 0.25, 0.75),  # the height of the ear's centre above its root, in half lengths of the ear
    "muzzle_deep": (0.110, 0.130, 0.105, 0.108),
    "fangs": (1.0, 0.5, 1.0, 0.0),
    "incisors": (0.0, 0.0, 0.0, 1.0),
    "whiskers": (1.0, 0.0, 0.5, 0.8),
    "dark_eyes": (0.0, 0.85, 0.35, 0.7),
    "pale_muzzle": (0.75, 0.6, 0.95, 0.7),
}
"""Traits that are the same in all animals of a species."""
MARKINGS = ("stripes", "patches", "mask", "blaze", "spots", "ear_tips")


def smoothstep(low: float, high: float, x: Array) -> Array:
    """Return 0 below `low`, 1 above `high`, and a smooth curve between them."""
    t = np.clip((x - low) / (high - low), 0, 1)
    eased_share: Array = t * t * (3 - 2 * t)
    return eased_share


def species_shares(p: Mapping[str, Array]) -> Array:
    """Return how much of each species an animal is, `[N, 4]`; each row sums to 1."""
    species_logits = np.stack([p[species_name] for species_name in SPECIES], axis=-1) / SPECIES_TEMPERATURE
    species_weights = np.exp(species_logits - species_logits.max(axis=1, keepdims=True))
    mixture_shares: Array = species_weights / species_weights.sum(axis=1, keepdims=True)
    return mixture_shares


def animal_traits(p: Mapping[str, Array]) -> dict[str, Array]:
    """`TRAITS` and `FIXED` of animals, each `[N]`; the markings' strengths are within 0 … 1."""
    mixture_shares = species_shares(p)
    traits = {
        trait_name: mixture_shares @ np.array(species_means) for trait_name, species_means in SPECIES_TRAITS.items()
    }
    for trait_name, (species_means, relative_range, absolute_range) in VARIABLE_TRAITS.items():
        mean_value = mixture_shares @ np.array(species_means)
        traits[trait_name] = mean_value + p[trait_name] * (absolute_range + relative_range * mean_value)
    for trait_name in MARKINGS:
        traits[trait_name] = smoothstep(0.05, 0.75, traits[trait_name])
    return traits
