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
SKULL = ("head", "cheek_left", "cheek_right")
MUZZLE = ("snout", "lobe_left", "lobe_right", "jaw")
FACE = (*SKULL, *MUZZLE)


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
        behind = HEAD_CENTRE + x[..., None] * self.head[:, None, :, 0] + y[..., None] * self.head[:, None, :, 1]
        way = self.head[:, :, 2]
        reach = self.ellipsoids.far_distances(behind, way)[
            ..., [self.ellipsoids.names.index(part) for part in FACE]
        ].max(axis=-1)
        point: Array = behind + way[:, None] * np.maximum(reach, 0)[..., None]
        return point


def build_anatomy(p: Mapping[str, Array], t: Mapping[str, Array]) -> Anatomy:
    """Return the anatomy of animals with parameters `p` and traits `t`, each `[N]`."""
    n = len(p["yaw"])
    head = rotation_matrices(p["yaw"], p["pitch"], p["roll"])
    b = EllipsoidsBuilder(n)
    hx, hy = t["head_width"], t["head_height"]
    hz = 0.48 * (hx + hy)

    def put(name: str, local: Array, radii: Array, turn: Array | None = None, apart: Array | None = None) -> None:
        axes = head if turn is None else head @ turn
        b.add(name, HEAD_CENTRE + np.einsum("nij,nj->ni", head, local), axes, radii, apart=apart)

    upright = np.broadcast_to(np.eye(3), (n, 3, 3))
    b.add("body", broadcast_vectors(0, -1.10, -0.34, n), upright, broadcast_vectors(0.34 + 0.36 * hx, 0.64, 0.40, n))
    put("head", broadcast_vectors(0, 0, 0, n), np.stack([hx, hy, hz], -1))
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        cheek = t["cheek"]
        put(
            f"cheek_{name}",
            broadcast_vectors(side * hx * 0.42, -hy * 0.30, hz * 0.12, n),
            np.stack([hx * 0.57 + cheek, hy * 0.62 + 0.3 * cheek, hz * 0.72], -1),
        )
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        lean = t["ear_tilt"] + 0.24 * p[f"ear_tilt_{name}"]
        long, pointed = t["ear_length"], np.clip(t["ear_point"], 0, 0.75)
        place = t["ear_place"]
        root = broadcast_vectors(side * hx * np.sin(place) * 0.92, hy * np.cos(place) * 0.92, -0.02, n)
        up = broadcast_vectors(side * np.sin(lean), np.cos(lean), 0, n)
        turn = rotation_matrices(np.zeros(n), np.zeros(n), -side * lean) @ rotation_matrices(
            np.full(n, side * 0.3), np.zeros(n), np.zeros(n)
        )
        wide = np.stack([t["ear_width"] / (1 - pointed), long / np.sqrt(1 - pointed**2), np.full(n, 0.075)], -1)
        put(f"ear_{name}", root + up * (long * t["ear_root"])[:, None], wide, turn, pointed)
    gaze, opening = _add_eyes(b, p, t, head, (hx, hy, hz))
    mouth, whiskers = _add_muzzle(put, p, t, hz)
    whiskers = HEAD_CENTRE + np.einsum("nij,nwej->nwei", head, whiskers)
    return Anatomy(b.build(), head, np.clip(t["iris_size"], 0.3, 0.97), gaze, opening, mouth, whiskers)


