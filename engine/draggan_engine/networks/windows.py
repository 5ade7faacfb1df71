"""Which part of each block is needed for windows of a feature map: geometry, without tensors.

A StyleGAN2 block consists of an up layer (a 3×3 convolution transposed with stride 2, then a FIR filter of four taps)
and a 3×3 convolution. Both are local, so a window of a block depends on a slightly larger window of the block below,
and so on down to blocks so small that the window fills them. `plan_windows` decides from which block on windows save
multiply-adds; the blocks below that one are computed whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from draggan_engine.core.geometry import Size

WEIGHT_PASS_PIXELS = 45
"""Each convolution of a window also has to read the weights once, which costs as much as the arithmetic of this many
pixels (measured on a CPU with 512 channels)."""

MAX_WINDOWS = 48
"""So many windows save nothing, or planning them takes longer than what they save: it takes quadratic time."""


class MapWindow(NamedTuple):
    """A rectangle of a feature map, in pixels of the map; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def whole(cls, size: Size) -> MapWindow:
        """Return the window that is the whole map."""
        return cls(0, 0, size.width, size.height)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def contains(self, other: MapWindow) -> bool:
        """Return whether the other window lies within this one."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def moved(self, x: int, y: int) -> MapWindow:
        """Return a window of the same size, moved by x to the right and y down."""
        return MapWindow(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def union(self, other: MapWindow) -> MapWindow:
        """Return the smallest window that contains both."""
        return MapWindow(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


class LayerInput(NamedTuple):
    """The part of its input that a layer needs for a window of its output.

    Attributes:
        source: the window of the input.
        padding: zeros on the left, right, top and bottom, in place of the whole map's padding; a negative number cuts
            pixels off.
    """

    source: MapWindow
    padding: tuple[int, int, int, int]


class BlockShape(NamedTuple):
    """The size of a block's feature map, and the channels of the block below and of the block itself."""

    size: Size
    channels_in: int
    channels: int


class BlockWindows(NamedTuple):
    """The windows of one block.

    Attributes:
        windows: windows of the block's feature map.
        sources: for each, the index of the window of the block below that it is computed from.
    """

    windows: tuple[MapWindow, ...]
    sources: tuple[int, ...]


def conv_input(window: MapWindow, map_size: Size) -> LayerInput:
    """Return what a 3×3 convolution with padding 1 needs for a window; its input and output have the same size."""
    left, right, pad_left, pad_right = _conv_axis(window.left, window.right, map_size.width)
    top, bottom, pad_top, pad_bottom = _conv_axis(window.top, window.bottom, map_size.height)
    return LayerInput(MapWindow(left, top, right, bottom), (pad_left, pad_right, pad_top, pad_bottom))


def upsampling_input(window: MapWindow, input_size: Size) -> LayerInput:
    """Return what an up layer needs for a window of its output, which is twice as high and wide as its input.

    The padding applies to the result of the transposed convolution, before the filter.
    """
    left, right, pad_left, pad_right = _upsampling_axis(window.left, window.right, input_size.width)
    top, bottom, pad_top, pad_bottom = _upsampling_axis(window.top, window.bottom, input_size.height)
    return LayerInput(MapWindow(left, top, right, bottom), (pad_left, pad_right, pad_top, pad_bottom))


def _conv_axis(start: int, stop: int, size: int) -> tuple[int, int, int, int]:
    """Return start and stop of the input along one axis, and the padding before and after it."""
    first, last = max(start - 1, 0), min(stop + 1, size)
    return first, last, first - (start - 1), stop + 1 - last


