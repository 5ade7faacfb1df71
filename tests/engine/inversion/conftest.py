"""What the tests of searches and of tuning share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from draggan_engine.inversion import starts
from draggan_engine.networks.generator import Generator
from tests.support.tiny_models import random_generator


@pytest.fixture(scope="module")
def few_random_images() -> Iterator[None]:
    """Choose the starts among fewer images, which is faster."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(starts, "CANDIDATE_COUNT", 16)
        yield


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()
