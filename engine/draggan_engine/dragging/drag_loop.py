"""One drag: an iterator of frozen events that alternates supervision and tracking until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point, distance
from draggan_engine.core.history import Reason
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator

from .cuda_graph import on_side_stream
from .drag_task import DragTask, why_not_bfloat16
from .optimizer import DragOptimizer


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


@dataclass(frozen=True)
class DragEnd:
    """The last event. With `diverged`, handles and ws are those of the last finite step."""

    reason: Reason
    step: int
    seconds: float
    handles: tuple[Point, ...]
    ws: Tensor


class DragLoop:
    """Drags handles of a picture to their targets (the paper's loop).

    Args:
        generator: in eval mode, its parameters without gradient.
        ws: where to start, `[1, num_ws, w_dim]`.
        pairs: (handle, target) in picture pixels, at least one.
        mask: `uint8 [H, W]`, 1 = may move; None = everything may.
        settings: the paper's numbers.
        live_pair: which of the pairs is led by hand: `move_target` moves its target, and the drag does not end before the hand
            lets go; `max_steps` then counts from the last move.

    Attributes:
        settings: with the precision that the drag uses.
        notice: for people, why that is another one than was set; None if it is the same.

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
        live_pair: int | None = None,
    ) -> None:
        self._stepper = DragOptimizer(generator, settings, [DragTask(ws, pairs, mask)])
        self.settings = self._stepper.settings  # with the precision that is used
        self.notice: str | None = None
        if self.settings.precision != settings.precision:
            self.notice = f"{why_not_bfloat16(generator)}, so this drag uses float32"
        self.start_handles: tuple[Point, ...] = tuple(handle for handle, _ in pairs)
        self.targets: tuple[Point, ...] = tuple(target for _, target in pairs)
        self._live = live_pair
        self._change = threading.Condition()  # guards what other threads may set: the next ones
        self._stop, self._held, self._woken = False, live_pair is not None, False
        self._led: Point | None = None

    @property
    def start_ws(self) -> Tensor:
        """The latent that it starts from, `[1, num_ws, w_dim]`, on the generator's device."""
        return self._stepper.start

    @property
    def optimized_rows(self) -> int:
        """How many rows of ws, from the first, the drag moves."""
        return self._stepper.rows

    def image_renderer(self, height: int) -> Callable[[], NDArray[np.uint8]]:
        """Return a function that draws the present latent's image, `uint8 [height, W, 3]`; the step's features are half
        of it. To be called by the thread that runs the drag; another may draw, while the drag goes on.

        Args:
            height: one of the network's `image_heights`.
        """
        stepper = self._stepper
        draw = stepper.source.image_renderer()
        return on_side_stream(stepper.generator.device, lambda: to_uint8(draw(height)))

    def stop(self) -> None:
        """Ends the drag before its next step; may be called from another thread."""
        with self._change:
            self._stop = True
            self._change.notify()

    def move_target(self, target: Point) -> None:
        """Move the target of the live pair. May be called from another thread."""
        with self._change:
            self._led = target
            self._change.notify()

    def release_target(self) -> None:
        """Let the drag end once it comes to rest. May be called from another thread."""
        with self._change:
            self._held = False
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
        stepper = self._stepper
        stop_within = self.settings.stop_distance_for(len(self.targets))
        step = last_led = 0
        while True:
            if self._follow_hand():
                last_led = step
            reason: Reason | None = None
            if bool((stepper.distances() <= stop_within).all()):
                reason = "reached"
            elif step - last_led == self.settings.max_steps:
                reason = "max_steps"
            if reason is not None and self._held and not self._stop:
                yield DragAtRest()
                self._wait_for_hand()
                continue
            if reason is None and self._stop:
                reason = "stopped"
            if reason is not None:
                break
            loss, finite = stepper.step()
            if not bool(finite):
                reason = "diverged"
                break
            step += 1
            points = _points(stepper.handles)
            yield DragStep(step, float(loss), points, self._mean_distance(points), stepper.ws.clone())
        yield DragEnd(reason, step, time.monotonic() - began, _points(stepper.handles), stepper.ws.clone())

    def _follow_hand(self) -> bool:
        """Takes the target to where the hand is; whether it has moved."""
        with self._change:
            led, self._led = self._led, None
        if led is None or self._live is None or led == self.targets[self._live]:
            return False
        targets = list(self.targets)
        targets[self._live] = led
        self.targets = tuple(targets)
        self._stepper.targets[0, self._live] = torch.tensor(led)
        return True

    def _wait_for_hand(self) -> None:
        with self._change:
            # With a timeout, so that the thread looks at signals.
            while self._held and self._led is None and not self._stop and not self._woken:
                self._change.wait(0.5)
            self._woken = False

    def _mean_distance(self, handles: tuple[Point, ...]) -> float:
        return sum(distance(p, t) for p, t in zip(handles, self.targets, strict=True)) / len(handles)


def _points(handles: Tensor) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in handles[0].tolist())
