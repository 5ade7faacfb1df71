"""The paper's loop as arithmetic: N drags of one generator, each a step further at every call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.profiler import record_function

from draggan_engine.core.edit import DragSettings, check_mask
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.feature_sources import FeatureWindows, feature_source
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import StyleGAN2Synthesis
from draggan_engine.networks.windows import Box

from .cuda_graph import recorded
from .feature_sampling import box_under, sample_windows
from .motion_supervision import AveragedMask, MaskTerm, fixed_area, supervision_loss
from .point_tracking import track

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
RECORD_AFTER = 10  # steps of the same shapes; a recording takes as long as some eight
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam, as published; torch's defaults


def why_not_bfloat16(generator: Generator) -> str | None:
    """Return why a drag of the generator uses float32 whatever its settings say; None: it can use bfloat16."""
    if not isinstance(generator.synthesis, StyleGAN2Synthesis):
        return "StyleGAN3 is dragged in float32 only"
    if not supports_bfloat16(generator.device):
        place = "this processor" if generator.device.type == "cpu" else f"the device {generator.device}"
        return f"{place} has no instructions for bfloat16"
    return None


@dataclass(frozen=True)
class Start:
    """Where a drag begins.

    Attributes:
        ws: `[1, num_ws, w_dim]`.
        pairs: (handle, target) in picture pixels, at least one.
        mask: `uint8 [H, W]`, 1 = may move; None = everything may.
    """

    ws: Tensor
    pairs: Sequence[tuple[Point, Point]]
    mask: NDArray[np.uint8] | None = None


class Tracking(Protocol):
    """How the handles are found again after a step. One serves one `Stepper`.

    Attributes:
        reach: how far from where it is, in picture pixels along either axis, a handle can be found.
    """

    reach: float

    def follow(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:
        """The handles `[N, P, 2]` in the pictures of `ws` `[N, num_ws, w_dim]`, whose features, as far as the `reach`
        goes and supervision needs them there, are `features`."""

    def keep(self, which: Tensor) -> None:
        """Goes on with a part of the drags; `which` bool `[N]`."""


class FeatureTracking:
    """The paper's (eq. 2): the nearest features round each handle to those with which it began."""

    def __init__(self, first: FeatureWindows, handles: Tensor, settings: DragSettings, picture: Size) -> None:
        self.references = sample_windows(first, handles, 1, picture)[:, :, 0, 0].detach()
        self.reach, self.norm, self.picture = settings.r2, settings.tracking_norm, picture

    def follow(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        return track(features, self.references, handles, self.reach, self.norm, self.picture)

    def keep(self, which: Tensor) -> None:
        self.references = self.references[which]


@dataclass(frozen=True)
class _Replay:
    """A recorded step, and where it leaves what `step` returns."""

    once: Callable[[], None]
    loss: Tensor
    finite: Tensor


class Stepper:
    """N drags that advance together; none of them notices the others.

    The features of a latent serve its tracking and then its supervision: one forward pass a step (two in a step that is
    recorded, on CUDA). torch's profiler finds a step's parts by name (loss, backward, optimiser, synthesis, tracking). The
    optimised variable of each is an offset on the first `layers` rows of its ws: one for each row in W+, a common one in W.

    Args:
        generator: in eval mode, its parameters without gradient.
        settings: the paper's numbers, the same for all.
        starts: at least one.
        mask_term: makes the second term of eq. 1 from F_0 `[N, C, h, w]` and 1 − M `[N, H, W]`.

    Attributes:
        settings: as given, but with the precision that is used; see `why_not_bfloat16`.
        start: `[N, num_ws, w_dim]`; `ws`: the present latents, without gradient; a step changes them in place.
        handles, targets: `[N, P, 2]` in picture pixels, filled up with zeros where `there_is` `[N, P]` is not set; a step
            changes the handles in place.
        tracking: the paper's, unless another takes its place before the first step.
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
        starts: Sequence[Start],
        *,
        mask_term: Callable[[Tensor, Tensor], MaskTerm] = AveragedMask,
    ) -> None:
        height, width = generator.size
        self.picture = Size(width, height)
        if not all(start.pairs for start in starts):
            raise EditError("nothing to drag: place a handle and its target first")
        if settings.feature_block not in generator.synthesis.block_names:
            names = ", ".join(generator.synthesis.block_names)
            raise EditError(f"feature block {settings.feature_block!r}: this model has {names}; choose one of them")
        for start in starts:
            if start.mask is not None:
                check_mask(start.mask, self.picture)
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
        self.there_is = (torch.arange(most) < counts[:, None]).to(device)
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
            generator.synthesis, settings.feature_block, self.rows, PRECISIONS[settings.precision], entire=self.entire
        )
        self.features = self._forward(settings.r2)
        self.mask_term = None if fixed is None else mask_term(self.features.map.detach(), fixed)
        self.tracking: Tracking = FeatureTracking(self.features, self.handles, settings, self.picture)
        self.records = device.type == "cuda"
        self._replay: _Replay | None = None
        self._alike = 0  # steps since the shapes have changed

    def distances(self) -> Tensor:
        """`[N, P]`, in picture pixels; 0 where there is no pair."""
        left: Tensor = (self.handles - self.targets).norm(dim=2) * self.there_is
        return left

    def step(self) -> tuple[Tensor, Tensor]:
        """Supervises, then tracks.

        Returns:
            eq. 1 before the step, `[N]`, and whether a drag has stayed finite, bool `[N]`. One that has not keeps
            the latent and the handles that it had; there is no going on with it.
        """
        if self.records and self._alike == RECORD_AFTER:
            self._replay = self._record()
        self._alike += 1
        if self._replay is not None:
            self._replay.once()
            return self._replay.loss.clone(), self._replay.finite.clone()
        loss, before = self._supervise(self.features)
        with record_function("synthesis"):
            self.features = self._forward(self.tracking.reach)
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
        if not isinstance(self.tracking, FeatureTracking) or not isinstance(self.mask_term, AveragedMask | None):
            return None
        loss = torch.zeros_like(self.ws[:, 0, 0])
        finite = torch.zeros_like(loss, dtype=torch.bool)
        with torch.no_grad():
            self.features = self._forward(self.tracking.reach)  # the graph of the others was made on another stream
        state = [self.offset, self.momentum, self.square, self.count, self.ws, self.handles, loss]
        once = recorded(lambda: self.step_alone(loss, finite), state)
        if once is None:
            self.features = self._forward(self.tracking.reach)
            return None
        return _Replay(once, loss, finite)

    def _supervise(self, features: FeatureWindows) -> tuple[Tensor, Tensor]:
        """Moves the offsets one step down eq. 1. Returns it, `[N]`, and the offsets that they were."""
        with record_function("loss"):
            loss = supervision_loss(
                features, self.handles, self.targets, self.there_is, self.settings.r1, self.mask_term,
                self.settings.mask_weight, self.picture,
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
            found = self.tracking.follow(self.handles, moved, features)
        ended = ~finite[:, None, None]
        self.ws.copy_(torch.where(ended, self.ws, moved))
        self.handles.copy_(torch.where(ended, self.handles, found))
        self.offset.copy_(torch.where(ended, before, self.offset))
        return finite

    def keep(self, which: Tensor) -> None:
        """Goes on with a part of the drags; `which` bool `[N]`."""
        for name in ("start", "ws", "handles", "targets", "there_is", "momentum", "square"):
            setattr(self, name, getattr(self, name)[which])
        if self.mask_term is not None:
            self.mask_term.keep(which)
        self.offset = self.offset.detach()[which].requires_grad_()
        self.tracking.keep(which)
        self._replay, self._alike = None, 0
        self._places = self._read_handles()
        self.features = self._forward(0)

    @torch.no_grad()
    def _descend(self, gradient: Tensor) -> None:
        """One step of Adam (Kingma and Ba 2015)."""
        self.count += 1
        self.momentum.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        scale = self.square.sqrt().div_((1 - BETA2**self.count).sqrt()).add_(EPS).mul_(1 - BETA1**self.count)
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
            for (x, y, there_is) in torch.cat([self.handles, self.there_is[..., None]], dim=2).flatten(0, 1).tolist()
            if there_is
        ]

    def _boxes(self, reach: float) -> list[Box] | None:
        """Of the feature map, as far from each handle as the next step may look; None: anywhere."""
        if not math.isfinite(reach):
            return None
        # Tracking's square, and supervision's disc, shifted by up to a pixel, round any point of it.
        reach = reach + math.ceil(self.settings.r1)
        return [box_under(place, reach, self.picture, self.source.grid) for place in self._places]


def _all_finite(tensor: Tensor) -> Tensor:
    return torch.isfinite(tensor).flatten(1).all(dim=1)
