"""The 68 landmarks of an animal: where they are in the image, and whether they are visible. Numpy only.

Most landmarks are points of the surface that move with the head: rims where one part meets others, the edges of lids and
lips, and the tips of parts. The 16 landmarks of the outline are on the silhouette, as in annotations of faces, and slide
over the head as it turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import FACE_ELLIPSOIDS, HEAD_CENTRE, MUZZLE_ELLIPSOIDS, SIDES, SKULL_ELLIPSOIDS, Anatomy
from .ellipsoids import Array
from .mouth import lower_lip, upper_lip

EAR_HOLLOW_SCALE = 0.66
"""The size of an ear's hollow as a share of the ear's."""
RIM_MARGIN, SURFACE_MARGIN = 0.03, 0.004
"""Surfaces that are nearer to the viewer by less than this do not hide a landmark, because rims are rounded."""
TONGUE_HEIGHT = 0.45
"""The height of the tongue's landmark above the lower lip, as a share of the gape."""


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of N animals.

    Attributes:
        points: `[N, 68, 2]` in the image plane.
        visible: `[N, 68]`, whether each is inside the image and not hidden by another part or by its own near side.
    """

    points: Array
    visible: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LandmarkDefinition:
    """How a landmark is located.

    Attributes:
        own_parts: parts that cannot hide it.
        exists: whether the animals have it, `[N]`; None: all animals have it.
    """

    own_parts: tuple[str, ...] = ()
    exists: Callable[[Anatomy], NDArray[np.bool_]] | None = None

    @property
    def margin(self) -> float:
        """How much nearer to the viewer another surface must be to hide the landmark (image plane units)."""
        return RIM_MARGIN


@dataclass(frozen=True, kw_only=True)
class RimLandmark(LandmarkDefinition):
    """Where a part's surface, followed from `start` (radians above its front, `[N]`), meets one of the other parts."""

    part: str
    around: float  # degrees; 0 right, 90 up
    others: tuple[str, ...]
    start: Callable[[Anatomy], Array] | None = None


@dataclass(frozen=True, kw_only=True)
class SurfaceLandmark(LandmarkDefinition):
    """The point of a part's surface in a direction `[N, 3]` of its own frame."""

    part: str
    direction: Callable[[Anatomy], Array]

    @property
    def margin(self) -> float:
        return SURFACE_MARGIN


@dataclass(frozen=True, kw_only=True)
class FaceLandmark(LandmarkDefinition):
    """The point of the face at x and y of the head's frame, each `[N]`."""

    at: Callable[[Anatomy], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True)
class OutlineLandmark(LandmarkDefinition):
    """The end of the head's silhouette in a direction of the image (degrees)."""

    around: float


def _towards(part: str, around: float, front_angle: float, own_parts: tuple[str, ...] = ()) -> LandmarkDefinition:
    """Return the landmark at an angle `front_angle` from a part's front in the direction `around`, degrees."""
    a, b = math.radians(around), math.radians(front_angle)
    unit_direction = np.array([math.sin(b) * math.cos(a), math.sin(b) * math.sin(a), math.cos(b)])
    return SurfaceLandmark(
        own_parts=own_parts, part=part, direction=lambda animal: np.broadcast_to(unit_direction, (len(animal.head), 3))
    )


def _iris(side: str, iris_offset: float) -> LandmarkDefinition:
    """Return a landmark on the eyeball, which lids can hide.

    Args:
        iris_offset: how far it is to the right of the iris's centre, in radii of the iris.
    """
    side_index = SIDES.index(side)

    def direction(animal: Anatomy) -> Array:
        x = iris_offset * animal.iris[:, None]
        iris_direction: Array = animal.gaze[:, side_index, 0] * x + animal.gaze[:, side_index, 2] * np.sqrt(1 - x**2)
        return iris_direction

    return SurfaceLandmark(own_parts=(f"eye_{side}",), part=f"eye_{side}", direction=direction)


def _eyelid(side: str, around: float) -> LandmarkDefinition:
    """Return the landmark where the eye's opening ends in a direction from its middle."""
    side_index = SIDES.index(side)
    own_names = f"eye_{side}", f"lid_{side}", f"under_{side}"
    others = (*own_names[1:], *FACE_ELLIPSOIDS, "nose")
    return RimLandmark(
        own_parts=own_names, part=own_names[0], around=around, others=others,
        start=lambda animal: animal.opening[:, side_index].mean(axis=1),
    )  # fmt: skip


