"""The outputs of the original networks for the fixtures, and their comparison with ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.paths import CHECKPOINTS

MAX_RELATIVE_ERROR = 1e-4
Record = Callable[[str, object], None]


@cache
def load_reference(name: str) -> dict[str, NDArray[np.float32]]:
    """Return the inputs and outputs of an original network by name."""
    with np.load(CHECKPOINTS / f"{name}.npz") as arrays:
        return dict(arrays)


def reference_tensor(name: str, key: str) -> Tensor:
    return torch.from_numpy(load_reference(name)[key])


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Return |ours − theirs| / |theirs|."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    return float((ours.detach() - theirs).norm() / theirs.norm())


def check_relative_error(
    record: Record, name: str, quantity: str, ours: Tensor, theirs: Tensor, limit: float = MAX_RELATIVE_ERROR
) -> None:
    """Check the relative error, and record it for the table that tests/conftest.py prints."""
    error = relative_error(ours, theirs)
    record("parity", (name, quantity, error, limit))
    assert error <= limit
