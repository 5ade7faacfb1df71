"""A latent z, read as a scene: the animal's solids, colours and markings, ready to draw, and its landmarks.

Numpy only. The picture plane is x to the right, y up, both from −1 to 1; z points at the viewer; the
projection is orthographic. Every number of an animal is a fixed, continuous function of one component of the
normalised z (the StyleGAN2 mapping normalises it too), so a generator can be taught `picture = scene(z)`
and each seed has known landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from .anatomy import MUZZLE_DEPTH, Anatomy, build_anatomy
from .animal_parameters import animal_parameters, z_of_seed
from .ellipsoids import Array
from .landmarks import LANDMARKS, Landmarks, locate_landmarks
from .palette import scene_colors
from .species import MARKINGS, animal_traits

COLOR_MARKINGS = (*MARKINGS, "pale_muzzle")
MARKING_PARAMETERS = (
    "head_width", "head_height", "eye_x", "eye_y", "eye_size",
    *COLOR_MARKINGS, "whiskers",
    "mouth_half", "mouth_middle", "mouth_rise", "mouth_depth", "gape", "fangs", "incisors", "tooth_length", "tongue_out",
    "iris_size", "pupil_size", "slit",
)  # fmt: skip
"""The columns of a scene's `marks`."""


@dataclass(frozen=True)
class Scene:
    """N animals, ready to draw.

    Attributes:
        centre: `[N, K, 3]` centres of the K parts.
        quadric: `[N, K, 6]` upper triangle (xx, xy, xz, yy, yz, zz) of A in (p−c)ᵀA(p−c) = 1.
        offset: `[N, K, 3]` how far a part's two ellipsoids lie to either side of its centre.
        cut: `[N, K, 4]` as `Parts` has it.
        frame: `[N, K, 3, 3]` world → the part's own frame, in which its ellipsoids are unit spheres.
        apart: `[N, K]` the offset in that frame.
        extent: `[N, K, 2]` half width and height of a box round each one's silhouette.
        head: `[N, 3, 3]` the head's frame; its columns are right, up and forward.
        gaze: `[N, 2, 3, 3]` and opening: `[N, 2, 2]`, as `Anatomy` has them.
        markings: `[N, len(MARKS)]`.
        whiskers: `[N, 6, 2, 3]` roots and tips.
        colours: `[N, len(SLOTS), 3]` in [0, 1].
        light: `[N, 3]` unit vector towards the light.
        landmarks: the 68, in the order of `LANDMARKS`.
    """

    centre: Array
    quadric: Array
    offset: Array
    cut: Array
    frame: Array
    apart: Array
    extent: Array
    head: Array
    gaze: Array
    opening: Array
    markings: Array
    whiskers: Array
    colours: Array
    light: Array
    landmarks: Landmarks

    def some(self, which: slice) -> Scene:
        """A part of the animals."""
        chosen = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "landmarks"}
        marks = Landmarks(self.landmarks.points[which], self.landmarks.visible[which])
        return Scene(**chosen, landmarks=marks)


def build_scene(z: Array) -> Scene:
    """The animals of latents `z` `[N, Z_DIM]`."""
    return scene_from_parameters(animal_parameters(z))


def scene_from_parameters(p: Mapping[str, Array], colouring: Mapping[str, Array] | None = None) -> Scene:
    """The animals with those numbers, each `[N]`: all of `NUMBERS`, whatever their law.

    `colouring`: the numbers of others, whose colours, markings and light they have, and the backdrops.
    """
    q = p if colouring is None else colouring
    traits, coloured = animal_traits(p), animal_traits(q)
    animal = build_anatomy(p, traits)
    parts = animal.ellipsoids
    light = np.stack([q["light_x"], q["light_y"], np.full(len(q["yaw"]), 0.85)], axis=-1)
    shape = parts.axes * parts.radii[:, :, None, :]
    offset = shape[..., 0] * parts.apart[..., None]
    return Scene(
        centre=parts.centre,
        quadric=parts.quadrics()[..., [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]],
        offset=offset,
        cut=np.ascontiguousarray(parts.cut),
        frame=np.ascontiguousarray((parts.axes / parts.radii[:, :, None, :]).transpose(0, 1, 3, 2)),
        apart=parts.apart,
        extent=np.linalg.norm(shape[..., :2, :], axis=-1) - np.abs(offset[..., :2]),
        head=animal.head,
        gaze=animal.gaze,
        opening=animal.opening,
        markings=marking_parameters(p, traits | {name: coloured[name] for name in COLOR_MARKINGS}, animal),
        whiskers=animal.whiskers,
        colours=scene_colors(q, coloured),
        light=light / np.linalg.norm(light, axis=1, keepdims=True),
        landmarks=locate_landmarks(animal),
    )


def marking_parameters(p: Mapping[str, Array], traits: Mapping[str, Array], animal: Anatomy) -> Array:
    """`[N, len(MARKS)]`, of the animals' numbers, traits and anatomy."""
    parts = animal.ellipsoids
    eye = parts.centre[:, parts.names.index("eye_right")] - parts.centre[:, parts.names.index("head")]
    local = np.einsum("nji,nj->ni", animal.head, eye)
    half, middle, rise, gape = animal.mouth.T
    found = {
        "eye_x": local[:, 0], "eye_y": local[:, 1],
        "mouth_half": half, "mouth_middle": middle, "mouth_rise": rise, "gape": gape,
        "mouth_depth": MUZZLE_DEPTH * parts.radii[:, parts.names.index("head"), 2],
        "tongue_out": np.clip(p["tongue_out"], 0, 1), "iris_size": animal.iris,
    }  # fmt: skip
    return np.stack([found.get(name, traits.get(name)) for name in MARKING_PARAMETERS], axis=1)  # type: ignore[misc]


def to_pixels(points: Array, resolution: int) -> Array:
    """Picture plane `[..., 2]` → pixels, origin at the centre of the top-left pixel."""
    scale = resolution / 2
    return np.stack([(points[..., 0] + 1) * scale - 0.5, (1 - points[..., 1]) * scale - 0.5], axis=-1)


def landmarks_of_seed(seed: int, resolution: int) -> dict[str, tuple[float, float]]:
    """The true projected landmarks of the bundled model's picture of a seed, at ψ = 1.

    Args:
        seed: 0 … 2³² − 1.
        resolution: width and height of the picture, px.

    Returns:
        For each name of `LANDMARKS`, (x, y) in pixels, origin at the centre of the top-left pixel. "left" is
        left in the picture. Points that are hidden are given all the same.
    """
    points = to_pixels(build_scene(z_of_seed(seed)).landmarks.points[0], resolution)
    return {name: (float(x), float(y)) for name, (x, y) in zip(LANDMARKS, points, strict=True)}
