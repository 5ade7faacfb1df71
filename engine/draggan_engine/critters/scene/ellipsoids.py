"""Solids in closed form: ellipsoids, some of them paired (pointed) or cut by a plane (eyelids). Numpy only.

A part is where two equal ellipsoids overlap, set apart along their own x axis: at distance 0 they are one, round;
farther apart their overlap is a pointed leaf. A plane may cut it. The viewer looks along −z.
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
        names: of the parts, K.
        centre: `[N, K, 3]`.
        axes: `[N, K, 3, 3]`, the axes' directions are its columns.
        radii: `[N, K, 3]`, of each of the two ellipsoids.
        apart: `[N, K]`, 0 … 1: each of the two is so many x radii from the centre.
        cut: `[N, K, 4]`: a direction and a distance; what lies farther that way from the centre is cut off.
    """

    names: tuple[str, ...]
    centre: Array
    axes: Array
    radii: Array
    apart: Array
    cut: Array

    def local(self, points: Array) -> Array:
        """World `[N, L, 3]` → each part's own frame, in which its ellipsoids are unit spheres; `[N, L, K, 3]`."""
        away = points[:, :, None] - self.centre[:, None]
        turned: Array = np.einsum("nkij,nlki->nlkj", self.axes / self.radii[:, :, None, :], away, optimize=True)
        return turned

    def placed(self, which: Sequence[int], local: Array) -> Array:
        """The L parts' own frames → world, `[N, L, 3]`."""
        point: Array = self.centre[:, which] + np.einsum(
            "nlij,nlj->nli", self.axes[:, which], local * self.radii[:, which]
        )
        return point

    def world(self, which: Sequence[int], direction: Array) -> Array:
        """The points of the L parts' uncut surfaces that are `direction` `[N, L, 3]`, unit, in their own frames."""
        apart = self.apart[:, which]
        along = np.abs(direction[..., 0])
        reach = np.sqrt(1 - apart**2 + (apart * along) ** 2) - apart * along
        return self.placed(which, direction * reach[..., None])

    def inside(self, points: Array, within: Array | float = 1.0) -> NDArray[np.bool_]:
        """`[N, L, K]`: whether points are in each part, or deep in it (`within` less than 1)."""
        local = self.local(points)
        far = (np.abs(local[..., 0]) + self.apart[:, None]) ** 2 + local[..., 1] ** 2 + local[..., 2] ** 2
        away = points[:, :, None] - self.centre[:, None]
        beyond = np.sum(self.cut[:, None, :, :3] * away, axis=-1) - self.cut[:, None, :, 3]
        within_it: NDArray[np.bool_] = (far < within) & (beyond < 1e-12)
        return within_it

    def rims(self, which: Sequence[int], around: Array, others: NDArray[np.bool_], start: Array) -> Array:
        """Where each of L parts' surfaces, followed from the start in a direction, enters one of the others, or else
        turns away from the start.

        Args:
            which: the L parts.
            around: `[L]` radians; 0 right, π/2 up.
            others: `[L, K]`.
            start: `[N, L]`, how high the start lies above the part's own front, radians.
        """
        sin, cos = np.sin(start), np.cos(start)

        def point(away: Array) -> Array:
            x, y, z = np.sin(away) * np.cos(around), np.sin(away) * np.sin(around), np.cos(away)
            return self.world(which, np.stack([x, y * cos + z * sin, z * cos - y * sin], axis=-1))

        near, far = np.zeros(start.shape), np.full(start.shape, math.pi / 2)
        for _ in range(18):
            middle = (near + far) / 2
            within = np.any(self.inside(point(middle)) & others, axis=-1)
            near, far = np.where(within, near, middle), np.where(within, middle, far)
        return point(near)

    def outline(self, members: Sequence[int], around: Array) -> Array:
        """Where the silhouette of some parts together is farthest from the first one's centre, in L directions of the
        picture (`around`, radians); `[N, L, 3]`."""
        way = np.stack([np.cos(around), np.sin(around)], axis=-1)
        origin = self.centre[:, members[0]]
        best, found = np.full((len(origin), len(around)), -np.inf), np.zeros((len(origin), len(around), 3))
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
            found = np.where((reach > best)[..., None], point, found)
            best = np.maximum(best, reach)
        return found

    def fronts(self, points: Array, way: Array) -> Array:
        """How far beyond points `[N, L, 3]`, in a direction `[N, 3]`, each part's far side lies; `[N, L, K]`, −∞ where the
        line misses it."""
        a = self.quadrics()
        aw = np.einsum("nkij,nj->nki", a, way)
        aa = np.einsum("nki,ni->nk", aw, way)[:, None]
        away = points[:, :, None] - self.centre[:, None]
        near, far = np.full(away.shape[:-1], np.inf), np.full(away.shape[:-1], -np.inf)
        there = np.ones(away.shape[:-1], dtype=bool)
        offset = self.axes[..., 0] * (self.radii[..., 0] * self.apart)[..., None]
        for sign in (-1, 1):
            d = away - sign * offset[:, None]
            b = np.sum(aw[:, None] * d, axis=-1)
            c = np.sum(np.einsum("nkij,nlkj->nlki", a, d, optimize=True) * d, axis=-1) - 1
            under = b**2 - aa * c
            there &= under > 0
            root = np.sqrt(np.maximum(under, 0))
            near, far = np.minimum(near, (root - b) / aa), np.maximum(far, (-root - b) / aa)
        slope = np.einsum("nki,ni->nk", self.cut[..., :3], way)[:, None]
        left = self.cut[:, None, :, 3] - np.sum(self.cut[:, None, :, :3] * away, axis=-1)
        reach = left / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        near = np.where(slope > 1e-9, np.minimum(near, reach), near)
        far = np.where(slope < -1e-9, np.maximum(far, reach), far)
        there &= (np.abs(slope) > 1e-9) | (left >= 0)
        return np.where(there & (near > far), near, -np.inf)

    def hides(self, points: Array, margin: Array) -> NDArray[np.bool_]:
        """`[N, L, K]`: whether each part stands between the viewer and the points, or holds them inside; by more than a
        margin `[L]` (picture plane units)."""
        viewer = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (len(points), 3))
        within = 1 - 10 / 3 * margin[:, None]  # of the squared distance from a part's centre, in its radii
        hidden: NDArray[np.bool_] = (self.fronts(points, viewer) > margin[:, None]) | self.inside(points, within)
        return hidden

    def quadrics(self) -> Array:
        """`[N, K, 3, 3]`: A in (p−c)ᵀA(p−c) = 1."""
        inverse = self.axes / self.radii[:, :, None, :]
        matrix: Array = inverse @ inverse.transpose(0, 1, 3, 2)
        return matrix


