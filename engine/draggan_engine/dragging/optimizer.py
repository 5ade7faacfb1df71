"""What all methods of dragging have in common, and the choice between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.networks.generator import Generator

from .drag_task import DragTask, PairBatch
from .draggan_optimizer import DragganOptimizer
from .feature_sources import FeatureSource
from .freedrag_optimizer import FreeDragOptimizer
from .least_squares_optimizer import LeastSquaresOptimizer


class Optimizer(Protocol):
    """N drags of one generator that advance together, none of them affecting another.

    Attributes:
        generator: the generator that is dragged.
        settings: with the precision that is used; see `why_not_bfloat16`.
        start_ws: the latents that the drags start from, `[N, num_ws, w_dim]`.
        ws: the current latents, `[N, num_ws, w_dim]`, without a gradient. A step may change them in place.
        pairs: handles, targets and image size; a step changes the handles in place.
        optimized_rows: how many rows of ws, from the first, are optimised.
        source: has computed the features of `ws` last, so that it can render their image.
        settles_after: a drag has settled when its handles have not come nearer to their targets for this many steps.
        ends_when_settled: whether further steps are useless once a drag has settled.
        is_fallback: for which drags the method has failed and the last step was one of the paper's method, bool `[N]`.
    """

    generator: Generator
    settings: DragSettings
    start_ws: Tensor
    ws: Tensor
    pairs: PairBatch
    optimized_rows: int
    ends_when_settled: bool

    @property
    def source(self) -> FeatureSource: ...

    @property
    def settles_after(self) -> int: ...

    @property
    def is_fallback(self) -> Tensor: ...

    def step(self) -> tuple[Tensor, Tensor]:
        """Advance all drags by one step.

        Returns:
            What the method minimises, before the step, `[N]`, and whether each drag has stayed finite, bool `[N]`. A drag
            that has not keeps its latent and handles, and cannot be continued.
        """

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""


def make_optimizer(generator: Generator, settings: DragSettings, tasks: Sequence[DragTask]) -> Optimizer:
    """Return an optimiser of the method that the settings name.

    Args:
        generator: in eval mode, with parameters that require no gradient.
        tasks: at least one.

    Raises:
        EditError: a task has no pairs, its mask does not fit the image, or the model has no such feature block.
    """
    match settings.method:
        case "draggan":
            return DragganOptimizer(generator, settings, tasks)
        case "freedrag":
            return FreeDragOptimizer(generator, settings, tasks)
        case "least-squares":
            return LeastSquaresOptimizer(generator, settings, tasks)
