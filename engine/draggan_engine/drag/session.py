"""One drag: an iterator of frozen events that alternates supervision and tracking until it ends."""

from __future__ import annotations

import math
import threading
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
from draggan_engine.protocol.history import Reason

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
class DragAtRest:
    """A drag that is led by hand has nothing to do until the hand moves on or lets go."""

    ws: Tensor


@dataclass(frozen=True)
class DragEnd:
    """The last event. With `diverged`, handles and ws are those of the last finite step."""

    reason: Reason
    step: int
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
        live: which of the pairs is led by hand: `lead` moves its target, and the drag does not end before the hand
            lets go; `max_steps` then counts from the last move.

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
        live: int | None = None,
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
        self.starts: tuple[Point, ...] = tuple(handle for handle, _ in pairs)
        self.targets: tuple[Point, ...] = tuple(target for _, target in pairs)
        self.fixed = fixed_area(None if mask is None else torch.from_numpy(mask.copy()).to(device))
        self.supervised = disc(settings.r1, device)
        # Half a pixel more, because a handle between pixels is searched from its nearest one.
        self.searched = square(settings.r2 + 0.5, device)
        self._live = live
        self._change = threading.Condition()  # guards what other threads may set: the next ones
        self._stop, self._held, self._woken = False, live is not None, False
        self._led: Point | None = None

    @property
    def rows(self) -> int:
        """How many rows of ws, from the first, the drag moves."""
        return min(self.settings.layers, self.start.shape[1])

    def stop(self) -> None:
        """Ends the drag before its next step; may be called from another thread."""
        with self._change:
            self._stop = True
            self._change.notify()

    def lead(self, target: Point | None) -> None:
        """Moves the target of the pair that is led by hand; None: the hand lets go. May be called from another thread."""
        with self._change:
            if target is None:
                self._held = False
            else:
                self._led = target
            self._change.notify()

    def wake(self) -> None:
        """A drag that is at rest says so again; may be called from another thread."""
        with self._change:
            self._woken = True
            self._change.notify()

    def steps(self) -> Iterator[DragStep | DragAtRest | DragEnd]:
        """Yields a `DragStep` after each step, a `DragAtRest` whenever only the hand can make it go on, and a `DragEnd` at
        last."""
        began = time.monotonic()
        device = self.generator.device
        rows = 1 if self.settings.space == "w" else self.rows
        offset = torch.zeros(1, rows, self.start.shape[2], device=device, requires_grad=True)
        optimiser = torch.optim.Adam([offset], lr=self.settings.step_size)
        stop_within = self.settings.stop_within(len(self.targets))

        ws, handles, targets = self.start, _tensor(self.starts, device), _tensor(self.targets, device)
        features = self._features(self._latent(offset))
        first = features.detach()
        references = sample(first, handles, self.picture)
        step = last_led = 0
        while True:
            if self._follow_hand():
                targets, last_led = _tensor(self.targets, device), step
            reason: Reason | None = None
            if bool(((handles - targets).norm(dim=1) <= stop_within).all()):
                reason = "reached"
            elif step - last_led == self.settings.max_steps:
                reason = "max_steps"
            if reason is not None and self._held and not self._stop:
                yield DragAtRest(ws.clone())
                self._wait_for_hand()
                continue
            if reason is None and self._stop:
                reason = "stopped"
            if reason is not None:
                break
            loss = supervision_loss(
                features,
                first,
                handles,
                targets,
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

    def _follow_hand(self) -> bool:
        """Takes the target to where the hand is; whether it has moved."""
        with self._change:
            led, self._led = self._led, None
        if led is None or self._live is None or led == self.targets[self._live]:
            return False
        targets = list(self.targets)
        targets[self._live] = led
        self.targets = tuple(targets)
        return True

    def _wait_for_hand(self) -> None:
        with self._change:
            # With a timeout, so that the thread looks at signals.
            while self._held and self._led is None and not self._stop and not self._woken:
                self._change.wait(0.5)
            self._woken = False

    def _latent(self, offset: Tensor) -> Tensor:
        moved = self.start[:, : self.rows] + offset
        return torch.cat([moved, self.start[:, self.rows :]], dim=1)

    def _features(self, ws: Tensor) -> Tensor:
        name = self.settings.feature_block
        return self.generator.synthesis(ws, features=(name,)).features[name]  # type: ignore[no-any-return]

    def _mean_distance(self, handles: tuple[Point, ...]) -> float:
        return sum(distance(p, t) for p, t in zip(handles, self.targets, strict=True)) / len(handles)


def _points(tensor: Tensor) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in tensor.tolist())


def _tensor(points: tuple[Point, ...], device: torch.device) -> Tensor:
    return torch.tensor(points, dtype=torch.float32, device=device)
