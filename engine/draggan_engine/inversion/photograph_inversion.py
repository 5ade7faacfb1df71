"""The inversion of an aligned photograph into the directory of a session, which keeps its state until it has ended."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.errors import CheckpointError, InputError
from draggan_engine.core.inversion_choices import InversionMethod
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.storage.inversion_files import (
    ALIGNMENT_FILE,
    INVERSION_STATE_FILE,
    InversionRecord,
    write_refined_alignment,
)

from .aligned_photograph import AlignedPhotograph
from .inversion import InversionEnd, InversionSettings, InversionStep
from .losses import can_compare
from .near_images import find_near_z
from .staged_inversion import StagedInversion
from .state_file import read_inversion_state, write_state

STATE_SECONDS = 10.0  # between two writes of the state


class PhotographInversion:
    """Inverts a photograph, and keeps the state in a directory, from which the next inversion of the same continues.

    Nothing is written before `steps` is called.

    Args:
        aligned: the photograph.
        label: class of a conditional model.
        directory: of the session.
        report: is called with what a person should know, in one line.
        control: what other threads use to stop the inversion; None = a new one.
        replaces_other: whether the state of another inversion, or one that cannot be read, is ignored and replaced.

    Attributes:
        control: as given, or the new one.
        settings: how the inversion searches.
        continued_step: the step after which it continues an earlier one; 0: it begins.
        features: what the loss compares beside pixels: `discriminator` or `random filters`.

    Raises:
        InputError: the directory has the state of another inversion, or one that cannot be read.
    """

    def __init__(
        self,
        model: Model,
        aligned: AlignedPhotograph,
        method: InversionMethod,
        steps: int,
        label: int,
        directory: Path,
        report: Callable[[str], object],
        control: DragControl | None = None,
        *,
        replaces_other: bool = False,
    ) -> None:
        self.settings = InversionSettings(method, steps, model.info.settings.layers)
        self._model, self._aligned, self._directory = model, aligned, directory
        discriminator = _load_discriminator(model, report)
        self.features = "random filters" if discriminator is None else "discriminator"
        self._fingerprint = _fingerprint(model, aligned.image, self.settings, label)
        try:
            state = read_inversion_state(self._state_path, self._fingerprint, model.generator.device)
        except InputError:
            if not replaces_other:
                raise
            state = None
        self.continued_step = 0 if state is None else state.step
        self._inversion = StagedInversion(
            model.generator, aligned.image, self.settings, discriminator, label, control, state,
            find_near_z(model, label, aligned.image, report),
        )  # fmt: skip
        self.control = self._inversion.control

    @property
    def _state_path(self) -> Path:
        return self._directory / INVERSION_STATE_FILE

    def steps(self) -> Iterator[InversionStep | InversionEnd]:
        """Yield each step and, at last, the end. The state is written every `STATE_SECONDS`.

        Raises:
            CheckpointError: the images of the model are not finite.
            StorageError: a file cannot be written.
        """
        if self._aligned.refinement is not None:
            search = {"method": self.settings.method, "steps": self.settings.steps}
            write_refined_alignment(self._directory, self._aligned.refinement.model_copy(update=search))
        write_time = time.monotonic()
        for event in self._inversion.steps():
            if isinstance(event, InversionEnd) and not math.isfinite(event.loss):
                raise CheckpointError(
                    f"{self._model.name}: its images are not finite numbers, so nothing is like them; use another model"
                )
            yield event
            if isinstance(event, InversionStep) and time.monotonic() - write_time > STATE_SECONDS:
                write_state(self._state_path, self._inversion.state, self._fingerprint)
                write_time = time.monotonic()

    def record(self, inversion_end: InversionEnd, copy_name: str | None) -> InversionRecord:
        """Return the record of the inversion.

        Args:
            copy_name: of the photograph's copy in the session's directory, if there is one.
        """
        return InversionRecord(
            alignment=self._aligned.alignment.model_copy(update={"photograph_copy": copy_name}),
            method=self.settings.method,
            reason=inversion_end.reason,
            steps=inversion_end.step,
            seconds=inversion_end.seconds,
            loss=inversion_end.loss,
            psnr=inversion_end.psnr,
            tuned=inversion_end.tuning is not None,
        )

    def remove_state(self) -> None:
        """Remove the files from which an inversion continues: its result is on the disk."""
        for path in (self._state_path, self._directory / ALIGNMENT_FILE):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _load_discriminator(model: Model, report: Callable[[str], object]) -> Discriminator | None:
    """Return the model's discriminator; None, with a message, if there is none that can compare the images."""
    try:
        discriminator = model.load_discriminator()
    except CheckpointError as load_error:
        report(f"{load_error}; random filters compare the images instead")
        return None
    if discriminator is not None and can_compare(discriminator, model.info.size):
        return discriminator
    report("the model's file has no discriminator that fits its images; random filters compare the images instead")
    return None


def _fingerprint(model: Model, image: NDArray[np.uint8], settings: InversionSettings, label: int) -> str:
    """Return a checksum of all that the steps depend on."""
    inputs = f"{model.sha256} {settings} {label} {image.shape} "
    return hashlib.sha256(inputs.encode() + image.tobytes()).hexdigest()
