"""A stand-in for the package `lpips`, which no test needs: its distance is the mean difference."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from draggan_engine.evaluation import metrics


class _MeanDifference(torch.nn.Module):
    def __init__(self, net: str, verbose: bool) -> None:
        super().__init__()
        assert (net, verbose) == ("alex", False)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        assert a.shape == b.shape
        assert a.shape[1:] == (3, 64, 64)
        return (a - b).abs().mean(dim=(1, 2, 3), keepdim=True)


@contextmanager
def installed_lpips(monkeypatch: pytest.MonkeyPatch, torch_home: Path) -> Iterator[Path]:
    """Let the package and its weights be installed, and yield the path of the weights."""
    module = types.ModuleType("lpips")
    module.LPIPS = _MeanDifference  # type: ignore[attr-defined]
    module.__spec__ = ModuleSpec("lpips", None)
    monkeypatch.setitem(sys.modules, "lpips", module)
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    weights_path = torch_home / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    weights_path.parent.mkdir(parents=True)
    weights_path.touch()
    metrics.lpips.cache_clear()
    try:
        yield weights_path
    finally:
        metrics.lpips.cache_clear()
