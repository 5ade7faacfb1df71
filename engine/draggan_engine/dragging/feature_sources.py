"""Feature maps and windows of them, and the sources that compute them for one latent after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from draggan_engine.core.geometry import Size
from draggan_engine.networks.stylegan2 import BlockConstants, StyleGAN2Synthesis, first_row
from draggan_engine.networks.synthesis import SynthesisNetwork
from draggan_engine.networks.windows import BlockWindows, MapWindow, plan_windows


class FeatureWindows:
    """Windows of the feature maps of N latents; the whole map is a window too.

    Args:
        patches: the features of each window, `[N, C, window height, window width]`.
        windows: where they lie in the map, the same for all latents.
        map_size: size of the whole map.

    Attributes:
        windows, map_size: as given.
        pixels: the features of all windows, `[N, L, C]`: row by row, one window after the other.
    """

    def __init__(self, patches: Sequence[Tensor], windows: Sequence[MapWindow], map_size: Size) -> None:
        self.windows, self.map_size = tuple(windows), map_size
        self._patches = tuple(patches)
        rows = [patch.flatten(2) for patch in patches]
        joined_rows = rows[0] if len(rows) == 1 else torch.cat(rows, dim=2)
        self.pixels = joined_rows.transpose(1, 2).contiguous()

    @classmethod
    def of(cls, features: Tensor) -> FeatureWindows:
        """Return the whole map `[N, C, h, w]` as one window."""
        map_size = Size(features.shape[3], features.shape[2])
        return cls([features], [MapWindow.whole(map_size)], map_size)

    @cached_property
    def edges(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Left, top, right and bottom of the windows, each `[number of windows]`, on the features' device."""
        left, top, right, bottom = torch.tensor(self.windows, device=self.pixels.device).unbind(dim=1)
        return left, top, right, bottom

    def is_finite(self) -> Tensor:
        """Return whether all features of each latent are finite, bool `[N]`."""
        return torch.isfinite(self.pixels).flatten(1).all(dim=1)

    @property
    def whole_map(self) -> Tensor:
        """The whole map `[N, C, h, w]`.

        Raises:
            ValueError: only parts of the map were computed.
        """
        if self.windows != (MapWindow.whole(self.map_size),):
            raise ValueError(f"the whole map is needed, but there are {len(self.windows)} windows of it")
        return self._patches[0]


class FeatureSource(ABC):
    """Computes the features of one block for one latent after another, while the weights do not change.

    Attributes:
        map_size: size of the block's feature map.
    """

    map_size: Size

    @abstractmethod
    def __call__(self, ws: Tensor, windows: Sequence[MapWindow] | None = None) -> FeatureWindows:
        """Return the features of latents.

        Args:
            ws: `[N, num_ws, w_dim]`.
            windows: what is needed of the map, at least one window; None = the whole map. The result contains these
                windows, possibly joined or as parts of larger ones.
        """

    @abstractmethod
    def image_renderer(self, dtype: torch.dtype | None = None) -> Callable[[int], Tensor]:
        """Return a function that renders the latents whose features were computed last.

        It maps one of the network's `image_heights` to the images `[N, C, height, w]`, without a gradient. It may be
        called later and from another thread: it works on copies, because a recorded step overwrites its results.

        Args:
            dtype: number type of the blocks that have not been computed for the features; None = their own.
        """


class WholeMapSource(FeatureSource):
    """For generators of any family: computes the whole map each time."""

    def __init__(self, synthesis: SynthesisNetwork, block_name: str, map_size: Size) -> None:
        self.synthesis, self.block_name, self.map_size = synthesis, block_name, map_size

    def __call__(self, ws: Tensor, windows: Sequence[MapWindow] | None = None) -> FeatureWindows:  # noqa: ARG002
        self._ws = ws.detach()
        return FeatureWindows.of(self.synthesis(ws, features=(self.block_name,)).features[self.block_name])

    def image_renderer(self, dtype: torch.dtype | None = None) -> Callable[[int], Tensor]:  # noqa: ARG002
        ws = self._ws.clone()

        @torch.no_grad()
        def render(height: int) -> Tensor:
            image: Tensor | None = self.synthesis(ws, image=height).image
            assert image is not None  # a height was requested
            return image

        return render


