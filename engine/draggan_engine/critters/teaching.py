"""Scenes to learn from, drawn while the last ones are learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .losses import part_weights
from .numbers import Z_DIM
from .render import render
from .scene import build_scene


class Lesson(NamedTuple):
    """`z` `[N, Z_DIM]`, its pictures `[N, 3, H, H]` in [−1, 1], and how much their pixels count, `[N, 1, H, H]`."""

    z: Tensor
    pictures: Tensor
    weight: Tensor


def lesson(seed: tuple[int, ...], step: int, count: int, resolution: int) -> Lesson:
    """That of one step: data never repeats, and a resumed run goes on with the same."""
    z = np.random.default_rng([*seed, step]).standard_normal((count, Z_DIM))
    scene = build_scene(z)
    pictures = render(scene, resolution)
    return Lesson(torch.from_numpy(z.astype(np.float32)), torch.from_numpy(pictures), part_weights(scene, resolution))


def lessons(seed: tuple[int, ...], count: int, steps: Sequence[tuple[int, int]]) -> Iterator[Lesson]:
    """Those of (step, resolution), one drawn ahead in another thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = [pool.submit(lesson, seed, step, count, resolution) for step, resolution in steps[:1]]
        for step, resolution in steps[1:]:
            ahead.append(pool.submit(lesson, seed, step, count, resolution))
            yield ahead.pop(0).result()
        if ahead:
            yield ahead.pop().result()