def _lips(
    t: float, gape_share: float, exists: Callable[[Anatomy], NDArray[np.bool_]] | None = None
) -> LandmarkDefinition:
    """Return a landmark of the mouth.

    Args:
        t: distance from the middle, in half widths of the mouth.
        gape_share: distance below the upper lip, as a share of the gape.
    """

    def at(animal: Anatomy) -> tuple[Array, Array]:
        half_width, mouth_middle, corner_rise, mouth_gape = animal.mouth.T
        lip_position = np.full_like(half_width, abs(t))
        upper_height = upper_lip(lip_position, mouth_middle, corner_rise)
        return t * half_width, upper_height + gape_share * (
            lower_lip(lip_position, mouth_middle, corner_rise, mouth_gape) - upper_height
        )

    return FaceLandmark(exists=exists, at=at)


def _cleft(animal: Anatomy) -> tuple[Array, Array]:
    """Return x and y of the point halfway from the nose to the mouth, where the lobes of the muzzle meet."""
    k = animal.ellipsoids.names.index("nose")
    nose_offset = animal.ellipsoids.centre[:, k] - HEAD_CENTRE
    nose_bottom = np.sum(animal.head[:, :, 1] * nose_offset, axis=1) - 0.8 * animal.ellipsoids.radii[:, k, 1]
    return np.zeros(len(nose_bottom)), (nose_bottom + animal.mouth[:, 1]) / 2


# Of the left ear, degrees.
_EAR_ANGLES = (("inner_low", 10), ("inner_high", 50), ("outer_high", 130), ("outer_low", 170))
# (half widths from the middle, position between the upper lip, 0, and the lower lip, 1)
_MOUTH_POSITIONS = {
    "right": (1, 0), "upper_right": (0.75, 0), "top": (0, 0), "upper_left": (-0.75, 0), "left": (-1, 0),
    "lower_left": (-0.6, 1), "bottom": (0, 1), "lower_right": (0.6, 1),
}  # fmt: skip


def _define_landmarks() -> dict[str, LandmarkDefinition]:
    definitions_by_name: dict[str, LandmarkDefinition] = {
        f"outline_{i:02d}": OutlineLandmark(own_parts=SKULL_ELLIPSOIDS, around=i * 22.5) for i in range(16)
    }
    hollow_angle = math.degrees(math.asin(EAR_HOLLOW_SCALE))
    for side in SIDES:
        ear_name = f"ear_{side}"
        definitions_by_name[f"ear_tip_{side}"] = _towards(ear_name, 90, 90, (ear_name,))
        for name_suffix, around in _EAR_ANGLES:
            definitions_by_name[f"ear_{name_suffix}_{side}"] = _towards(
                ear_name, around if side == "left" else 180 - around, 90, (ear_name,)
            )
        definitions_by_name[f"ear_hollow_{side}_tip"] = _towards(ear_name, 90, hollow_angle, (ear_name,))
        # Where the head hides the lower end of the hollow. The search starts above the ear's middle, which may be in the head.
        definitions_by_name[f"ear_hollow_{side}_base"] = RimLandmark(
            own_parts=(ear_name,), part=ear_name, around=270, others=SKULL_ELLIPSOIDS,
            start=lambda animal: np.full(len(animal.head), math.pi / 2 - math.asin(EAR_HOLLOW_SCALE)),
        )  # fmt: skip
    for side in SIDES:
        definitions_by_name[f"eye_{side}"] = _iris(side, 0)
        for i in range(6):
            definitions_by_name[f"eyelid_{side}_{i}"] = _eyelid(side, i * 60)
        definitions_by_name[f"iris_{side}_left"] = _iris(side, -1)
        definitions_by_name[f"iris_{side}_right"] = _iris(side, 1)
    definitions_by_name["nose_tip"] = _towards("nose", 0, 0)
    for name_suffix, around in (("right", 0), ("top", 90), ("left", 180), ("bottom", 270)):
        definitions_by_name[f"nose_{name_suffix}"] = RimLandmark(part="nose", around=around, others=MUZZLE_ELLIPSOIDS)
    for side, around in (("left", 180), ("right", 0)):
        definitions_by_name[f"muzzle_{side}"] = RimLandmark(
            part=f"lobe_{side}", around=around, others=(*SKULL_ELLIPSOIDS, "snout")
        )
        definitions_by_name[f"lip_{side}"] = _lips(-0.45 if side == "left" else 0.45, 0)
    definitions_by_name["cleft"] = FaceLandmark(at=_cleft)
    for name_suffix, (t, gape_share) in _MOUTH_POSITIONS.items():
        definitions_by_name[f"mouth_{name_suffix}"] = _lips(t, gape_share)
    definitions_by_name["tongue"] = _lips(0, 1 - TONGUE_HEIGHT, lambda animal: animal.mouth[:, 3] > 0.03)
    definitions_by_name["chin"] = _towards("jaw", 270, 60)
    return definitions_by_name


