"""A whole inversion: the search for the latent and, in the methods that have it, the tuning of the generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

from .inversion import InversionEnd, InversionSettings, InversionStep, InversionTask
from .latent_search import LatentSearch, LatentSearchState
from .losses import ImageLoss, image_tensor
from .refinement import Refinement, RefinementState


class StagedInversion:
    """Inverts a photograph by the method of the settings; its events are those of `LatentSearch` and of `Refinement`.

    Args:
        generator: in eval mode, with parameters that require no gradient; it stays as it is.
        target: `uint8 [H, W, 3]`, as large as the generator's images.
        discriminator: the model's own, for the loss, or None.
        label: class of a conditional model.
        control: what other threads use to stop the inversion; None = a new one.
        state: of an inversion with the same arguments, to continue it.
        near_z: see `choose_starts`.

    Attributes:
        control: as given, or the new one.
        settings: as given.
    """

    def __init__(
        self,
        generator: Generator,
        target: NDArray[np.uint8],
        settings: InversionSettings,
        discriminator: Discriminator | None = None,
        label: int = 0,
        control: DragControl | None = None,
        state: LatentSearchState | RefinementState | None = None,
        near_z: Tensor | None = None,
    ) -> None:
        self.control = DragControl() if control is None else control
        self.settings = settings
        target_image = image_tensor(target).to(generator.device)
        loss = ImageLoss(target_image, discriminator)
        self._task = InversionTask(generator, target_image, loss, settings, self.control)
        self._stage: LatentSearch | Refinement
        if isinstance(state, RefinementState):
            self._stage = Refinement(self._task, state.ws, state)
        else:
            self._stage = LatentSearch(self._task, label, state, near_z)

    @property
    def state(self) -> LatentSearchState | RefinementState:
        """The state after the last step, until the next one is made."""
        return self._stage.state

    @property
    def search(self) -> LatentSearch | None:
        """The search for the latent; None when the generator is being tuned."""
        return self._stage if isinstance(self._stage, LatentSearch) else None

    def steps(self) -> Iterator[InversionStep | InversionEnd]:
        """Yield an `InversionStep` after each step, and finally an `InversionEnd`."""
        search_end: InversionEnd | None = None
        if isinstance(self._stage, LatentSearch):
            for event in self._stage.steps():
                if isinstance(event, InversionEnd):
                    search_end = event
                else:
                    yield event
            assert search_end is not None, "a search ends with its last event"
            if search_end.reason != "finished" or not self.settings.tunes_generator:
                yield search_end
                return
            self._stage = Refinement(self._task, search_end.ws)
        for event in self._stage.steps():
            if isinstance(event, InversionEnd) and search_end is not None:
                event = replace(event, seconds=search_end.seconds + event.seconds)
            yield event
