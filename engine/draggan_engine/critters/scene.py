"""A latent z, read as a scene: the animal's numbers, its ellipsoids, and its landmarks.

Numpy only. The picture plane is x to the right, y up, both from −1 to 1; z points at the viewer; the
projection is orthographic. Every number of an animal is a fixed function of one component of the
normalised z (the StyleGAN2 mapping normalises it too), so a generator can be taught `picture = scene(z)`
and each seed has known landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from .landmarks import LANDMARKS, SIDES, Array, Ellipsoids, Landmarks, find

RESOLUTION = 128
Z_DIM = 32

# name: (law, a, b). "normal": a + b·n with |n| cut at 2.2; "uniform": from a to b.
NUMBERS: dict[str, tuple[str, float, float]] = {
    "yaw": ("normal", 0.0, 0.28),
    "pitch": ("normal", 0.0, 0.16),
    "roll": ("normal", 0.0, 0.04),
    "head_width": ("uniform", 0.50, 0.60),
    "head_height": ("uniform", 0.47, 0.56),
    "ear_length": ("uniform", 0.17, 0.36),
    "ear_width": ("uniform", 0.11, 0.16),
    "ear_spread": ("uniform", 0.50, 0.85),
    "ear_tilt": ("uniform", -0.25, 0.35),
    "eye_size": ("uniform", 0.125, 0.165),
    "eye_spacing": ("uniform", 0.40, 0.56),
    "eye_height": ("uniform", 0.16, 0.32),
    "gaze_x": ("normal", 0.0, 0.22),
    "gaze_y": ("normal", 0.0, 0.14),
    "muzzle_length": ("uniform", 0.10, 0.20),
    "muzzle_width": ("uniform", 0.15, 0.22),
    "nose_size": ("uniform", 0.065, 0.10),
    "mouth_open": ("uniform", 0.0, 0.17),
    "mouth_width": ("uniform", 0.85, 1.15),
    "fur_hue": ("uniform", 0.0, 1.0),
    "fur_saturation": ("uniform", 0.20, 0.62),
    "fur_value": ("uniform", 0.42, 0.88),
    "muzzle_light": ("uniform", 0.45, 0.85),
    "iris_hue": ("uniform", 0.0, 1.0),
    "sky_hue": ("uniform", 0.0, 1.0),
    "ground_hue": ("uniform", 0.0, 1.0),
    "sky_value": ("uniform", 0.45, 0.90),
    "light_x": ("normal", -0.35, 0.30),
    "light_y": ("normal", 0.60, 0.22),
    "stripes": ("uniform", 0.0, 0.22),
    "stripe_phase": ("uniform", 0.0, 2 * math.pi),
    "ear_hue": ("uniform", -0.04, 0.10),
}
assert len(NUMBERS) == Z_DIM

HEAD_CENTRE = np.array([0.0, 0.02, 0.0])


@dataclass(frozen=True)
class Scene:
    """N animals, ready to draw.

    Attributes:
        centre: `[N, K, 3]` centres of the K ellipsoids.
        quadric: `[N, K, 6]` upper triangle (xx, xy, xz, yy, yz, zz) of A in (p−c)ᵀA(p−c) = 1.
        extent: `[N, K, 2]` half width and height of each one's silhouette box.
        colour: `[N, K, 3]` in [0, 1].
        gloss: `[N, K]` strength of the highlight.
        stripe: `[N, K, 5]` amplitude, phase and a direction, for fur.
        light: `[N, 3]` unit vector towards the light.
        sky, ground: `[N, 3]` backdrop colours at the top and the bottom.
        landmarks: the 68, in the order of `LANDMARKS`.
    """

    centre: Array
    quadric: Array
    extent: Array
    colour: Array
    gloss: Array
    stripe: Array
    light: Array
    sky: Array
    ground: Array
    landmarks: Landmarks

    def some(self, which: slice) -> Scene:
        """A part of the animals."""
        chosen = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "landmarks"}
        marks = Landmarks(self.landmarks.points[which], self.landmarks.visible[which])
        return Scene(**chosen, landmarks=marks)


def numbers_of(z: Array) -> dict[str, Array]:
    """The animals' numbers, each `[N]`, from latents `z` `[N, Z_DIM]` of any scale."""
    z = z / np.sqrt(np.mean(z**2, axis=1, keepdims=True) + 1e-8)
    cdf = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    out: dict[str, Array] = {}
    for i, (name, (law, a, b)) in enumerate(NUMBERS.items()):
        out[name] = a + b * np.clip(z[:, i], -2.2, 2.2) if law == "normal" else a + (b - a) * cdf[:, i]
    return out


def _hsv(hue: Array, saturation: Array | float, value: Array | float) -> Array:
    """`[N, 3]` RGB in [0, 1]; hue wraps."""
    k = (np.array([5.0, 3.0, 1.0]) + hue[:, None] * 6) % 6
    fall = np.clip(np.minimum(k, 4 - k), 0, 1)
    s, v = np.broadcast_to(saturation, hue.shape)[:, None], np.broadcast_to(value, hue.shape)[:, None]
    rgb: Array = v - v * s * fall
    return rgb


