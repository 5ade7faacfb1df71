"""One drag: an iterator of frozen events that alternates supervision and tracking until it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.networks.generator import Generator
from draggan_engine.protocol.edit import DragSettings, check_mask
from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import Point, Size, distance
from draggan_engine.protocol.messages import Reason

from .sampling import disc, sample, square
from .supervision import fixed_area, supervision_loss
from .tracking import track


@dataclass(frozen=True)
class DragStep:
    """After one step: where the handles are in the picture of `ws`.

    Attributes:
        step: 1 for the first.
        loss: eq. 1 at the latent before the step.
        handles: one for each pair, in picture pixels.
        mean_distance: pixels from handle to target, averaged.
        ws: `[1, num_ws, w_dim]`, a copy, on the generator's device.
    """

    step: int
    loss: float
    handles: tuple[Point, ...]
    mean_distance: float
    ws: Tensor


@dataclass(frozen=True)
class DragEnd:
    """The last event. With `diverged`, handles and ws are those of the last finite step."""

    reason: Reason
    steps: int
    seconds: float
    handles: tuple[Point, ...]
    ws: Tensor


class DragSession:
    """Drags handles of a picture to their targets (the paper's loop, one forward pass a step).

    The features of a latent serve its tracking and then its supervision. The optimised variable is an
    offset on the first `layers` rows of `ws`: one for each row in W+, a common one in W.

    Args:
        generator: in eval mode, its parameters without gradient.
        ws: where to start, `[1, num_ws, w_dim]`.
        pairs: (handle, target) in picture pixels, at least one.
        mask: `uint8 [H, W]`, 1 = may move; None = everything may.
        settings: the paper's numbers.

    Raises:
        EditError: no pairs, a feature block that the model does not have, or a mask that does not fit.
    """

    def __init__(
        self,
        generator: Generator,
        ws: Tensor,
        pairs: Sequence[tuple[Point, Point]],
        mask: NDArray[np.uint8] | None,
        settings: DragSettings,
    ) -> None:
        height, width = generator.size
        self.picture = Size(width, height)
        if not pairs:
            raise EditError("nothing to drag: place a handle and its target first")
        if settings.feature_block not in generator.synthesis.block_names:
            names = ", ".join(generator.synthesis.block_names)
            raise EditError(f"feature block {settings.feature_block!r}: this model has {names}; choose one of them")
        if mask is not None:
            check_mask(mask, self.picture)
        self.generator, self.settings = generator, settings
        device = generator.device
        self.start = ws.detach().to(device).clone()
        self.handles = torch.tensor([handle for handle, _ in pairs], dtype=torch.float32, device=device)
        self.targets = torch.tensor([target for _, target in pairs], dtype=torch.float32, device=device)
        self.fixed = fixed_area(None if mask is None else torch.from_numpy(mask.copy()).to(device))
        self.supervised = disc(settings.r1, device)
        # Half a pixel more, because a handle between pixels is searched from its nearest one.
        self.searched = square(settings.r2 + 0.5, device)
        self._stop = False

    def stop(self) -> None:
        """Ends the drag before its next step; may be called from another thread."""
        self._stop = True

    def steps(self) -> Iterator[DragStep | DragEnd]:
        """Yields a `DragStep` after each step and a `DragEnd` at last."""
        began = time.monotonic()
        rows = 1 if self.settings.space == "w" else min(self.settings.layers, self.start.shape[1])
        offset = torch.zeros(1, rows, self.start.shape[2], device=self.start.device, requires_grad=True)
        optimiser = torch.optim.Adam([offset], lr=self.settings.step_size)
        stop_within = self.settings.stop_within(len(self.handles))

        ws, handles = self.start, self.handles
        features = self._features(self._latent(offset))
        first = features.detach()
        references = sample(first, handles, self.picture)
        step = 0
        while True:
            distances = (handles - self.targets).norm(dim=1)
            if bool((distances <= stop_within).all()):
                reason: Reason = "reached"
                break
            if step == self.settings.max_steps:
                reason = "max_steps"
                break
            if self._stop:
                reason = "stopped"
                break
            loss = supervision_loss(
                features,
                first,
                handles,
                self.targets,
                self.supervised,
                self.fixed,
                self.settings.mask_weight,
                self.picture,
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            value = float(loss.detach())
            moved = self._latent(offset)
            features = self._features(moved)
            if not (
                math.isfinite(value) and bool(torch.isfinite(moved).all()) and bool(torch.isfinite(features).all())
            ):
                reason = "diverged"
                break
            step += 1
            ws = moved.detach()
            handles = track(
                features.detach(),
                references,
                handles,
                self.searched,
                self.settings.r2,
                self.settings.tracking_norm,
                self.picture,
            )
            points = _points(handles)
            yield DragStep(step, value, points, self._mean_distance(points), ws.clone())
        yield DragEnd(reason, step, time.monotonic() - began, _points(handles), ws.clone())

    def _latent(self, offset: Tensor) -> Tensor:
        count = min(self.settings.layers, self.start.shape[1])
        moved = self.start[:, :count] + offset
        return torch.cat([moved, self.start[:, count:]], dim=1)

    def _features(self, ws: Tensor) -> Tensor:
        name = self.settings.feature_block
        return self.generator.synthesis(ws, features=(name,)).features[name]  # type: ignore[no-any-return]

    def _mean_distance(self, handles: tuple[Point, ...]) -> float:
        targets = _points(self.targets)
        return sum(distance(p, t) for p, t in zip(handles, targets, strict=True)) / len(handles)


def _points(tensor: Tensor) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in tensor.tolist())
