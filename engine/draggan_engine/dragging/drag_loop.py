"""One drag: an iterator of frozen events, one for each step of its method, until the drag ends."""

from __future__ import annotations

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
from draggan_engine.networks.w_statistics import edit_length

from .cuda_graph import on_side_stream
from .drag_control import DragControl
from .drag_task import DragTask, why_not_bfloat16
from .optimizer import make_optimizer
from .settling import Settling


@dataclass(frozen=True)
class DragStep:
    """The state after one step.

    Attributes:
        step: 1 for the first step.
        loss: what the method minimises, at the latent before the step; eq. 1 in the paper's method.
        handles: one for each pair, in pixels of the image of `ws`.
        mean_distance: from handle to target, in image pixels, averaged over the pairs.
        ws: the latent, `[1, num_ws, w_dim]`, a copy on the generator's device.
        sigma: Mahalanobis length of the change of w since the image that the drags of the edit started from.
        is_fallback: whether the method had failed and the step was one of the paper's method instead.
    """

    step: int
    loss: float
    handles: tuple[Point, ...]
    mean_distance: float
    ws: Tensor
    sigma: float
    is_fallback: bool = False


@dataclass(frozen=True)
class DragAtRest:
    """A live drag has nothing to do until its target moves or is released."""


@dataclass(frozen=True)
class DragEnd:
    """The last event of a drag.

    Attributes:
        reason: why the drag ended.
        step: number of steps.
        seconds: how long the drag took.
        handles, ws: as in `DragStep`; if the drag diverged, those of the last finite step.
    """

    reason: Reason
    step: int
    seconds: float
    handles: tuple[Point, ...]
    ws: Tensor


class DragLoop:
    """Drags the handles of an image to their targets with the method that the settings name.

    Args:
        generator: in eval mode, with parameters that require no gradient.
        ws: the latent to start from, `[1, num_ws, w_dim]`.
        pairs: (handle, target) in image pixels, at least one.
        mask: `uint8 [H, W]`, 1 = may move; None = everything may move.
        settings: the method and its parameters.
        live_pair: index of the pair whose target moves while the drag runs; None = the drag is not live. A live drag
            does not end before its target is released, and the steps of `max_steps` and of settling count from the last
            move of the target.
        control: what other threads use to end the drag and to move its target; None = a new one.
        original_ws: the latent before all drags of the edit, `[1, num_ws, w_dim]`; None = `ws`.

    Attributes:
        control: as given, or the new one.
        settings: with the precision that the drag uses.
        notice: a sentence for the user if the drag uses another precision than the one that was set, else None.
        start_handles: the handles at the start.
        targets: the current targets.

    Raises:
        EditError: there are no pairs, the mask does not fit the image, or the model has no such feature block.
    """

    def __init__(
        self,
        generator: Generator,
        ws: Tensor,
        pairs: Sequence[tuple[Point, Point]],
        mask: NDArray[np.uint8] | None,
        settings: DragSettings,
        live_pair: int | None = None,
        control: DragControl | None = None,
        original_ws: Tensor | None = None,
    ) -> None:
        self._optimizer = make_optimizer(generator, settings, [DragTask(ws, pairs, mask)])
        self.settings = self._optimizer.settings
        self.notice: str | None = None
        if self.settings.precision != settings.precision:
            self.notice = f"{why_not_bfloat16(generator, settings.method)}, so this drag uses float32"
        self.start_handles: tuple[Point, ...] = tuple(handle for handle, _ in pairs)
        self.targets: tuple[Point, ...] = tuple(target for _, target in pairs)
        self.control = DragControl() if control is None else control
        self._live_pair = live_pair
        self._settling = Settling(drag_count=1)
        self._original_ws = self.start_ws if original_ws is None else original_ws

    @property
    def start_ws(self) -> Tensor:
        """The latent that the drag starts from, `[1, num_ws, w_dim]`, on the generator's device."""
        return self._optimizer.start_ws

    @property
    def optimized_rows(self) -> int:
        """How many rows of ws, from the first, the drag moves."""
        return self._optimizer.optimized_rows

    def image_renderer(self, height: int, dtype: torch.dtype | None = None) -> Callable[[], NDArray[np.uint8]]:
        """Return a function that renders the image of the current latent, `uint8 [height, W, 3]`.

        This method must be called by the thread that runs the drag. The function may be called by another one while
        the drag runs. It continues from the blocks that the step has computed.

        Args:
            height: one of the network's `image_heights`.
            dtype: number type of the blocks that the step has not computed; None = their own.
        """
        render = self._optimizer.source.image_renderer(dtype)
        return on_side_stream(self._optimizer.generator.device, lambda: to_uint8(render(height)))

    def steps(self) -> Iterator[DragStep | DragAtRest | DragEnd]:
        """Yield a `DragStep` after each step, a `DragAtRest` whenever a live drag comes to rest, and finally a `DragEnd`."""
        start_time = time.monotonic()
        optimizer = self._optimizer
        step = step_of_last_move = 0
        while True:
            if self._apply_target_move():
                step_of_last_move = step
                self._settling = Settling(drag_count=1)
            reason = self._reason_to_rest(step - step_of_last_move)
            if reason is not None and self._is_target_held() and not self.control.stop_requested:
                yield DragAtRest()
                self.control.wait_for_command()
                continue
            if reason is None and self.control.stop_requested:
                reason = "stopped"
            if reason is not None:
                break
            loss, is_finite = optimizer.step()
            if not bool(is_finite):
                reason = "diverged"
                break
            step += 1
            handles = self._handles()
            ws = optimizer.ws.clone()
            sigma = edit_length(optimizer.generator.mapping, self._original_ws, ws)
            is_fallback = bool(optimizer.is_fallback)
            yield DragStep(step, float(loss), handles, self._mean_distance(handles), ws, sigma, is_fallback)
        yield DragEnd(reason, step, time.monotonic() - start_time, self._handles(), optimizer.ws.clone())

    def _is_target_held(self) -> bool:
        return self._live_pair is not None and not self.control.target_released

    def _reason_to_rest(self, steps_since_move: int) -> Reason | None:
        """Return why no further step is needed, or None if one is."""
        optimizer = self._optimizer
        distances = optimizer.pairs.distances().cpu()
        if bool((distances <= self.settings.stop_distance_for(len(self.targets))).all()):
            return "reached"
        has_settled = self._settling.observe(steps_since_move, distances.mean(dim=1), optimizer.settles_after)
        if optimizer.ends_when_settled and bool(has_settled):
            return "settled"
        return "max_steps" if steps_since_move == self.settings.max_steps else None

    def _apply_target_move(self) -> bool:
        """Move the live pair's target to where it was last moved; return whether this changed it."""
        target = self.control.take_next_target()
        if target is None or self._live_pair is None or target == self.targets[self._live_pair]:
            return False
        targets = list(self.targets)
        targets[self._live_pair] = target
        self.targets = tuple(targets)
        self._optimizer.pairs.targets[0, self._live_pair] = torch.tensor(target)
        return True

    def _handles(self) -> tuple[Point, ...]:
        return tuple((float(x), float(y)) for x, y in self._optimizer.pairs.handles[0].tolist())

    def _mean_distance(self, handles: tuple[Point, ...]) -> float:
        distances = [distance(handle, target) for handle, target in zip(handles, self.targets, strict=True)]
        return sum(distances) / len(distances)
