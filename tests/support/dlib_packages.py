"""Whether dlib and its predictors of landmarks are installed."""

from __future__ import annotations

import importlib.util

import pytest

from draggan_engine.inversion.faces import find_predictor

needs_dlib = pytest.mark.skipif(
    find_predictor(5) is None or find_predictor(68) is None or importlib.util.find_spec("dlib") is None,
    reason="dlib or its predictors are not installed",
)
