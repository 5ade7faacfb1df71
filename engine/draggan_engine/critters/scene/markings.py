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

FUR_SLOT, PALE_SLOT, DARK_SLOT, EAR_HOLLOW_SLOT, NOSE_SLOT, IRIS_SLOT, MOUTH_SLOT, TONGUE_SLOT = (
    COLOR_SLOTS.index(slot) for slot in ("fur", "pale", "dark", "hollow", "nose", "iris", "mouth", "tongue")
)
(
    HEAD_WIDTH, HEAD_HEIGHT, EYE_X, EYE_Y, EYE_SIZE,
    STRIPE_STRENGTH, PATCH_STRENGTH, MASK_STRENGTH, BLAZE_STRENGTH, SPOT_STRENGTH, EAR_TIPS, PALE_MUZZLE, _,
    MOUTH_HALF_WIDTH, MOUTH_HEIGHT, MOUTH_RISE, MOUTH_DEPTH, MOUTH_GAPE,
    FANG_STRENGTH, INCISOR_STRENGTH, TOOTH_LENGTH, TONGUE_OUT, IRIS_SIZE, PUPIL_SIZE, SLIT_STRENGTH,
) = range(len(MARKING_PARAMETERS))  # fmt: skip
SPOTS_ON_FACE = ((-0.46, 0.30, 0.40), (0.62, -0.20, 0.17), (0.30, 0.70, 0.19), (-0.72, -0.30, 0.13), (0.78, 0.28, 0.12))
"""x, y and radius, in the head's half widths and heights."""
MOUTH_LINE_RADIUS = 0.011
"""Half the width of the line of the mouth: 1.5 pixels at 256."""

RGB = tuple[float, float, float]

# Not cached on disk, because numba does not notice changes in other files.
compile_scalar = numba.njit(fastmath=True, error_model="numpy")

_upper_lip = cast("Callable[[float, float, float], float]", compile_scalar(upper_lip))
_lower_lip = cast("Callable[[float, float, float, float], float]", compile_scalar(lower_lip))


