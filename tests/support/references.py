"""What the original networks gave on the fixtures, and how ours is compared with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.paths import FIXTURES

FOLDER = FIXTURES / "checkpoints"
LIMIT = 1e-4
Record = Callable[[str, object], None]


@cache
def reference(name: str) -> dict[str, NDArray[np.float32]]:
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def tensor(name: str, key: str) -> Tensor:
    return torch.from_numpy(reference(name)[key])


def relative(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    return float((ours.detach() - theirs).norm() / theirs.norm())


def compare(record: Record, name: str, quantity: str, ours: Tensor, theirs: Tensor, limit: float = LIMIT) -> None:
    """Holds the relative error to the limit, and records it for the table that tests/conftest.py prints."""
    error = relative(ours, theirs)
    record("parity", (name, quantity, error, limit))
    assert error <= limit
