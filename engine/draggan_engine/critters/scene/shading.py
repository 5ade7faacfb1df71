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
BODY_PART, HEAD_PART, NOSE_PART = 0, 1, 16
CHEEK_PARTS, EAR_PARTS, EYE_PARTS, MUZZLE_PARTS = (2, 3), (4, 5), (6, 9), (12, 13, 14, 15)
LID_PARTS = (7, 8, 10, 11)
PART_COUNT = 17
FUR_KIND, EYE_KIND, EAR_KIND, BODY_KIND, NOSE_KIND = range(5)


def _table(default_value: int, values_by_part: dict[int, int]) -> NDArray[np.int64]:
    return np.array([values_by_part.get(k, default_value) for k in range(PART_COUNT)])


SURFACE_KINDS = _table(
    FUR_KIND,
    {
        **dict.fromkeys(EAR_PARTS, EAR_KIND),
        **dict.fromkeys(EYE_PARTS, EYE_KIND),
        BODY_PART: BODY_KIND,
        NOSE_PART: NOSE_KIND,
    },
)
ON_MUZZLE = _table(0, dict.fromkeys(MUZZLE_PARTS, 1))
OCCLUSION_REACH = 4.0
"""How far an occluder casts shadows, in its own radii."""
IS_SMOOTH = _table(1, dict.fromkeys((*EYE_PARTS, *MUZZLE_PARTS, NOSE_PART), 0))
"""1 for parts without details as fine as a pixel."""
SEAM_DEPTH = 0.09
"""Furry parts whose depths differ by less than this are shaded as one rounded surface (image plane units)."""
# For each part its occluders: (part, share of the key light that it blocks, share of the sky's light that it blocks at contact).
_NO_OCCLUDER = (0, 0.0, 0.0)
_ON_FACE = (
    (NOSE_PART, 0.35, 0.35),
    (EAR_PARTS[0], 0.25, 0.30),
    (EAR_PARTS[1], 0.25, 0.30),
    (EYE_PARTS[0], 0.0, 0.22),
    (EYE_PARTS[1], 0.0, 0.22),
)
_ON_MUZZLE = ((NOSE_PART, 0.45, 0.45), _NO_OCCLUDER, _NO_OCCLUDER, _NO_OCCLUDER, _NO_OCCLUDER)
_ON_JAW = ((NOSE_PART, 0.10, 0.20), _NO_OCCLUDER, _NO_OCCLUDER, _NO_OCCLUDER, _NO_OCCLUDER)
_ON_EAR = ((HEAD_PART, 0.30, 0.50), _NO_OCCLUDER, _NO_OCCLUDER, _NO_OCCLUDER, _NO_OCCLUDER)
_ON_BODY = (
    (HEAD_PART, 0.75, 0.65),
    (MUZZLE_PARTS[3], 0.30, 0.0),
    (CHEEK_PARTS[0], 0.3, 0.2),
    (CHEEK_PARTS[1], 0.3, 0.2),
    _NO_OCCLUDER,
)
_OCCLUDERS_BY_PART = {
    HEAD_PART: _ON_FACE,
    **dict.fromkeys(CHEEK_PARTS, _ON_FACE),
    **dict.fromkeys(MUZZLE_PARTS, _ON_MUZZLE),
}
_OCCLUDERS_BY_PART |= {**dict.fromkeys(EAR_PARTS, _ON_EAR), BODY_PART: _ON_BODY, MUZZLE_PARTS[3]: _ON_JAW}
OCCLUDERS = np.array(
    [[_OCCLUDERS_BY_PART.get(k, (_NO_OCCLUDER,) * 5)[i][0] for i in range(5)] for k in range(PART_COUNT)]
)
OCCLUSION_SHARES = np.array(
    [[_OCCLUDERS_BY_PART.get(k, (_NO_OCCLUDER,) * 5)[i][1:] for i in range(5)] for k in range(PART_COUNT)]
)