def _upsampling_axis(start: int, stop: int, size: int) -> tuple[int, int, int, int]:
    """Return start and stop of the input along one axis, and the padding before and after it.

    Output pixel o is filtered from the pixels start − 1 … stop + 1 of the transposed convolution, whose pixel t is
    computed from the input pixels (t − 2)/2 … t/2. The first input pixel contributes to pixel 2·first there.
    """
    first, last = max((start - 2) // 2, 0), min((stop + 1) // 2 + 1, size)
    return first, last, 2 * first + 1 - start, stop + 1 - 2 * last


def window_below(window: MapWindow, shape: BlockShape) -> MapWindow:
    """Return the window of the block below that a window of a block needs."""
    size_below = Size(shape.size.width // 2, shape.size.height // 2)
    return upsampling_input(conv_input(window, shape.size).source, size_below).source


def window_cost(window: MapWindow, shape: BlockShape) -> int:
    """Return the multiply-adds of a block's two convolutions for one window; the filter's are few."""
    up_cost = (window_below(window, shape).area + WEIGHT_PASS_PIXELS) * shape.channels_in
    return 9 * shape.channels * (up_cost + (window.area + WEIGHT_PASS_PIXELS) * shape.channels)


def merge_windows(windows: Sequence[MapWindow], cost_of: Callable[[MapWindow], int]) -> tuple[MapWindow, ...]:
    """Return fewer windows that together contain all of `windows`.

    Each window in turn joins the first other one with which it costs no more than the two apart. A joined window is
    tried again.
    """
    waiting_windows = list(dict.fromkeys(windows))
    merged_windows: list[tuple[MapWindow, int]] = []
    while waiting_windows:
        window = waiting_windows.pop()
        window_price = cost_of(window)
        for i, (other_window, other_price) in enumerate(merged_windows):
            joined_window = window.union(other_window)
            if cost_of(joined_window) <= window_price + other_price:
                del merged_windows[i]
                waiting_windows.append(joined_window)
                break
        else:
            merged_windows.append((window, window_price))
    return tuple(window for window, _ in merged_windows)


def chain_windows(windows: Sequence[MapWindow], shapes: Sequence[BlockShape]) -> tuple[BlockWindows, ...]:
    """Return the windows of all blocks that are needed for windows of the last block.

    Args:
        windows: what is needed of the last block's map.
        shapes: the blocks, lowest first. The map of the block below the first one is whole.
    """
    levels: list[tuple[MapWindow, ...]] = []
    needed_windows = tuple(windows)
    for shape in reversed(shapes):
        levels.insert(0, merge_windows(needed_windows, lambda window, shape=shape: window_cost(window, shape)))  # type: ignore[misc]
        needed_windows = tuple(window_below(window, shape) for window in levels[0])
    levels_below: list[tuple[MapWindow, ...] | None] = [None, *levels[:-1]]
    return tuple(
        BlockWindows(level, tuple(_containing_index(window_below(window, shape), level_below) for window in level))
        for level, level_below, shape in zip(levels, levels_below, shapes, strict=True)
    )


def plan_windows(windows: Sequence[MapWindow], shapes: Sequence[BlockShape]) -> tuple[BlockWindows, ...]:
    """Return how to compute windows of the last block with the fewest multiply-adds.

    Args:
        windows: what is needed of the last block's map; at least one window.
        shapes: the blocks that may be computed in windows, lowest first.

    Returns:
        The windows of the highest blocks, as in `chain_windows`; the blocks below them are to be computed whole. Empty
        if computing everything whole costs no more, if there are `MAX_WINDOWS` windows or more, or without `shapes`.
    """
    if not shapes or len(windows) >= MAX_WINDOWS:
        return ()
    levels = chain_windows(windows, shapes)
    saved_operations = [
        window_cost(MapWindow.whole(shape.size), shape) - sum(window_cost(window, shape) for window in level.windows)
        for level, shape in zip(levels, shapes, strict=True)
    ]
    first_level = max(range(len(levels), -1, -1), key=lambda i: sum(saved_operations[i:]))
    if first_level == len(levels):
        return ()
    lowest_level, *higher_levels = levels[first_level:]
    return (BlockWindows(lowest_level.windows, (0,) * len(lowest_level.windows)), *higher_levels)


def _containing_index(window: MapWindow, candidate_windows: Sequence[MapWindow] | None) -> int:
    """Return the index of the first candidate that contains the window; 0 if the map is whole (None)."""
    if candidate_windows is None:
        return 0
    return next(i for i, candidate_window in enumerate(candidate_windows) if candidate_window.contains(window))