@compile_scalar
def smooth_ramp(low: float, high: float, x: float) -> float:
    """Return 0 below `low`, 1 above `high`, and a smooth curve between them."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@compile_scalar
def blend_color(r: float, g: float, b: float, colour: Array, mix_share: float) -> RGB:
    """Mix a share of another colour `[3]` into a colour."""
    return r + (colour[0] - r) * mix_share, g + (colour[1] - g) * mix_share, b + (colour[2] - b) * mix_share


@compile_scalar
def paint_face(x: float, y: float, z: float, muzzle_share: float, marks: Array, colours: Array) -> RGB:
    """Return the head's fur at a point in its frame.

    Args:
        muzzle_share: 1 on the muzzle, 0 elsewhere, and smooth at the seam.
    """
    u, v = x / marks[HEAD_WIDTH], y / marks[HEAD_HEIGHT]
    side_distance = abs(u)
    r, g, b = colours[FUR_SLOT, 0], colours[FUR_SLOT, 1], colours[FUR_SLOT, 2]
    front_share = smooth_ramp(-0.10, 0.10, z)
    stripe_strength = marks[STRIPE_STRENGTH]
    if stripe_strength > 0.0:
        brow_distance = min(side_distance, abs(side_distance - 0.22)) - 0.062 * smooth_ramp(
            0.36 + 0.25 * side_distance, 0.80, v
        )
        cheek_distance = min(
            abs(v + 0.06 - 0.2 * side_distance), abs(v + 0.34 - 0.2 * side_distance)
        ) - 0.060 * smooth_ramp(0.58, 0.95, side_distance)
        on = max(1.0 - smooth_ramp(-0.012, 0.020, brow_distance), 1.0 - smooth_ramp(-0.012, 0.020, cheek_distance))
        r, g, b = blend_color(r, g, b, colours[DARK_SLOT], 0.72 * stripe_strength * on)
    spot_strength = marks[SPOT_STRENGTH]
    if spot_strength > 0.0:
        on = 0.0
        for i in range(5):
            du, dv = u - SPOTS_ON_FACE[i][0], v - SPOTS_ON_FACE[i][1]
            spot_radius = SPOTS_ON_FACE[i][2] * (0.6 + 0.4 * spot_strength)
            on = max(on, 1.0 - smooth_ramp(spot_radius - 0.03, spot_radius + 0.03, math.sqrt(du * du + dv * dv)))
        r, g, b = blend_color(r, g, b, colours[DARK_SLOT], 0.62 * spot_strength * on * front_share)
    mask_edge = -0.34 + 0.52 * side_distance
    below_edge = 1.0 - smooth_ramp(mask_edge - 0.035, mask_edge + 0.035, v)
    r, g, b = blend_color(r, g, b, colours[PALE_SLOT], marks[MASK_STRENGTH] * below_edge * front_share)
    blaze_width = 0.045 + 0.12 * smooth_ramp(-0.30, 0.70, v)
    on = (
        (1.0 - smooth_ramp(blaze_width - 0.025, blaze_width + 0.025, side_distance))
        * smooth_ramp(-0.50, -0.34, v)
        * (1.0 - smooth_ramp(0.70, 0.82, v + side_distance))
    )
    r, g, b = blend_color(r, g, b, colours[PALE_SLOT], marks[BLAZE_STRENGTH] * on * front_share)
    r, g, b = blend_color(
        r,
        g,
        b,
        colours[PALE_SLOT],
        muzzle_share * marks[PALE_MUZZLE] * (1.0 - marks[MASK_STRENGTH] * (1.0 - below_edge)),
    )
    patch_strength = marks[PATCH_STRENGTH]
    if patch_strength > 0.0:
        dx, dy = abs(x) - marks[EYE_X] - 0.012, y - marks[EYE_Y] + 0.018
        patch_along, patch_across = 0.80 * dy - 0.60 * dx, 0.80 * dx + 0.60 * dy
        radial_distance = math.sqrt((patch_along / 1.25) ** 2 + patch_across**2) / (marks[EYE_SIZE] + 0.045)
        r, g, b = blend_color(
            r, g, b, colours[DARK_SLOT], patch_strength * (1.0 - smooth_ramp(0.92, 1.04, radial_distance)) * front_share
        )
    return r, g, b


@compile_scalar
def paint_ear(
    x: float, y: float, z: float, apart: float, marks: Array, colours: Array
) -> tuple[float, float, float, float]:
    """Return RGB at a point in the ear's own frame, and how much it belongs to the hollow, 0 … 1."""
    r, g, b = blend_color(
        colours[FUR_SLOT, 0], colours[FUR_SLOT, 1], colours[FUR_SLOT, 2], colours[DARK_SLOT], marks[PATCH_STRENGTH]
    )
    tip_share = smooth_ramp(0.30, 0.52, y / math.sqrt(1.0 - apart * apart))
    r, g, b = blend_color(r, g, b, colours[DARK_SLOT], 0.85 * marks[EAR_TIPS] * tip_share)
    hollow_x = abs(x) / EAR_HOLLOW_SCALE + apart
    radial_distance = math.sqrt(hollow_x * hollow_x + (y / EAR_HOLLOW_SCALE) ** 2)
    hollow_share = (1.0 - smooth_ramp(0.95, 1.03, radial_distance)) * smooth_ramp(0.0, 0.2, z)
    r, g, b = blend_color(r, g, b, colours[EAR_HOLLOW_SLOT], hollow_share)
    return r, g, b, hollow_share


@compile_scalar
def paint_body(x: float, y: float, z: float, marks: Array, colours: Array) -> RGB:
    """Return the body's fur, which has a bib, at a point in its own frame."""
    r, g, b = blend_color(
        colours[FUR_SLOT, 0],
        colours[FUR_SLOT, 1],
        colours[FUR_SLOT, 2],
        colours[DARK_SLOT],
        0.9 * marks[PATCH_STRENGTH],
    )
    radial_distance = math.sqrt((x / 0.50) ** 2 + ((y - 0.62) / 0.55) ** 2)
    bib_share = (
        (1.0 - smooth_ramp(0.92, 1.08, radial_distance)) * smooth_ramp(0.0, 0.3, z) * (1.0 - marks[PATCH_STRENGTH])
    )
    return blend_color(
        r, g, b, colours[PALE_SLOT], 0.9 * max(marks[MASK_STRENGTH], 0.7 * marks[PALE_MUZZLE]) * bib_share
    )