def _rotation(yaw: Array, pitch: Array, roll: Array) -> Array:
    """`[N, 3, 3]`: roll about z, then pitch about x (positive looks up), then yaw about y (positive looks right)."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    ry = np.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).reshape(-1, 3, 3)
    rx = np.stack([one, zero, zero, zero, cp, sp, zero, -sp, cp], -1).reshape(-1, 3, 3)
    rz = np.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    return ry @ rx @ rz  # type: ignore[no-any-return]


def _vector(x: Array | float, y: Array | float, z: Array | float, n: int) -> Array:
    return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (n,)) for v in (x, y, z)], axis=-1)


class _Builder:
    """Collects ellipsoids that are given in the head's own frame (or, for the body, the world's)."""

    def __init__(self, n: int, head: Array) -> None:
        self.n, self.head = n, head
        self.parts: dict[str, tuple[Array, Array, Array, Array, float, Array]] = {}

    def place(self, local: Array) -> Array:
        """Head frame → picture plane and depth, `[N, 3]`."""
        placed: Array = HEAD_CENTRE + np.einsum("nij,nj->ni", self.head, local)
        return placed

    def add(
        self,
        name: str,
        local: Array,
        radii: Array,
        colour: Array,
        *,
        gloss: float = 0.0,
        turn: Array | None = None,
        stripe: Array | None = None,
    ) -> None:
        axes = self.head if turn is None else self.head @ turn
        self._put(name, self.place(local), axes, radii, colour, gloss, stripe)

    def add_body(self, name: str, centre: Array, radii: Array, colour: Array, stripe: Array) -> None:
        self._put(name, centre, np.broadcast_to(np.eye(3), (self.n, 3, 3)), radii, colour, 0.0, stripe)

    def _put(
        self, name: str, centre: Array, axes: Array, radii: Array, colour: Array, gloss: float, stripe: Array | None
    ) -> None:
        self.parts[name] = centre, axes, radii, colour, gloss, np.zeros((self.n, 5)) if stripe is None else stripe


def build_scene(z: Array) -> Scene:
    """The animals of latents `z` `[N, Z_DIM]`."""
    return scene_of(numbers_of(z))


def scene_of(p: Mapping[str, Array]) -> Scene:
    """The animals with those numbers, each `[N]`: all of `NUMBERS`, whatever their law."""
    n = len(p["yaw"])
    head = _rotation(p["yaw"], p["pitch"], p["roll"])
    b = _Builder(n, head)
    fur = _hsv(p["fur_hue"], p["fur_saturation"], p["fur_value"])
    pale = fur + (1.0 - fur) * p["muzzle_light"][:, None]
    dark = fur * 0.25
    across = np.concatenate([p["stripes"][:, None], p["stripe_phase"][:, None], head[:, :, 1] * 14.0], axis=1)
    hx, hy = p["head_width"], p["head_height"]
    hz = 0.5 * (hx + hy) * 0.92

    b.add_body("body", _vector(0, -1.02, -0.10, n), _vector(0.44, 0.52, 0.34, n), fur * 0.92, across)
    b.add("head", _vector(0, 0, 0, n), np.stack([hx, hy, hz], -1), fur, stripe=across)
    _add_ears(b, p, hx, hy, fur)
    gaze = _add_eyes(b, p, hx, hy, hz)
    _add_muzzle(b, p, hy, hz, pale, dark)

    light = _vector(p["light_x"], p["light_y"], 0.85, n)
    centre, axes, radii, colour, stripe = (
        np.stack([part[i] for part in b.parts.values()], axis=1) for i in (0, 1, 2, 3, 5)
    )
    a = axes @ (axes / radii[:, :, None, :] ** 2).transpose(0, 1, 3, 2)
    quadric = np.stack([a[..., 0, 0], a[..., 0, 1], a[..., 0, 2], a[..., 1, 1], a[..., 1, 2], a[..., 2, 2]], -1)
    return Scene(
        centre=centre,
        quadric=quadric,
        extent=np.sqrt(np.sum((axes[..., :2, :] * radii[:, :, None, :]) ** 2, axis=-1)),
        colour=colour,
        gloss=np.broadcast_to(np.array([part[4] for part in b.parts.values()]), (n, len(b.parts))).copy(),
        stripe=stripe,
        light=light / np.linalg.norm(light, axis=1, keepdims=True),
        sky=_hsv(p["sky_hue"], 0.28, p["sky_value"]),
        ground=_hsv(p["ground_hue"], 0.35, p["sky_value"] * 0.75),
        landmarks=find(Ellipsoids(tuple(b.parts), centre, axes, radii), gaze),
    )


def _add_ears(b: _Builder, p: Mapping[str, Array], hx: Array, hy: Array, fur: Array) -> None:
    inner = _hsv(0.97 + p["ear_hue"], 0.38, 0.90)
    length, width = p["ear_length"], p["ear_width"]
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        angle = side * (p["ear_spread"] * 0.75 + p["ear_tilt"])
        root = _vector(side * hx * np.sin(p["ear_spread"]) * 0.92, hy * np.cos(p["ear_spread"]) * 0.92, -0.02, b.n)
        up = _vector(np.sin(angle), np.cos(angle), 0, b.n)
        turn = _rotation(np.zeros(b.n), np.zeros(b.n), -angle)
        middle = root + up * (length * 0.70)[:, None]
        b.add(f"ear_{name}", middle, _vector(width, length, 0.07, b.n), fur * 0.95, turn=turn)
        b.add(
            f"ear_hollow_{name}",
            middle + _vector(0, 0, 0.035, b.n),
            _vector(width * 0.60, length * 0.72, 0.055, b.n),
            inner,
            turn=turn,
        )


def _add_eyes(b: _Builder, p: Mapping[str, Array], hx: Array, hy: Array, hz: Array) -> Array:
    """Gives where they look, `[N, 3]`, unit."""
    size, height = p["eye_size"], p["eye_height"]
    white = np.broadcast_to(np.array([0.97, 0.96, 0.94]), (b.n, 3))
    iris = _hsv(p["iris_hue"], 0.72, 0.78)
    black = np.broadcast_to(np.array([0.03, 0.03, 0.05]), (b.n, 3))
    gaze = _vector(p["gaze_x"], p["gaze_y"], 1.0, b.n)
    gaze /= np.linalg.norm(gaze, axis=1, keepdims=True)
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        x = side * np.sin(p["eye_spacing"]) * np.cos(height) * hx
        local = _vector(x, np.sin(height) * hy, np.cos(p["eye_spacing"]) * np.cos(height) * hz * 0.93, b.n)
        s = size[:, None]
        b.add(f"eye_{name}", local, s * np.array([1.0, 1.0, 0.80]), white, gloss=0.15)
        # A sphere that pokes out of the eyeball shows as a disc: the iris, then the pupil.
        b.add(f"iris_{name}", local + gaze * s * 0.45, np.repeat(s * 0.66, 3, axis=1), iris, gloss=0.25)
        b.add(f"pupil_{name}", local + gaze * s * 0.80, np.repeat(s * 0.36, 3, axis=1), black, gloss=0.9)
    return gaze


def _add_muzzle(b: _Builder, p: Mapping[str, Array], hy: Array, hz: Array, pale: Array, dark: Array) -> None:
    n = b.n
    length, width, nose, gape = p["muzzle_length"], p["muzzle_width"], p["nose_size"], p["mouth_open"]
    front = hz * 0.86
    top = -0.17 * hy / 0.5  # height of the lobes' centres
    lobe = 0.115
    half = 0.022 + gape * 0.5  # half height of the mouth
    lips = top - lobe * 0.62
    middle = lips - half
    broad = width * p["mouth_width"] * 0.95

    b.add(
        "jaw",
        _vector(0, middle - half * 0.95 - 0.035, front * 0.93, n),
        _vector(width * 0.92, 0.085 + half * 0.35, length * 0.95, n),
        pale * 0.93,
    )
    b.add(
        "mouth",
        _vector(0, middle, front, n),
        np.stack([broad, half, length * 1.02], -1),
        dark * 0.4 + np.array([0.14, 0.02, 0.03]),
    )
    tongue = np.array([0.86, 0.30, 0.36])
    b.add(
        "tongue",
        _vector(0, middle - half * 0.62, front, n),
        np.stack([broad * 0.55, half * 0.62, length * 1.06], -1),
        np.broadcast_to(tongue, (n, 3)),
        gloss=0.2,
    )
    for name, side in zip(SIDES, (-1.0, 1.0), strict=True):
        b.add(
            f"lobe_{name}",
            _vector(side * width * 0.48, top, front, n),
            np.stack([width * 0.72, np.full(n, lobe), length * 1.0], -1),
            pale,
        )
    tip = _vector(0, top + lobe * 0.72, front + length * 0.80, n)
    b.add(
        "nose",
        tip,
        nose[:, None] * np.array([1.0, 0.76, 0.70]),
        np.broadcast_to(np.array([0.13, 0.08, 0.09]), (n, 3)) + dark * 0.15,
        gloss=0.7,
    )


def latent_of_seed(seed: int) -> Array:
    """z `[1, Z_DIM]` of a seed, as the generator draws it."""
    return np.random.RandomState(seed).randn(1, Z_DIM)


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
        For each name of `LANDMARKS`, (x, y) in pixels, origin at the centre of the top-left pixel. "left" is left in the picture. Points that are hidden are given all the same.
    """
    points = to_pixels(build_scene(latent_of_seed(seed)).landmarks.points[0], resolution)
    return {name: (float(x), float(y)) for name, (x, y) in zip(LANDMARKS, points, strict=True)}
