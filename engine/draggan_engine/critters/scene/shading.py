"""Light on an animal in closed form: a soft key light, light from the sky, soft shadows and contact darkening. Numba."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .ellipsoids import Array
from .markings import (
    RGB,
    blend_color,
    compile_scalar,
    paint_body,
    paint_ear,
    paint_eye,
    paint_face,
    paint_mouth,
    paint_nose,
    smooth_ramp,
)
from .palette import COLOR_SLOTS
from .scene import MARKING_PARAMETERS

# The indices of the parts, in the order in which `build_anatomy` adds them.
BODY, HEAD, CHEEKS, EARS, EYES, MUZZLE, NOSE = 0, 1, (2, 3), (4, 5), (6, 9), (12, 13, 14, 15), 16
LIDS = (7, 8, 10, 11)
PART_COUNT = 17
FUR_KIND, EYE_KIND, EAR_KIND, BODY_KIND, NOSE_KIND = range(5)


def _table(default: int, entries: dict[int, int]) -> NDArray[np.int64]:
    return np.array([entries.get(k, default) for k in range(PART_COUNT)])


SURFACE_KINDS = _table(
    FUR_KIND,
    {**dict.fromkeys(EARS, EAR_KIND), **dict.fromkeys(EYES, EYE_KIND), BODY: BODY_KIND, NOSE: NOSE_KIND},
)
ON_MUZZLE = _table(0, dict.fromkeys(MUZZLE, 1))
OCCLUSION_REACH = 4.0
"""How far an occluder casts shadows, in its own radii."""
IS_SMOOTH = _table(1, dict.fromkeys((*EYES, *MUZZLE, NOSE), 0))
"""1 for parts without details as fine as a pixel."""
SEAM_DEPTH = 0.09
"""Furry parts whose depths differ by less than this are shaded as one rounded surface (image plane units)."""
# For each part its occluders: (part, share of the key light that it blocks, share of the sky's light that it blocks at contact).
_NONE = (0, 0.0, 0.0)
_ON_FACE = (
    (NOSE, 0.35, 0.35),
    (EARS[0], 0.25, 0.30),
    (EARS[1], 0.25, 0.30),
    (EYES[0], 0.0, 0.22),
    (EYES[1], 0.0, 0.22),
)
_ON_MUZZLE = ((NOSE, 0.45, 0.45), _NONE, _NONE, _NONE, _NONE)
_ON_JAW = ((NOSE, 0.10, 0.20), _NONE, _NONE, _NONE, _NONE)
_ON_EAR = ((HEAD, 0.30, 0.50), _NONE, _NONE, _NONE, _NONE)
_ON_BODY = ((HEAD, 0.75, 0.65), (MUZZLE[3], 0.30, 0.0), (CHEEKS[0], 0.3, 0.2), (CHEEKS[1], 0.3, 0.2), _NONE)
_RECEIVES = {HEAD: _ON_FACE, **dict.fromkeys(CHEEKS, _ON_FACE), **dict.fromkeys(MUZZLE, _ON_MUZZLE)}
_RECEIVES |= {**dict.fromkeys(EARS, _ON_EAR), BODY: _ON_BODY, MUZZLE[3]: _ON_JAW}
OCCLUDERS = np.array([[_RECEIVES.get(k, (_NONE,) * 5)[i][0] for i in range(5)] for k in range(PART_COUNT)])
OCCLUSION_SHARES = np.array([[_RECEIVES.get(k, (_NONE,) * 5)[i][1:] for i in range(5)] for k in range(PART_COUNT)])

SKY, GROUND, GLOW, WHISKER = (COLOR_SLOTS.index(slot) for slot in ("sky", "ground", "glow", "whisker"))
WHISKERS = MARKING_PARAMETERS.index("whiskers")


@compile_scalar
def backdrop_color(x: float, y: float, colours: Array) -> RGB:
    """Return the colour of the wall behind the animal, which a soft lamp lights."""
    share = smooth_ramp(-1.1, 0.9, -y)
    r, g, b = blend_color(colours[SKY, 0], colours[SKY, 1], colours[SKY, 2], colours[GROUND], share)
    far = math.sqrt(x * x + (y - 0.05) ** 2)
    return blend_color(r, g, b, colours[GLOW], 0.75 * (1.0 - smooth_ramp(0.25, 1.15, far)))


@compile_scalar
def blend_whisker(
    x: float, y: float, depth: float, w: int, strokes: Array, r: float, g: float, b: float, marks: Array, colours: Array
) -> RGB:
    """Draw the tapered whisker number `w` of `[count, 2, 3]` over RGB, if nothing is in front of it."""
    ax, ay = strokes[w, 1, 0] - strokes[w, 0, 0], strokes[w, 1, 1] - strokes[w, 0, 1]
    dx, dy = x - strokes[w, 0, 0], y - strokes[w, 0, 1]
    long = math.sqrt(ax * ax + ay * ay) + 1e-6
    t = (dx * ax + dy * ay) / (long * long)
    if t < 0.0 or t > 1.0:
        return r, g, b
    bend = 0.10 * long * t * (1.0 - t)
    away = abs((dy * ax - dx * ay) / long - (bend if ax > 0.0 else -bend))
    half = 0.0075 * (1.0 - 0.65 * t)
    on = (
        (1.0 - smooth_ramp(half - 0.003, half + 0.003, away))
        * smooth_ramp(0.0, 0.05, t)
        * (1.0 - smooth_ramp(0.9, 1.0, t))
    )
    z = strokes[w, 0, 2] + t * (strokes[w, 1, 2] - strokes[w, 0, 2])
    on *= smooth_ramp(-0.08, -0.03, z - depth)
    return blend_color(r, g, b, colours[WHISKER], 0.9 * on * smooth_ramp(0.0, 0.5, marks[WHISKERS]))


@compile_scalar
def surface_normal(
    x: float, y: float, z: float, k: int, side: int, centre: Array, quadric: Array, offset: Array, cut: Array
) -> RGB:
    """Return the unit normal of part k at a point of the surface that `front_surface` returned."""
    if side == 0:
        return cut[k, 0], cut[k, 1], cut[k, 2]
    dx = x - centre[k, 0] - side * offset[k, 0]
    dy = y - centre[k, 1] - side * offset[k, 1]
    dz = z - centre[k, 2] - side * offset[k, 2]
    nx = quadric[k, 0] * dx + quadric[k, 1] * dy + quadric[k, 2] * dz
    ny = quadric[k, 1] * dx + quadric[k, 3] * dy + quadric[k, 4] * dz
    nz = quadric[k, 2] * dx + quadric[k, 4] * dy + quadric[k, 5] * dz
    scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    return nx * scale, ny * scale, nz * scale


@compile_scalar
def light_directions(quadric: Array, light: Array) -> Array:
    """Return A·l / √(lᵀAl) for the quadric A of each part and the light l, `[K, 3]`."""
    rays = np.empty((len(quadric), 3))
    for k in range(len(quadric)):
        a = quadric[k]
        rays[k, 0] = a[0] * light[0] + a[1] * light[1] + a[2] * light[2]
        rays[k, 1] = a[1] * light[0] + a[3] * light[1] + a[4] * light[2]
        rays[k, 2] = a[2] * light[0] + a[4] * light[1] + a[5] * light[2]
        rays[k] /= math.sqrt(rays[k, 0] * light[0] + rays[k, 1] * light[1] + rays[k, 2] * light[2])
    return rays


@compile_scalar
def occlusion_by(
    x: float, y: float, z: float, k: int, centre: Array, quadric: Array, rays: Array
) -> tuple[float, float]:
    """Return which share of the light part k blocks, 0 … 1, and how near it is: 1 at contact, falling to 0."""
    dx, dy, dz = x - centre[k, 0], y - centre[k, 1], z - centre[k, 2]
    far = (
        quadric[k, 0] * dx * dx + quadric[k, 3] * dy * dy + quadric[k, 5] * dz * dz
        + 2.0 * (quadric[k, 1] * dx * dy + quadric[k, 2] * dx * dz + quadric[k, 4] * dy * dz)
    )  # fmt: skip
    if far > OCCLUSION_REACH * OCCLUSION_REACH:
        return 0.0, 0.0
    gap = max(0.0, math.sqrt(far) - 1.0)
    fading = 1.0 - gap / (OCCLUSION_REACH - 1.0)
    contact = fading * fading / (1.0 + 4.0 * gap + 12.0 * gap * gap)
    along = -(rays[k, 0] * dx + rays[k, 1] * dy + rays[k, 2] * dz)
    if along < 0.0:
        return 0.0, contact
    miss = math.sqrt(max(0.0, far - along * along))
    shadow = (1.0 - smooth_ramp(0.55, 1.35, miss)) * smooth_ramp(0.0, 0.6, along) * min(1.0, 2.0 * fading)
    return shadow, contact


@compile_scalar
def shade_point(x, y, s, hit, near, active, depth, sides, solids, paint):  # type: ignore[no-untyped-def]
    """Return RGB at x, y, where the part `active[hit]` is seen. Row `s` has the depths of the `near` active parts."""
    centre, quadric, offset, cut = solids
    frame, apart, head, gaze, opening, marks, colours, light, rays = paint
    k, z, side = active[hit], depth[s, hit], sides[s, hit]
    kind = SURFACE_KINDS[k]
    dx, dy, dz = x - centre[k, 0], y - centre[k, 1], z - centre[k, 2]
    nx, ny, nz = surface_normal(x, y, z, k, side, centre, quadric, offset, cut)
    shine, deep = 0.0, 0.0
    ex = frame[k, 0, 0] * dx + frame[k, 0, 1] * dy + frame[k, 0, 2] * dz
    ey = frame[k, 1, 0] * dx + frame[k, 1, 1] * dy + frame[k, 1, 2] * dz
    ez = frame[k, 2, 0] * dx + frame[k, 2, 1] * dy + frame[k, 2, 2] * dz
    if kind == FUR_KIND:
        muzzle = float(ON_MUZZLE[k])
        if side != 0:
            total = 1.0
            for i in range(near):
                other = active[i]
                gap = z - depth[s, i]
                if i != hit and gap < SEAM_DEPTH and SURFACE_KINDS[other] == FUR_KIND and sides[s, i] != 0:
                    weight = (1.0 - gap / SEAM_DEPTH) ** 2
                    mx, my, mz = surface_normal(x, y, depth[s, i], other, sides[s, i], centre, quadric, offset, cut)
                    nx, ny, nz = nx + weight * mx, ny + weight * my, nz + weight * mz
                    muzzle += weight * ON_MUZZLE[other]
                    total += weight
            scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            muzzle /= total
        px, py, pz = x - centre[HEAD, 0], y - centre[HEAD, 1], z - centre[HEAD, 2]
        hx = head[0, 0] * px + head[1, 0] * py + head[2, 0] * pz
        hy = head[0, 1] * px + head[1, 1] * py + head[2, 1] * pz
        hz = head[0, 2] * px + head[1, 2] * py + head[2, 2] * pz
        r, g, b = paint_face(hx, hy, hz, muzzle, marks, colours)
        if side == 0:
            # Lashes on the edge of the lid.
            r, g, b = 0.35 * colours[2, 0], 0.35 * colours[2, 1], 0.35 * colours[2, 2]
        elif hz > 0.0 and hy < 0.0:
            r, g, b, deep = paint_mouth(hx, hy, hz, r, g, b, marks, colours)
    elif kind == EAR_KIND:
        r, g, b, hollow = paint_ear(ex, ey, ez, apart[k], marks, colours)
        # The hollow is shaded as a dent.
        nx, ny = nx * (1.0 - 1.6 * hollow), ny * (1.0 - 1.6 * hollow)
    elif kind == BODY_KIND:
        r, g, b = paint_body(ex, ey, ez, marks, colours)
    elif kind == NOSE_KIND:
        r, g, b = paint_nose(ex, ey, colours)
        shine = 0.55
    else:
        which = 0 if k == EYES[0] else 1
        r, g, b = paint_eye(ex, ey, ez, gaze[which], opening[which, 1], marks, colours)
        shine = 1.0
    taken, sky = 1.0, 1.0
    for i in range(OCCLUDERS.shape[1]):
        if OCCLUSION_SHARES[k, i, 0] + OCCLUSION_SHARES[k, i, 1] > 0.0:
            shadow, contact = occlusion_by(x, y, z, OCCLUDERS[k, i], centre, quadric, rays)
            taken *= 1.0 - OCCLUSION_SHARES[k, i, 0] * shadow
            sky *= 1.0 - OCCLUSION_SHARES[k, i, 1] * contact
    lit = max(0.0, (nx * light[0] + ny * light[1] + nz * light[2] + 0.22) / 1.22)
    key = 0.74 * lit * taken * (0.6 + 0.4 * sky)
    fill = (0.34 + 0.16 * ny + 0.06 * nz + 0.30 * max(0.0, -ny) ** 2) * sky
    edge = 0.72 + 0.28 * math.sqrt(max(nz, 0.0))
    if kind == EYE_KIND:
        key, fill, edge = 0.25 * lit + 0.45, 0.28, 0.75 + 0.25 * math.sqrt(max(nz, 0.0))
    warm, cool = key * edge, fill * edge
    r = r * (1.03 * warm + 0.97 * cool) * (1.0 - deep) + r * deep * 0.8
    g = g * (1.00 * warm + 1.00 * cool) * (1.0 - deep) + g * deep * 0.8
    b = b * (0.95 * warm + 1.06 * cool) * (1.0 - deep) + b * deep * 0.8
    rim = (1.0 - max(nz, 0.0)) ** 3 * (0.5 + 0.5 * ny) * 0.22 * sky
    r, g, b = r + rim * colours[GLOW, 0], g + rim * colours[GLOW, 1], b + rim * colours[GLOW, 2]
    if shine > 0.0:
        # The reflection of a window: a crisp disc halfway between light and viewer, and on eyes a smaller one below.
        half = math.sqrt(2.0 + 2.0 * light[2])
        toward = (nx * light[0] + ny * light[1] + nz * (light[2] + 1.0)) / half
        glint = shine * smooth_ramp(0.972, 0.982, toward)
        if kind == EYE_KIND:
            below = (-nx * light[0] - ny * light[1] + nz * (light[2] + 1.0)) / half
            glint = max(glint, 0.55 * smooth_ramp(0.988, 0.992, below))
        r, g, b = r + (1.0 - r) * glint, g + (1.0 - g) * glint, b + (1.0 - b) * glint
    return r, g, b
