"""Run inversions in tests."""

from __future__ import annotations

from collections.abc import Iterator

from draggan_engine.inversion.inversion import InversionEnd, InversionStep
from draggan_engine.inversion.staged_inversion import StagedInversion


def run_to_end(inversion: StagedInversion) -> tuple[list[InversionStep], InversionEnd]:
    """Return all steps of an inversion and its end."""
    *inversion_steps, inversion_end = inversion.steps()
    assert isinstance(inversion_end, InversionEnd)
    return [step for step in inversion_steps if isinstance(step, InversionStep)], inversion_end


def make_steps(inversion: StagedInversion, count: int) -> Iterator[InversionStep | InversionEnd]:
    """Make some steps and return the iterator of the others."""
    inversion_steps = inversion.steps()
    for _ in range(count):
        next(inversion_steps)
    return inversion_steps
