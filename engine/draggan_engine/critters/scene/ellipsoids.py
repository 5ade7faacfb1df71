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
        centre_offsets = points[:, :, None] - self.centre[:, None]
        local_points: Array = np.einsum(
            "nkij,nlki->nlkj", self.axes / self.radii[:, :, None, :], centre_offsets, optimize=True
        )
        return local_points

    def to_world(self, part_indices: Sequence[int], local_points: Array) -> Array:
        """Return points `[N, L, 3]` in the world from points in the own frames of L parts."""
        world_points: Array = self.centre[:, part_indices] + np.einsum(
            "nlij,nlj->nli", self.axes[:, part_indices], local_points * self.radii[:, part_indices]
        )
        return world_points

    def surface_points(self, part_indices: Sequence[int], unit_directions: Array) -> Array:
        """Return the points of L parts' uncut surfaces in unit directions `[N, L, 3]` of their own frames."""
        apart = self.apart[:, part_indices]
        x_shares = np.abs(unit_directions[..., 0])
        surface_radii = np.sqrt(1 - apart**2 + (apart * x_shares) ** 2) - apart * x_shares
        return self.to_world(part_indices, unit_directions * surface_radii[..., None])

    def contains(self, points: Array, squared_limit: Array | float = 1.0) -> NDArray[np.bool_]:
        """Return whether points are inside each part, `[N, L, K]`.

        Args:
            squared_limit: of the squared distance in a part's own frame; points must be deep inside if it is less than 1.
        """
        local_points = self.to_local(points)
        squared_distance = (
            (np.abs(local_points[..., 0]) + self.apart[:, None]) ** 2
            + local_points[..., 1] ** 2
            + local_points[..., 2] ** 2
        )
        centre_offsets = points[:, :, None] - self.centre[:, None]
        cut_excess = np.sum(self.cut[:, None, :, :3] * centre_offsets, axis=-1) - self.cut[:, None, :, 3]
        within_it: NDArray[np.bool_] = (squared_distance < squared_limit) & (cut_excess < 1e-12)
        return within_it

    def rim_points(
        self, part_indices: Sequence[int], direction_angles: Array, can_enter: NDArray[np.bool_], start_angles: Array
    ) -> Array:
        """Follow the surfaces of L parts from a start point to where they enter another part.

        A surface that enters no other part is followed for a quarter turn.

        Args:
            part_indices: the indices of the L parts.
            direction_angles: the directions `[L]`, radians; 0 is right, π/2 up.
            can_enter: `[L, K]`, the parts that may be entered.
            start_angles: `[N, L]`, how far the start point is above the part's own front, radians.
        """
        start_sin, start_cos = np.sin(start_angles), np.cos(start_angles)

        def point(front_angles: Array) -> Array:
            x, y, z = (
                np.sin(front_angles) * np.cos(direction_angles),
                np.sin(front_angles) * np.sin(direction_angles),
                np.cos(front_angles),
            )
            return self.surface_points(
                part_indices, np.stack([x, y * start_cos + z * start_sin, z * start_cos - y * start_sin], axis=-1)
            )

        near_angle, far_angle = np.zeros(start_angles.shape), np.full(start_angles.shape, math.pi / 2)
        for _ in range(18):
            middle_angle = (near_angle + far_angle) / 2
            is_inside = np.any(self.contains(point(middle_angle)) & can_enter, axis=-1)
            near_angle, far_angle = (
                np.where(is_inside, near_angle, middle_angle),
                np.where(is_inside, middle_angle, far_angle),
            )
        return point(near_angle)

    def silhouette_points(self, member_indices: Sequence[int], direction_angles: Array) -> Array:
        """Return where the silhouette of some parts is farthest from the first part's centre, `[N, L, 3]`.

        Args:
            member_indices: the indices of the parts.
            direction_angles: L directions in the image, radians.
        """
        image_directions = np.stack([np.cos(direction_angles), np.sin(direction_angles)], axis=-1)
        first_centre = self.centre[:, member_indices[0]]
        best_reach = np.full((len(first_centre), len(direction_angles)), -np.inf)
        best_points = np.zeros((*best_reach.shape, 3))
        for k in member_indices:
            a = self.quadrics()[:, k]
            flat_quadrics = a[:, :2, :2] - a[:, :2, 2:] * a[:, 2:, :2] / a[:, 2:, 2:]
            d = first_centre[:, :2] - self.centre[:, k, :2]
            aa = np.einsum("li,nij,lj->nl", image_directions, flat_quadrics, image_directions)
            bb = np.einsum("li,nij,nj->nl", image_directions, flat_quadrics, d)
            root_argument = bb**2 - aa * (np.einsum("ni,nij,nj->n", d, flat_quadrics, d) - 1)[:, None]
            edge_distance = np.where(root_argument > 0, (np.sqrt(np.maximum(root_argument, 0)) - bb) / aa, -1.0)
            at = d[:, None] + edge_distance[..., None] * image_directions
            z = self.centre[:, k, None, 2] - np.einsum("ni,nli->nl", a[:, :2, 2], at) / a[:, 2, 2, None]
            edge_points = np.concatenate([at + self.centre[:, k, None, :2], z[..., None]], axis=-1)
            best_points = np.where((edge_distance > best_reach)[..., None], edge_points, best_points)
            best_reach = np.maximum(best_reach, edge_distance)
        return best_points

    def far_distances(self, points: Array, ray_directions: Array) -> Array:
        """Return the distance from points `[N, L, 3]` to the far side of each part in a direction `[N, 3]`.

        Returns:
            `[N, L, K]`; −∞ where the line misses the part.
        """
        a = self.quadrics()
        aw = np.einsum("nkij,nj->nki", a, ray_directions)
        aa = np.einsum("nki,ni->nk", aw, ray_directions)[:, None]
        centre_offsets = points[:, :, None] - self.centre[:, None]
        near_distance = np.full(centre_offsets.shape[:-1], np.inf)
        far_distance = np.full(centre_offsets.shape[:-1], -np.inf)
        is_hit = np.ones(centre_offsets.shape[:-1], dtype=bool)
        ellipsoid_offset = self.axes[..., 0] * (self.radii[..., 0] * self.apart)[..., None]
        for offset_sign in (-1, 1):
            d = centre_offsets - offset_sign * ellipsoid_offset[:, None]
            b = np.sum(aw[:, None] * d, axis=-1)
            c = np.sum(np.einsum("nkij,nlkj->nlki", a, d, optimize=True) * d, axis=-1) - 1
            root_argument = b**2 - aa * c
            is_hit &= root_argument > 0
            square_root = np.sqrt(np.maximum(root_argument, 0))
            near_distance = np.minimum(near_distance, (square_root - b) / aa)
            far_distance = np.maximum(far_distance, (-square_root - b) / aa)
        cut_slope = np.einsum("nki,ni->nk", self.cut[..., :3], ray_directions)[:, None]
        cut_distance = self.cut[:, None, :, 3] - np.sum(self.cut[:, None, :, :3] * centre_offsets, axis=-1)
        plane_distance = cut_distance / np.where(np.abs(cut_slope) < 1e-9, 1e-9, cut_slope)
        near_distance = np.where(cut_slope > 1e-9, np.minimum(near_distance, plane_distance), near_distance)
        far_distance = np.where(cut_slope < -1e-9, np.maximum(far_distance, plane_distance), far_distance)
        is_hit &= (np.abs(cut_slope) > 1e-9) | (cut_distance >= 0)
        return np.where(is_hit & (near_distance > far_distance), near_distance, -np.inf)

    def hides(self, points: Array, depth_margins: Array) -> NDArray[np.bool_]:
        """Return whether each part is between the viewer and the points, or contains them, `[N, L, K]`.

        Args:
            depth_margins: `[L]`; smaller depths do not count (image plane units).
        """
        viewer_directions = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (len(points), 3))
        squared_limit = 1 - 10 / 3 * depth_margins[:, None]
        is_hidden: NDArray[np.bool_] = (
            self.far_distances(points, viewer_directions) > depth_margins[:, None]
        ) | self.contains(points, squared_limit)
        return is_hidden

    def quadrics(self) -> Array:
        """Return A of (p−c)ᵀA(p−c) = 1, `[N, K, 3, 3]`."""
        inverse_axes = self.axes / self.radii[:, :, None, :]
        quadric_matrices: Array = inverse_axes @ inverse_axes.transpose(0, 1, 3, 2)
        return quadric_matrices


