"""Windows of a feature map, and where they come from: all that a drag looks at, and nothing computed twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from draggan_engine.core.geometry import Size
from draggan_engine.networks.stylegan2 import BlockConstants, StyleGAN2Block, StyleGAN2Synthesis
from draggan_engine.networks.synthesis import SynthesisNetwork
from draggan_engine.networks.windows import BlockWindows, MapWindow, plan_windows, whole_map


class FeatureWindows:
    """Windows of the feature maps of N latents; the whole map is a window too.

    Attributes:
        boxes: where the windows are, the same for all latents.
        grid: size of the whole map.
        pixels: `[N, L, C]`: the features of the windows' pixels, row by row, one window after the other.
    """

    def __init__(self, patches: Sequence[Tensor], boxes: Sequence[MapWindow], grid: Size) -> None:
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
        return cls([features], [whole_map(grid)], grid)

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
        if self.boxes != (whole_map(self.grid),):
            raise ValueError(f"the whole map is wanted of {len(self.boxes)} windows")
        return self._patches[0]


class FeatureSource(ABC):
    """The features of one block for one ws after another, while the weights stay as they are.

    Attributes:
        grid: size of the block's map.
    """

    grid: Size

    @abstractmethod
    def __call__(self, ws: Tensor, boxes: Sequence[MapWindow] | None = None) -> FeatureWindows:
        """The features of `ws` `[N, num_ws, w_dim]`: at least what lies in the boxes (at least one; in pixels of the
        block's map), None = everywhere."""

    @abstractmethod
    def image_renderer(self) -> Callable[[int], Tensor]:
        """What draws the ws whose features were asked for last: from one of the network's `image_heights` to the picture
        `[N, C, height, w]`, without gradient. Also later, and in another thread: it has copies, for a recorded step writes
        over what the one before has left."""


class WholeMapSource(FeatureSource):
    """Of any family: the whole map each time."""

    def __init__(self, synthesis: SynthesisNetwork, name: str, grid: Size) -> None:
        self.synthesis, self.name, self.grid = synthesis, name, grid

    def __call__(self, ws: Tensor, boxes: Sequence[MapWindow] | None = None) -> FeatureWindows:  # noqa: ARG002
        self._ws = ws.detach()
        return FeatureWindows.of(self.synthesis(ws, features=(self.name,)).features[self.name])

    def image_renderer(self) -> Callable[[int], Tensor]:
        ws = self._ws.clone()

        @torch.no_grad()
        def draw(height: int) -> Tensor:
            image: Tensor | None = self.synthesis(ws, image=height).image
            assert image is not None  # it was asked for
            return image

        return draw


class WindowedSource(FeatureSource):
    """Of StyleGAN2: the highest blocks only in windows, from where that saves arithmetic; exactly what they are in the
    whole map, and with the same gradient."""

    def __init__(
        self,
        synthesis: StyleGAN2Synthesis,
        name: str,
        moving: int,
        precision: torch.dtype | None = None,
        entire: bool = False,
    ) -> None:
        """For ws whose first `moving` rows change; there is no gradient with respect to the others. Every block is
        computed in that precision, None: as for pictures. `entire`: whole maps will be asked for each time."""
        self.synthesis, self.moving = synthesis, moving
        self.depth = synthesis.block_names.index(name) + 1
        self.blocks = [_block(synthesis, name) for name in synthesis.block_names]
        self.dtypes = [synthesis.dtype_of(block.resolution) for block in self.blocks]
        if precision is not None:
            self.dtypes[: self.depth] = [precision] * self.depth
        # Of the lowest blocks; of those above the features only from a picture on.
        self.constants: list[BlockConstants] = []
        self._know(self.depth)
        if not entire:  # whole maps gain a tenth by it, for a third more memory
            self.constants = [each.packed() for each in self.constants]
        self.shapes = [block.shape for block in self.blocks[1 : self.depth]]
        height, width = self.blocks[self.depth - 1].conv1.noise_const.shape
        self.grid = Size(width, height)

    def __call__(self, ws: Tensor, boxes: Sequence[MapWindow] | None = None) -> FeatureWindows:
        return self.computed(ws, () if boxes is None else plan_windows(boxes, self.shapes))

    def computed(self, ws: Tensor, levels: Sequence[BlockWindows]) -> FeatureWindows:
        """With those windows of the highest blocks (`windows.chain`), the blocks below whole."""
        rows = [row if i < self.moving else row.detach() for i, row in enumerate(ws.unbind(dim=1))]
        below = self.depth - len(levels)
        x: Tensor | None = None
        maps = []
        for i in range(below):
            x = self._whole(i, x, rows)
            maps.append(x.detach())
        assert x is not None  # no windows of the first block
        self._ws, self._maps = ws.detach(), maps
        patches, places = [x], [MapWindow(0, 0, x.shape[3], x.shape[2])]
        for i, level in enumerate(levels, start=below):
            patches = [
                self.blocks[i].feature_window(
                    patches[source], places[source], box, rows[_row(i) :], self.dtypes[i], self.constants[i]
                )
                for box, source in zip(level.boxes, level.sources, strict=True)
            ]
            places = list(level.boxes)
        return FeatureWindows([patch.to(ws.dtype) for patch in patches], places, self.grid)

    def image_renderer(self) -> Callable[[int], Tensor]:
        rows, maps = self._ws.clone().unbind(dim=1), [x.clone() for x in self._maps]

        @torch.no_grad()
        def draw(height: int) -> Tensor:
            """Goes on from the maps that the features took whole."""
            x: Tensor | None = None
            picture: Tensor | None = None
            for i, block in enumerate(self.blocks):
                if block.resolution > height:
                    break
                self._know(i + 1)
                x = maps[i] if i < len(maps) else self._whole(i, x, rows)
                picture = block.add_to_image(
                    picture, x.to(self.synthesis.dtype_of(block.resolution)), rows[_row(i + 1)]
                )
            assert picture is not None  # each block has one
            return picture

        return draw

    @torch.no_grad()
    def _know(self, count: int) -> None:
        """What so many of the lowest blocks compute from their weights alone."""
        for i in range(len(self.constants), count):
            self.constants.append(self.blocks[i].constants(self.dtypes[i]))

    def _whole(self, i: int, x: Tensor | None, rows: Sequence[Tensor]) -> Tensor:
        """The map of a block, from that of the block below."""
        return self.blocks[i].feature_map(x, rows[_row(i) :], "const", self.dtypes[i], self.constants[i])


def feature_source(
    synthesis: SynthesisNetwork, name: str, moving: int, precision: torch.dtype | None = None, entire: bool = False
) -> FeatureSource:
    """For drags on that block that move the first `moving` rows of ws; there need be no gradient with respect to the
    others.

    Args:
        precision: to compute in; None: as for pictures. StyleGAN3 heeds none.
        entire: whole maps will be asked for each time.
    """
    if isinstance(synthesis, StyleGAN2Synthesis):
        return WindowedSource(synthesis, name, moving, precision, entire)
    height = synthesis.feature_height(name)
    return WholeMapSource(synthesis, name, Size(height, height))  # StyleGAN3's pictures are square


def _row(block: int) -> int:
    """The first of the block's rows of ws."""
    return max(2 * block - 1, 0)


def _block(synthesis: StyleGAN2Synthesis, name: str) -> StyleGAN2Block:
    block = synthesis.get_submodule(name)
    assert isinstance(block, StyleGAN2Block)
    return block
