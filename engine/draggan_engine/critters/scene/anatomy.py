"""The parts of an animal from its parameters and traits: position, size and rotation. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .ellipsoids import Array, Ellipsoids, EllipsoidsBuilder, broadcast_vectors, rotation_matrices
from .mouth import LIP_SAG

SIDES = ("left", "right")  # in the image
HEAD_CENTRE = np.array([0.0, -0.12, 0.0])
LID_THICKNESS = 1.08
MUZZLE_DEPTH = 0.80
"""How far the muzzle's centre is in front of the head's centre, in radii of the head."""
WHISKERS_PER_SIDE = 3
SKULL_ELLIPSOIDS = ("head", "cheek_left", "cheek_right")
MUZZLE_ELLIPSOIDS = ("snout", "lobe_left", "lobe_right", "jaw")
FACE_ELLIPSOIDS = (*SKULL_ELLIPSOIDS, *MUZZLE_ELLIPSOIDS)


@dataclass(frozen=True)
class Anatomy:
    """The geometry of N animals. Points and directions are in the frame of the head if not stated otherwise.

    Attributes:
        ellipsoids: the parts.
        head: `[N, 3, 3]`, from the head's frame to the image's.
        iris: `[N]`, the radius of the iris in radii of the eyeball.
        gaze: `[N, 2, 3, 3]`; the rows are right, up and forward of the iris in the eye's own frame.
        opening: `[N, 2, 2]`, the edges of each eye's lower and upper lid, radians above the eye's front.
        mouth: `[N, 4]`: half width, height of the end of the cleft, rise of the corners, gape.
        whiskers: `[N, 6, 2, 3]`, roots and tips in the image's frame.
    """

    ellipsoids: Ellipsoids
    head: Array
    iris: Array
    gaze: Array
    opening: Array
    mouth: Array
    whiskers: Array

    def on_face(self, x: Array, y: Array) -> Array:
        """Return the points of the face at x and y of the head's frame, each `[N, L]`, in the image's frame `[N, L, 3]`."""
        points_behind = HEAD_CENTRE + x[..., None] * self.head[:, None, :, 0] + y[..., None] * self.head[:, None, :, 1]
        head_forward = self.head[:, :, 2]
        face_distance = self.ellipsoids.far_distances(points_behind, head_forward)[
            ..., [self.ellipsoids.names.index(part_name) for part_name in FACE_ELLIPSOIDS]
        ].max(axis=-1)
        surface_point: Array = points_behind + head_forward[:, None] * np.maximum(face_distance, 0)[..., None]
        return surface_point


def build_anatomy(p: Mapping[str, Array], t: Mapping[str, Array]) -> Anatomy:
    """Return the anatomy of animals with parameters `p` and traits `t`, each `[N]`."""
    n = len(p["yaw"])
    head = rotation_matrices(p["yaw"], p["pitch"], p["roll"])
    b = EllipsoidsBuilder(n)
    hx, hy = t["head_width"], t["head_height"]
    hz = 0.48 * (hx + hy)

    def put(
        part_name: str,
        local_centre: Array,
        part_radii: Array,
        local_rotation: Array | None = None,
        apart: Array | None = None,
    ) -> None:
        part_axes = head if local_rotation is None else head @ local_rotation
        b.add(part_name, HEAD_CENTRE + np.einsum("nij,nj->ni", head, local_centre), part_axes, part_radii, apart=apart)

    upright = np.broadcast_to(np.eye(3), (n, 3, 3))
    b.add("body", broadcast_vectors(0, -1.10, -0.34, n), upright, broadcast_vectors(0.34 + 0.36 * hx, 0.64, 0.40, n))
    put("head", broadcast_vectors(0, 0, 0, n), np.stack([hx, hy, hz], -1))
    for side_name, side_sign in zip(SIDES, (-1.0, 1.0), strict=True):
        cheek_size = t["cheek"]
        put(
            f"cheek_{side_name}",
            broadcast_vectors(side_sign * hx * 0.42, -hy * 0.30, hz * 0.12, n),
            np.stack([hx * 0.57 + cheek_size, hy * 0.62 + 0.3 * cheek_size, hz * 0.72], -1),
        )
    for side_name, side_sign in zip(SIDES, (-1.0, 1.0), strict=True):
        lean_angle = t["ear_tilt"] + 0.24 * p[f"ear_tilt_{side_name}"]
        ear_length, ear_sharpness = t["ear_length"], np.clip(t["ear_point"], 0, 0.75)
        place_angle = t["ear_place"]
        ear_root = broadcast_vectors(
            side_sign * hx * np.sin(place_angle) * 0.92, hy * np.cos(place_angle) * 0.92, -0.02, n
        )
        up = broadcast_vectors(side_sign * np.sin(lean_angle), np.cos(lean_angle), 0, n)
        ear_rotation = rotation_matrices(np.zeros(n), np.zeros(n), -side_sign * lean_angle) @ rotation_matrices(
            np.full(n, side_sign * 0.3), np.zeros(n), np.zeros(n)
        )
        ear_radii = np.stack(
            [t["ear_width"] / (1 - ear_sharpness), ear_length / np.sqrt(1 - ear_sharpness**2), np.full(n, 0.075)], -1
        )
        put(
            f"ear_{side_name}",
            ear_root + up * (ear_length * t["ear_root"])[:, None],
            ear_radii,
            ear_rotation,
            ear_sharpness,
        )
    gaze, opening = _add_eyes(b, p, t, head, (hx, hy, hz))
    mouth, whiskers = _add_muzzle(put, p, t, hz)
    whiskers = HEAD_CENTRE + np.einsum("nij,nwej->nwei", head, whiskers)
    return Anatomy(b.build(), head, np.clip(t["iris_size"], 0.3, 0.97), gaze, opening, mouth, whiskers)


def _add_eyes(
    b: EllipsoidsBuilder,
    p: Mapping[str, Array],
    t: Mapping[str, Array],
    head: Array,
    skull_radii: tuple[Array, Array, Array],
) -> tuple[Array, Array]:
    """Add eyes and lids, and return gaze and opening as in `Anatomy`."""
    n, eye_size = b.n, t["eye_size"]
    hx, hy, hz = skull_radii
    zero_angles = np.zeros(n)
    forward_vectors = broadcast_vectors(p["gaze_x"], p["gaze_y"], 1.0, n)
    eye_radii = eye_size[:, None] * np.array([1.0, 1.0, 0.82])
    eye_gazes, lid_openings = [], []
    for side_name, side_sign in zip(SIDES, (-1.0, 1.0), strict=True):
        across_angle, up = t["eye_spacing"], t["eye_height"] / hy * 0.45
        local_centre = broadcast_vectors(
            side_sign * np.sin(across_angle) * hx,
            np.sin(up) * hy,
            np.cos(across_angle) * np.cos(up) * hz - 0.22 * eye_size,
            n,
        )
        slant_rotation = rotation_matrices(zero_angles, zero_angles, side_sign * t["eye_slant"])
        eye_axes = head @ slant_rotation
        eye_centre = HEAD_CENTRE + np.einsum("nij,nj->ni", head, local_centre)
        b.add(f"eye_{side_name}", eye_centre, eye_axes, eye_radii)
        low_angle = -0.92 + 0.34 * p["lid_low"]
        open_share = 1 - (1 - np.clip(p["lid_open"], 0, 1)) ** 4 + 0.7 * side_sign * p["lid_difference"]
        high_angle = low_angle + 0.22 + 1.68 * np.clip(open_share, 0, 1)
        for lid_kind, edge_angle, cut_sign in (("lid", high_angle, -1.0), ("under", low_angle, 1.0)):
            cut_normal = np.einsum(
                "nij,nj->ni",
                eye_axes,
                broadcast_vectors(0, cut_sign * np.cos(edge_angle), -cut_sign * np.sin(edge_angle), n),
            )
            cut_plane = np.concatenate([cut_normal, np.zeros((n, 1))], axis=1)
            b.add(f"{lid_kind}_{side_name}", eye_centre, eye_axes, eye_radii * LID_THICKNESS, cut=cut_plane)
        gaze_direction = np.einsum("nji,nj->ni", slant_rotation, forward_vectors)
        gaze_direction /= np.linalg.norm(gaze_direction, axis=1, keepdims=True)
        gaze_right = np.cross(np.array([0.0, 1.0, 0.0]), gaze_direction)
        gaze_right /= np.linalg.norm(gaze_right, axis=1, keepdims=True)
        eye_gazes.append(np.stack([gaze_right, np.cross(gaze_direction, gaze_right), gaze_direction], axis=1))
        lid_openings.append(np.stack([low_angle, high_angle], axis=1))
    return np.stack(eye_gazes, axis=1), np.stack(lid_openings, axis=1)


def _add_muzzle(put, p: Mapping[str, Array], t: Mapping[str, Array], hz: Array) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
    """Add muzzle, jaw and nose, and return the mouth as in `Anatomy` and the whiskers `[N, 6, 2, 3]` in the head's frame."""
    n = len(hz)
    y, muzzle_depth, muzzle_width, muzzle_length = (
        t["muzzle_height"],
        t["muzzle_deep"],
        t["muzzle_width"],
        t["muzzle_length"] + 0.06,
    )
    base_depth = hz * MUZZLE_DEPTH
    mouth_gape = 0.18 * np.clip(p["mouth_open"], 0, 1) ** 1.5
    mouth_middle = y - 0.50 * muzzle_depth
    half_width = t["mouth_width"]
    chin_y = mouth_middle - mouth_gape - LIP_SAG - 0.062

    snout_y = y + 0.055
    put(
        "snout",
        broadcast_vectors(0, snout_y, base_depth, n),
        np.stack([muzzle_width * 0.74, muzzle_depth * 1.05, muzzle_length * 1.02], -1),
    )
    for side_name, side_sign in zip(SIDES, (-1.0, 1.0), strict=True):
        put(
            f"lobe_{side_name}",
            broadcast_vectors(side_sign * muzzle_width * 0.46, y, base_depth, n),
            np.stack([muzzle_width * 0.70, muzzle_depth, muzzle_length], -1),
        )
    jaw_top = y + 0.02
    put(
        "jaw",
        broadcast_vectors(0, (jaw_top + chin_y) / 2, base_depth - 0.015, n),
        np.stack([half_width + 0.03, (jaw_top - chin_y) / 2, muzzle_length * 0.93], -1),
    )
    nose_size = t["nose_size"]
    nose_y = y + 0.66 * muzzle_depth + t["nose_height"]
    surface_share = np.sqrt(np.maximum(1 - ((nose_y - snout_y) / (muzzle_depth * 1.05)) ** 2, 0.2))
    put(
        "nose",
        broadcast_vectors(0, nose_y, base_depth + muzzle_length * surface_share - 0.15 * nose_size, n),
        nose_size[:, None] * np.array([1.18, 0.80, 0.70]),
    )

    whiskers = np.zeros((n, 2 * WHISKERS_PER_SIDE, 2, 3))
    for i in range(2 * WHISKERS_PER_SIDE):
        side_sign, whisker_row = (-1.0, 1.0)[i // WHISKERS_PER_SIDE], i % WHISKERS_PER_SIDE - 1.0
        whisker_root = broadcast_vectors(
            side_sign * muzzle_width * 0.86, y + 0.012 - 0.030 * whisker_row, base_depth + muzzle_length * 0.70, n
        )
        lean_angle = -0.30 * whisker_row - t["whisker_droop"]
        whisker_length = t["whisker_length"] * (1 - 0.08 * abs(whisker_row))
        whiskers[:, i, 0] = whisker_root
        whiskers[:, i, 1] = (
            whisker_root
            + broadcast_vectors(side_sign * np.cos(lean_angle), np.sin(lean_angle), -0.10, n) * whisker_length[:, None]
        )
    return np.stack([half_width, mouth_middle, 0.08 * p["smile"], mouth_gape], axis=1), whiskers
