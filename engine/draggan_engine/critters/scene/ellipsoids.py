"""Parts of an animal's body as ellipsoids, some of them pointed (ears) or cut by a plane (eyelids). Numpy only.

A part is the overlap of two equal ellipsoids that are set apart along their own x axis. At distance 0 they are one; with a
larger distance their overlap is a pointed leaf. A plane may cut a part. The viewer looks along −z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ellipsoids:
    """The K parts of N animals.

    Attributes:
        names: the K names of the parts.
        centre: `[N, K, 3]`.
        axes: `[N, K, 3, 3]`; the columns are the directions of the axes.
        radii: `[N, K, 3]` of each of the two ellipsoids.
        apart: `[N, K]`, the distance of each of the two ellipsoids from the centre in x radii, 0 … 1.
        cut: `[N, K, 4]`, a direction and a distance; what is farther from the centre in this direction is cut off.
    """

    names: tuple[str, ...]
    centre: Array
    axes: Array
    radii: Array
    apart: Array
    cut: Array

    def to_local(self, points: Array) -> Array:
        """Return points `[N, L, 3]` in each part's own frame, in which its ellipsoids are unit spheres, `[N, L, K, 3]`."""
        away = points[:, :, None] - self.centre[:, None]
        turned: Array = np.einsum("nkij,nlki->nlkj", self.axes / self.radii[:, :, None, :], away, optimize=True)
        return turned

    def to_world(self, which: Sequence[int], local: Array) -> Array:
        """Return points `[N, L, 3]` in the world from points in the own frames of L parts."""
        point: Array = self.centre[:, which] + np.einsum(
            "nlij,nlj->nli", self.axes[:, which], local * self.radii[:, which]
        )
        return point

    def surface_points(self, which: Sequence[int], direction: Array) -> Array:
        """Return the points of L parts' uncut surfaces in unit directions `[N, L, 3]` of their own frames."""
        apart = self.apart[:, which]
        along = np.abs(direction[..., 0])
        reach = np.sqrt(1 - apart**2 + (apart * along) ** 2) - apart * along
        return self.to_world(which, direction * reach[..., None])

    def contains(self, points: Array, within: Array | float = 1.0) -> NDArray[np.bool_]:
        """Return whether points are inside each part, `[N, L, K]`. With `within` less than 1 they must be deep inside."""
        local = self.to_local(points)
        far = (np.abs(local[..., 0]) + self.apart[:, None]) ** 2 + local[..., 1] ** 2 + local[..., 2] ** 2
        away = points[:, :, None] - self.centre[:, None]
        beyond = np.sum(self.cut[:, None, :, :3] * away, axis=-1) - self.cut[:, None, :, 3]
        within_it: NDArray[np.bool_] = (far < within) & (beyond < 1e-12)
        return within_it

    def rim_points(self, which: Sequence[int], around: Array, others: NDArray[np.bool_], start: Array) -> Array:
        """Follow the surfaces of L parts from a start point to where they enter another part.

        A surface that enters no other part is followed for a quarter turn.

        Args:
            which: the indices of the L parts.
            around: the directions `[L]`, radians; 0 is right, π/2 up.
            others: `[L, K]`, the parts that may be entered.
            start: `[N, L]`, how far the start point is above the part's own front, radians.
        """
        sin, cos = np.sin(start), np.cos(start)

        def point(away: Array) -> Array:
            x, y, z = np.sin(away) * np.cos(around), np.sin(away) * np.sin(around), np.cos(away)
            return self.surface_points(which, np.stack([x, y * cos + z * sin, z * cos - y * sin], axis=-1))

        near, far = np.zeros(start.shape), np.full(start.shape, math.pi / 2)
        for _ in range(18):
            middle = (near + far) / 2
            within = np.any(self.contains(point(middle)) & others, axis=-1)
            near, far = np.where(within, near, middle), np.where(within, middle, far)
        return point(near)

    def silhouette_points(self, members: Sequence[int], around: Array) -> Array:
        """Return where the silhouette of some parts is farthest from the first part's centre, `[N, L, 3]`.

        Args:
            members: the indices of the parts.
            around: L directions in the image, radians.
        """
        way = np.stack([np.cos(around), np.sin(around)], axis=-1)
        origin = self.centre[:, members[0]]
        best_reach, points = np.full((len(origin), len(around)), -np.inf), np.zeros((len(origin), len(around), 3))
        for k in members:
            a = self.quadrics()[:, k]
            flat = a[:, :2, :2] - a[:, :2, 2:] * a[:, 2:, :2] / a[:, 2:, 2:]
            d = origin[:, :2] - self.centre[:, k, :2]
            aa = np.einsum("li,nij,lj->nl", way, flat, way)
            bb = np.einsum("li,nij,nj->nl", way, flat, d)
            under = bb**2 - aa * (np.einsum("ni,nij,nj->n", d, flat, d) - 1)[:, None]
            reach = np.where(under > 0, (np.sqrt(np.maximum(under, 0)) - bb) / aa, -1.0)
            at = d[:, None] + reach[..., None] * way
            z = self.centre[:, k, None, 2] - np.einsum("ni,nli->nl", a[:, :2, 2], at) / a[:, 2, 2, None]
            point = np.concatenate([at + self.centre[:, k, None, :2], z[..., None]], axis=-1)
            points = np.where((reach > best_reach)[..., None], point, points)
            best_reach = np.maximum(best_reach, reach)
        return points

    def far_distances(self, points: Array, way: Array) -> Array:
        """Return the distance from points `[N, L, 3]` to the far side of each part in a direction `[N, 3]`.

        Returns:
            `[N, L, K]`; −∞ where the line misses the part.
        """
        a = self.quadrics()
        aw = np.einsum("nkij,nj->nki", a, way)
        aa = np.einsum("nki,ni->nk", aw, way)[:, None]
        away = points[:, :, None] - self.centre[:, None]
        near, far = np.full(away.shape[:-1], np.inf), np.full(away.shape[:-1], -np.inf)
        is_hit = np.ones(away.shape[:-1], dtype=bool)
        offset = self.axes[..., 0] * (self.radii[..., 0] * self.apart)[..., None]
        for sign in (-1, 1):
            d = away - sign * offset[:, None]
            b = np.sum(aw[:, None] * d, axis=-1)
            c = np.sum(np.einsum("nkij,nlkj->nlki", a, d, optimize=True) * d, axis=-1) - 1
            under = b**2 - aa * c
            is_hit &= under > 0
            root = np.sqrt(np.maximum(under, 0))
            near, far = np.minimum(near, (root - b) / aa), np.maximum(far, (-root - b) / aa)
        slope = np.einsum("nki,ni->nk", self.cut[..., :3], way)[:, None]
        left = self.cut[:, None, :, 3] - np.sum(self.cut[:, None, :, :3] * away, axis=-1)
        reach = left / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        near = np.where(slope > 1e-9, np.minimum(near, reach), near)
        far = np.where(slope < -1e-9, np.maximum(far, reach), far)
        is_hit &= (np.abs(slope) > 1e-9) | (left >= 0)
        return np.where(is_hit & (near > far), near, -np.inf)

    def hides(self, points: Array, margin: Array) -> NDArray[np.bool_]:
        """Return whether each part is between the viewer and the points, or contains them, `[N, L, K]`.

        Args:
            margin: `[L]`; smaller depths do not count (image plane units).
        """
        viewer = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (len(points), 3))
        within = 1 - 10 / 3 * margin[:, None]  # of the squared distance from a part's centre, in its radii
        hidden: NDArray[np.bool_] = (self.far_distances(points, viewer) > margin[:, None]) | self.contains(
            points, within
        )
        return hidden

    def quadrics(self) -> Array:
        """Return A of (p−c)ᵀA(p−c) = 1, `[N, K, 3, 3]`."""
        inverse = self.axes / self.radii[:, :, None, :]
        matrix: Array = inverse @ inverse.transpose(0, 1, 3, 2)
        return matrix


