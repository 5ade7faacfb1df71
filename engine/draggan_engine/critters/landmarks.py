"""The 68 landmarks of an animal: named points of its surface, where the picture shows them, and whether it does.

Numpy only. All but the head's outline are points of the animal itself, which move with its head: rims, where one
part comes out of the others, and the tips of parts. The outline is what the viewer sees as such, as in the
annotations of faces: it slides over the head as the head turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIDES = ("left", "right")  # in the picture, from the viewer's side
HIDDEN_BY = 0.03
"""How much nearer to the viewer (picture plane units) another surface has to be to hide a point: less is the rounding
of a rim, where both surfaces meet."""


@dataclass(frozen=True)
class Ellipsoids:
    """The K parts of N animals.

    Attributes:
        names: of the parts, K.
        centre: `[N, K, 3]`.
        axes: `[N, K, 3, 3]`, the axes' directions are its columns.
        radii: `[N, K, 3]`.
    """

    names: tuple[str, ...]
    centre: Array
    axes: Array
    radii: Array

    def local(self, part: str, points: Array) -> Array:
        """World → a part's own frame, in which it is the unit sphere; `[N, 3]`."""
        k = self.names.index(part)
        turned = np.einsum("nij,ni->nj", self.axes[:, k], points - self.centre[:, k])
        scaled: Array = turned / self.radii[:, k]
        return scaled

    def world(self, part: str, direction: Array) -> Array:
        """The point of a part's surface that is `direction` `[N, 3]`, unit, in its own frame; `[N, 3]`."""
        k = self.names.index(part)
        point: Array = self.centre[:, k] + np.einsum("nij,nj->ni", self.axes[:, k], direction * self.radii[:, k])
        return point

    def surface(self, part: str, around: float, away: Array | float) -> Array:
        """By angles: `away` from the part's front (radians), in the direction `around` (degrees; 0 right, 90 up)."""
        away = np.broadcast_to(away, len(self.centre))
        across = math.radians(around)
        return self.world(
            part, np.stack([np.sin(away) * math.cos(across), np.sin(away) * math.sin(across), np.cos(away)], axis=-1)
        )

    def rim(self, part: str, around: float, others: Sequence[str]) -> Array:
        """Where a part's surface, followed from its front in a direction, enters one of the others, or else turns away
        from the front."""
        near, far = np.zeros(len(self.centre)), np.full(len(self.centre), math.pi / 2)
        for _ in range(20):
            middle = (near + far) / 2
            point = self.surface(part, around, middle)
            inside = np.any([np.sum(self.local(other, point) ** 2, axis=-1) < 1 for other in others], axis=0)
            near, far = np.where(inside, near, middle), np.where(inside, middle, far)
        return self.surface(part, around, near)

    def silhouette(self, part: str, around: float) -> Array:
        """The point of a part that lies farthest in a direction of the picture."""
        k = self.names.index(part)
        across = math.radians(around)
        shape = self.axes[:, k] * self.radii[:, k, None, :]
        shape = shape @ shape.transpose(0, 2, 1)
        along = shape @ np.array([math.cos(across), math.sin(across), 0.0])
        length = np.sqrt(along[:, 0] * math.cos(across) + along[:, 1] * math.sin(across))
        point: Array = self.centre[:, k] + along / length[:, None]
        return point

    def hides(self, part: str, points: Array) -> NDArray[np.bool_]:
        """`[N]`: whether a part stands between the viewer and the points."""
        k = self.names.index(part)
        inverse = self.axes[:, k] / self.radii[:, k, None, :]
        quadric = inverse @ inverse.transpose(0, 2, 1)
        d = points - self.centre[:, k]
        # Along the line of sight the quadric is a z² + 2 b z + c = 0, z counted from the part's centre.
        a = quadric[:, 2, 2]
        b = quadric[:, 0, 2] * d[:, 0] + quadric[:, 1, 2] * d[:, 1]
        c = quadric[:, 0, 0] * d[:, 0] ** 2 + 2 * quadric[:, 0, 1] * d[:, 0] * d[:, 1] + quadric[:, 1, 1] * d[:, 1] ** 2
        under = b**2 - a * (c - 1)
        front = (np.sqrt(np.maximum(under, 0)) - b) / a
        hidden: NDArray[np.bool_] = (under > 0) & (front > d[:, 2] + HIDDEN_BY)
        return hidden


@dataclass(frozen=True)
class Landmarks:
    """Of N animals.

    Attributes:
        points: `[N, 68, 2]` in the picture plane.
        visible: `[N, 68]`: inside the picture and not hidden by another part, or by the near side of its own.
    """

    points: Array
    visible: NDArray[np.bool_]


