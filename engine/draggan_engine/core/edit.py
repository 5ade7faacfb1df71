"""The edit that a person builds, as immutable values: an image, points on it, a mask and the settings of a drag.

It names the latent of its image; the engine holds the arrays.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .errors import EditError
from .frozen_model import FrozenModel
from .geometry import Point, Size, contains, distance
from .latent_ref import LatentRef, WithLatentRef

Space = Literal["w+", "w"]
Norm = Literal["l1", "l2"]
Precision = Literal["float32", "bfloat16"]
DragMethod = Literal["least-squares", "draggan", "freedrag"]
DEFAULT_METHOD: DragMethod = "least-squares"
"""The method of new edits on a model whose file names none."""
FinitePoint = tuple[
    Annotated[float, Field(allow_inf_nan=False)],
    Annotated[float, Field(allow_inf_nan=False)],
]


class DragSettings(FrozenModel):
    """The settings of a drag.

    The defaults are the paper's at 512 pixels. Those of a model come from `for_height` or from its file. Files that name
    no method were written when "draggan" was the only one.
    """

    method: DragMethod = Field(
        "draggan",
        title="method",
        description="least-squares: the smallest change of w that moves the handles; draggan: the paper's method; "
        "freedrag: templates that move instead of handles that are tracked",
    )
    space: Space = Field("w+", title="latent space", description="w+: each layer has a w of its own; w: all share one")
    step_size: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = Field(
        2e-3, title="step size", description="how far the optimiser (Adam) moves w in a step"
    )
    mask_weight: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = Field(
        20.0, title="mask weight λ", description="how strongly a drag keeps what lies outside the mask (eq. 1)"
    )
    r1: Annotated[float, Field(ge=1, le=256, allow_inf_nan=False)] = Field(
        3.0, title="radius r1", description="px: the region round a handle that is pulled (motion supervision)"
    )
    r2: Annotated[float, Field(ge=1, le=256, allow_inf_nan=False)] = Field(
        12.0, title="radius r2", description="px: how far from a handle it is searched for (point tracking)"
    )
    layers: Annotated[int, Field(ge=1, le=64)] = Field(
        6, title="layers", description="how many layers a drag changes, counted from the first"
    )
    feature_block: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$")] = Field(
        "b128", title="feature block", description="the block whose features guide a drag"
    )
    max_steps: Annotated[int, Field(ge=1, le=100_000)] = Field(
        300, title="step limit", description="a drag ends after this many steps"
    )
    stop_distance: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)] | None = Field(
        None,
        title="stop distance",
        description="px: a drag ends when all handles are this close; empty: 1, or 2 with more than five pairs",
    )
    tracking_norm: Norm = Field(
        "l1", title="tracking norm", description="how point tracking measures the distance of features (eq. 2)"
    )
    stay: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        0.4,
        title="stay",
        description="how strongly least squares keeps an edit near its start: it counts a handle as located to so many "
        "pixels of the feature map",
    )
    precision: Precision = Field(
        "float32",
        title="precision",
        description="the number type of the features in a drag; StyleGAN3 has float32 only",
    )

    @classmethod
    def for_height(cls, height: int, feature_block: str) -> DragSettings:
        """Return the default method with the paper's settings for images of a height in pixels.

        r1 and r2 scale by height/512, but are at least 1.5 and 6 pixels. The stop distance does not scale.
        """
        height_ratio = height / 512
        return cls(
            method=DEFAULT_METHOD,
            r1=max(3 * height_ratio, 1.5),
            r2=max(12 * height_ratio, 6),
            feature_block=feature_block,
        )

    def for_new_edit(self) -> DragSettings:
        """Return these settings, with the default method if they do not name one."""
        return self if "method" in self.model_fields_set else self.model_copy(update={"method": DEFAULT_METHOD})

    def stop_distance_for(self, pair_count: int) -> float:
        """Return the stop distance d in pixels for a drag of that many pairs."""
        if self.stop_distance is not None:
            return self.stop_distance
        return 1.0 if pair_count <= 5 else 2.0


SETTINGS_WITHOUT_EFFECT: dict[DragMethod, frozenset[str]] = {
    "least-squares": frozenset({"step_size", "r1", "r2", "tracking_norm"}),
    "draggan": frozenset({"stay"}),
    "freedrag": frozenset({"r2", "tracking_norm", "stay"}),
}
"""The settings that a method does not use. When least squares has failed, the paper's method uses its own."""