class WindowedSource(FeatureSource):
    """For StyleGAN2: computes the highest blocks only in windows, from the block on where this saves arithmetic.

    The features and their gradient are exactly those of the whole map.

    Args:
        synthesis: the network; its weights must not change.
        block_name: the block whose features are computed.
        optimized_rows: how many rows of ws, from the first, change; there is no gradient for the others.
        dtype: number type of all blocks; None = that of the network's images.
        whole_maps: whether whole maps will be requested each time. Their kernels are not packed, because that would
            take more memory and save little time.
    """

    def __init__(
        self,
        synthesis: StyleGAN2Synthesis,
        block_name: str,
        optimized_rows: int,
        dtype: torch.dtype | None = None,
        whole_maps: bool = False,
    ) -> None:
        self.synthesis, self.optimized_rows = synthesis, optimized_rows
        self.block_count = synthesis.block_names.index(block_name) + 1
        self.blocks = [synthesis.block(name) for name in synthesis.block_names]
        self.dtypes = [synthesis.block_dtype(block.resolution) for block in self.blocks]
        if dtype is not None:
            self.dtypes[: self.block_count] = [dtype] * self.block_count
        self.constants = [self._block_constants(index) for index in range(self.block_count)]
        if not whole_maps:
            self.constants = [constants.packed() for constants in self.constants]
        self._image_constants: dict[tuple[int, torch.dtype], BlockConstants] = {}
        self.shapes = [block.shape for block in self.blocks[1 : self.block_count]]
        height, width = self.blocks[self.block_count - 1].conv1.noise_const.shape
        self.map_size = Size(width, height)

    def __call__(self, ws: Tensor, windows: Sequence[MapWindow] | None = None) -> FeatureWindows:
        return self.compute(ws, () if windows is None else plan_windows(windows, self.shapes))

    def compute(self, ws: Tensor, windowed_blocks: Sequence[BlockWindows]) -> FeatureWindows:
        """Return the features of `ws` `[N, num_ws, w_dim]`, computing the highest blocks in windows.

        Args:
            windowed_blocks: the windows of the highest blocks, as `windows.chain_windows` returns them.
        """
        rows = [row if i < self.optimized_rows else row.detach() for i, row in enumerate(ws.unbind(dim=1))]
        whole_count = self.block_count - len(windowed_blocks)
        x: Tensor | None = None
        whole_maps = []
        for index in range(whole_count):
            x = self._whole_map(index, x, rows)
            whole_maps.append(x.detach())
        assert x is not None  # the first block is always computed whole
        self._ws, self._whole_maps = ws.detach(), whole_maps
        patches, windows = [x], [MapWindow(0, 0, x.shape[3], x.shape[2])]
        for index, level in enumerate(windowed_blocks, start=whole_count):
            block_rows = rows[first_row(index) :]
            patches = [
                self.blocks[index].feature_window(
                    patches[source], windows[source], window, block_rows, self.dtypes[index], self.constants[index]
                )
                for window, source in zip(level.windows, level.sources, strict=True)
            ]
            windows = list(level.windows)
        return FeatureWindows([patch.to(ws.dtype) for patch in patches], windows, self.map_size)

    def image_renderer(self, dtype: torch.dtype | None = None) -> Callable[[int], Tensor]:
        rows, whole_maps = self._ws.clone().unbind(dim=1), [x.clone() for x in self._whole_maps]

        @torch.no_grad()
        def render(height: int) -> Tensor:
            """Continue from the blocks that were computed whole for the features."""
            x: Tensor | None = None
            image: Tensor | None = None
            for index, block in enumerate(self.blocks):
                if block.height > height:
                    break
                block_dtype = dtype or self.dtypes[index]
                if index < len(whole_maps):
                    x = whole_maps[index]
                else:
                    constants = self._constants_for_images(index, block_dtype)
                    x = block.feature_map(x, rows[first_row(index) :], "const", block_dtype, constants)
                image_dtype = dtype or self.synthesis.block_dtype(block.resolution)
                image = block.add_to_image(image, x.to(image_dtype), rows[first_row(index + 1)])
            assert image is not None  # every block has an image
            return image

        return render

    @torch.no_grad()
    def _block_constants(self, index: int, dtype: torch.dtype | None = None) -> BlockConstants:
        return self.blocks[index].constants(dtype or self.dtypes[index])

    def _constants_for_images(self, index: int, dtype: torch.dtype) -> BlockConstants:
        """Return the constants of a block for images. They are computed for the first image and kept."""
        if index < self.block_count and dtype == self.dtypes[index]:
            return self.constants[index]
        if (index, dtype) not in self._image_constants:
            self._image_constants[index, dtype] = self._block_constants(index, dtype)
        return self._image_constants[index, dtype]

    def _whole_map(self, index: int, x: Tensor | None, rows: Sequence[Tensor]) -> Tensor:
        """Return the map of the block with this index, from the map of the block below."""
        block_rows = rows[first_row(index) :]
        return self.blocks[index].feature_map(x, block_rows, "const", self.dtypes[index], self.constants[index])


def feature_source(
    synthesis: SynthesisNetwork,
    block_name: str,
    optimized_rows: int,
    dtype: torch.dtype | None = None,
    whole_maps: bool = False,
) -> FeatureSource:
    """Return a source of a block's features for drags; see `WindowedSource` for the arguments.

    StyleGAN3 ignores `dtype`, and always computes whole maps and all gradients.
    """
    if isinstance(synthesis, StyleGAN2Synthesis):
        return WindowedSource(synthesis, block_name, optimized_rows, dtype, whole_maps)
    height = synthesis.feature_height(block_name)
    image_height, image_width = synthesis.image_shape
    return WholeMapSource(synthesis, block_name, Size(height * image_width // image_height, height))