def _add_eyes(
    b: EllipsoidsBuilder, p: Mapping[str, Array], t: Mapping[str, Array], head: Array, skull: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Add eyes and lids, and return gaze and opening as in `Anatomy`."""
    n, size = b.n, t["eye_size"]
    hx, hy, hz = skull
    zero = np.zeros(n)
    forward = broadcast_vectors(p["gaze_x"], p["gaze_y"], 1.0, n)
    radii = size[:, None] * np.array([1.0, 1.0, 0.82])
    gazes, openings = [], []
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        across, up = t["eye_spacing"], t["eye_height"] / hy * 0.45
        local = broadcast_vectors(
            side * np.sin(across) * hx, np.sin(up) * hy, np.cos(across) * np.cos(up) * hz - 0.22 * size, n
        )
        slant = rotation_matrices(zero, zero, side * t["eye_slant"])
        axes = head @ slant
        centre = HEAD_CENTRE + np.einsum("nij,nj->ni", head, local)
        b.add(f"eye_{name}", centre, axes, radii)
        low = -0.92 + 0.34 * p["lid_low"]
        wide = 1 - (1 - np.clip(p["lid_open"], 0, 1)) ** 4 + 0.7 * side * p["lid_difference"]
        high = low + 0.22 + 1.68 * np.clip(wide, 0, 1)
        for kind, edge, way in (("lid", high, -1.0), ("under", low, 1.0)):
            normal = np.einsum("nij,nj->ni", axes, broadcast_vectors(0, way * np.cos(edge), -way * np.sin(edge), n))
            cut = np.concatenate([normal, np.zeros((n, 1))], axis=1)
            b.add(f"{kind}_{name}", centre, axes, radii * LID_THICKNESS, cut=cut)
        way = np.einsum("nji,nj->ni", slant, forward)
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        right = np.cross(np.array([0.0, 1.0, 0.0]), way)
        right /= np.linalg.norm(right, axis=1, keepdims=True)
        gazes.append(np.stack([right, np.cross(way, right), way], axis=1))
        openings.append(np.stack([low, high], axis=1))
    return np.stack(gazes, axis=1), np.stack(openings, axis=1)


def _add_muzzle(put, p: Mapping[str, Array], t: Mapping[str, Array], hz: Array) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
    """Add muzzle, jaw and nose, and return the mouth as in `Anatomy` and the whiskers `[N, 6, 2, 3]` in the head's frame."""
    n = len(hz)
    y, deep, wide, long = t["muzzle_height"], t["muzzle_deep"], t["muzzle_width"], t["muzzle_length"] + 0.06
    base = hz * MUZZLE_DEPTH
    gape = 0.18 * np.clip(p["mouth_open"], 0, 1) ** 1.5
    middle = y - 0.50 * deep
    half = t["mouth_width"]
    chin = middle - gape - LIP_SAG - 0.062

    snout = y + 0.055
    put("snout", broadcast_vectors(0, snout, base, n), np.stack([wide * 0.74, deep * 1.05, long * 1.02], -1))
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        put(f"lobe_{name}", broadcast_vectors(side * wide * 0.46, y, base, n), np.stack([wide * 0.70, deep, long], -1))
    top = y + 0.02
    put(
        "jaw",
        broadcast_vectors(0, (top + chin) / 2, base - 0.015, n),
        np.stack([half + 0.03, (top - chin) / 2, long * 0.93], -1),
    )
    nose = t["nose_size"]
    height = y + 0.66 * deep + t["nose_height"]
    out = np.sqrt(np.maximum(1 - ((height - snout) / (deep * 1.05)) ** 2, 0.2))
    put(
        "nose",
        broadcast_vectors(0, height, base + long * out - 0.15 * nose, n),
        nose[:, None] * np.array([1.18, 0.80, 0.70]),
    )

    whiskers = np.zeros((n, 2 * WHISKERS_PER_SIDE, 2, 3))
    for i in range(2 * WHISKERS_PER_SIDE):
        side, row = (-1.0, 1.0)[i // WHISKERS_PER_SIDE], i % WHISKERS_PER_SIDE - 1.0
        root = broadcast_vectors(side * wide * 0.86, y + 0.012 - 0.030 * row, base + long * 0.70, n)
        lean = -0.30 * row - t["whisker_droop"]
        reach = t["whisker_length"] * (1 - 0.08 * abs(row))
        whiskers[:, i, 0] = root
        whiskers[:, i, 1] = root + broadcast_vectors(side * np.cos(lean), np.sin(lean), -0.10, n) * reach[:, None]
    return np.stack([half, middle, 0.08 * p["smile"], gape], axis=1), whiskers
