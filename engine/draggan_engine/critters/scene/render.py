"""Draw scenes with one ray for each sub-pixel. Hits are computed in closed form, and the nearest part is seen.

Needs numba (extra `train`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from .ellipsoids import Array
from .markings import compile_scalar
from .palette import COLOR_SLOTS
from .scene import Scene
from .shading import EAR_PARTS, IS_SMOOTH, LID_PARTS, backdrop_color, blend_whisker, light_directions, shade_point

TILE_SIZE = 8  # px
NO_HIT = -1e9
WHISKER_MARGIN = 0.05
"""How far a whisker may leave the box of its ends (image plane units)."""
BACKDROP_SLOTS = [COLOR_SLOTS.index(slot) for slot in ("sky", "ground", "glow")]
PAIRED_PARTS, CUT_PARTS = EAR_PARTS, LID_PARTS


@compile_scalar
def front_surface(
    x: float, y: float, k: int, centre: Array, quadric: Array, offset: Array, cut: Array
) -> tuple[float, int]:
    """Return the depth of part k on the line of sight at x, y, or `NO_HIT`, and which of its surfaces is seen.

    The surfaces −1 and 1 are its ellipsoids, 0 is the plane that cuts it.
    """
    axx, axy, axz = quadric[k, 0], quadric[k, 1], quadric[k, 2]
    ayy, ayz, azz = quadric[k, 3], quadric[k, 4], quadric[k, 5]
    near_depth, far_depth, side = -NO_HIT, NO_HIT, -1
    for side_sign in range(-1, 2 if k in PAIRED_PARTS else 0, 2):
        dx, dy = x - centre[k, 0] - side_sign * offset[k, 0], y - centre[k, 1] - side_sign * offset[k, 1]
        b = axz * dx + ayz * dy
        root_argument = b * b - azz * (axx * dx * dx + 2.0 * axy * dx * dy + ayy * dy * dy - 1.0)
        if root_argument < 0.0:
            return NO_HIT, side
        square_root = math.sqrt(root_argument)
        ellipsoid_depth = side_sign * offset[k, 2]
        surface_depth = ellipsoid_depth + (square_root - b) / azz
        if surface_depth < near_depth:
            near_depth, side = surface_depth, side_sign
        far_depth = max(far_depth, ellipsoid_depth - (square_root + b) / azz)
    if k in CUT_PARTS:
        cut_distance = cut[k, 3] - cut[k, 0] * (x - centre[k, 0]) - cut[k, 1] * (y - centre[k, 1])
        cut_slope = cut[k, 2]
        if cut_slope > 1e-9:
            if cut_distance / cut_slope < near_depth:
                near_depth, side = cut_distance / cut_slope, 0
        elif cut_slope < -1e-9:
            far_depth = max(far_depth, cut_distance / cut_slope)
        elif cut_distance < 0.0:
            return NO_HIT, side
    if near_depth < far_depth:
        return NO_HIT, side
    return centre[k, 2] + near_depth, side


@compile_scalar
def _crossing(
    boxes: Array, left: float, right: float, bottom: float, top: float, box_indices: NDArray[np.int64]
) -> int:
    """Write the indices of the boxes `[count, 4]` (left, right, bottom, top) that meet a tile; return how many they are."""
    box_count = 0
    for k in range(len(boxes)):
        if left < boxes[k, 1] and right > boxes[k, 0] and bottom < boxes[k, 3] and top > boxes[k, 2]:
            box_indices[box_count] = k
            box_count += 1
    return box_count


@compile_scalar
def _look(x, y, s, active_count, active, depth, sides, boxes, solids):  # type: ignore[no-untyped-def]
    """Fill row `s` of `depth` and `sides` for the `active_count` active parts on a line of sight.

    Returns:
        The index of the active part that is seen, or −1.
    """
    centre, quadric, offset, cut = solids
    best_depth, hit_index = NO_HIT, -1
    for i in range(active_count):
        k = active[i]
        z, side = NO_HIT, 0
        if boxes[k, 0] < x < boxes[k, 1] and boxes[k, 2] < y < boxes[k, 3]:
            z, side = front_surface(x, y, k, centre, quadric, offset, cut)
        depth[s, i], sides[s, i] = z, side
        if z > best_depth:
            best_depth, hit_index = z, i
    return hit_index


@compile_scalar
def _rays(  # type: ignore[no-untyped-def]
    left, top, ray_spacing, group_side, active_count, active, whisker_count, whisker_indices, depth, sides, boxes, whiskers,
    solids, paint,
):  # fmt: skip
    """Return the sum of RGB over `group_side`² rays, `ray_spacing` apart, whose corner is at left, top.

    If all of them see one part without fine detail, it is shaded once, in their middle.
    """
    colours, marks = paint[6], paint[5]
    sees_one_part, first_hit, side = True, -1, 0
    for s in range(group_side * group_side):
        hit_index = _look(
            left + ((s & 1) + 0.5) * ray_spacing, top - ((s >> 1) + 0.5) * ray_spacing,
            s, active_count, active, depth, sides, boxes, solids,
        )  # fmt: skip
        hit_side = sides[s, hit_index] if hit_index >= 0 else 0
        if s == 0:
            first_hit, side = hit_index, hit_side
        sees_one_part &= hit_index == first_hit and hit_side == side
        depth[s, active_count] = hit_index
    is_shaded_once = sees_one_part and (first_hit < 0 or IS_SMOOTH[active[first_hit]] == 1)
    r = g = b = red = green = blue = 0.0
    if is_shaded_once:
        x, y = left + 0.5 * group_side * ray_spacing, top - 0.5 * group_side * ray_spacing
        r, g, b = backdrop_color(x, y, colours)
        if first_hit >= 0:
            hit_index = _look(x, y, 4, active_count, active, depth, sides, boxes, solids)
            if hit_index >= 0:
                r, g, b = shade_point(x, y, 4, hit_index, active_count, active, depth, sides, solids, paint)
    for s in range(group_side * group_side):
        x, y = left + ((s & 1) + 0.5) * ray_spacing, top - ((s >> 1) + 0.5) * ray_spacing
        hit_index = int(depth[s, active_count])
        if not is_shaded_once:
            if hit_index >= 0:
                r, g, b = shade_point(x, y, s, hit_index, active_count, active, depth, sides, solids, paint)
            else:
                r, g, b = backdrop_color(x, y, colours)
        z = depth[s, hit_index] if hit_index >= 0 else NO_HIT
        fr, fg, fb = r, g, b
        for w in range(whisker_count):
            fr, fg, fb = blend_whisker(x, y, z, whisker_indices[w], whiskers, fr, fg, fb, marks, colours)
        red, green, blue = red + min(1.0, fr), green + min(1.0, fg), blue + min(1.0, fb)
    return red, green, blue


@compile_scalar
def _draw_one(  # type: ignore[no-untyped-def]
    boxes, whisker_boxes, whiskers, solids, paint, rays_per_side, image_size, window_corner, image_window,
):  # fmt: skip
    """Draw a window of one image, tile by tile. Few parts can be seen in a tile."""
    part_count, window_height, window_width = len(boxes), image_window.shape[1], image_window.shape[2]
    pixel_size = 2.0 / image_size
    group_side = 2 - rays_per_side % 2
    ray_share = 1.0 / (rays_per_side * rays_per_side)
    active, whisker_indices = np.empty(part_count, dtype=np.int64), np.empty(len(whisker_boxes), dtype=np.int64)
    # One row for each ray, the fifth for the middle of four. The last column of `depth` has the index of the part that is seen.
    depth, sides = np.empty((5, part_count + 1)), np.empty((5, part_count), dtype=np.int64)
    for top in range(0, window_height, TILE_SIZE):
        for left in range(0, window_width, TILE_SIZE):
            x0, y1 = (window_corner[1] + left) * pixel_size - 1.0, 1.0 - (window_corner[0] + top) * pixel_size
            x1, y0 = x0 + TILE_SIZE * pixel_size, y1 - TILE_SIZE * pixel_size
            active_count = _crossing(boxes, x0, x1, y0, y1, active)
            whisker_count = _crossing(whisker_boxes, x0, x1, y0, y1, whisker_indices)
            for i in range(top, min(top + TILE_SIZE, window_height)):
                for j in range(left, min(left + TILE_SIZE, window_width)):
                    x, y = (window_corner[1] + j) * pixel_size - 1.0, 1.0 - (window_corner[0] + i) * pixel_size
                    if active_count + whisker_count == 0:
                        r, g, b = backdrop_color(x + 0.5 * pixel_size, y - 0.5 * pixel_size, paint[6])
                        image_window[0, i, j], image_window[1, i, j], image_window[2, i, j] = r, g, b
                        continue
                    red = green = blue = 0.0
                    for ray_row in range(0, rays_per_side, group_side):
                        for ray_column in range(0, rays_per_side, group_side):
                            r, g, b = _rays(
                                x + ray_column * pixel_size / rays_per_side, y - ray_row * pixel_size / rays_per_side,
                                pixel_size / rays_per_side, group_side, active_count, active,
                                whisker_count, whisker_indices, depth, sides, boxes, whiskers, solids, paint,
                            )  # fmt: skip
                            red, green, blue = red + r, green + g, blue + b
                    image_window[0, i, j] = red * ray_share
                    image_window[1, i, j] = green * ray_share
                    image_window[2, i, j] = blue * ray_share


_DRAWING_LOCK = threading.Lock()  # some threading layers of numba end the process if two threads use them at once


@numba.njit(parallel=True, fastmath=True, error_model="numpy")
def _draw(  # type: ignore[no-untyped-def]
    boxes, whisker_boxes, whiskers, centre, quadric, offset, cut, frame, apart, head, gaze, opening, marks, colours, light,
    rays_per_side, image_size, corners, image_windows,
):  # fmt: skip
    for n in numba.prange(len(centre)):
        solids = centre[n], quadric[n], offset[n], cut[n]
        rays = light_directions(quadric[n], light[n])
        paint = frame[n], apart[n], head[n], gaze[n], opening[n], marks[n], colours[n], light[n], rays
        _draw_one(
            boxes[n], whisker_boxes[n], whiskers[n], solids, paint, rays_per_side, image_size, corners[n], image_windows[n]
        )  # fmt: skip


def render_scene(scene: Scene, resolution: int, supersampling: int = 2) -> NDArray[np.float32]:
    """Return the images of a scene, `[N, 3, resolution, resolution]`, float32 in [−1, 1].

    Args:
        supersampling: rays per pixel in each direction.
    """
    corners = np.zeros((len(scene.centre), 2), dtype=np.int64)
    return render_windows(scene, resolution, corners, (resolution, resolution), supersampling)


def render_cut_out(scene: Scene, resolution: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return animals without their backdrops, float32.

    Returns:
        The images before black, `[N, 3, resolution, resolution]` in [−1, 1], and how much of each pixel is backdrop, with the
        same shape, in [0, 1]. Before backdrops b in [−1, 1] the images are `on_black + share * (b + 1)`.
    """
    on_black, on_white = (render_scene(_with_backdrop(scene, grey), resolution) for grey in (0.0, 1.0))
    return on_black, (on_white - on_black) / np.float32(2)