LANDMARK_DEFINITIONS = _define_landmarks()
LANDMARKS = tuple(LANDMARK_DEFINITIONS)
assert len(LANDMARKS) == 68


def _locate_in_world(animal: Anatomy) -> Array:
    """Return all landmarks in the world, `[N, 68, 3]`. Landmarks of one kind are located together."""
    parts, n = animal.ellipsoids, len(animal.head)
    part_index = {part_name: k for k, part_name in enumerate(parts.names)}
    points = np.zeros((n, len(LANDMARK_DEFINITIONS), 3))
    kind_indices = {
        definition_type: [
            i for i, mark in enumerate(LANDMARK_DEFINITIONS.values()) if isinstance(mark, definition_type)
        ]
        for definition_type in (RimLandmark, SurfaceLandmark)
    }
    rim_landmarks = [mark for mark in LANDMARK_DEFINITIONS.values() if isinstance(mark, RimLandmark)]
    points[:, kind_indices[RimLandmark]] = parts.rim_points(
        [part_index[rim_landmark.part] for rim_landmark in rim_landmarks],
        np.radians([rim_landmark.around for rim_landmark in rim_landmarks]),
        np.array([[part_name in rim_landmark.others for part_name in parts.names] for rim_landmark in rim_landmarks]),
        np.stack(
            [
                np.zeros(n) if rim_landmark.start is None else rim_landmark.start(animal)
                for rim_landmark in rim_landmarks
            ],
            axis=1,
        ),
    )
    surface_landmarks = [mark for mark in LANDMARK_DEFINITIONS.values() if isinstance(mark, SurfaceLandmark)]
    points[:, kind_indices[SurfaceLandmark]] = parts.surface_points(
        [part_index[mark.part] for mark in surface_landmarks],
        np.stack([mark.direction(animal) for mark in surface_landmarks], axis=1),
    )
    on_face = {
        i: mark.at(animal) for i, mark in enumerate(LANDMARK_DEFINITIONS.values()) if isinstance(mark, FaceLandmark)
    }
    x, y = (np.stack([face_position[j] for face_position in on_face.values()], axis=1) for j in (0, 1))
    points[:, list(on_face)] = animal.on_face(x, y)
    outline_angles = {
        i: mark.around for i, mark in enumerate(LANDMARK_DEFINITIONS.values()) if isinstance(mark, OutlineLandmark)
    }
    points[:, list(outline_angles)] = parts.silhouette_points(
        [part_index[part_name] for part_name in SKULL_ELLIPSOIDS], np.radians(list(outline_angles.values()))
    )
    return points


def locate_landmarks(animal: Anatomy) -> Landmarks:
    """Return the landmarks of animals."""
    points = _locate_in_world(animal)
    may_hide = np.array(
        [
            [part_name not in mark.own_parts for part_name in animal.ellipsoids.names]
            for mark in LANDMARK_DEFINITIONS.values()
        ]
    )
    depth_margins = np.array([mark.margin for mark in LANDMARK_DEFINITIONS.values()])
    is_hidden = np.any(animal.ellipsoids.hides(points, depth_margins) & may_hide, axis=-1)
    for i, mark in enumerate(LANDMARK_DEFINITIONS.values()):
        if mark.exists is not None:
            is_hidden[:, i] |= ~mark.exists(animal)
    image_points = points[..., :2]
    return Landmarks(image_points, ~is_hidden & (np.abs(image_points) < 1).all(axis=2))
