"""The 68 landmarks of an animal: named points of its surface, where the picture shows them, and whether it does.

Numpy only. All but the head's outline are points of the animal itself, which move with its head: rims, where one
part comes out of the others, the lids' edges, the lips, and the tips of parts. The outline is what the viewer sees as
such, as in the annotations of faces: it slides over the head as the head turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import FACE, HEAD_CENTRE, MUZZLE, SIDES, SKULL, Anatomy
from .ellipsoids import Array
from .mouth import lower_lip, upper_lip

EAR_HOLLOW_SCALE = 0.66
"""Size of an ear's hollow, of the ear's own."""
RIM_MARGIN, SURFACE_MARGIN = 0.03, 0.004
"""Margins of `Landmark`: less is the rounding of a rim, where two surfaces meet."""
TONGUE_HEIGHT = 0.45
"""Where the tongue's landmark is between the lips, from the lower one."""


@dataclass(frozen=True)
class Landmarks:
    """Of N animals.

    Attributes:
        points: `[N, 68, 2]` in the picture plane.
        visible: `[N, 68]`: inside the picture and not hidden by another part, or by the near side of its own.
    """

    points: Array
    visible: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LandmarkDefinition:
    """One of them.

    Attributes:
        with_it: parts that do not hide it.
        shown: whether it is there to be seen, `[N]`; None: always.
    """

    with_it: tuple[str, ...] = ()
    shown: Callable[[Anatomy], NDArray[np.bool_]] | None = None

    @property
    def margin(self) -> float:
        """How much nearer to the viewer (picture plane units) another surface has to be to hide it."""
        return RIM_MARGIN


@dataclass(frozen=True, kw_only=True)
class RimLandmark(LandmarkDefinition):
    """Where a part's surface, followed from `start` (radians above its front, `[N]`), meets one of the others."""

    part: str
    around: float  # degrees; 0 right, 90 up
    others: tuple[str, ...]
    start: Callable[[Anatomy], Array] | None = None


@dataclass(frozen=True, kw_only=True)
class SurfaceLandmark(LandmarkDefinition):
    """Where a part's surface is in a direction `[N, 3]` of its own frame."""

    part: str
    direction: Callable[[Anatomy], Array]

    @property
    def margin(self) -> float:
        return SURFACE_MARGIN


@dataclass(frozen=True, kw_only=True)
class FaceLandmark(LandmarkDefinition):
    """Where the face is at x and y, each `[N]`, of the head's frame."""

    at: Callable[[Anatomy], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True)
class OutlineLandmark(LandmarkDefinition):
    """What the viewer sees as the head's end, in a direction of the picture (degrees)."""

    around: float


def _towards(part: str, around: float, away: float, with_it: tuple[str, ...] = ()) -> LandmarkDefinition:
    """By angles, degrees: `away` from the part's front, in the direction `around`."""
    a, b = math.radians(around), math.radians(away)
    direction = np.array([math.sin(b) * math.cos(a), math.sin(b) * math.sin(a), math.cos(b)])
    return SurfaceLandmark(
        with_it=with_it, part=part, direction=lambda animal: np.broadcast_to(direction, (len(animal.head), 3))
    )


def _iris(side: str, across: float) -> LandmarkDefinition:
    """On the eyeball, `across` iris radii to the right of where it looks; hidden where a lid covers it."""
    which = SIDES.index(side)

    def direction(animal: Anatomy) -> Array:
        x = across * animal.iris[:, None]
        seen: Array = animal.gaze[:, which, 0] * x + animal.gaze[:, which, 2] * np.sqrt(1 - x**2)
        return seen

    return SurfaceLandmark(with_it=(f"eye_{side}",), part=f"eye_{side}", direction=direction)


def _eyelid(side: str, around: float) -> LandmarkDefinition:
    """Where the eye's opening ends, followed from its middle."""
    which = SIDES.index(side)
    own = f"eye_{side}", f"lid_{side}", f"under_{side}"
    others = (*own[1:], *FACE, "nose")
    return RimLandmark(
        with_it=own, part=own[0], around=around, others=others,
        start=lambda animal: animal.opening[:, which].mean(axis=1),
    )  # fmt: skip


def _lips(t: float, share: float, shown: Callable[[Anatomy], NDArray[np.bool_]] | None = None) -> LandmarkDefinition:
    """At `t` half widths of the mouth from the middle, and a `share` of the gape below the upper lip."""

    def at(animal: Anatomy) -> tuple[Array, Array]:
        half, middle, smile, gape = animal.mouth.T
        out = np.full_like(half, abs(t))
        upper = upper_lip(out, middle, smile)
        return t * half, upper + share * (lower_lip(out, middle, smile, gape) - upper)

    return FaceLandmark(shown=shown, at=at)


def _cleft(animal: Anatomy) -> tuple[Array, Array]:
    """Half-way from the nose to the mouth, where the lobes of the muzzle meet."""
    k = animal.ellipsoids.names.index("nose")
    away = animal.ellipsoids.centre[:, k] - HEAD_CENTRE
    bottom = np.sum(animal.head[:, :, 1] * away, axis=1) - 0.8 * animal.ellipsoids.radii[:, k, 1]
    return np.zeros(len(bottom)), (bottom + animal.mouth[:, 1]) / 2


