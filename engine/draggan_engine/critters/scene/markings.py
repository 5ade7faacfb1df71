"""The colours of an animal's surface: fur markings, eyes, ears and mouth, as smooth functions of its coordinates. Numba.

Each function returns RGB as three numbers. `marks` `[len(MARKING_PARAMETERS)]` and `colours` `[len(COLOR_SLOTS), 3]` belong
to one animal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numba

from .ellipsoids import Array
from .landmarks import EAR_HOLLOW_SCALE
from .mouth import lower_lip, upper_lip
from .palette import COLOR_SLOTS
from .scene import MARKING_PARAMETERS

FUR, PALE, DARK, EAR_HOLLOW, NOSE, IRIS, MOUTH, TONGUE = (
    COLOR_SLOTS.index(slot) for slot in ("fur", "pale", "dark", "hollow", "nose", "iris", "mouth", "tongue")
)
(
    HEAD_WIDTH, HEAD_HEIGHT, EYE_X, EYE_Y, EYE_SIZE, STRIPES, PATCHES, MASK, BLAZE, SPOTS, EAR_TIPS, PALE_MUZZLE, _,
    MOUTH_HALF_WIDTH, MOUTH_HEIGHT, MOUTH_RISE, MOUTH_DEPTH, GAPE, FANGS, INCISORS, TOOTH_LENGTH, TONGUE_OUT, IRIS_SIZE, PUPIL_SIZE, SLIT,
) = range(len(MARKING_PARAMETERS))  # fmt: skip
SPOTS_ON_FACE = ((-0.46, 0.30, 0.40), (0.62, -0.20, 0.17), (0.30, 0.70, 0.19), (-0.72, -0.30, 0.13), (0.78, 0.28, 0.12))
"""x, y and radius, in the head's half widths and heights."""
MOUTH_LINE_RADIUS = 0.011
"""Half the width of the line of the mouth: 1.5 pixels at 256."""

RGB = tuple[float, float, float]

# Not cached on disk, because numba does not notice changes in other files.
compile_scalar = numba.njit(fastmath=True, error_model="numpy")

_upper = cast("Callable[[float, float, float], float]", compile_scalar(upper_lip))
_lower = cast("Callable[[float, float, float, float], float]", compile_scalar(lower_lip))


@compile_scalar
def smooth_ramp(low: float, high: float, x: float) -> float:
    """Return 0 below `low`, 1 above `high`, and a smooth curve between them."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@compile_scalar
def blend_color(r: float, g: float, b: float, colour: Array, share: float) -> RGB:
    """Mix a share of another colour `[3]` into a colour."""
    return r + (colour[0] - r) * share, g + (colour[1] - g) * share, b + (colour[2] - b) * share


@compile_scalar
def paint_face(x: float, y: float, z: float, muzzle: float, marks: Array, colours: Array) -> RGB:
    """Return the head's fur at a point in its frame. `muzzle` is 1 on the muzzle, 0 elsewhere, and smooth at the seam."""
    u, v = x / marks[HEAD_WIDTH], y / marks[HEAD_HEIGHT]
    side = abs(u)
    r, g, b = colours[FUR, 0], colours[FUR, 1], colours[FUR, 2]
    front = smooth_ramp(-0.10, 0.10, z)
    stripes = marks[STRIPES]
    if stripes > 0.0:
        brow = min(side, abs(side - 0.22)) - 0.062 * smooth_ramp(0.36 + 0.25 * side, 0.80, v)
        cheek = min(abs(v + 0.06 - 0.2 * side), abs(v + 0.34 - 0.2 * side)) - 0.060 * smooth_ramp(0.58, 0.95, side)
        on = max(1.0 - smooth_ramp(-0.012, 0.020, brow), 1.0 - smooth_ramp(-0.012, 0.020, cheek))
        r, g, b = blend_color(r, g, b, colours[DARK], 0.72 * stripes * on)
    spots = marks[SPOTS]
    if spots > 0.0:
        on = 0.0
        for i in range(5):
            du, dv = u - SPOTS_ON_FACE[i][0], v - SPOTS_ON_FACE[i][1]
            radius = SPOTS_ON_FACE[i][2] * (0.6 + 0.4 * spots)
            on = max(on, 1.0 - smooth_ramp(radius - 0.03, radius + 0.03, math.sqrt(du * du + dv * dv)))
        r, g, b = blend_color(r, g, b, colours[DARK], 0.62 * spots * on * front)
    edge = -0.34 + 0.52 * side
    below = 1.0 - smooth_ramp(edge - 0.035, edge + 0.035, v)
    r, g, b = blend_color(r, g, b, colours[PALE], marks[MASK] * below * front)
    width = 0.045 + 0.12 * smooth_ramp(-0.30, 0.70, v)
    on = (
        (1.0 - smooth_ramp(width - 0.025, width + 0.025, side))
        * smooth_ramp(-0.50, -0.34, v)
        * (1.0 - smooth_ramp(0.70, 0.82, v + side))
    )
    r, g, b = blend_color(r, g, b, colours[PALE], marks[BLAZE] * on * front)
    r, g, b = blend_color(r, g, b, colours[PALE], muzzle * marks[PALE_MUZZLE] * (1.0 - marks[MASK] * (1.0 - below)))
    patches = marks[PATCHES]
    if patches > 0.0:
        dx, dy = abs(x) - marks[EYE_X] - 0.012, y - marks[EYE_Y] + 0.018
        along, across = 0.80 * dy - 0.60 * dx, 0.80 * dx + 0.60 * dy
        far = math.sqrt((along / 1.25) ** 2 + across**2) / (marks[EYE_SIZE] + 0.045)
        r, g, b = blend_color(r, g, b, colours[DARK], patches * (1.0 - smooth_ramp(0.92, 1.04, far)) * front)
    return r, g, b


