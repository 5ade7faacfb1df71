"""The data of a run that reports show: its rows, and how far its edited images are from the unedited ones. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .run_directory import Request, Row, read_images, read_request, read_rows
from .statistics import frechet_distance
from .variants import Experiment, Method, Variant

Features = NDArray[np.float32]


@dataclass(frozen=True)
class SetDistance:
    """The Fréchet distance between two sets of images.

    Attributes:
        counts: how many images each set has.
    """

    distance: float
    counts: tuple[int, int]


@dataclass(frozen=True)
class RunData:
    """A run, which need not be finished."""

    directory: Path
    request: Request
    rows: Sequence[Row]

    @classmethod
    def read(cls, directory: Path) -> RunData:
        """Read the run in a directory.

        Raises:
            InputError: the directory holds no run.
        """
        return cls(directory, read_request(directory), read_rows(directory))

    def experiment_rows(self, experiment: Experiment) -> list[Row]:
        return [row for row in self.rows if row.experiment == experiment]

    def methods(self, rows: Sequence[Row]) -> list[Method]:
        """Return the methods of some rows, in the order in which they were requested."""
        methods = list(dict.fromkeys(row.method for row in rows))
        requested = [method for method in self.request.methods if method in methods]
        return requested + [method for method in methods if method not in requested]

    def illustrated_rows(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of the method whose images are shown: the drag, or else the first other edit."""
        edits = [method for method in self.methods(rows) if method is not Method.NO_EDIT]
        illustrated = Method.DRAG if Method.DRAG in edits else next(iter(edits), None)
        return [row for row in rows if row.method is illustrated]

    def distance_of_edits(self, rows: Sequence[Row]) -> SetDistance | None:
        """Return the distance between the edited and the unedited images of some rows; None: they have too few."""
        pairs = [self._features[key] for row in rows if (key := (row.chunk, row.index)) in self._features]
        if len(pairs) < 2:
            return None
        before, after = (np.stack(features) for features in zip(*pairs, strict=True))
        return SetDistance(frechet_distance(before, after), (len(before), len(after)))

    def distance_of_halves(self, rows: Sequence[Row]) -> SetDistance | None:
        """Return the distance between the unedited images of even and of odd cases; None: there are too few.

        Only one method and variant counts, because the others start from the same images.
        """
        halves: dict[tuple[Method, Variant], tuple[list[Features], list[Features]]] = {}
        for row in rows:
            if (key := (row.chunk, row.index)) in self._features:
                half = halves.setdefault((row.method, row.variant), ([], []))[row.case % 2]
                half.append(self._features[key][0])
        even, odd = max(halves.values(), key=lambda pair: len(pair[0]) + len(pair[1]), default=([], []))
        if min(len(even), len(odd)) < 2:
            return None
        return SetDistance(frechet_distance(np.stack(even), np.stack(odd)), (len(even), len(odd)))

    @cached_property
    def _features(self) -> dict[tuple[str, int], tuple[Features, Features]]:
        """The detector's features `[F]` before and after each edit, by chunk and position in it."""
        features: dict[tuple[str, int], tuple[Features, Features]] = {}
        for chunk in dict.fromkeys(row.chunk for row in self.rows if row.experiment in ("landmarks", "ablation")):
            images = read_images(self.directory, chunk)
            if images.features_before is not None and images.features_after is not None:
                pairs = zip(images.features_before, images.features_after, strict=True)
                features |= {(chunk, i): pair for i, pair in enumerate(pairs) if np.isfinite(pair).all()}
        return features