_EAR = (("inner_low", 10), ("inner_high", 50), ("outer_high", 130), ("outer_low", 170))  # of the left one
# In half widths from the middle, and from the upper lip (0) to the lower one (1).
_MOUTH = {
    "right": (1, 0), "upper_right": (0.75, 0), "top": (0, 0), "upper_left": (-0.75, 0), "left": (-1, 0),
    "lower_left": (-0.6, 1), "bottom": (0, 1), "lower_right": (0.6, 1),
}  # fmt: skip


def _all() -> dict[str, LandmarkDefinition]:
    found: dict[str, LandmarkDefinition] = {
        f"outline_{i:02d}": OutlineLandmark(with_it=SKULL, around=i * 22.5) for i in range(16)
    }
    hollow = math.degrees(math.asin(EAR_HOLLOW_SCALE))
    for side in SIDES:
        ear = f"ear_{side}"
        found[f"ear_tip_{side}"] = _towards(ear, 90, 90, (ear,))
        for name, around in _EAR:
            found[f"ear_{name}_{side}"] = _towards(ear, around if side == "left" else 180 - around, 90, (ear,))
        found[f"ear_hollow_{side}_tip"] = _towards(ear, 90, hollow, (ear,))
        # Where the head hides the hollow's lower end. An ear's middle may be in the head: the search starts above it.
        found[f"ear_hollow_{side}_base"] = RimLandmark(
            with_it=(ear,), part=ear, around=270, others=SKULL,
            start=lambda animal: np.full(len(animal.head), math.pi / 2 - math.asin(EAR_HOLLOW_SCALE)),
        )  # fmt: skip
    for side in SIDES:
        found[f"eye_{side}"] = _iris(side, 0)
        for i in range(6):
            found[f"eyelid_{side}_{i}"] = _eyelid(side, i * 60)
        found[f"iris_{side}_left"], found[f"iris_{side}_right"] = _iris(side, -1), _iris(side, 1)
    found["nose_tip"] = _towards("nose", 0, 0)
    for name, around in (("right", 0), ("top", 90), ("left", 180), ("bottom", 270)):
        found[f"nose_{name}"] = RimLandmark(part="nose", around=around, others=MUZZLE)
    for side, around in (("left", 180), ("right", 0)):
        found[f"muzzle_{side}"] = RimLandmark(part=f"lobe_{side}", around=around, others=(*SKULL, "snout"))
        found[f"lip_{side}"] = _lips(-0.45 if side == "left" else 0.45, 0)
    found["cleft"] = FaceLandmark(at=_cleft)
    for name, (t, share) in _MOUTH.items():
        found[f"mouth_{name}"] = _lips(t, share)
    found["tongue"] = _lips(0, 1 - TONGUE_HEIGHT, lambda animal: animal.mouth[:, 3] > 0.03)
    found["chin"] = _towards("jaw", 270, 60)
    return found


LANDMARK_DEFINITIONS = _all()
LANDMARKS = tuple(LANDMARK_DEFINITIONS)
assert len(LANDMARKS) == 68


def _places(animal: Anatomy) -> Array:
    """`[N, 68, 3]`, kind by kind: all of a kind at once."""
    parts, n = animal.ellipsoids, len(animal.head)
    index = {name: k for k, name in enumerate(parts.names)}
    points = np.zeros((n, len(LANDMARK_DEFINITIONS), 3))
    kinds = {
        kind: [i for i, mark in enumerate(LANDMARK_DEFINITIONS.values()) if isinstance(mark, kind)]
        for kind in (RimLandmark, SurfaceLandmark)
    }
    rims = [mark for mark in LANDMARK_DEFINITIONS.values() if isinstance(mark, RimLandmark)]
    points[:, kinds[RimLandmark]] = parts.rims(
        [index[rim.part] for rim in rims],
        np.radians([rim.around for rim in rims]),
        np.array([[name in rim.others for name in parts.names] for rim in rims]),
        np.stack([np.zeros(n) if rim.start is None else rim.start(animal) for rim in rims], axis=1),
    )
    surfaces = [mark for mark in LANDMARK_DEFINITIONS.values() if isinstance(mark, SurfaceLandmark)]
    points[:, kinds[SurfaceLandmark]] = parts.world(
        [index[mark.part] for mark in surfaces], np.stack([mark.direction(animal) for mark in surfaces], axis=1)
    )
    on_face = {
        i: mark.at(animal) for i, mark in enumerate(LANDMARK_DEFINITIONS.values()) if isinstance(mark, FaceLandmark)
    }
    x, y = (np.stack([place[j] for place in on_face.values()], axis=1) for j in (0, 1))
    points[:, list(on_face)] = animal.on_face(x, y)
    outline = {
        i: mark.around for i, mark in enumerate(LANDMARK_DEFINITIONS.values()) if isinstance(mark, OutlineLandmark)
    }
    points[:, list(outline)] = parts.outline([index[name] for name in SKULL], np.radians(list(outline.values())))
    return points


def locate_landmarks(animal: Anatomy) -> Landmarks:
    """The landmarks of animals."""
    points = _places(animal)
    may_hide = np.array(
        [[name not in mark.with_it for name in animal.ellipsoids.names] for mark in LANDMARK_DEFINITIONS.values()]
    )
    margin = np.array([mark.margin for mark in LANDMARK_DEFINITIONS.values()])
    hidden = np.any(animal.ellipsoids.hides(points, margin) & may_hide, axis=-1)
    for i, mark in enumerate(LANDMARK_DEFINITIONS.values()):
        if mark.shown is not None:
            hidden[:, i] |= ~mark.shown(animal)
    flat = points[..., :2]
    return Landmarks(flat, ~hidden & (np.abs(flat) < 1).all(axis=2))
