"""Windows of a feature map, and where they come from: all that a drag looks at, and nothing computed twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from draggan_engine.protocol.geometry import Size

from .stylegan2 import Block, Fixed, StyleGAN2Synthesis
from .synthesis import Synthesis
from .windows import Box, Level, plan, whole


class FeatureWindows:
    """Windows of the feature maps of N latents; the whole map is a window too.

    Attributes:
        boxes: where the windows are, the same for all latents.
        grid: size of the whole map.
        pixels: `[N, L, C]`: the features of the windows' pixels, row by row, one window after the other.
    """

    def __init__(self, patches: Sequence[Tensor], boxes: Sequence[Box], grid: Size) -> None:
        """Of `patches` `[N, C, height and width of the box]`."""
        self.boxes, self.grid = tuple(boxes), grid
        self._patches = tuple(patches)
        rows = [patch.flatten(2) for patch in patches]
        joined = rows[0] if len(rows) == 1 else torch.cat(rows, dim=2)
        self.pixels = joined.transpose(1, 2).contiguous()

    @classmethod
    def of(cls, features: Tensor) -> FeatureWindows:
        """Of a whole map `[N, C, h, w]`."""
        grid = Size(features.shape[3], features.shape[2])
        return cls([features], [whole(grid)], grid)

    @cached_property
    def edges(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Left, top, right and bottom of the boxes, each `[B]`, on the features' device."""
        left, top, right, bottom = torch.tensor(self.boxes, device=self.pixels.device).unbind(dim=1)
        return left, top, right, bottom

    @property
    def map(self) -> Tensor:
        """The whole map `[N, C, h, w]`.

        Raises:
            ValueError: there are only parts of it.
        """
        if self.boxes != (whole(self.grid),):
            raise ValueError(f"the whole map is wanted of {len(self.boxes)} windows")
        return self._patches[0]


class FeatureSource(ABC):
    """The features of one block for one ws after another, while the weights stay as they are.

    Attributes:
        grid: size of the block's map.
    """

    grid: Size

    @abstractmethod
    def __call__(self, ws: Tensor, boxes: Sequence[Box] | None = None) -> FeatureWindows:
        """The features of `ws` `[N, num_ws, w_dim]`: at least what lies in the boxes (at least one; in pixels of the
        block's map), None = everywhere."""


class WholeMaps(FeatureSource):
    """Of any family: the whole map each time."""

    def __init__(self, synthesis: Synthesis, name: str, grid: Size) -> None:
        self.synthesis, self.name, self.grid = synthesis, name, grid

    def __call__(self, ws: Tensor, boxes: Sequence[Box] | None = None) -> FeatureWindows:  # noqa: ARG002
        return FeatureWindows.of(self.synthesis(ws, features=(self.name,)).features[self.name])


class LocalMaps(FeatureSource):
    """Of StyleGAN2: the highest blocks only in windows, from where that saves arithmetic; exactly what they are in the
    whole map, and with the same gradient."""

    def __init__(self, synthesis: StyleGAN2Synthesis, name: str, moving: int) -> None:
        """For ws whose first `moving` rows change; there is no gradient with respect to the others."""
        self.synthesis, self.name = synthesis, name
        self.names = synthesis.block_names[: synthesis.block_names.index(name) + 1]
        self.dtypes = [synthesis.dtype_of(resolution) for resolution in synthesis.resolutions[: len(self.names)]]
        self.blocks = [_block(synthesis, name) for name in self.names]
        self.shapes = [block.shape for block in self.blocks[1:]]
        height, width = self.blocks[-1].conv1.noise_const.shape
        self.grid = Size(width, height)
        with torch.no_grad():
            constants = [block.constants(dtype) for block, dtype in zip(self.blocks, self.dtypes, strict=True)]
        self.fixed = Fixed(moving, dict(zip(self.names, constants, strict=True)))

    def __call__(self, ws: Tensor, boxes: Sequence[Box] | None = None) -> FeatureWindows:
        return self.computed(ws, () if boxes is None else plan(boxes, self.shapes))

    def computed(self, ws: Tensor, levels: Sequence[Level]) -> FeatureWindows:
        """With those windows of the highest blocks (`windows.chain`), the blocks below whole."""
        base = self.names[-1 - len(levels)]
        x = self.synthesis(ws, features=(base,), fixed=self.fixed).features[base]
        if not levels:
            return FeatureWindows.of(x)
        rows = self.fixed.rows_of(ws)
        patches, places = [x], [Box(0, 0, x.shape[3], x.shape[2])]
        for i, level in enumerate(levels, start=len(self.names) - len(levels)):
            block, dtype, constants = self.blocks[i], self.dtypes[i], self.fixed.constants[self.names[i]]
            patches = [
                block.window(patches[source], places[source], box, rows[2 * i - 1 :], dtype, constants)
                for box, source in zip(level.boxes, level.sources, strict=True)
            ]
            places = list(level.boxes)
        return FeatureWindows([patch.to(ws.dtype) for patch in patches], places, self.grid)


def feature_source(synthesis: Synthesis, name: str, moving: int) -> FeatureSource:
    """For drags on that block that move the first `moving` rows of ws; there need be no gradient with respect to the
    others."""
    if isinstance(synthesis, StyleGAN2Synthesis):
        return LocalMaps(synthesis, name, moving)
    height = synthesis.feature_height(name)
    return WholeMaps(synthesis, name, Size(height, height))  # StyleGAN3's pictures are square


def _block(synthesis: StyleGAN2Synthesis, name: str) -> Block:
    block = synthesis.get_submodule(name)
    assert isinstance(block, Block)
    return block