SKY_SLOT, GROUND_SLOT, GLOW_SLOT, WHISKER_SLOT = (
    COLOR_SLOTS.index(slot) for slot in ("sky", "ground", "glow", "whisker")
)
WHISKER_STRENGTH = MARKING_PARAMETERS.index("whiskers")


@compile_scalar
def backdrop_color(x: float, y: float, colours: Array) -> RGB:
    """Return the colour of the wall behind the animal, which a soft lamp lights."""
    sky_share = smooth_ramp(-1.1, 0.9, -y)
    r, g, b = blend_color(
        colours[SKY_SLOT, 0], colours[SKY_SLOT, 1], colours[SKY_SLOT, 2], colours[GROUND_SLOT], sky_share
    )
    lamp_distance = math.sqrt(x * x + (y - 0.05) ** 2)
    return blend_color(r, g, b, colours[GLOW_SLOT], 0.75 * (1.0 - smooth_ramp(0.25, 1.15, lamp_distance)))


@compile_scalar
def blend_whisker(
    x: float,
    y: float,
    depth: float,
    w: int,
    whisker_lines: Array,
    r: float,
    g: float,
    b: float,
    marks: Array,
    colours: Array,
) -> RGB:
    """Draw the tapered whisker number `w` of `[count, 2, 3]` over RGB, if nothing is in front of it."""
    ax, ay = whisker_lines[w, 1, 0] - whisker_lines[w, 0, 0], whisker_lines[w, 1, 1] - whisker_lines[w, 0, 1]
    dx, dy = x - whisker_lines[w, 0, 0], y - whisker_lines[w, 0, 1]
    whisker_length = math.sqrt(ax * ax + ay * ay) + 1e-6
    t = (dx * ax + dy * ay) / (whisker_length * whisker_length)
    if t < 0.0 or t > 1.0:
        return r, g, b
    whisker_bend = 0.10 * whisker_length * t * (1.0 - t)
    line_distance = abs((dy * ax - dx * ay) / whisker_length - (whisker_bend if ax > 0.0 else -whisker_bend))
    half_width = 0.0075 * (1.0 - 0.65 * t)
    on = (
        (1.0 - smooth_ramp(half_width - 0.003, half_width + 0.003, line_distance))
        * smooth_ramp(0.0, 0.05, t)
        * (1.0 - smooth_ramp(0.9, 1.0, t))
    )
    z = whisker_lines[w, 0, 2] + t * (whisker_lines[w, 1, 2] - whisker_lines[w, 0, 2])
    on *= smooth_ramp(-0.08, -0.03, z - depth)
    return blend_color(r, g, b, colours[WHISKER_SLOT], 0.9 * on * smooth_ramp(0.0, 0.5, marks[WHISKER_STRENGTH]))


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
    inverse_length = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    return nx * inverse_length, ny * inverse_length, nz * inverse_length


@compile_scalar
def light_directions(quadric: Array, light: Array) -> Array:
    """Return A·l / √(lᵀAl) for the quadric A of each part and the light l, `[K, 3]`."""
    light_rays = np.empty((len(quadric), 3))
    for k in range(len(quadric)):
        a = quadric[k]
        light_rays[k, 0] = a[0] * light[0] + a[1] * light[1] + a[2] * light[2]
        light_rays[k, 1] = a[1] * light[0] + a[3] * light[1] + a[4] * light[2]
        light_rays[k, 2] = a[2] * light[0] + a[4] * light[1] + a[5] * light[2]
        light_rays[k] /= math.sqrt(
            light_rays[k, 0] * light[0] + light_rays[k, 1] * light[1] + light_rays[k, 2] * light[2]
        )
    return light_rays