@compile_scalar
def paint_ear(
    x: float, y: float, z: float, apart: float, marks: Array, colours: Array
) -> tuple[float, float, float, float]:
    """Return RGB at a point in the ear's own frame, and how much it belongs to the hollow, 0 … 1."""
    r, g, b = blend_color(colours[FUR, 0], colours[FUR, 1], colours[FUR, 2], colours[DARK], marks[PATCHES])
    tip = smooth_ramp(0.30, 0.52, y / math.sqrt(1.0 - apart * apart))
    r, g, b = blend_color(r, g, b, colours[DARK], 0.85 * marks[EAR_TIPS] * tip)
    across = abs(x) / EAR_HOLLOW_SCALE + apart
    far = math.sqrt(across * across + (y / EAR_HOLLOW_SCALE) ** 2)
    hollow = (1.0 - smooth_ramp(0.95, 1.03, far)) * smooth_ramp(0.0, 0.2, z)
    r, g, b = blend_color(r, g, b, colours[EAR_HOLLOW], hollow)
    return r, g, b, hollow


@compile_scalar
def paint_body(x: float, y: float, z: float, marks: Array, colours: Array) -> RGB:
    """Return the body's fur, which has a bib, at a point in its own frame."""
    r, g, b = blend_color(colours[FUR, 0], colours[FUR, 1], colours[FUR, 2], colours[DARK], 0.9 * marks[PATCHES])
    far = math.sqrt((x / 0.50) ** 2 + ((y - 0.62) / 0.55) ** 2)
    bib = (1.0 - smooth_ramp(0.92, 1.08, far)) * smooth_ramp(0.0, 0.3, z) * (1.0 - marks[PATCHES])
    return blend_color(r, g, b, colours[PALE], 0.9 * max(marks[MASK], 0.7 * marks[PALE_MUZZLE]) * bib)


@compile_scalar
def paint_eye(x: float, y: float, z: float, gaze: Array, lid: float, marks: Array, colours: Array) -> RGB:
    """Return an eyeball at a point in its own frame, shaded by the upper lid, whose edge is `lid` radians above the front."""
    u = gaze[0, 0] * x + gaze[0, 1] * y + gaze[0, 2] * z
    v = gaze[1, 0] * x + gaze[1, 1] * y + gaze[1, 2] * z
    w = gaze[2, 0] * x + gaze[2, 1] * y + gaze[2, 2] * z
    r, g, b = 0.97, 0.96, 0.94
    if w > 0.0:
        radius = marks[IRIS_SIZE]
        far = math.sqrt(u * u + v * v) / radius
        # The iris is darker above, where the lid shades it, and lighter below, where the light that came in meets it.
        tone = (0.98 - 0.50 * v / radius) * (1.0 - 0.60 * smooth_ramp(0.74, 0.95, far))
        on = 1.0 - smooth_ramp(0.97, 1.03, far)
        r = r + (colours[IRIS, 0] * tone - r) * on
        g = g + (colours[IRIS, 1] * tone - g) * on
        b = b + (colours[IRIS, 2] * tone - b) * on
        size = marks[PUPIL_SIZE] * radius
        narrow, high = size * (1.0 - 0.62 * marks[SLIT]), size * (1.0 + 0.28 * marks[SLIT])
        on = 1.0 - smooth_ramp(0.93, 1.07, math.sqrt((u / narrow) ** 2 + (v / high) ** 2))
        r, g, b = r + (0.03 - r) * on, g + (0.025 - g) * on, b + (0.04 - b) * on
    shade = 1.0 - 0.50 * (1.0 - smooth_ramp(0.0, 0.45, z * math.sin(lid) - y * math.cos(lid)))
    return r * shade, g * shade, b * shade


