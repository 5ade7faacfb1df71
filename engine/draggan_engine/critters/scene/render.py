"""Draw scenes with one ray for each sub-pixel. Hits are computed in closed form, and the nearest part is seen.

Needs numba (extra `train`).
"""

from __future__ import annotations

import math
import threading

import numba
import numpy as np
from numpy.typing import NDArray

from .ellipsoids import Array
from .markings import compile_scalar
from .scene import Scene
from .shading import EARS, IS_SMOOTH, LIDS, backdrop_color, blend_whisker, light_directions, shade_point

TILE_SIZE = 8  # px
NO_HIT = -1e9
WHISKER_MARGIN = 0.05
"""How far a whisker may leave the box of its ends (image plane units)."""
PAIRED_PARTS, CUT_PARTS = EARS, LIDS


@compile_scalar
def front_surface(
    x: float, y: float, k: int, centre: Array, quadric: Array, offset: Array, cut: Array
) -> tuple[float, int]:
    """Return the depth of part k on the line of sight at x, y, or `NO_HIT`, and which of its surfaces is seen.

    The surfaces −1 and 1 are its ellipsoids, 0 is the plane that cuts it.
    """
    axx, axy, axz = quadric[k, 0], quadric[k, 1], quadric[k, 2]
    ayy, ayz, azz = quadric[k, 3], quadric[k, 4], quadric[k, 5]
    near, far, side = -NO_HIT, NO_HIT, -1
    for sign in range(-1, 2 if k in PAIRED_PARTS else 0, 2):
        dx, dy = x - centre[k, 0] - sign * offset[k, 0], y - centre[k, 1] - sign * offset[k, 1]
        b = axz * dx + ayz * dy
        under = b * b - azz * (axx * dx * dx + 2.0 * axy * dx * dy + ayy * dy * dy - 1.0)
        if under < 0.0:
            return NO_HIT, side
        root = math.sqrt(under)
        middle = sign * offset[k, 2]
        reach = middle + (root - b) / azz
        if reach < near:
            near, side = reach, sign
        far = max(far, middle - (root + b) / azz)
    if k in CUT_PARTS:
        left = cut[k, 3] - cut[k, 0] * (x - centre[k, 0]) - cut[k, 1] * (y - centre[k, 1])
        slope = cut[k, 2]
        if slope > 1e-9:
            if left / slope < near:
                near, side = left / slope, 0
        elif slope < -1e-9:
            far = max(far, left / slope)
        elif left < 0.0:
            return NO_HIT, side
    if near < far:
        return NO_HIT, side
    return centre[k, 2] + near, side


@compile_scalar
def _crossing(boxes: Array, left: float, right: float, bottom: float, top: float, indices: NDArray[np.int64]) -> int:
    """Write the indices of the boxes `[count, 4]` (left, right, bottom, top) that meet a tile; return how many they are."""
    count = 0
    for k in range(len(boxes)):
        if left < boxes[k, 1] and right > boxes[k, 0] and bottom < boxes[k, 3] and top > boxes[k, 2]:
            indices[count] = k
            count += 1
    return count


@compile_scalar
def _look(x, y, s, near, active, depth, sides, boxes, solids):  # type: ignore[no-untyped-def]
    """Fill row `s` of `depth` and `sides` for the `near` active parts on a line of sight.

    Returns:
        The index of the active part that is seen, or −1.
    """
    centre, quadric, offset, cut = solids
    best, hit = NO_HIT, -1
    for i in range(near):
        k = active[i]
        z, side = NO_HIT, 0
        if boxes[k, 0] < x < boxes[k, 1] and boxes[k, 2] < y < boxes[k, 3]:
            z, side = front_surface(x, y, k, centre, quadric, offset, cut)
        depth[s, i], sides[s, i] = z, side
        if z > best:
            best, hit = z, i
    return hit


@compile_scalar
def _rays(left, top, step, group, near, active, hairs, strokes, depth, sides, boxes, whiskers, solids, paint):  # type: ignore[no-untyped-def]
    """Return the sum of RGB over `group`² rays, `step` apart, whose corner is at left, top.

    If all of them see one part without fine detail, it is shaded once, in their middle.
    """
    colours, marks = paint[6], paint[5]
    same, first, side = True, -1, 0
    for s in range(group * group):
        hit = _look(
            left + ((s & 1) + 0.5) * step, top - ((s >> 1) + 0.5) * step, s, near, active, depth, sides, boxes, solids
        )
        hit_side = sides[s, hit] if hit >= 0 else 0
        if s == 0:
            first, side = hit, hit_side
        same &= hit == first and hit_side == side
        depth[s, near] = hit
    once = same and (first < 0 or IS_SMOOTH[active[first]] == 1)
    r = g = b = red = green = blue = 0.0
    if once:
        x, y = left + 0.5 * group * step, top - 0.5 * group * step
        r, g, b = backdrop_color(x, y, colours)
        if first >= 0:
            hit = _look(x, y, 4, near, active, depth, sides, boxes, solids)
            if hit >= 0:
                r, g, b = shade_point(x, y, 4, hit, near, active, depth, sides, solids, paint)
    for s in range(group * group):
        x, y = left + ((s & 1) + 0.5) * step, top - ((s >> 1) + 0.5) * step
        hit = int(depth[s, near])
        if not once:
            if hit >= 0:
                r, g, b = shade_point(x, y, s, hit, near, active, depth, sides, solids, paint)
            else:
                r, g, b = backdrop_color(x, y, colours)
        z = depth[s, hit] if hit >= 0 else NO_HIT
        fr, fg, fb = r, g, b
        for w in range(hairs):
            fr, fg, fb = blend_whisker(x, y, z, strokes[w], whiskers, fr, fg, fb, marks, colours)
        red, green, blue = red + min(1.0, fr), green + min(1.0, fg), blue + min(1.0, fb)
    return red, green, blue


