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
from .variants import Experiment, Method, Variant, main_method

Features = NDArray[np.float32]
FeaturePairs = dict[tuple[str, int], tuple[Features, Features]]
"""The features `[F]` before and after each edit, by chunk and position in it."""


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
    def read(cls, run_directory: Path) -> RunData:
        """Read the run in a directory.

        Raises:
            InputError: the directory holds no run.
        """
        return cls(run_directory, read_request(run_directory), read_rows(run_directory))

    def experiment_rows(self, experiment: Experiment) -> list[Row]:
        return [row for row in self.rows if row.experiment == experiment]

    def methods(self, rows: Sequence[Row]) -> list[Method]:
        """Return the methods of some rows, in the order in which they were requested."""
        row_methods = list(dict.fromkeys(row.method for row in rows))
        requested_methods = [method for method in self.request.methods if method in row_methods]
        return requested_methods + [method for method in row_methods if method not in requested_methods]

    def illustrated_rows(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of the method whose images are shown; see `main_method`."""
        illustrated_method = main_method(self.methods(rows))
        return [row for row in rows if row.method is illustrated_method]

    def distance_of_edits(self, rows: Sequence[Row]) -> SetDistance | None:
        """Return the distance between the edited and the unedited images of some rows; None: they have too few."""
        return _distance_of_edits(rows, self._feature_pairs["features"])

    def fid_of_edits(self, rows: Sequence[Row]) -> SetDistance | None:
        """Return the FID between the edited and the unedited images of some rows; None: they have too few features."""
        return _distance_of_edits(rows, self._feature_pairs["inception"])

    def distance_of_halves(self, rows: Sequence[Row]) -> SetDistance | None:
        """Return the distance between the unedited images of even and of odd cases; None: there are too few.

        Only one method and variant counts, because the others start from the same images.
        """
        features = self._feature_pairs["features"]
        halves_by_variant: dict[tuple[Method, Variant], tuple[list[Features], list[Features]]] = {}
        for row in rows:
            if (edit_key := (row.chunk, row.index)) in features:
                half_features = halves_by_variant.setdefault((row.method, row.variant), ([], []))[row.case % 2]
                half_features.append(features[edit_key][0])
        even_features, odd_features = max(
            halves_by_variant.values(),
            key=lambda feature_pair: len(feature_pair[0]) + len(feature_pair[1]),
            default=([], []),
        )
        if min(len(even_features), len(odd_features)) < 2:
            return None
        return SetDistance(
            frechet_distance(np.stack(even_features), np.stack(odd_features)), (len(even_features), len(odd_features))
        )

    @cached_property
    def _feature_pairs(self) -> dict[str, FeaturePairs]:
        """The features in which images of the model are compared, and those of Inception v3, of all chunks."""
        pairs_by_network: dict[str, FeaturePairs] = {"features": {}, "inception": {}}
        for chunk_name in dict.fromkeys(row.chunk for row in self.rows if row.experiment in ("landmarks", "ablation")):
            chunk_images = read_images(self.directory, chunk_name)
            for network_name, features_before, features_after in (
                ("features", chunk_images.features_before, chunk_images.features_after),
                ("inception", chunk_images.inception_before, chunk_images.inception_after),
            ):
                if features_before is not None and features_after is not None:
                    pairs_by_network[network_name] |= {
                        (chunk_name, i): feature_pair
                        for i, feature_pair in enumerate(zip(features_before, features_after, strict=True))
                        if np.isfinite(feature_pair).all()
                    }
        return pairs_by_network


def _distance_of_edits(rows: Sequence[Row], features: FeaturePairs) -> SetDistance | None:
    feature_pairs = [features[edit_key] for row in rows if (edit_key := (row.chunk, row.index)) in features]
    if len(feature_pairs) < 2:
        return None
    features_before, features_after = (np.stack(image_features) for image_features in zip(*feature_pairs, strict=True))
    return SetDistance(frechet_distance(features_before, features_after), (len(features_before), len(features_after)))
