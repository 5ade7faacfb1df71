"""Draws scenes: one ray for each sub-pixel, closed-form ray–ellipsoid hits, the nearest wins. Needs numba (extra `train`)."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from .scene import Scene


@numba.njit(parallel=True, fastmath=True, cache=True)
def _draw(centre, quadric, extent, colour, gloss, stripe, light, sky, ground, size, sub, out):  # type: ignore[no-untyped-def]
    count, parts = centre.shape[0], centre.shape[1]
    fine = size * sub
    step = 2.0 / fine
    share = 1.0 / (sub * sub)
    for n in numba.prange(count):
        lx, ly, lz = light[n, 0], light[n, 1], light[n, 2]
        # Half-way vector between the light and the viewer (0, 0, 1).
        hz = lz + 1.0
        norm = math.sqrt(lx * lx + ly * ly + hz * hz)
        hx, hy, hz = lx / norm, ly / norm, hz / norm
        for row in range(fine):
            y = 1.0 - (row + 0.5) * step
            blend = 0.5 * (y + 1.0)
            for col in range(fine):
                x = (col + 0.5) * step - 1.0
                best, hit = -1e9, -1
                for k in range(parts):
                    dx, dy = x - centre[n, k, 0], y - centre[n, k, 1]
                    if abs(dx) > extent[n, k, 0] or abs(dy) > extent[n, k, 1]:
                        continue
                    axx, axy, axz = quadric[n, k, 0], quadric[n, k, 1], quadric[n, k, 2]
                    ayy, ayz, azz = quadric[n, k, 3], quadric[n, k, 4], quadric[n, k, 5]
                    b = axz * dx + ayz * dy
                    c = axx * dx * dx + 2.0 * axy * dx * dy + ayy * dy * dy - 1.0
                    under = b * b - azz * c
                    if under < 0.0:
                        continue
                    z = centre[n, k, 2] + (math.sqrt(under) - b) / azz
                    if z > best:
                        best, hit = z, k
                r = ground[n, 0] + (sky[n, 0] - ground[n, 0]) * blend
                g = ground[n, 1] + (sky[n, 1] - ground[n, 1]) * blend
                bl = ground[n, 2] + (sky[n, 2] - ground[n, 2]) * blend
                if hit >= 0:
                    k = hit
                    dx, dy, dz = x - centre[n, k, 0], y - centre[n, k, 1], best - centre[n, k, 2]
                    nx = quadric[n, k, 0] * dx + quadric[n, k, 1] * dy + quadric[n, k, 2] * dz
                    ny = quadric[n, k, 1] * dx + quadric[n, k, 3] * dy + quadric[n, k, 4] * dz
                    nz = quadric[n, k, 2] * dx + quadric[n, k, 4] * dy + quadric[n, k, 5] * dz
                    norm = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
                    nx, ny, nz = nx * norm, ny * norm, nz * norm
                    shade = 0.42 + 0.62 * max(0.0, nx * lx + ny * ly + nz * lz)
                    shade *= 0.62 + 0.38 * math.sqrt(max(nz, 0.0))
                    if stripe[n, k, 0] > 0.0:
                        wave = stripe[n, k, 2] * dx + stripe[n, k, 3] * dy + stripe[n, k, 4] * dz
                        shade *= 1.0 + stripe[n, k, 0] * math.sin(wave + stripe[n, k, 1])
                    shine = 0.0
                    if gloss[n, k] > 0.0:
                        shine = gloss[n, k] * max(0.0, nx * hx + ny * hy + nz * hz) ** 24
                    r = min(1.0, colour[n, k, 0] * shade + shine)
                    g = min(1.0, colour[n, k, 1] * shade + shine)
                    bl = min(1.0, colour[n, k, 2] * shade + shine)
                i, j = row // sub, col // sub
                out[n, 0, i, j] += r * share
                out[n, 1, i, j] += g * share
                out[n, 2, i, j] += bl * share


def render(scene: Scene, resolution: int, supersampling: int = 2) -> NDArray[np.float32]:
    """Pictures `[N, 3, resolution, resolution]`, float32 in [−1, 1]."""
    out = np.zeros((len(scene.centre), 3, resolution, resolution), dtype=np.float32)
    _draw(
        scene.centre, scene.quadric, scene.extent, scene.colour, scene.gloss, scene.stripe,
        scene.light, scene.sky, scene.ground, resolution, supersampling, out,
    )  # fmt: skip
    return out * 2 - 1