class EllipsoidsBuilder:
    """Collects the parts of N animals."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._parts: dict[str, tuple[Array, Array, Array, Array, Array]] = {}

    def add(
        self,
        part_name: str,
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
        self._parts[part_name] = centre, axes, radii, apart, cut

    def build(self) -> Ellipsoids:
        centre, axes, radii, apart, cut = (
            np.stack([part_arrays[i] for part_arrays in self._parts.values()], axis=1) for i in range(5)
        )
        return Ellipsoids(tuple(self._parts), centre, axes, radii, apart, cut)


def rotation_matrices(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Return `[N, 3, 3]`: roll about z, then pitch about x (positive: up), then yaw about y (positive: right)."""
    all_zeros, all_ones = np.zeros_like(yaw), np.ones_like(yaw)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    ry = np.stack([cy, all_zeros, sy, all_zeros, all_ones, all_zeros, -sy, all_zeros, cy], -1).reshape(-1, 3, 3)
    rx = np.stack([all_ones, all_zeros, all_zeros, all_zeros, cp, sp, all_zeros, -sp, cp], -1).reshape(-1, 3, 3)
    rz = np.stack([cr, -sr, all_zeros, sr, cr, all_zeros, all_zeros, all_zeros, all_ones], -1).reshape(-1, 3, 3)
    return ry @ rx @ rz  # type: ignore[no-any-return]


def broadcast_vectors(x: Array | float, y: Array | float, z: Array | float, n: int) -> Array:
    """Return vectors `[N, 3]` of components that are numbers or `[N]`."""
    return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (n,)) for v in (x, y, z)], axis=-1)