@compile_scalar
def paint_eye(x: float, y: float, z: float, gaze: Array, lid_angle: float, marks: Array, colours: Array) -> RGB:
    """Return an eyeball at a point in its own frame, shaded by the upper lid.

    Args:
        lid_angle: of the lid's edge above the front, radians.
    """
    u = gaze[0, 0] * x + gaze[0, 1] * y + gaze[0, 2] * z
    v = gaze[1, 0] * x + gaze[1, 1] * y + gaze[1, 2] * z
    w = gaze[2, 0] * x + gaze[2, 1] * y + gaze[2, 2] * z
    r, g, b = 0.97, 0.96, 0.94
    if w > 0.0:
        iris_radius = marks[IRIS_SIZE]
        radial_distance = math.sqrt(u * u + v * v) / iris_radius
        # The iris is darker above, where the lid shades it, and lighter below, where the light that came in meets it.
        iris_tone = (0.98 - 0.50 * v / iris_radius) * (1.0 - 0.60 * smooth_ramp(0.74, 0.95, radial_distance))
        on = 1.0 - smooth_ramp(0.97, 1.03, radial_distance)
        r = r + (colours[IRIS_SLOT, 0] * iris_tone - r) * on
        g = g + (colours[IRIS_SLOT, 1] * iris_tone - g) * on
        b = b + (colours[IRIS_SLOT, 2] * iris_tone - b) * on
        pupil_radius = marks[PUPIL_SIZE] * iris_radius
        pupil_half_width = pupil_radius * (1.0 - 0.62 * marks[SLIT_STRENGTH])
        pupil_half_height = pupil_radius * (1.0 + 0.28 * marks[SLIT_STRENGTH])
        on = 1.0 - smooth_ramp(0.93, 1.07, math.sqrt((u / pupil_half_width) ** 2 + (v / pupil_half_height) ** 2))
        r, g, b = r + (0.03 - r) * on, g + (0.025 - g) * on, b + (0.04 - b) * on
    shade_factor = 1.0 - 0.50 * (1.0 - smooth_ramp(0.0, 0.45, z * math.sin(lid_angle) - y * math.cos(lid_angle)))
    return r * shade_factor, g * shade_factor, b * shade_factor


@compile_scalar
def paint_nose(x: float, y: float, colours: Array) -> RGB:
    """Return the nose with its nostrils at a point of its front in its own frame."""
    radial_distance = math.sqrt(((abs(x) - 0.40) / 0.21) ** 2 + ((y + 0.22) / 0.24) ** 2)
    shade_factor = 1.0 - 0.75 * (1.0 - smooth_ramp(0.8, 1.2, radial_distance))
    return (
        colours[NOSE_SLOT, 0] * shade_factor,
        colours[NOSE_SLOT, 1] * shade_factor,
        colours[NOSE_SLOT, 2] * shade_factor,
    )