ALL_HANDLES_ON_TARGETS = (
    "nothing to drag: every handle is on its target, so that it holds its place; give one of them another target"
)


class PointPair(FrozenModel):
    """A handle, and the target to which its content is dragged; no target while the pair is being placed.

    A pair whose target is on its handle is a pin. Drags leave out a pair that is not enabled.
    """

    handle: FinitePoint
    target: FinitePoint | None = None
    enabled: bool = True

    @property
    def distance(self) -> float | None:
        """Pixels from handle to target."""
        return None if self.target is None else distance(self.handle, self.target)

    @property
    def is_pin(self) -> bool:
        """Whether the target is on the handle, so that it holds its place while other pairs move."""
        return self.handle == self.target


class Mask(FrozenModel):
    """Where the image may move: one bit per pixel of the full-resolution image, row by row, deflated (zlib)."""

    width: Annotated[int, Field(ge=1, le=8192)]
    height: Annotated[int, Field(ge=1, le=8192)]
    bits: bytes

    @classmethod
    def from_array(cls, mask_array: NDArray[np.uint8]) -> Mask:
        """Return the mask of an array `uint8 [H, W]`, 1 = may move."""
        height, width = mask_array.shape
        return cls(width=width, height=height, bits=zlib.compress(np.packbits(mask_array != 0).tobytes(), 6))

    def to_array(self) -> NDArray[np.uint8]:
        """Return the mask as `uint8 [H, W]`, 1 = may move.

        Raises:
            EditError: the bits do not match the size.
        """
        pixel_count = self.width * self.height
        inflater = zlib.decompressobj()
        try:
            packed_bits = inflater.decompress(self.bits, pixel_count // 8 + 2)
        except zlib.error as zlib_error:
            raise EditError(
                f"the mask's bits cannot be read ({zlib_error}); clear the mask and paint it again"
            ) from zlib_error
        if len(packed_bits) != (pixel_count + 7) // 8:
            raise EditError(
                f"the mask's bits are not {self.width}×{self.height} pixels; clear the mask and paint it again"
            )
        mask_pixels = np.unpackbits(np.frombuffer(packed_bits, dtype=np.uint8), count=pixel_count)
        return mask_pixels.reshape(self.height, self.width)

    @property
    def share(self) -> float:
        """The share of the image that may move, 0 … 1."""
        return float(self.to_array().mean())


class Edit(WithLatentRef):
    """What the user has built: an image, points on it, a mask, and the settings of the next drag."""

    model: str
    source: LatentRef = LatentRef()
    pairs: tuple[PointPair, ...] = ()
    mask: Mask | None = None
    settings: DragSettings = DragSettings()

    @property
    def before_drags(self) -> Edit:
        """The same edit on the image that all its drags started from."""
        return self.with_source(self.source.before_drags)

    def with_source(self, source: LatentRef) -> Edit:
        """Return the edit with another image; points, mask and settings stay."""
        return self.model_copy(update={"source": source})

    @property
    def active_pairs(self) -> dict[int, tuple[Point, Point]]:
        """Handle and target, by index, of the pairs that a drag moves: those that are enabled and have a target."""
        return {
            pair_index: (pair.handle, pair.target)
            for pair_index, pair in enumerate(self.pairs)
            if pair.enabled and pair.target is not None
        }

    def dragged_pairs(self, live_pair: int | None = None) -> dict[int, tuple[Point, Point]]:
        """Return the active pairs and the pair of a live drag, whose target starts on its handle.

        Args:
            live_pair: index of the pair that follows the pointer in a live drag.
        """
        if live_pair is None:
            return self.active_pairs
        handle = self.pairs[live_pair].handle
        return dict(sorted({**self.active_pairs, live_pair: (handle, handle)}.items()))

    def check_drag(self, image_size: Size, live_pair: int | None = None) -> tuple[tuple[Point, Point], ...]:
        """Check that a drag can start, and return the (handle, target) of each pair that it drags.

        Args:
            image_size: size of the image.
            live_pair: index of the pair that follows the pointer in a live drag.

        Raises:
            EditError: there is nothing to drag, a point is outside the image, every handle is on its target, the mask has
                another size, or the mask lets nothing move.
        """
        pairs = self.dragged_pairs(live_pair)
        for pair_index, pair_points in pairs.items():
            _check_inside(pair_index, pair_points, image_size)
        if not pairs and any(pair.target is not None for pair in self.pairs):
            raise EditError("nothing to drag: every pair that has a target is disabled; enable one")
        if not pairs:
            raise EditError("nothing to drag: place a handle and its target first")
        if live_pair is None and all(handle == target for handle, target in pairs.values()):
            raise EditError(ALL_HANDLES_ON_TARGETS)
        if self.mask is not None:
            check_mask(self.mask.to_array(), image_size)
        return tuple(pairs.values())

    def after_drag(
        self, drag_number: int, end_points: Sequence[tuple[Point, Point]], live_pair: int | None = None
    ) -> Edit:
        """Return this edit with the result of a drag as its image, and the handles where the drag left them.

        Args:
            drag_number: the drag's number.
            end_points: (target, handle) of each pair that was dragged, in their order, as they were at the end. Only the
                target of a live drag's pair has moved.
            live_pair: index of the pair that followed the pointer in a live drag.
        """
        pairs = list(self.pairs)
        for pair_index, (target, handle) in zip(self.dragged_pairs(live_pair), end_points, strict=True):
            pairs[pair_index] = pairs[pair_index].model_copy(update={"handle": handle, "target": target})
        return self.model_copy(update={"source": self.source.after_drag(drag_number), "pairs": tuple(pairs)})


def check_label(label: int, class_count: int, model: str) -> None:
    """Check that a model has a class.

    Args:
        class_count: how many classes the model has; 0 if it is unconditional.
        model: its name.

    Raises:
        EditError: it has no such class.
    """
    if class_count == 0 and label != 0:
        raise EditError(f"class {label}: {model} has no classes; leave it out")
    if label >= class_count > 0:
        raise EditError(f"class {label}: {model} has the classes 0 to {class_count - 1}; give one of them")


def check_mask(mask: NDArray[np.uint8], image_size: Size) -> None:
    """Check that a drag can use a mask.

    Args:
        mask: `uint8 [H, W]`, 1 = may move.

    Raises:
        EditError: it has another size than the image, or is all zero.
    """
    if mask.shape != (image_size.height, image_size.width):
        raise EditError(
            f"the mask is {mask.shape[1]}×{mask.shape[0]} pixels, the image {image_size.width}×{image_size.height}; "
            "give one of the image's size"
        )
    if not mask.any():
        raise EditError("the mask is all zero, so nothing may move; paint where the image may move, or clear it")


def _check_inside(pair_index: int, pair_points: tuple[Point, Point], image_size: Size) -> None:
    """Check that the handle and the target of a pair lie on the image."""
    for point_name, (x, y) in zip(("handle", "target"), pair_points, strict=True):
        if not contains((x, y), image_size):
            raise EditError(
                f"pair {pair_index + 1}: its {point_name} ({x:g}, {y:g}) is outside the image; "
                f"x goes from 0 to {image_size.width - 1}, y from 0 to {image_size.height - 1}"
            )
