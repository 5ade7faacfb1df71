"""Several inversions side by side, in which one pass of the generator renders the images of all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .inversion import InversionEnd, InversionStep, Phase
from .latent_search import LatentSearch, step_together
from .staged_inversion import StagedInversion


def invert_together(inversions: Sequence[StagedInversion]) -> Iterator[tuple[int, InversionStep | InversionEnd]]:
    """Yield the events of several inversions, each with the index of its inversion.

    The searches for the latents make their steps together. The generators are tuned one after the other, because each has
    weights of its own. An inversion can be stopped alone, and one that has been resumed can be among others that begin. An
    image that is rendered with others can differ from one that is rendered alone in the last bits, and the latent differs
    accordingly.

    Args:
        inversions: of one generator.
    """
    start_time = time.monotonic()
    searches = {i: inversion.search for i, inversion in enumerate(inversions) if inversion.search is not None}
    while searches := {index: search for index, search in searches.items() if search.has_next_step}:
        for group in _groups_by_phase(searches):
            for index, inversion_step in zip(group, step_together(list(group.values())), strict=True):
                if inversion_step is None:
                    del searches[index]
                else:
                    yield index, inversion_step
    for index, inversion in enumerate(inversions):
        for event in inversion.steps():
            if isinstance(event, InversionEnd):
                event = replace(event, seconds=time.monotonic() - start_time)
            yield index, event


def _groups_by_phase(searches: Mapping[int, LatentSearch]) -> Iterable[Mapping[int, LatentSearch]]:
    groups: dict[Phase, dict[int, LatentSearch]] = {}
    for index, search in searches.items():
        groups.setdefault(search.phase, {})[index] = search
    return groups.values()