class EllipsoidsBuilder:
    """Collects the parts, given in a frame of the animal's."""

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
        """One part of all animals; `centre`, `axes` and `cut` are in the picture's frame, as `Parts` has them."""
        apart = np.zeros(self.n) if apart is None else apart
        cut = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (self.n, 4)) if cut is None else cut
        self._parts[name] = centre, axes, radii, apart, cut

    def parts(self) -> Ellipsoids:
        centre, axes, radii, apart, cut = (
            np.stack([part[i] for part in self._parts.values()], axis=1) for i in range(5)
        )
        return Ellipsoids(tuple(self._parts), centre, axes, radii, apart, cut)


def rotation_matrices(yaw: Array, pitch: Array, roll: Array) -> Array:
    """`[N, 3, 3]`: roll about z, then pitch about x (positive looks up), then yaw about y (positive looks right)."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    ry = np.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).reshape(-1, 3, 3)
    rx = np.stack([one, zero, zero, zero, cp, sp, zero, -sp, cp], -1).reshape(-1, 3, 3)
    rz = np.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    return ry @ rx @ rz  # type: ignore[no-any-return]


def broadcast_vectors(x: Array | float, y: Array | float, z: Array | float, n: int) -> Array:
    """`[N, 3]` of components that are numbers or `[N]`."""
    return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (n,)) for v in (x, y, z)], axis=-1)
