"""A whole inversion: the search for the latent and, in the methods that have it, the tuning of the generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator

from .inversion import Inversion, InversionEnd, InversionSettings, InversionState, InversionStep
from .refinement import Refinement, RefinementState


class StagedInversion:
    """Inverts a photograph by the method of the settings; its events are those of `Inversion` and of `Refinement`.

    Args:
        generator, target, settings, discriminator, label, control, near_seeds: as for `Inversion`.
        state: of an inversion with the same arguments, to continue it.

    Attributes:
        control: as given, or a new one.
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
        state: InversionState | RefinementState | None = None,
        near_seeds: Sequence[int] = (),
    ) -> None:
        self.control = DragControl() if control is None else control
        self.settings = settings
        self._generator, self._target, self._discriminator = generator, target, discriminator
        self._stage: Inversion | Refinement
        if isinstance(state, RefinementState):
            self._stage = self._refinement(state.ws, state)
        else:
            self._stage = Inversion(generator, target, settings, discriminator, label, self.control, state, near_seeds)

    @property
    def state(self) -> InversionState | RefinementState:
        """A copy of the state after the last step."""
        return self._stage.state

    def steps(self) -> Iterator[InversionStep | InversionEnd]:
        """Yield an `InversionStep` after each step, and finally an `InversionEnd`."""
        search_end: InversionEnd | None = None
        if isinstance(self._stage, Inversion):
            for event in self._stage.steps():
                if isinstance(event, InversionEnd):
                    search_end = event
                else:
                    yield event
            assert search_end is not None, "a search ends with its last event"
            if search_end.reason != "finished" or not self.settings.tunes_generator:
                yield search_end
                return
            self._stage = self._refinement(search_end.ws)
        for event in self._stage.steps():
            if isinstance(event, InversionEnd) and search_end is not None:
                event = replace(event, seconds=search_end.seconds + event.seconds)
            yield event

    def _refinement(self, ws: Tensor, state: RefinementState | None = None) -> Refinement:
        return Refinement(self._generator, self._target, self.settings, ws, self._discriminator, self.control, state)