@dataclass(frozen=True)
class _Landmark:
    """How one is found: from the parts and the gaze; which parts do not hide it."""

    find: Callable[[Ellipsoids, Array], Array]
    with_it: tuple[str, ...] = ()


def _rim(part: str, around: float, others: tuple[str, ...], with_it: tuple[str, ...] = ()) -> _Landmark:
    return _Landmark(lambda parts, _: parts.rim(part, around, others), with_it)


def _surface(part: str, around: float, away: float, with_it: tuple[str, ...] = ()) -> _Landmark:
    return _Landmark(lambda parts, _: parts.surface(part, around, math.radians(away)), with_it)


def _outline(around: float) -> _Landmark:
    return _Landmark(lambda parts, _: parts.silhouette("head", around), ("head",))


def _cleft(parts: Ellipsoids, _: Array) -> Array:
    """Where the lobes of the muzzle meet below the nose: on the left one, in the head's middle plane."""
    left, right = (parts.names.index(lobe) for lobe in _LOBES)
    half = np.linalg.norm(parts.centre[:, right] - parts.centre[:, left], axis=1) / 2
    x = half / parts.radii[:, left, 0]
    y = np.full(len(x), -0.35)
    return parts.world("lobe_left", np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], axis=-1))


_LOBES = ("lobe_left", "lobe_right")
_EAR = (("inner_low", 10), ("inner_high", 50), ("outer_high", 130), ("outer_low", 170))  # of the left one
_MOUTH = ("right", "upper_right", "top", "upper_left", "left", "lower_left", "bottom", "lower_right")


def _all() -> dict[str, _Landmark]:
    found = {f"outline_{i:02d}": _outline(i * 22.5) for i in range(16)}
    for side in SIDES:
        ear, hollow = own = (f"ear_{side}", f"ear_hollow_{side}")
        found[f"ear_tip_{side}"] = _surface(ear, 90, 90, own)
        for name, around in _EAR:
            found[f"ear_{name}_{side}"] = _surface(ear, around if side == "left" else 180 - around, 90, own)
        found[f"{hollow}_tip"] = _rim(hollow, 90, (ear,), (hollow,))
        found[f"{hollow}_base"] = _rim(hollow, 270, (ear, "head"), (hollow,))
    for side in SIDES:
        # To the eye these are one thing: none of them hides a landmark of another.
        white, iris, pupil = eye = (f"eye_{side}", f"iris_{side}", f"pupil_{side}")
        found[white] = _Landmark(lambda parts, gaze, pupil=pupil: parts.world(pupil, gaze), eye)  # type: ignore[misc]
        for i in range(6):
            found[f"eyelid_{side}_{i}"] = _rim(white, i * 60, ("head", *_LOBES, "nose"), eye)
        found[f"{iris}_left"], found[f"{iris}_right"] = (_rim(iris, around, (white,), eye) for around in (180, 0))
    found["nose_tip"] = _surface("nose", 0, 0)
    for name, around in (("right", 0), ("top", 90), ("left", 180), ("bottom", 270)):
        found[f"nose_{name}"] = _rim("nose", around, _LOBES)
    for side, around in (("left", 180), ("right", 0)):
        found[f"muzzle_{side}"] = _rim(f"lobe_{side}", around, ("head",))
        found[f"lip_{side}"] = _rim(f"lobe_{side}", 270, ("mouth", "jaw"))
    found["cleft"] = _Landmark(_cleft)
    for i, name in enumerate(_MOUTH):
        found[f"mouth_{name}"] = _rim("mouth", i * 45, ("jaw", "head", *_LOBES), ("mouth", "tongue"))
    found["tongue"] = _surface("tongue", 0, 0, ("mouth", "tongue"))
    found["chin"] = _surface("jaw", 270, 60)
    return found


_LANDMARKS = _all()
LANDMARKS = tuple(_LANDMARKS)
assert len(LANDMARKS) == 68


def find(parts: Ellipsoids, gaze: Array) -> Landmarks:
    """The landmarks of animals; `gaze` `[N, 3]` is where their eyes look, unit, in the head's frame."""
    points = np.stack([landmark.find(parts, gaze) for landmark in _LANDMARKS.values()], axis=1)
    hidden = np.stack(
        [
            np.any([parts.hides(part, points[:, i]) for part in parts.names if part not in landmark.with_it], axis=0)
            for i, landmark in enumerate(_LANDMARKS.values())
        ],
        axis=1,
    )
    flat = points[..., :2]
    return Landmarks(flat, ~hidden & (np.abs(flat) < 1).all(axis=2))