@compile_scalar
def occlusion_by(
    x: float, y: float, z: float, k: int, centre: Array, quadric: Array, light_rays: Array
) -> tuple[float, float]:
    """Return which share of the light part k blocks, 0 … 1, and how near it is: 1 at contact, falling to 0."""
    dx, dy, dz = x - centre[k, 0], y - centre[k, 1], z - centre[k, 2]
    squared_distance = (
        quadric[k, 0] * dx * dx + quadric[k, 3] * dy * dy + quadric[k, 5] * dz * dz
        + 2.0 * (quadric[k, 1] * dx * dy + quadric[k, 2] * dx * dz + quadric[k, 4] * dy * dz)
    )  # fmt: skip
    if squared_distance > OCCLUSION_REACH * OCCLUSION_REACH:
        return 0.0, 0.0
    surface_gap = max(0.0, math.sqrt(squared_distance) - 1.0)
    distance_fading = 1.0 - surface_gap / (OCCLUSION_REACH - 1.0)
    contact_share = distance_fading * distance_fading / (1.0 + 4.0 * surface_gap + 12.0 * surface_gap * surface_gap)
    light_distance = -(light_rays[k, 0] * dx + light_rays[k, 1] * dy + light_rays[k, 2] * dz)
    if light_distance < 0.0:
        return 0.0, contact_share
    miss_distance = math.sqrt(max(0.0, squared_distance - light_distance * light_distance))
    shadow_share = (
        (1.0 - smooth_ramp(0.55, 1.35, miss_distance))
        * smooth_ramp(0.0, 0.6, light_distance)
        * min(1.0, 2.0 * distance_fading)
    )
    return shadow_share, contact_share


