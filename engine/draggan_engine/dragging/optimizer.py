"""The paper's loop as arithmetic: N drags of one generator, each a step further at every call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.profiler import record_function

from draggan_engine.core.edit import DragSettings, check_mask
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.dragging.feature_sources import FeatureWindows, feature_source
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.windows import MapWindow

from .cuda_graph import record_step
from .drag_task import DragTask, why_not_bfloat16
from .feature_sampling import window_around
from .motion_supervision import AveragedMaskLoss, MaskLoss, fixed_area, supervision_loss
from .point_tracking import FeatureTracker, PointTracker

PRECISION_DTYPES = {"float32": None, "bfloat16": torch.bfloat16}
RECORD_AFTER_STEPS = 10  # steps of the same shapes; a recording takes as long as some eight
ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8  # Adam, as published; torch's defaults


@dataclass(frozen=True)
class _Replay:
    """A recorded step, and where it leaves what `step` returns."""

    once: Callable[[], None]
    loss: Tensor
    finite: Tensor


class DragOptimizer:
    """N drags that advance together; none of them notices the others.

    The features of a latent serve its tracking and then its supervision: one forward pass a step (two in a step that is
    recorded, on CUDA). torch's profiler finds a step's parts by name (loss, backward, optimiser, synthesis, tracking). The
    optimised variable of each is an offset on the first `layers` rows of its ws: one for each row in W+, a common one in W.

    Args:
        generator: in eval mode, its parameters without gradient.
        settings: the paper's numbers, the same for all.
        starts: at least one.
        mask_loss_type: makes the second term of eq. 1 from F_0 `[N, C, h, w]` and 1 − M `[N, H, W]`.

    Attributes:
        settings: as given, but with the precision that is used; see `why_not_bfloat16`.
        start: `[N, num_ws, w_dim]`; `ws`: the present latents, without gradient; a step changes them in place.
        handles, targets: `[N, P, 2]` in picture pixels, filled up with zeros where `pair_exists` `[N, P]` is not set; a step
            changes the handles in place.
        tracker: the paper's, unless another replaces it before the first step.
        holds: whether a mask holds a part of some picture: the second term of eq. 1 looks at all features.
        entire: whether feature maps are computed whole.
        records: whether steps are to be recorded, where that can be (on CUDA); then the profiler finds no parts.

    Raises:
        EditError: no pairs, a feature block that the model does not have, or a mask that does not fit.
    """

    def __init__(
        self,
        generator: Generator,
        settings: DragSettings,
        starts: Sequence[DragTask],
        *,
        mask_loss_type: Callable[[Tensor, Tensor], MaskLoss] = AveragedMaskLoss,
    ) -> None:
        height, width = generator.size
        self.image_size = Size(width, height)
        if not all(start.pairs for start in starts):
            raise EditError("nothing to drag: place a handle and its target first")
        if settings.feature_block not in generator.synthesis.block_names:
            names = ", ".join(generator.synthesis.block_names)
            raise EditError(f"feature block {settings.feature_block!r}: this model has {names}; choose one of them")
        for start in starts:
            if start.mask is not None:
                check_mask(start.mask, self.image_size)
        if settings.precision == "bfloat16" and why_not_bfloat16(generator) is not None:
            settings = settings.model_copy(update={"precision": "float32"})
        self.generator, self.settings = generator, settings
        device = generator.device
        self.start = torch.cat([start.ws.detach().to(device) for start in starts]).clone()
        most = max(len(start.pairs) for start in starts)
        points = np.zeros((len(starts), most, 2, 2))
        for row, start in zip(points, starts, strict=True):
            row[: len(start.pairs)] = start.pairs
        self.handles, self.targets = torch.from_numpy(points).to(self.start).unbind(dim=2)
        counts = torch.tensor([len(start.pairs) for start in starts])
        self.pair_exists = (torch.arange(most) < counts[:, None]).to(device)
        everything = np.ones((height, width), dtype=np.uint8)
        masks = np.stack([everything if start.mask is None else start.mask for start in starts])
        fixed = fixed_area(torch.from_numpy(masks).to(device)) if settings.mask_weight > 0 else None
        self.holds = fixed is not None
        self.rows = min(settings.layers, self.start.shape[1])
        moved = self.start[:, : 1 if settings.space == "w" else self.rows]
        self.offset = torch.zeros_like(moved).requires_grad_()
        self.momentum, self.square = torch.zeros_like(moved), torch.zeros_like(moved)
        self.count = torch.zeros((), dtype=torch.float64, device=device if device.type != "mps" else "cpu")
        self.ws = self.start.clone()
        # Windows spare arithmetic, of which a GPU has enough, and no launch; and they move, which a recorded step may not.
        self.entire = self.holds or device.type == "cuda"
        self._places = self._read_handles()
        self.source = feature_source(
            generator.synthesis,
            settings.feature_block,
            self.rows,
            PRECISION_DTYPES[settings.precision],
            entire=self.entire,
        )
        self.features = self._forward(settings.r2)
        self.mask_loss = None if fixed is None else mask_loss_type(self.features.map.detach(), fixed)
        self.tracker: PointTracker = FeatureTracker(self.features, self.handles, settings, self.image_size)
        self.records = device.type == "cuda"
        self._replay: _Replay | None = None
        self._alike = 0  # steps since the shapes have changed

    def distances(self) -> Tensor:
        """`[N, P]`, in picture pixels; 0 where there is no pair."""
        left: Tensor = (self.handles - self.targets).norm(dim=2) * self.pair_exists
        return left

    def step(self) -> tuple[Tensor, Tensor]:
        """Supervises, then tracks.

        Returns:
            eq. 1 before the step, `[N]`, and whether a drag has stayed finite, bool `[N]`. One that has not keeps
            the latent and the handles that it had; there is no going on with it.
        """
        if self.records and self._alike == RECORD_AFTER_STEPS:
            self._replay = self._record()
        self._alike += 1
        if self._replay is not None:
            self._replay.once()
            return self._replay.loss.clone(), self._replay.finite.clone()
        loss, before = self._supervise(self.features)
        with record_function("synthesis"):
            self.features = self._forward(self.tracker.search_radius)
        finite = self._track(self.features, loss, before)
        self._places = self._read_handles()
        return loss, finite

    def step_alone(self, loss: Tensor, finite: Tensor) -> None:
        """`step`, into these `[N]`, as a graph can hold it: all in place, whole maps, and what the last step has computed
        is computed again. The source's picture is afterwards that of the recording, and with it of each replay."""
        now, before = self._supervise(self.source(self._latents()))
        with torch.no_grad():
            features = self.source(self._latents())
        finite.copy_(self._track(features, now, before))
        loss.copy_(now)

    def _record(self) -> _Replay | None:
        """None: there is no graph of what this drag does."""
        if not isinstance(self.tracker, FeatureTracker) or not isinstance(self.mask_loss, AveragedMaskLoss | None):
            return None
        loss = torch.zeros_like(self.ws[:, 0, 0])
        finite = torch.zeros_like(loss, dtype=torch.bool)
        with torch.no_grad():
            self.features = self._forward(
                self.tracker.search_radius
            )  # the graph of the others was made on another stream
        state = [self.offset, self.momentum, self.square, self.count, self.ws, self.handles, loss]
        once = record_step(lambda: self.step_alone(loss, finite), state)
        if once is None:
            self.features = self._forward(self.tracker.search_radius)
            return None
        return _Replay(once, loss, finite)

    def _supervise(self, features: FeatureWindows) -> tuple[Tensor, Tensor]:
        """Moves the offsets one step down eq. 1. Returns it, `[N]`, and the offsets that they were."""
        with record_function("loss"):
            loss = supervision_loss(
                features, self.handles, self.targets, self.pair_exists, self.settings.r1, self.mask_loss,
                self.settings.mask_weight, self.image_size,
            )  # fmt: skip
        with record_function("backward"):
            (gradient,) = torch.autograd.grad(loss.sum(), self.offset)
        before = self.offset.detach().clone()
        with record_function("optimiser"):
            self._descend(gradient)
        return loss.detach(), before

    @torch.no_grad()
    def _track(self, features: FeatureWindows, loss: Tensor, before: Tensor) -> Tensor:
        """Finds the handles again in the features of the present offsets. Returns which drags have stayed finite, `[N]`;
        the others get back what they had."""
        moved = self._latents()
        finite = torch.isfinite(loss) & _all_finite(moved) & _all_finite(features.pixels)
        with record_function("tracking"):
            found = self.tracker.track(self.handles, moved, features)
        ended = ~finite[:, None, None]
        self.ws.copy_(torch.where(ended, self.ws, moved))
        self.handles.copy_(torch.where(ended, self.handles, found))
        self.offset.copy_(torch.where(ended, before, self.offset))
        return finite

    def select(self, kept: Tensor) -> None:
        """Go on with some of the drags; `kept` bool `[N]`."""
        for name in ("start", "ws", "handles", "targets", "pair_exists", "momentum", "square"):
            setattr(self, name, getattr(self, name)[kept])
        if self.mask_loss is not None:
            self.mask_loss.select(kept)
        self.offset = self.offset.detach()[kept].requires_grad_()
        self.tracker.select(kept)
        self._replay, self._alike = None, 0
        self._places = self._read_handles()
        self.features = self._forward(0)

    @torch.no_grad()
    def _descend(self, gradient: Tensor) -> None:
        """One step of Adam (Kingma and Ba 2015)."""
        self.count += 1
        self.momentum.lerp_(gradient, 1 - ADAM_BETA1)
        self.square.mul_(ADAM_BETA2).addcmul_(gradient, gradient, value=1 - ADAM_BETA2)
        scale = (
            self.square.sqrt()
            .div_((1 - ADAM_BETA2**self.count).sqrt())
            .add_(ADAM_EPSILON)
            .mul_(1 - ADAM_BETA1**self.count)
        )
        self.offset.addcdiv_(self.momentum, scale, value=-self.settings.step_size)

    def _latents(self) -> Tensor:
        return torch.cat([self.start[:, : self.rows] + self.offset, self.start[:, self.rows :]], dim=1)

    def _forward(self, reach: float) -> FeatureWindows:
        """The features of the present latents: all, if a mask looks at them, else those that tracking round the
        handles within that reach, and supervision round where it finds them, look at."""
        return self.source(self._latents(), None if self.entire else self._boxes(reach))

    def _read_handles(self) -> list[tuple[float, float]]:
        """Of all drags. Waits for the device; so it is called when a step is done, and not within one."""
        return [
            (x, y)
            for (x, y, pair_exists) in torch.cat([self.handles, self.pair_exists[..., None]], dim=2)
            .flatten(0, 1)
            .tolist()
            if pair_exists
        ]

    def _boxes(self, reach: float) -> list[MapWindow] | None:
        """Of the feature map, as far from each handle as the next step may look; None: anywhere."""
        if not math.isfinite(reach):
            return None
        # Tracking's square, and supervision's disc, shifted by up to a pixel, round any point of it.
        reach = reach + math.ceil(self.settings.r1)
        return [window_around(place, reach, self.image_size, self.source.grid) for place in self._places]


def _all_finite(tensor: Tensor) -> Tensor:
    return torch.isfinite(tensor).flatten(1).all(dim=1)