@compile_scalar
def paint_nose(x: float, y: float, colours: Array) -> RGB:
    """Return the nose with its nostrils at a point of its front in its own frame."""
    far = math.sqrt(((abs(x) - 0.40) / 0.21) ** 2 + ((y + 0.22) / 0.24) ** 2)
    shade = 1.0 - 0.75 * (1.0 - smooth_ramp(0.8, 1.2, far))
    return colours[NOSE, 0] * shade, colours[NOSE, 1] * shade, colours[NOSE, 2] * shade


@compile_scalar
def paint_mouth(
    x: float, y: float, z: float, r: float, g: float, b: float, marks: Array, colours: Array
) -> tuple[float, float, float, float]:
    """Paint the mouth over the face's RGB at a point in the head's frame.

    Returns:
        RGB, and which share of it is not lit.
    """
    half, middle, rise, gape = marks[MOUTH_HALF_WIDTH], marks[MOUTH_HEIGHT], marks[MOUTH_RISE], marks[GAPE]
    t = abs(x) / half
    soft = 0.006
    deep = 0.0
    plain, in_front = (r, g, b), smooth_ramp(marks[MOUTH_DEPTH] - 0.06, marks[MOUTH_DEPTH], z)
    if in_front > 0.0 and t < 1.0:
        top, low = _upper(t, middle, rise), _lower(t, middle, rise, gape)
        inside = smooth_ramp(-soft, soft, top - y) * smooth_ramp(-soft, soft, y - low)
        inside *= smooth_ramp(0.0, 0.02, top - low)
        r, g, b = blend_color(r, g, b, colours[MOUTH], inside)
        deep = inside
        # The tongue lies on the lower lip and hangs over it when it comes out.
        out = marks[TONGUE_OUT] ** 3 * smooth_ramp(0.02, 0.07, gape)
        lip = _lower(0.0, middle, rise, gape)
        height = 0.30 * gape + 0.055 * out
        wide = half * (0.58 - 0.10 * out)
        at = math.sqrt((x / wide) ** 2 + ((y - lip + 0.045 * out - 0.06 * gape) / (height + 0.01)) ** 2)
        over = (1.0 - smooth_ramp(0.94, 1.06, at)) * smooth_ramp(0.015, 0.05, gape)
        over *= max(inside, out * smooth_ramp(-soft, soft, top - y))
        groove = 1.0 - 0.22 * (1.0 - smooth_ramp(0.004, 0.014, abs(x)))
        r = r + (colours[TONGUE, 0] * groove - r) * over
        g = g + (colours[TONGUE, 1] * groove - g) * over
        b = b + (colours[TONGUE, 2] * groove - b) * over
        deep *= 1.0 - over
        # Two incisors, which are visible even if the mouth is closed, and two fangs hang from the upper lip.
        fang = marks[FANGS] * min(marks[TOOTH_LENGTH], 0.8 * gape) * max(0.0, 1.0 - abs(t - 0.52) / 0.16)
        wide = 0.030 * marks[INCISORS] + 1e-3
        flat = smooth_ramp(0.003, 0.007, abs(x)) * (1.0 - smooth_ramp(wide - 0.003, wide + 0.003, abs(x)))
        incisor = marks[INCISORS] * marks[TOOTH_LENGTH] * flat
        long = max(fang, incisor)
        tooth = (
            smooth_ramp(-soft, soft, y - top + long)
            * smooth_ramp(-soft, soft, top - y)
            * smooth_ramp(0.004, 0.02, long)
        )
        r, g, b = r + (0.98 - r) * tooth, g + (0.97 - g) * tooth, b + (0.92 - b) * tooth
        deep *= 1.0 - tooth
        line = (1.0 - smooth_ramp(MOUTH_LINE_RADIUS * 0.5, MOUTH_LINE_RADIUS * 1.5, abs(y - top))) * (
            1.0 - smooth_ramp(0.93, 1.0, t)
        )
        r, g, b = blend_color(r, g, b, colours[MOUTH], 0.85 * line)
    # The cleft, from the nose down to the lips.
    cleft = (1.0 - smooth_ramp(MOUTH_LINE_RADIUS * 0.4, MOUTH_LINE_RADIUS * 1.3, abs(x))) * smooth_ramp(
        -0.004, 0.004, y - middle
    )
    cleft *= 1.0 - smooth_ramp(0.07, 0.10, y - middle)
    r, g, b = blend_color(r, g, b, colours[MOUTH], 0.6 * cleft)
    r, g, b = (
        plain[0] + (r - plain[0]) * in_front,
        plain[1] + (g - plain[1]) * in_front,
        plain[2] + (b - plain[2]) * in_front,
    )
    return r, g, b, deep * in_front