@compile_scalar
def _draw_one(boxes, strokes, whiskers, solids, paint, sub, size, corner, out):  # type: ignore[no-untyped-def]
    """Draw a window of one image, tile by tile. Few parts can be seen in a tile."""
    parts, height, width = len(boxes), out.shape[1], out.shape[2]
    pixel = 2.0 / size
    group = 2 - sub % 2
    share = 1.0 / (sub * sub)
    active, hairy = np.empty(parts, dtype=np.int64), np.empty(len(strokes), dtype=np.int64)
    # One row for each ray, the fifth for the middle of four. The last column of `depth` has the index of the part that is seen.
    depth, sides = np.empty((5, parts + 1)), np.empty((5, parts), dtype=np.int64)
    for top in range(0, height, TILE_SIZE):
        for left in range(0, width, TILE_SIZE):
            x0, y1 = (corner[1] + left) * pixel - 1.0, 1.0 - (corner[0] + top) * pixel
            x1, y0 = x0 + TILE_SIZE * pixel, y1 - TILE_SIZE * pixel
            near = _crossing(boxes, x0, x1, y0, y1, active)
            hairs = _crossing(strokes, x0, x1, y0, y1, hairy)
            for i in range(top, min(top + TILE_SIZE, height)):
                for j in range(left, min(left + TILE_SIZE, width)):
                    x, y = (corner[1] + j) * pixel - 1.0, 1.0 - (corner[0] + i) * pixel
                    if near + hairs == 0:
                        r, g, b = backdrop_color(x + 0.5 * pixel, y - 0.5 * pixel, paint[6])
                        out[0, i, j], out[1, i, j], out[2, i, j] = r, g, b
                        continue
                    red = green = blue = 0.0
                    for row in range(0, sub, group):
                        for col in range(0, sub, group):
                            r, g, b = _rays(
                                x + col * pixel / sub, y - row * pixel / sub, pixel / sub, group,
                                near, active, hairs, hairy, depth, sides, boxes, whiskers, solids, paint,
                            )  # fmt: skip
                            red, green, blue = red + r, green + g, blue + b
                    out[0, i, j], out[1, i, j], out[2, i, j] = red * share, green * share, blue * share


_ALONE = threading.Lock()  # some threading layers of numba end the process if two threads use them at once


@numba.njit(parallel=True, fastmath=True, error_model="numpy")
def _draw(  # type: ignore[no-untyped-def]
    boxes, strokes, whiskers, centre, quadric, offset, cut, frame, apart, head, gaze, opening, marks, colours, light, sub, size,
    corners, out,
):  # fmt: skip
    for n in numba.prange(len(centre)):
        solids = centre[n], quadric[n], offset[n], cut[n]
        rays = light_directions(quadric[n], light[n])
        paint = frame[n], apart[n], head[n], gaze[n], opening[n], marks[n], colours[n], light[n], rays
        _draw_one(boxes[n], strokes[n], whiskers[n], solids, paint, sub, size, corners[n], out[n])


def render_scene(scene: Scene, resolution: int, supersampling: int = 2) -> NDArray[np.float32]:
    """Return the images of a scene, `[N, 3, resolution, resolution]`, float32 in [−1, 1].

    Args:
        supersampling: rays per pixel in each direction.
    """
    corners = np.zeros((len(scene.centre), 2), dtype=np.int64)
    return render_windows(scene, resolution, corners, (resolution, resolution), supersampling)


def render_windows(
    scene: Scene, resolution: int, corners: NDArray[np.int64], size: tuple[int, int], supersampling: int = 2
) -> NDArray[np.float32]:
    """Return windows of the images, `[N, 3, height, width]`.

    Args:
        corners: the top left pixels (y, x) of the windows, `[N, 2]`.
        size: height and width of the windows, px.
    """
    out = np.empty((len(scene.centre), 3, *size), dtype=np.float32)
    middle, ends = scene.centre[..., :2], scene.whiskers[..., :2]
    with _ALONE:
        _draw(
            _boxes(middle - scene.extent, middle + scene.extent), _boxes(ends.min(axis=2) - WHISKER_MARGIN, ends.max(axis=2) + WHISKER_MARGIN),
            scene.whiskers, scene.centre, scene.quadric, scene.offset, scene.cut, scene.frame, scene.apart, scene.head,
            scene.gaze, scene.opening, scene.markings, scene.colours, scene.light, supersampling, resolution, corners, out,
        )  # fmt: skip
    return out * 2 - 1


def _boxes(low: Array, high: Array) -> Array:
    """Return boxes `[N, count, 4]` (left, right, bottom, top) of corners `[N, count, 2]`."""
    return np.stack([low[..., 0], high[..., 0], low[..., 1], high[..., 1]], axis=-1)


def nearest_parts(scene: Scene, points: Array) -> NDArray[np.int64]:
    """Return the index of the part that is seen at points `[N, L, 2]` of the image plane, `[N, L]`; −1 is the backdrop."""
    part_indices = np.full(points.shape[:2], -1)
    for n, places in enumerate(points):
        one = scene.centre[n], scene.quadric[n], scene.offset[n], scene.cut[n]
        for i, (x, y) in enumerate(places):
            depths = [front_surface(x, y, k, *one)[0] for k in range(scene.centre.shape[1])]
            if max(depths) > NO_HIT:
                part_indices[n, i] = int(np.argmax(depths))
    return part_indices
