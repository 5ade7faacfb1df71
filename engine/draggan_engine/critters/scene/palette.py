"""Colours of animals and backdrops, RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .species import smoothstep, species_shares

Array = NDArray[np.float64]

COLOR_SLOTS = ("fur", "pale", "dark", "hollow", "nose", "iris", "mouth", "tongue", "sky", "ground", "glow", "whisker")
"""What the colours of a scene are for, in the order of `Scene.colours`."""


def _colours(hex_triples: str) -> Array:
    """Return `[count, 3]` from hexadecimal triples."""
    return np.array([[int(hex_triple[i : i + 2], 16) / 255 for i in (0, 2, 4)] for hex_triple in hex_triples.split()])


# By fur_tone, from 0 to 1.
FUR_COLORS = {
    "cat": _colours("4a4a54 9a9ba3 e39a4a b98a5e efdfc2"),
    "bear": _colours("f4f1ea c69a68 8f5f3c 6b4a3a f6f2ea"),
    "fox": _colours("c9582a e0702c ea9440 9ba0ab f1eee8"),
    "rabbit": _colours("f6f1ea d8c3a8 a98663 95949c e9cb9c"),
}
IRIS_COLORS = _colours("c98a2a e0b23c 9dbb45 4fa878 4f9ec9 4b78c2")
NOSE_COLORS = _colours("2a2224 3a2a2a 8a5050 d98888 e9a0a0")
SKY_COLORS = _colours("f7cdb8 f9e2ae cde4b4 a4dccd a3d0f0 b8bdf0 ecbfe0 f7cdb8")
CREAM_COLOR, INK_COLOR = _colours("fff7ea 2b2325")


def interpolate_colors(color_stops: Array, at: Array) -> Array:
    """Return colours `[N, 3]` between stops `[count, 3]`, which are evenly spaced over 0 … 1, at positions `[N]`."""
    stop_positions = np.linspace(0, 1, len(color_stops))
    return np.stack([np.interp(at, stop_positions, color_stops[:, i]) for i in range(3)], axis=-1)


def mix_colors(a: Array, b: Array, mix_share: Array | float) -> Array:
    """Mix a share, or shares `[N]`, of `b` into `a`; both are `[N, 3]` or `[3]`."""
    mix_weights = mix_share[:, None] if isinstance(mix_share, np.ndarray) else mix_share
    mixed_colors: Array = a + (b - a) * mix_weights
    return mixed_colors


def hsv_to_rgb(hue: Array, saturation: float, value: float) -> Array:
    """Return RGB `[N, 3]`. The hue wraps around at 1."""
    k = (np.array([5.0, 3.0, 1.0]) + hue[:, None] * 6) % 6
    rgb_colors: Array = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    return rgb_colors


def scene_colors(p: Mapping[str, Array], traits: Mapping[str, Array]) -> Array:
    """Return `[N, len(COLOR_SLOTS), 3]` from the parameters and traits of animals."""
    species_weights = species_shares(p)
    n = len(species_weights)
    fur_color = sum(
        (
            species_weights[:, i, None] * interpolate_colors(color_stops, p["fur_tone"])
            for i, color_stops in enumerate(FUR_COLORS.values())
        ),
        np.zeros(3),
    )
    # One animal in eight has a fancy colour.
    fancy_share = 0.75 * smoothstep(0.84, 0.96, p["fancy_hue"])
    fur_color = mix_colors(fur_color, hsv_to_rgb(p["fur_hue"], 0.42, 0.88), fancy_share) * (
        1 + 0.08 * p["fur_value"][:, None]
    )
    fur_color = np.clip(fur_color, 0, 1)
    fur_lightness = fur_color.mean(axis=1)
    pale_color = mix_colors(fur_color, CREAM_COLOR, 0.86)
    dark_color = mix_colors(fur_color * 0.42, INK_COLOR, 0.35 + 0.45 * species_weights[:, 1])
    hollow_color = mix_colors(
        mix_colors(fur_color * 0.8, np.array([0.93, 0.62, 0.58]), 0.68), INK_COLOR, 0.25 * species_weights[:, 1]
    )
    nose_color = interpolate_colors(
        NOSE_COLORS, np.clip(0.5 * p["nose_hue"] + species_weights @ np.array([0.45, -0.2, -0.3, 0.5]), 0, 1)
    )
    iris_color = mix_colors(
        interpolate_colors(IRIS_COLORS, p["iris_hue"]), np.array([0.32, 0.19, 0.11]), traits["dark_eyes"]
    )
    sky_color = interpolate_colors(SKY_COLORS, p["sky_hue"])
    sky_tone = 0.80 + 0.22 * p["sky_value"]
    ground_color = sky_color * (0.35 + 0.55 * sky_color)
    fixed_colors = {"mouth": (0.30, 0.07, 0.09), "tongue": (0.93, 0.45, 0.48)}
    slot_colors = {
        "fur": fur_color, "pale": pale_color, "dark": dark_color,
        "hollow": hollow_color, "nose": nose_color, "iris": iris_color,
        "sky": sky_color * sky_tone[:, None], "ground": ground_color * sky_tone[:, None],
        "glow": mix_colors(sky_color * sky_tone[:, None], CREAM_COLOR, 0.25 + 0.5 * p["glow_light"]),
        "whisker": mix_colors(CREAM_COLOR, INK_COLOR, 0.85 * smoothstep(0.72, 0.92, fur_lightness)),
        **{name: np.broadcast_to(np.array(fixed_color), (n, 3)) for name, fixed_color in fixed_colors.items()},
    }  # fmt: skip
    return np.stack([slot_colors[slot] for slot in COLOR_SLOTS], axis=1)