def _with_backdrop(scene: Scene, grey: float) -> Scene:
    colours = scene.colours.copy()
    colours[:, BACKDROP_SLOTS] = grey
    return replace(scene, colours=colours)


def render_windows(
    scene: Scene, resolution: int, corners: NDArray[np.int64], window_size: tuple[int, int], supersampling: int = 2
) -> NDArray[np.float32]:
    """Return windows of the images, `[N, 3, height, width]`.

    Args:
        corners: the top left pixels (y, x) of the windows, `[N, 2]`.
        window_size: height and width of the windows, px.
    """
    image_windows = np.empty((len(scene.centre), 3, *window_size), dtype=np.float32)
    part_centres, whisker_ends = scene.centre[..., :2], scene.whiskers[..., :2]
    with _DRAWING_LOCK, _unchanged_thread_count():
        _draw(
            _boxes(part_centres - scene.extent, part_centres + scene.extent),
            _boxes(whisker_ends.min(axis=2) - WHISKER_MARGIN, whisker_ends.max(axis=2) + WHISKER_MARGIN),
            scene.whiskers, scene.centre, scene.quadric, scene.offset, scene.cut, scene.frame, scene.apart, scene.head,
            scene.gaze, scene.opening, scene.markings, scene.colours, scene.light,
            supersampling, resolution, corners, image_windows,
        )  # fmt: skip
    return image_windows * 2 - 1


@contextmanager
def _unchanged_thread_count() -> Iterator[None]:
    """Keep torch's number of threads: numba's first parallel call sets that of OpenMP, which torch reads."""
    thread_count = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(thread_count)


def _boxes(low_corners: Array, high_corners: Array) -> Array:
    """Return boxes `[N, count, 4]` (left, right, bottom, top) of corners `[N, count, 2]`."""
    return np.stack([low_corners[..., 0], high_corners[..., 0], low_corners[..., 1], high_corners[..., 1]], axis=-1)


def nearest_parts(scene: Scene, points: Array) -> NDArray[np.int64]:
    """Return the index of the part that is seen at points `[N, L, 2]` of the image plane, `[N, L]`; −1 is the backdrop."""
    part_indices = np.full(points.shape[:2], -1)
    for n, image_points in enumerate(points):
        part_arrays = scene.centre[n], scene.quadric[n], scene.offset[n], scene.cut[n]
        for i, (x, y) in enumerate(image_points):
            part_depths = [front_surface(x, y, k, *part_arrays)[0] for k in range(scene.centre.shape[1])]
            if max(part_depths) > NO_HIT:
                part_indices[n, i] = int(np.argmax(part_depths))
    return part_indices