@compile_scalar
def paint_mouth(
    x: float, y: float, z: float, r: float, g: float, b: float, marks: Array, colours: Array
) -> tuple[float, float, float, float]:
    """Paint the mouth over the face's RGB at a point in the head's frame.

    Returns:
        RGB, and which share of it is not lit.
    """
    half_width, mouth_middle = marks[MOUTH_HALF_WIDTH], marks[MOUTH_HEIGHT]
    corner_rise, mouth_gape = marks[MOUTH_RISE], marks[MOUTH_GAPE]
    t = abs(x) / half_width
    edge_width = 0.006
    unlit_share = 0.0
    face_color, in_front = (r, g, b), smooth_ramp(marks[MOUTH_DEPTH] - 0.06, marks[MOUTH_DEPTH], z)
    if in_front > 0.0 and t < 1.0:
        upper_y = _upper_lip(t, mouth_middle, corner_rise)
        lower_y = _lower_lip(t, mouth_middle, corner_rise, mouth_gape)
        inside_share = smooth_ramp(-edge_width, edge_width, upper_y - y) * smooth_ramp(
            -edge_width, edge_width, y - lower_y
        )
        inside_share *= smooth_ramp(0.0, 0.02, upper_y - lower_y)
        r, g, b = blend_color(r, g, b, colours[MOUTH_SLOT], inside_share)
        unlit_share = inside_share
        # The tongue lies on the lower lip and hangs over it when it comes out.
        tongue_out = marks[TONGUE_OUT] ** 3 * smooth_ramp(0.02, 0.07, mouth_gape)
        lip_y = _lower_lip(0.0, mouth_middle, corner_rise, mouth_gape)
        tongue_height = 0.30 * mouth_gape + 0.055 * tongue_out
        tongue_half_width = half_width * (0.58 - 0.10 * tongue_out)
        tongue_y = y - lip_y + 0.045 * tongue_out - 0.06 * mouth_gape
        at = math.sqrt((x / tongue_half_width) ** 2 + (tongue_y / (tongue_height + 0.01)) ** 2)
        tongue_share = (1.0 - smooth_ramp(0.94, 1.06, at)) * smooth_ramp(0.015, 0.05, mouth_gape)
        tongue_share *= max(inside_share, tongue_out * smooth_ramp(-edge_width, edge_width, upper_y - y))
        groove_shade = 1.0 - 0.22 * (1.0 - smooth_ramp(0.004, 0.014, abs(x)))
        r = r + (colours[TONGUE_SLOT, 0] * groove_shade - r) * tongue_share
        g = g + (colours[TONGUE_SLOT, 1] * groove_shade - g) * tongue_share
        b = b + (colours[TONGUE_SLOT, 2] * groove_shade - b) * tongue_share
        unlit_share *= 1.0 - tongue_share
        # Two incisors, which are visible even if the mouth is closed, and two fangs hang from the upper lip.
        fang_profile = max(0.0, 1.0 - abs(t - 0.52) / 0.16)
        fang_length = marks[FANG_STRENGTH] * min(marks[TOOTH_LENGTH], 0.8 * mouth_gape) * fang_profile
        incisor_half_width = 0.030 * marks[INCISOR_STRENGTH] + 1e-3
        beyond_incisor = smooth_ramp(incisor_half_width - 0.003, incisor_half_width + 0.003, abs(x))
        incisor_profile = smooth_ramp(0.003, 0.007, abs(x)) * (1.0 - beyond_incisor)
        incisor_length = marks[INCISOR_STRENGTH] * marks[TOOTH_LENGTH] * incisor_profile
        tooth_length = max(fang_length, incisor_length)
        tooth_share = (
            smooth_ramp(-edge_width, edge_width, y - upper_y + tooth_length)
            * smooth_ramp(-edge_width, edge_width, upper_y - y)
            * smooth_ramp(0.004, 0.02, tooth_length)
        )
        r, g, b = r + (0.98 - r) * tooth_share, g + (0.97 - g) * tooth_share, b + (0.92 - b) * tooth_share
        unlit_share *= 1.0 - tooth_share
        line_share = (1.0 - smooth_ramp(MOUTH_LINE_RADIUS * 0.5, MOUTH_LINE_RADIUS * 1.5, abs(y - upper_y))) * (
            1.0 - smooth_ramp(0.93, 1.0, t)
        )
        r, g, b = blend_color(r, g, b, colours[MOUTH_SLOT], 0.85 * line_share)
    # The cleft, from the nose down to the lips.
    cleft_share = (1.0 - smooth_ramp(MOUTH_LINE_RADIUS * 0.4, MOUTH_LINE_RADIUS * 1.3, abs(x))) * smooth_ramp(
        -0.004, 0.004, y - mouth_middle
    )
    cleft_share *= 1.0 - smooth_ramp(0.07, 0.10, y - mouth_middle)
    r, g, b = blend_color(r, g, b, colours[MOUTH_SLOT], 0.6 * cleft_share)
    r, g, b = (
        face_color[0] + (r - face_color[0]) * in_front,
        face_color[1] + (g - face_color[1]) * in_front,
        face_color[2] + (b - face_color[2]) * in_front,
    )
    return r, g, b, unlit_share * in_front
