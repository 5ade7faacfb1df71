"""Colours of animals and backdrops, RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .species import smoothstep, species_shares

Array = NDArray[np.float64]

COLOR_SLOTS = ("fur", "pale", "dark", "hollow", "nose", "iris", "mouth", "tongue", "sky", "ground", "glow", "whisker")
"""What the colours of a scene are for, in the order of `Scene.colours`."""


def _colours(text: str) -> Array:
    """Return `[count, 3]` from hexadecimal triples."""
    return np.array([[int(word[i : i + 2], 16) / 255 for i in (0, 2, 4)] for word in text.split()])


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
CREAM, INK = _colours("fff7ea 2b2325")


def interpolate_colors(stops: Array, at: Array) -> Array:
    """Return colours `[N, 3]` between stops `[count, 3]`, which are evenly spaced over 0 … 1, at positions `[N]`."""
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(at, places, stops[:, i]) for i in range(3)], axis=-1)


def mix_colors(a: Array, b: Array, share: Array | float) -> Array:
    """Mix a share, or shares `[N]`, of `b` into `a`; both are `[N, 3]` or `[3]`."""
    part = share[:, None] if isinstance(share, np.ndarray) else share
    mixed: Array = a + (b - a) * part
    return mixed


def hsv_to_rgb(hue: Array, saturation: float, value: float) -> Array:
    """Return RGB `[N, 3]`. The hue wraps around at 1."""
    k = (np.array([5.0, 3.0, 1.0]) + hue[:, None] * 6) % 6
    rgb: Array = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    return rgb


def scene_colors(p: Mapping[str, Array], traits: Mapping[str, Array]) -> Array:
    """Return `[N, len(COLOR_SLOTS), 3]` from the parameters and traits of animals."""
    share = species_shares(p)
    n = len(share)
    fur = sum(
        (share[:, i, None] * interpolate_colors(stops, p["fur_tone"]) for i, stops in enumerate(FUR_COLORS.values())),
        np.zeros(3),
    )
    # One animal in eight has a fancy colour.
    fancy = 0.75 * smoothstep(0.84, 0.96, p["fancy_hue"])
    fur = mix_colors(fur, hsv_to_rgb(p["fur_hue"], 0.42, 0.88), fancy) * (1 + 0.08 * p["fur_value"][:, None])
    fur = np.clip(fur, 0, 1)
    light = fur.mean(axis=1)
    pale = mix_colors(fur, CREAM, 0.86)
    dark = mix_colors(fur * 0.42, INK, 0.35 + 0.45 * share[:, 1])
    hollow = mix_colors(mix_colors(fur * 0.8, np.array([0.93, 0.62, 0.58]), 0.68), INK, 0.25 * share[:, 1])
    nose = interpolate_colors(
        NOSE_COLORS, np.clip(0.5 * p["nose_hue"] + share @ np.array([0.45, -0.2, -0.3, 0.5]), 0, 1)
    )
    iris = mix_colors(interpolate_colors(IRIS_COLORS, p["iris_hue"]), np.array([0.32, 0.19, 0.11]), traits["dark_eyes"])
    sky = interpolate_colors(SKY_COLORS, p["sky_hue"])
    tone = 0.80 + 0.22 * p["sky_value"]
    ground = sky * (0.35 + 0.55 * sky)
    fixed = {"mouth": (0.30, 0.07, 0.09), "tongue": (0.93, 0.45, 0.48)}
    colors = {
        "fur": fur, "pale": pale, "dark": dark, "hollow": hollow, "nose": nose, "iris": iris,
        "sky": sky * tone[:, None], "ground": ground * tone[:, None],
        "glow": mix_colors(sky * tone[:, None], CREAM, 0.25 + 0.5 * p["glow_light"]),
        "whisker": mix_colors(CREAM, INK, 0.85 * smoothstep(0.72, 0.92, light)),
        **{name: np.broadcast_to(np.array(colour), (n, 3)) for name, colour in fixed.items()},
    }  # fmt: skip
    return np.stack([colors[slot] for slot in COLOR_SLOTS], axis=1)