@compile_scalar
def shade_point(x, y, s, hit_index, active_count, active, depth, sides, solids, paint):  # type: ignore[no-untyped-def]
    """Return RGB at x, y, where the part `active[hit_index]` is seen. Row `s` has the depths of the active parts."""
    centre, quadric, offset, cut = solids
    frame, apart, head, gaze, opening, marks, colours, light, light_rays = paint
    k, z, side = active[hit_index], depth[s, hit_index], sides[s, hit_index]
    surface_kind = SURFACE_KINDS[k]
    dx, dy, dz = x - centre[k, 0], y - centre[k, 1], z - centre[k, 2]
    nx, ny, nz = surface_normal(x, y, z, k, side, centre, quadric, offset, cut)
    shine_strength, unlit_share = 0.0, 0.0
    ex = frame[k, 0, 0] * dx + frame[k, 0, 1] * dy + frame[k, 0, 2] * dz
    ey = frame[k, 1, 0] * dx + frame[k, 1, 1] * dy + frame[k, 1, 2] * dz
    ez = frame[k, 2, 0] * dx + frame[k, 2, 1] * dy + frame[k, 2, 2] * dz
    if surface_kind == FUR_KIND:
        muzzle_share = float(ON_MUZZLE[k])
        if side != 0:
            weight_sum = 1.0
            for i in range(active_count):
                other_part = active[i]
                depth_gap = z - depth[s, i]
                is_furry = SURFACE_KINDS[other_part] == FUR_KIND
                if i != hit_index and depth_gap < SEAM_DEPTH and is_furry and sides[s, i] != 0:
                    seam_weight = (1.0 - depth_gap / SEAM_DEPTH) ** 2
                    mx, my, mz = surface_normal(
                        x, y, depth[s, i], other_part, sides[s, i], centre, quadric, offset, cut
                    )
                    nx, ny, nz = nx + seam_weight * mx, ny + seam_weight * my, nz + seam_weight * mz
                    muzzle_share += seam_weight * ON_MUZZLE[other_part]
                    weight_sum += seam_weight
            inverse_length = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
            nx, ny, nz = nx * inverse_length, ny * inverse_length, nz * inverse_length
            muzzle_share /= weight_sum
        px, py, pz = x - centre[HEAD_PART, 0], y - centre[HEAD_PART, 1], z - centre[HEAD_PART, 2]
        hx = head[0, 0] * px + head[1, 0] * py + head[2, 0] * pz
        hy = head[0, 1] * px + head[1, 1] * py + head[2, 1] * pz
        hz = head[0, 2] * px + head[1, 2] * py + head[2, 2] * pz
        r, g, b = paint_face(hx, hy, hz, muzzle_share, marks, colours)
        if side == 0:
            # Lashes on the edge of the lid.
            r, g, b = 0.35 * colours[2, 0], 0.35 * colours[2, 1], 0.35 * colours[2, 2]
        elif hz > 0.0 and hy < 0.0:
            r, g, b, unlit_share = paint_mouth(hx, hy, hz, r, g, b, marks, colours)
    elif surface_kind == EAR_KIND:
        r, g, b, hollow_share = paint_ear(ex, ey, ez, apart[k], marks, colours)
        # The hollow is shaded as a dent.
        nx, ny = nx * (1.0 - 1.6 * hollow_share), ny * (1.0 - 1.6 * hollow_share)
    elif surface_kind == BODY_KIND:
        r, g, b = paint_body(ex, ey, ez, marks, colours)
    elif surface_kind == NOSE_KIND:
        r, g, b = paint_nose(ex, ey, colours)
        shine_strength = 0.55
    else:
        eye_index = 0 if k == EYE_PARTS[0] else 1
        r, g, b = paint_eye(ex, ey, ez, gaze[eye_index], opening[eye_index, 1], marks, colours)
        shine_strength = 1.0
    light_share, sky_share = 1.0, 1.0
    for i in range(OCCLUDERS.shape[1]):
        if OCCLUSION_SHARES[k, i, 0] + OCCLUSION_SHARES[k, i, 1] > 0.0:
            shadow_share, contact_share = occlusion_by(x, y, z, OCCLUDERS[k, i], centre, quadric, light_rays)
            light_share *= 1.0 - OCCLUSION_SHARES[k, i, 0] * shadow_share
            sky_share *= 1.0 - OCCLUSION_SHARES[k, i, 1] * contact_share
    light_incidence = max(0.0, (nx * light[0] + ny * light[1] + nz * light[2] + 0.22) / 1.22)
    key_light = 0.74 * light_incidence * light_share * (0.6 + 0.4 * sky_share)
    fill_light = (0.34 + 0.16 * ny + 0.06 * nz + 0.30 * max(0.0, -ny) ** 2) * sky_share
    edge_shade = 0.72 + 0.28 * math.sqrt(max(nz, 0.0))
    if surface_kind == EYE_KIND:
        key_light, fill_light, edge_shade = 0.25 * light_incidence + 0.45, 0.28, 0.75 + 0.25 * math.sqrt(max(nz, 0.0))
    warm_light, cool_light = key_light * edge_shade, fill_light * edge_shade
    r = r * (1.03 * warm_light + 0.97 * cool_light) * (1.0 - unlit_share) + r * unlit_share * 0.8
    g = g * (1.00 * warm_light + 1.00 * cool_light) * (1.0 - unlit_share) + g * unlit_share * 0.8
    b = b * (0.95 * warm_light + 1.06 * cool_light) * (1.0 - unlit_share) + b * unlit_share * 0.8
    rim_light = (1.0 - max(nz, 0.0)) ** 3 * (0.5 + 0.5 * ny) * 0.22 * sky_share
    r += rim_light * colours[GLOW_SLOT, 0]
    g += rim_light * colours[GLOW_SLOT, 1]
    b += rim_light * colours[GLOW_SLOT, 2]
    if shine_strength > 0.0:
        # The reflection of a window: a crisp disc halfway between light and viewer, and on eyes a smaller one below.
        half_length = math.sqrt(2.0 + 2.0 * light[2])
        upper_cosine = (nx * light[0] + ny * light[1] + nz * (light[2] + 1.0)) / half_length
        glint_strength = shine_strength * smooth_ramp(0.972, 0.982, upper_cosine)
        if surface_kind == EYE_KIND:
            lower_cosine = (-nx * light[0] - ny * light[1] + nz * (light[2] + 1.0)) / half_length
            glint_strength = max(glint_strength, 0.55 * smooth_ramp(0.988, 0.992, lower_cosine))
        r, g, b = r + (1.0 - r) * glint_strength, g + (1.0 - g) * glint_strength, b + (1.0 - b) * glint_strength
    return r, g, b
