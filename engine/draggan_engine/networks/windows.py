"""Which part of each block a window of a feature map needs: geometry, no tensors.

A StyleGAN2 block is an up layer (a 3×3 convolution transposed with stride 2, then a FIR filter of four taps) and a 3×3
convolution. Both are local, so a window of a block depends on a slightly larger window of the block below, down to
blocks so small that the window fills them. Blocks are computed in windows from where that saves multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from draggan_engine.core.geometry import Size

WEIGHT_PASS_PIXELS = 45
"""Each convolution of a window also costs a pass over the weights: as much as so many pixels' arithmetic. Measured
with F.conv2d and F.conv_transpose2d at 512 channels, with the gradient, float32, one core: (48 + pixels)·87 µs and
(42 + pixels)·105 µs."""

MAX_WINDOWS = 48
"""So many windows do not pay, or finding out takes longer than what they save: the time goes with their square."""


class MapWindow(NamedTuple):
    """A part of a map in its own pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def contains(self, other: MapWindow) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def moved(self, x: int, y: int) -> MapWindow:
        """Of the same size, somewhere else."""
        return MapWindow(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def union(self, other: MapWindow) -> MapWindow:
        """The smallest box that holds both."""
        return MapWindow(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


class LayerInput(NamedTuple):
    """What a layer reads for a window of its output: the `source` part of its input, and the zeros (left, right, top,
    bottom; negative: what is cut off) that take the place of the whole map's padding."""

    source: MapWindow
    padding: tuple[int, int, int, int]


class BlockShape(NamedTuple):
    """A block's map, and the channels of the block below and of its own."""

    size: Size
    channels_in: int
    channels: int


class BlockWindows(NamedTuple):
    """The windows of one block, and the window of the block below that each is computed from."""

    boxes: tuple[MapWindow, ...]
    sources: tuple[int, ...]


def whole_map(size: Size) -> MapWindow:
    """All of a map."""
    return MapWindow(0, 0, size.width, size.height)


def conv_input(box: MapWindow, size: Size) -> LayerInput:
    """For a 3×3 convolution with padding 1, whose input and output are of that size."""
    left, right, *x = _conv_axis(box.left, box.right, size.width)
    top, bottom, *y = _conv_axis(box.top, box.bottom, size.height)
    return LayerInput(MapWindow(left, top, right, bottom), (x[0], x[1], y[0], y[1]))


def upsampling_input(box: MapWindow, below: Size) -> LayerInput:
    """For an up layer whose input is of the size `below`; the padding is that of the transposed convolution's result,
    before the filter."""
    left, right, *x = _up_axis(box.left, box.right, below.width)
    top, bottom, *y = _up_axis(box.top, box.bottom, below.height)
    return LayerInput(MapWindow(left, top, right, bottom), (x[0], x[1], y[0], y[1]))


def _conv_axis(start: int, stop: int, size: int) -> tuple[int, int, int, int]:
    first, last = max(start - 1, 0), min(stop + 1, size)
    return first, last, first - (start - 1), stop + 1 - last


def _up_axis(start: int, stop: int, size: int) -> tuple[int, int, int, int]:
    # Output o is filtered from the transposed convolution's start - 1 … stop + 1, and its sample t is made of the
    # input's (t - 2)/2 … t/2; the input's first sample is its own sample 2·first.
    first, last = max((start - 2) // 2, 0), min((stop + 1) // 2 + 1, size)
    return first, last, 2 * first + 1 - start, stop + 1 - 2 * last


def window_below(box: MapWindow, shape: BlockShape) -> MapWindow:
    """The part of the block below that a window of a block needs."""
    half = Size(shape.size.width // 2, shape.size.height // 2)
    return upsampling_input(conv_input(box, shape.size).source, half).source


def window_cost(box: MapWindow, shape: BlockShape) -> int:
    """Multiply-adds of a block's two convolutions for one window; the filter's are few."""
    up = (window_below(box, shape).area + WEIGHT_PASS_PIXELS) * shape.channels_in
    return 9 * shape.channels * (up + (box.area + WEIGHT_PASS_PIXELS) * shape.channels)


def merge_windows(boxes: Sequence[MapWindow], price: Callable[[MapWindow], int]) -> tuple[MapWindow, ...]:
    """Fewer boxes that hold all of them: one after the other joins the first with which it is not dearer together, and
    what has been joined is tried again."""
    waiting = list(dict.fromkeys(boxes))
    done: list[tuple[MapWindow, int]] = []
    while waiting:
        box = waiting.pop()
        own = price(box)
        for i, (other, its) in enumerate(done):
            both = box.union(other)
            if price(both) <= own + its:
                del done[i]
                waiting.append(both)
                break
        else:
            done.append((box, own))
    return tuple(box for box, _ in done)


def chain_windows(boxes: Sequence[MapWindow], shapes: Sequence[BlockShape]) -> tuple[BlockWindows, ...]:
    """Windows of all those blocks (lowest first), of which the last's hold the boxes and each other's what the next
    needs; the map below the first is whole."""
    levels: list[tuple[MapWindow, ...]] = []
    wanted = tuple(boxes)
    for shape in reversed(shapes):
        levels.insert(0, merge_windows(wanted, lambda box, shape=shape: window_cost(box, shape)))  # type: ignore[misc]
        wanted = tuple(window_below(box, shape) for box in levels[0])
    below: list[tuple[MapWindow, ...] | None] = [None, *levels[:-1]]
    return tuple(
        BlockWindows(here, tuple(_holder(window_below(box, shape), holders) for box in here))
        for here, holders, shape in zip(levels, below, shapes, strict=True)
    )


def plan_windows(boxes: Sequence[MapWindow], shapes: Sequence[BlockShape]) -> tuple[BlockWindows, ...]:
    """How to compute windows of the last block with the fewest multiply-adds.

    Args:
        boxes: what is wanted of the last block's map; at least one.
        shapes: the blocks that may be computed in windows, lowest first.

    Returns:
        The windows of the highest blocks, as in `chain`; the blocks below them are to be computed whole. Empty:
        computing everything whole is no dearer, or the boxes are `MANY`, or no block may.
    """
    if not shapes or len(boxes) >= MAX_WINDOWS:
        return ()
    levels = chain_windows(boxes, shapes)
    gains = [
        window_cost(whole_map(shape.size), shape) - sum(window_cost(box, shape) for box in level.boxes)
        for level, shape in zip(levels, shapes, strict=True)
    ]
    first = max(range(len(levels), -1, -1), key=lambda i: sum(gains[i:]))
    chosen = levels[first:]
    return tuple(BlockWindows(level.boxes, (0,) * len(level.boxes)) for level in chosen[:1]) + chosen[1:]


def _holder(box: MapWindow, holders: Sequence[MapWindow] | None) -> int:
    """The index of one that contains the box; 0 where the map below is whole."""
    if holders is None:
        return 0
    return next(i for i, holder in enumerate(holders) if holder.contains(box))
