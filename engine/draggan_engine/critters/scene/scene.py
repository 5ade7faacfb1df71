"""The scene of a latent z: the animal's ellipsoids, colours and markings, ready to draw, and its landmarks. Numpy only.

In the image plane x points right and y up, both from −1 to 1; the third axis points at the viewer. The projection is
orthographic. Every parameter of an animal is a fixed, continuous function of one component of the normalised z, which the
mapping of StyleGAN2 normalises too. So a generator can be taught `image = scene(z)`, and each seed has known landmarks.
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
"""The columns of a scene's `markings`."""


@dataclass(frozen=True)
class Scene:
    """N animals, ready to draw.

    Attributes:
        centre: `[N, K, 3]` centres of the K parts.
        quadric: `[N, K, 6]` upper triangle (xx, xy, xz, yy, yz, zz) of A in (p−c)ᵀA(p−c) = 1.
        offset: `[N, K, 3]` from a part's centre to one of its two ellipsoids; the other one is on the opposite side.
        cut: `[N, K, 4]` as in `Ellipsoids`.
        frame: `[N, K, 3, 3]` from the world to the part's own frame, in which its ellipsoids are unit spheres.
        apart: `[N, K]` the offset in that frame.
        extent: `[N, K, 2]` half width and height of a box around each part's silhouette.
        head: `[N, 3, 3]` the head's frame; its columns are right, up and forward.
        gaze: `[N, 2, 3, 3]` and opening: `[N, 2, 2]`, as in `Anatomy`.
        markings: `[N, len(MARKING_PARAMETERS)]`.
        whiskers: `[N, 6, 2, 3]` roots and tips.
        colours: `[N, len(COLOR_SLOTS), 3]` in [0, 1].
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

    def subset(self, animal_slice: slice) -> Scene:
        """Return the scene of some of the animals."""
        animal_arrays = {f.name: getattr(self, f.name)[animal_slice] for f in fields(self) if f.name != "landmarks"}
        landmarks = Landmarks(self.landmarks.points[animal_slice], self.landmarks.visible[animal_slice])
        return Scene(**animal_arrays, landmarks=landmarks)


def build_scene(z: Array) -> Scene:
    """Return the scenes of latents `z` `[N, Z_DIM]`."""
    return scene_from_parameters(animal_parameters(z))


def scene_from_parameters(parameters: Mapping[str, Array], colouring: Mapping[str, Array] | None = None) -> Scene:
    """Return the scenes of animals with given parameters.

    Args:
        parameters: all of `PARAMETERS`, each `[N]`. They may be outside the range of their law.
        colouring: the parameters of the animals whose colours, markings, light and backdrop are used; None: the same.
    """
    color_parameters = parameters if colouring is None else colouring
    traits, color_traits = animal_traits(parameters), animal_traits(color_parameters)
    animal = build_anatomy(parameters, traits)
    ellipsoids = animal.ellipsoids
    light = np.stack(
        [color_parameters["light_x"], color_parameters["light_y"], np.full(len(color_parameters["yaw"]), 0.85)], axis=-1
    )
    scaled_axes = ellipsoids.axes * ellipsoids.radii[:, :, None, :]
    offset = scaled_axes[..., 0] * ellipsoids.apart[..., None]
    return Scene(
        centre=ellipsoids.centre,
        quadric=ellipsoids.quadrics()[..., [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]],
        offset=offset,
        cut=np.ascontiguousarray(ellipsoids.cut),
        frame=np.ascontiguousarray((ellipsoids.axes / ellipsoids.radii[:, :, None, :]).transpose(0, 1, 3, 2)),
        apart=ellipsoids.apart,
        extent=np.linalg.norm(scaled_axes[..., :2, :], axis=-1) - np.abs(offset[..., :2]),
        head=animal.head,
        gaze=animal.gaze,
        opening=animal.opening,
        markings=marking_parameters(
            parameters, traits | {marking_name: color_traits[marking_name] for marking_name in COLOR_MARKINGS}, animal
        ),
        whiskers=animal.whiskers,
        colours=scene_colors(color_parameters, color_traits),
        light=light / np.linalg.norm(light, axis=1, keepdims=True),
        landmarks=locate_landmarks(animal),
    )


def marking_parameters(p: Mapping[str, Array], traits: Mapping[str, Array], animal: Anatomy) -> Array:
    """Return `[N, len(MARKING_PARAMETERS)]` from the parameters, traits and anatomy of animals."""
    parts = animal.ellipsoids
    eye_offset = parts.centre[:, parts.names.index("eye_right")] - parts.centre[:, parts.names.index("head")]
    local_offset = np.einsum("nji,nj->ni", animal.head, eye_offset)
    half_width, mouth_middle, corner_rise, mouth_gape = animal.mouth.T
    values_by_name = {
        "eye_x": local_offset[:, 0], "eye_y": local_offset[:, 1],
        "mouth_half": half_width, "mouth_middle": mouth_middle, "mouth_rise": corner_rise, "gape": mouth_gape,
        "mouth_depth": MUZZLE_DEPTH * parts.radii[:, parts.names.index("head"), 2],
        "tongue_out": np.clip(p["tongue_out"], 0, 1), "iris_size": animal.iris,
    }  # fmt: skip
    return np.stack([values_by_name.get(name, traits.get(name)) for name in MARKING_PARAMETERS], axis=1)  # type: ignore[misc]


def to_pixels(points: Array, resolution: int) -> Array:
    """Convert points `[..., 2]` of the image plane to pixels, with the origin at the centre of the top-left pixel."""
    pixels_per_unit = resolution / 2
    return np.stack(
        [(points[..., 0] + 1) * pixels_per_unit - 0.5, (1 - points[..., 1]) * pixels_per_unit - 0.5], axis=-1
    )


def landmarks_of_seed(seed: int, resolution: int) -> dict[str, tuple[float, float]]:
    """Return the true landmarks of the bundled model's image of a seed, at ψ = 1.

    Args:
        seed: 0 … 2³² − 1.
        resolution: width and height of the image, px.

    Returns:
        For each name of `LANDMARKS` (x, y) in pixels, with the origin at the centre of the top-left pixel. "left" is left
        in the image. Hidden landmarks are included.
    """
    points = to_pixels(build_scene(z_of_seed(seed)).landmarks.points[0], resolution)
    return {landmark_name: (float(x), float(y)) for landmark_name, (x, y) in zip(LANDMARKS, points, strict=True)}