class EllipsoidsBuilder:
    """Collects the parts of N animals."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._parts: dict[str, tuple[Array, Array, Array, Array, Array]] = {}

    def add(
        self,
        name: str,
        centre: Array,
        axes: Array,
        radii: Array,
        *,
        apart: Array | None = None,
        cut: Array | None = None,
    ) -> None:
        """Add one part of all animals, in the frame of the image, with the shapes of `Ellipsoids` without K."""
        apart = np.zeros(self.n) if apart is None else apart
        cut = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (self.n, 4)) if cut is None else cut
        self._parts[name] = centre, axes, radii, apart, cut

    def build(self) -> Ellipsoids:
        centre, axes, radii, apart, cut = (
            np.stack([part[i] for part in self._parts.values()], axis=1) for i in range(5)
        )
        return Ellipsoids(tuple(self._parts), centre, axes, radii, apart, cut)


def rotation_matrices(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Return `[N, 3, 3]`: roll about z, then pitch about x (positive: up), then yaw about y (positive: right)."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    ry = np.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).reshape(-1, 3, 3)
    rx = np.stack([one, zero, zero, zero, cp, sp, zero, -sp, cp], -1).reshape(-1, 3, 3)
    rz = np.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    return ry @ rx @ rz  # type: ignore[no-any-return]


def broadcast_vectors(x: Array | float, y: Array | float, z: Array | float, n: int) -> Array:
    """Return vectors `[N, 3]` of components that are numbers or `[N]`."""
    return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (n,)) for v in (x, y, z)], axis=-1)
